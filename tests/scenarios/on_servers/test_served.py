"""A protected database in use is never put back unasked; what others do there stays theirs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.scenarios.on_servers.support import (
    COLUMN,
    NEXT,
    content,
    in_production,
    only_in_production,
    version,
)
from tests.servers.shops import ServerShop
from tests.support import R2, R3, Ran, wait_for


def waiting(shop: ServerShop) -> str:
    """A revision that waits in the real production, until somebody has done something there."""
    return in_production(
        shop.prod_database,
        "import time",
        "from pathlib import Path",
        f"Path({str(shop.folder / 'asked')!r}).touch()",
        f"while not Path({str(shop.folder / 'done')!r}).exists():",
        "    time.sleep(0.02)",
    )


@contextmanager
def others_at_work(shop: ServerShop) -> Iterator[None]:
    """While production is upgraded, somebody makes a table there, and a row."""

    def work() -> None:
        wait_for((shop.folder / "asked").exists, 60)
        try:
            shop.prod_database.execute("CREATE TABLE of_others (id INT PRIMARY KEY)")
            shop.prod_database.execute("INSERT INTO parents (id, name) VALUES (999, 'meanwhile')")
        finally:
            (shop.folder / "done").touch()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        (shop.folder / "asked").touch()
        worker.join()


def replaced(shop: ServerShop) -> list[str]:
    """The databases that gave way to a backup."""
    found = shop.prod_database.server.databases()
    return [name for name in found if "_replaced_" in name or "_kept_" in name]


def require_theirs_is_there(shop: ServerShop) -> None:
    now = content(shop.prod_database)
    assert "of_others" in now
    assert (999, "meanwhile") in [tuple(row[:2]) for row in now["parents"]]
    assert replaced(shop) == []


@pytest.mark.parametrize("at_head", ["postgres"], indirect=True)
def test_what_others_changed_meanwhile_stays_when_the_upgrade_fails(at_head: ServerShop) -> None:
    body = f"{waiting(at_head)}\n{only_in_production(at_head.prod_database)}"
    at_head.add_revision(NEXT, R3, body)
    with others_at_work(at_head):
        ran = at_head.invoke("release-migration")
    assert ran.code == 3, ran.err
    assert "everything was rolled back. Other sessions have changed it since its backup" in ran.err
    assert "of_others is new" in ran.err, ran.err
    require_theirs_is_there(at_head)
    assert version(at_head.prod_database) == R3


@pytest.mark.slow
@pytest.mark.parametrize("at_head", ["mariadb"], indirect=True)
def test_what_others_changed_meanwhile_is_reported_when_the_upgrade_succeeds(
    at_head: ServerShop,
) -> None:
    at_head.add_revision(NEXT, R3, f"{waiting(at_head)}\n{COLUMN}")
    with others_at_work(at_head):
        ran = at_head.invoke("release-migration")
    assert ran.code == 0, ran.err
    assert "of_others changed while prod was upgraded, but not by a revision" in (ran.out + ran.err)
    require_theirs_is_there(at_head)
    assert version(at_head.prod_database) == NEXT


def add_to_env_py(shop: ServerShop, text: str) -> None:
    file = shop.folder / "alembic/env.py"
    file.write_text(file.read_text(encoding="utf-8") + text, encoding="utf-8")


def fail_after_the_commit(shop: ServerShop, run: list[str]) -> Ran:
    """Run with an env.py that fails in production after Alembic has committed."""
    add_to_env_py(
        shop,
        '\nif os.environ["EXEC_ENV"] == "prod" and Path("fail").exists():\n'
        '    raise RuntimeError("after the commit")\n',
    )
    assert shop.invoke("release-migration").code == 0
    shop.add_revision(NEXT, R3, COLUMN)
    assert shop.invoke("upgrade-dev").code == 0
    (shop.folder / "fail").touch()
    return shop.invoke(*run)


@pytest.mark.slow
@pytest.mark.parametrize("filled", ["postgres"], indirect=True)
def test_upgrade_that_fails_after_its_commit_stays_in_production(filled: ServerShop) -> None:
    ran = fail_after_the_commit(
        filled, ["alembic", "--env", "prod", "--args", f"upgrade {NEXT}", "--yes"]
    )
    assert ran.code == 4, ran.err
    assert "prod stays upgraded, since applications may have written to it" in ran.err
    assert version(filled.prod_database) == NEXT
    assert replaced(filled) == []
    (filled.folder / "fail").unlink()
    again = filled.invoke("release-migration")
    assert again.code == 0, again.err
    assert "verify" in again.err, "what was left unverified is verified"
    assert "verify" not in filled.invoke("release-migration").err


@pytest.mark.slow
def test_downgrade_of_which_a_part_is_whole_stays_where_it_came_to(
    postgres_filled: ServerShop,
) -> None:
    shop = postgres_filled
    shop.add_revision(NEXT, R3, COLUMN)
    file = shop.folder / f"alembic/versions/{NEXT}.py"
    text = file.read_text(encoding="utf-8").replace(
        "def downgrade() -> None:\n    pass",
        'def downgrade() -> None:\n    op.drop_column("parents", "more")\n'
        "    with op.get_context().autocommit_block():\n"
        '        op.execute("CREATE INDEX CONCURRENTLY ix_back ON parents (name)")',
    )
    file.write_text(text, encoding="utf-8")
    assert shop.invoke("release-migration").code == 0
    third = shop.folder / "alembic/versions/r3_note.py"
    text = third.read_text(encoding="utf-8")
    start = text.index("def downgrade")
    third.write_text(
        text[:start] + 'def downgrade() -> None:\n    op.execute("SELECT 1 / 0")\n', "utf-8"
    )
    ran = shop.invoke("downgrade", "--env", "prod", "--to", R2, "--yes")
    assert ran.code == 4, ran.err
    assert version(shop.prod_database) == R3
    assert replaced(shop) == []
    assert f"is at {R3}" in ran.err
    assert (
        "To continue from there, run the same command again; to go back: invoke restore" in ran.err
    )


SWALLOWED = """\
    try:
        with op.get_context().autocommit_block():
            op.execute("CREATE UNIQUE INDEX CONCURRENTLY uq ON children (parent_id)")
    except sa.exc.IntegrityError:
        pass
    op.add_column("parents", sa.Column("more", sa.Integer))"""


@pytest.mark.slow
def test_revision_that_catches_the_error_of_a_block_goes_on_after_it(
    postgres_filled: ServerShop,
) -> None:
    shop = postgres_filled
    shop.dev_database.execute("INSERT INTO children VALUES (77, 1)")
    shop.add_revision(NEXT, R3, SWALLOWED)
    ran = shop.invoke("upgrade-dev")
    assert ran.code == 0, ran.err
    assert "the index uq of children is INVALID" in ran.err
    assert version(shop.dev_database) == NEXT


@pytest.mark.slow
@pytest.mark.parametrize("filled", ["mariadb"], indirect=True)
def test_production_that_verify_rejects_is_verified_until_it_passes(filled: ServerShop) -> None:
    text = (filled.folder / "pyproject.toml").read_text(encoding="utf-8")
    filled.configure(f'{text}drift = "strict"\n')
    odd = 'op.add_column("parents", sa.Column("odd", sa.Integer))'
    filled.add_revision(NEXT, R3, in_production(filled.prod_database, odd))
    ran = filled.invoke("release-migration")
    assert ran.code == 4, ran.err
    assert version(filled.prod_database) == NEXT
    for _ in range(2):
        again = filled.invoke("release-migration")
        assert again.code == 1, again.err
        assert "odd" in again.err
    filled.prod_database.execute("ALTER TABLE parents DROP COLUMN odd")
    assert filled.invoke("release-migration").code == 0
    assert "verify" not in filled.invoke("release-migration").err


# How a revision keeps a row in spite of its failure, in the real production alone.
HIT = "UPDATE parents SET name = 'HIT' WHERE id = 1"
URL = "url = op.get_bind().engine.url.render_as_string(hide_password=False)"
# Other connections that keep what they do: tests/contract/child/test_commits.py.
BESIDE = (
    "import psycopg",
    'with psycopg.connect(url.replace("+psycopg", "")) as own:',
    f'    own.execute("{HIT}")',
)


@pytest.mark.slow
def test_row_that_a_connection_of_its_own_has_kept_is_not_taken_for_as_it_was(
    postgres_at_head: ServerShop,
) -> None:
    shop = postgres_at_head
    lines = (URL, *BESIDE, 'op.execute("SELECT 1 / 0")')
    shop.add_revision(NEXT, R3, in_production(shop.prod_database, *lines))
    ran = shop.invoke("release-migration")
    assert shop.prod_database.execute("SELECT name FROM parents WHERE id = 1") == [("HIT",)]
    assert ran.code == 4, ran.err
    assert "rows may have changed" in ran.err
