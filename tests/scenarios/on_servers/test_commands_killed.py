"""On a server, what killed commands left of a protected database is put back when somebody says."""

from __future__ import annotations

import json
import shlex
import signal
import sys

import pytest

from tests.scenarios.on_servers.support import HEAD, content, version
from tests.servers.shops import ServerShop
from tests.support import wait_for

# Several whole releases a case; the contract of the engines has the parts of each.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="sends signals of POSIX"),
]

TOOL = """
import os, sys, time
from pathlib import Path
import sqlalchemy as sa

engine = sa.create_engine(os.environ["APP_DATABASE"])
with engine.begin() as connection:
    if sys.argv[1] == "first":
        connection.execute(sa.text("CREATE TABLE early (id INTEGER PRIMARY KEY)"))
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'r3cccccccccc'"))
    elif Path("fail").exists() and engine.url.database == Path("fail").read_text():
        sys.exit("it fails in production alone")
    elif Path("stop").exists() and engine.url.database == Path("stop").read_text():
        Path("stopped").touch()
        time.sleep(60)
    else:
        connection.execute(sa.text("CREATE TABLE last (id INTEGER PRIMARY KEY)"))
"""


def use_commands(shop: ServerShop, more: str = "") -> None:
    shop.write("tool.py", TOOL)
    commands = json.dumps([[sys.executable, "tool.py", part] for part in ("first", "second")])
    lines = ["[tool.migrations_ops]", "wait = 1"]
    for name, database in (("dev", shop.dev_database), ("prod", shop.prod_database)):
        lines += [
            f"[tool.migrations_ops.environments.{name}]",
            f"url = {json.dumps(database.url())}",
            'variables = { APP_DATABASE = "{url}" }',
            f"commands = {commands}",
            more,
        ]
    shop.configure("\n".join(lines))


def kill_between_the_commands(shop: ServerShop) -> None:
    """Kill a release in production when the first of its two commands has ended."""
    shop.write("stop", shop.prod_database.name)
    with shop.start("release-migration") as process:
        wait_for((shop.folder / "stopped").exists, 60)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    (shop.folder / "stop").unlink()
    assert version(shop.prod_database) == HEAD
    [_, prod] = shop.invoke("status-all", "--json").json["environments"]
    assert prod["state"] == "dirty", prod


def require_released(shop: ServerShop) -> None:
    ran = shop.invoke("release-migration")
    assert ran.code == 0, ran.err
    assert {"early", "last"} <= content(shop.prod_database).keys()
    assert shop.invoke("verify", "--env", "prod").code == 0


@pytest.mark.parametrize("filled", ["mariadb"], indirect=True)
def test_protected_database_of_killed_commands_is_left_to_a_person(filled: ServerShop) -> None:
    use_commands(filled)
    kill_between_the_commands(filled)
    for _ in range(2):
        ran = filled.invoke("release-migration", "--json")
        assert ran.code == 4, ran.err
        assert "early" in content(filled.prod_database), "it is not put back unasked"
        verified = filled.invoke("verify", "--env", "prod")
        assert verified.code == 1
        assert "did not finish" in verified.err
    way_back = ran.json["error"]["next"].removeprefix("To go back: ").partition(";")[0]
    typed = shlex.split(way_back)
    assert typed[:2] == ["invoke", "restore"]
    back = filled.invoke(*typed[1:])
    assert back.code == 0, back.err
    assert "early" not in content(filled.prod_database)
    require_released(filled)


def test_commands_that_somebody_brought_to_their_end_are_done_when_he_says_so(
    postgres_filled: ServerShop,
) -> None:
    use_commands(postgres_filled)
    kill_between_the_commands(postgres_filled)
    postgres_filled.prod_database.execute("CREATE TABLE last (id INTEGER PRIMARY KEY)")
    typed = "invoke resolve --env prod --applied"
    assert typed in postgres_filled.invoke("release-migration").err
    ran = postgres_filled.invoke(*typed.split()[1:])
    assert ran.code == 0, ran.err
    require_released(postgres_filled)


def test_commands_that_failed_at_head_in_a_protected_database_are_not_done(
    postgres_filled: ServerShop,
) -> None:
    """The first has moved the version, the second failed: no verify clears that."""
    shop = postgres_filled
    use_commands(shop)
    shop.write("fail", shop.prod_database.name)
    assert shop.invoke("release-migration").code == 4
    assert version(shop.prod_database) == HEAD
    (shop.folder / "fail").unlink()
    [_, prod] = shop.invoke("status-all", "--json").json["environments"]
    assert prod["state"] == "dirty"
    assert shop.invoke("verify", "--env", "prod").code == 1
    ran = shop.invoke("release-migration", "--json")
    assert ran.code == 4, ran.err
    assert shop.invoke("restore", "--env", "prod", "--backup", "latest", "--yes").code == 0
    require_released(shop)


def test_database_that_is_not_protected_is_put_back_unasked(postgres_filled: ServerShop) -> None:
    use_commands(postgres_filled, "protected = false")
    kill_between_the_commands(postgres_filled)
    require_released(postgres_filled)


# Only the real production gets rows, and then a failure.
ROWS = """
import os, sys
from pathlib import Path
import sqlalchemy as sa

engine = sa.create_engine(os.environ["APP_DATABASE"])
real = engine.url.database == Path("fail").read_text()
with engine.begin() as connection:
    if real:
        connection.execute(sa.text("UPDATE parents SET name = 'HIT'"))
    else:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'r3cccccccccc'"))
sys.exit("it fails in production alone" if real else 0)
"""


@pytest.mark.parametrize(
    ("filled", "live"),
    [("postgres", True), ("mariadb", False)],
    ids=["live", "not protected"],
    indirect=["filled"],
)
def test_rows_that_failed_commands_changed_are_never_left_as_if_nothing_was(
    filled: ServerShop, live: bool
) -> None:
    """Neither the version nor the schema tells of them."""
    use_commands(filled, "" if live else "protected = false")
    filled.write("tool.py", ROWS)
    filled.write("fail", filled.prod_database.name)
    before = content(filled.prod_database)
    ran = filled.invoke("release-migration", "--json")
    if live:
        assert ran.code == 4, ran.err
        assert "its schema is unchanged, but rows may have changed" in ran.err
        way_back = ran.json["error"]["next"].removeprefix("Type: ").partition(";")[0]
        assert filled.invoke(*shlex.split(way_back)[1:]).code == 0
    else:
        assert ran.code == 3, ran.err
        assert "prod was restored from" in ran.err
    assert content(filled.prod_database) == before
