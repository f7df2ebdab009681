"""A release on a server keeps the promises that it keeps on a file."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrations_ops.backups.naming import sidecar_of
from tests.scenarios.on_servers.support import (
    COLUMN,
    HEAD,
    NEXT,
    content,
    copies,
    is_asleep,
    is_postgres,
    record_of,
    require_no_secret,
    sleeping,
)
from tests.servers import guard
from tests.servers.shops import ServerShop
from tests.support import R2, R3, wait_for

MISSING = '    op.execute("UPDATE no_such_table SET id = 1")'


@pytest.fixture
def _careless() -> Iterator[None]:
    """A umask by which everybody may read and write whatever is made."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_careless")
def test_release_takes_both_environments_to_head(filled: ServerShop) -> None:
    ran = filled.invoke("release-migration")
    assert ran.code == 0, ran.err
    folder = filled.folder / "data/repom"
    made = [file for name in ("backups", "releases") for file in (folder / name).rglob("*")]
    assert {file.suffix for file in made} & {".dump", ".gz"}
    assert os.name == "nt" or not [file for file in made if file.stat().st_mode & 0o077]
    status = filled.invoke("status-all", "--check", "--json")
    assert [each["state"] for each in status.json["environments"]] == ["at head", "at head"]
    assert len(filled.prod_database.execute("SELECT * FROM parents")) == 20
    assert copies(filled) == set()
    require_no_secret(filled, ran, status)
    again = filled.invoke("release-migration", "--json")
    assert (again.code, again.json["outcome"]) == (0, "nothing to do")


@pytest.mark.slow
def test_release_that_cannot_write_the_ledger_says_so_and_arrives(
    postgres_filled: ServerShop,
) -> None:
    """Somebody reads the view in a transaction that stays open."""
    database = postgres_filled.prod_database
    database.execute(
        'CREATE VIEW migrations_ops_ledger AS SELECT \'{"format": 1, "runs": []}\'::text AS ledger'
    )
    with database.server.session(database.name) as session:
        session.execute("BEGIN")
        session.execute("SELECT ledger FROM migrations_ops_ledger")
        ran = postgres_filled.invoke("release-migration", "--json")
    assert ran.code == 0, ran.err
    found = [each for each in ran.json["findings"] if each["code"] == "ledger-behind"]
    message = "the ledger of prod could not be written: canceling statement due to lock timeout"
    assert found == [
        {
            "code": "ledger-behind",
            "severity": "warning",
            "message": message,
            "where": "prod",
            "revision": "",
        }
    ]
    assert message in ran.err
    assert database.execute("SELECT version_num FROM alembic_version") == [(R3,)]


@pytest.mark.slow
def test_databases_that_do_not_exist_are_made(empty: ServerShop) -> None:
    for database in (empty.dev_database, empty.prod_database):
        database.server.drop_database(database.name)
    assert empty.invoke("release-migration").code == 0
    assert empty.prod_database.execute("SELECT version_num FROM alembic_version") == [(R3,)]


@pytest.mark.slow
@pytest.mark.parametrize("filled", ["postgres"], indirect=True)
def test_backup_that_is_still_equal_is_used_again(filled: ServerShop) -> None:
    chain = filled.invoke("backup", "upgrade-dev", "verify", "upgrade-prod", "--json")
    assert chain.code == 0, chain.err
    assert "still equal" in chain.err
    filled.prod_database.execute("UPDATE children SET parent_id = 1 WHERE id = 7")
    filled.add_revision(NEXT, R3, COLUMN)
    ran = filled.invoke("release-migration")
    assert ran.code == 0, ran.err
    assert "still equal" not in ran.err


@pytest.mark.parametrize("filled", ["mariadb"], indirect=True)
def test_what_fails_on_the_rows_of_production_alone_is_found_on_the_copy(
    filled: ServerShop,
) -> None:
    index = '    op.create_index("uq_parents", "children", ["parent_id"], unique=True)'
    filled.add_revision(NEXT, R3, index)
    filled.prod_database.execute("UPDATE children SET parent_id = 1 WHERE id = 2")
    before = content(filled.prod_database)
    ran = filled.invoke("release-migration")
    assert ran.code == 1, ran.err
    assert "rehearsal" in ran.err
    assert content(filled.prod_database) == before
    assert copies(filled) == set()


@pytest.mark.slow
def test_another_character_set_may_make_texts_longer(mariadb_filled: ServerShop) -> None:
    shop = mariadb_filled
    for database in (shop.dev_database, shop.prod_database):
        database.execute("CREATE TABLE notes (id INT PRIMARY KEY, note TEXT) CHARACTER SET latin1")
        database.execute("INSERT INTO notes VALUES (1, %s)", "g\u00e9n\u00e9ral")
    convert = '    op.execute("ALTER TABLE notes CONVERT TO CHARACTER SET utf8mb4")'
    shop.add_revision(NEXT, R3, convert)
    ran = shop.invoke("release-migration")
    assert ran.code == 0, ran.err
    assert shop.prod_database.execute("SELECT note FROM notes") == [("g\u00e9n\u00e9ral",)]


@pytest.mark.slow
@pytest.mark.parametrize("filled", ["mariadb"], indirect=True)
def test_failing_revision_leaves_dev_as_it_was(filled: ServerShop) -> None:
    filled.add_revision(NEXT, R3, f"{COLUMN}\n{MISSING}")
    before = content(filled.dev_database)
    ran = filled.invoke("release-migration")
    assert ran.code == 3, ran.err
    assert content(filled.dev_database) == before
    assert NEXT in ran.err
    require_no_secret(filled, ran)
    (filled.folder / f"alembic/versions/{NEXT}.py").unlink()
    assert filled.invoke("release-migration").code == 0


@pytest.mark.slow
@pytest.mark.parametrize("filled", ["mariadb"], indirect=True)
def test_rows_that_vanish_unsaid_stop_the_release_before_production(filled: ServerShop) -> None:
    # The number of each row, told by nobody: the text of the statement names the table alone.
    filled.add_revision(
        NEXT, R3,
        '    op.get_bind().execute(sa.text("SELECT 1"))\n'
        '    bind = op.get_bind().connection.dbapi_connection.cursor()\n'
        '    bind.execute("DELETE FROM children WHERE id > 10")',
    )  # fmt: skip
    before = content(filled.prod_database)
    ran = filled.invoke("release-migration")
    assert ran.code == 1, ran.err
    assert "[lost-rows]" in ran.err
    assert content(filled.prod_database) == before


@pytest.mark.slow
@pytest.mark.parametrize("filled", ["mariadb"], indirect=True)
def test_env_py_that_goes_elsewhere_is_refused(filled: ServerShop) -> None:
    urls = json.loads((filled.folder / "urls.json").read_text())
    (filled.folder / "urls.json").write_text(json.dumps(urls | {"dev": urls["prod"]}))
    before = content(filled.prod_database)
    ran = filled.invoke("upgrade-dev")
    assert ran.code == 1, ran.err
    assert "env.py opened" in ran.err
    assert content(filled.prod_database) == before
    require_no_secret(filled, ran)


@pytest.mark.slow
def test_nothing_in_the_shell_decides(filled: ServerShop) -> None:
    server = filled.prod_database.server
    hostile = {
        "EXEC_ENV": "prod", "PGHOST": "203.0.113.1", "PGPORT": "1", "PGDATABASE": "elsewhere",
        "PGUSER": "nobody", "PGPASSWORD": "wrong", "PGSERVICE": "nowhere",
        "PGOPTIONS": "-c search_path=nowhere", "PGSSLMODE": "verify-full",
        "MYSQL_HOST": "203.0.113.1", "MYSQL_TCP_PORT": "1", "MYSQL_PWD": "wrong",
        "MYSQL_UNIX_PORT": "/nowhere", "MARIADB_HOST": "203.0.113.1",
        "DATABASE_URL": server.url(filled.prod_database.name),
    }  # fmt: skip
    before = content(filled.prod_database)
    ran = filled.invoke("upgrade-dev", cwd=None, **hostile)
    assert ran.code == 0, ran.err
    assert content(filled.prod_database) == before
    assert filled.dev_database.execute("SELECT version_num FROM alembic_version") == [(R3,)]


@pytest.mark.slow
@pytest.mark.parametrize("filled", ["mariadb"], indirect=True)
def test_copy_of_production_in_the_place_of_dev_is_recognised(filled: ServerShop) -> None:
    assert filled.invoke("release-migration").code == 0
    server = filled.prod_database.server
    copy = server.copy_database(filled.prod_database.name)
    filled.point({"dev": server.url(copy), "prod": filled.prod_database.url()})
    filled.add_revision(NEXT, R3, COLUMN)
    ran = filled.invoke("upgrade-dev")
    assert ran.code == 1, ran.err
    assert "its ledger says that it is prod" in ran.err
    assert filled.invoke("adopt", "--env", "dev").code == 0
    assert filled.invoke("upgrade-dev").code == 0


@pytest.mark.slow
def test_second_release_is_shown_who_holds_the_lock(filled: ServerShop) -> None:
    filled.add_revision(NEXT, R3, sleeping(20, filled.dev_database))
    first = filled.start("release-migration")
    try:
        wait_for(lambda: "upgrade" in record_or_nothing(filled))
        second = filled.invoke("upgrade-dev")
        assert second.code == 5, second.err
        assert "works on" in second.err
        if is_postgres(filled.dev_database):  # MariaDB knows sessions by their numbers alone
            assert "release-migration" in second.err
    finally:
        first.send_signal(signal.SIGINT)
        _, err = first.communicate(timeout=60)
    assert first.returncode == 130, err


@pytest.mark.slow
@pytest.mark.parametrize("filled", ["mariadb"], indirect=True)
def test_interrupted_upgrade_leaves_dev_as_it_was(filled: ServerShop) -> None:
    filled.add_revision(NEXT, R3, f"{COLUMN}\n{sleeping(60, filled.dev_database)}")
    before = content(filled.dev_database)
    first = filled.start("release-migration")
    wait_for(lambda: is_asleep(filled))
    first.send_signal(signal.SIGINT)
    _, err = first.communicate(timeout=60)
    assert first.returncode == 130, err
    assert content(filled.dev_database) == before


@pytest.mark.parametrize("filled", ["postgres"], indirect=True)
def test_killed_release_is_taken_up_by_the_next_one(filled: ServerShop) -> None:
    slow = filled.add_revision(NEXT, R3, f"{COLUMN}\n{sleeping(60, filled.dev_database)}")
    first = filled.start("release-migration")
    wait_for(lambda: is_asleep(filled))
    first.kill()
    first.communicate(timeout=60)
    slow.write_text(slow.read_text().replace("(60", "(0"))
    ran = filled.invoke("release-migration")
    assert ran.code == 0, ran.err
    assert "was interrupted" in ran.err
    assert filled.prod_database.execute("SELECT version_num FROM alembic_version") == [(NEXT,)]
    assert copies(filled) == set()


@pytest.mark.slow
@pytest.mark.parametrize("filled", ["postgres"], indirect=True)
def test_downgrade_stamp_and_sql_work_as_on_a_file(filled: ServerShop) -> None:
    assert filled.invoke("release-migration").code == 0
    down = filled.invoke("downgrade", "--env", "dev", "--to", "-1")
    assert down.code == 0, down.err
    assert filled.dev_database.execute("SELECT version_num FROM alembic_version") == [(R2,)]
    wrong = filled.invoke("stamp", "--env", "dev", "--to", HEAD)
    assert wrong.code == 1, wrong.err
    assert "is not what" in wrong.err
    shown = filled.invoke("upgrade-dev", "--sql")
    assert shown.code == 0, shown.err
    assert "ALTER TABLE parents ADD COLUMN note" in shown.out
    filled.dev_database.execute("DROP TABLE alembic_version")
    assert filled.invoke("stamp", "--env", "dev", "--to", R2).code == 0


@pytest.mark.slow
def test_restore_brings_back_what_the_backup_holds_and_keeps_what_was_there(
    filled: ServerShop,
) -> None:
    before = content(filled.prod_database)
    assert filled.invoke("backup").code == 0
    filled.prod_database.execute("DELETE FROM children")
    filled.prod_database.execute("CREATE TABLE later (id INTEGER)")
    ran = filled.invoke("restore", "--env", "prod", "--backup", "latest", "--yes")
    assert ran.code == 0, ran.err
    assert content(filled.prod_database) == before
    known = "migrations_ops_kept_", f"{filled.prod_database.name}_replaced_"
    there = filled.prod_database.server.databases()
    kept = [name for name in there if name.startswith(known) and name in ran.err]
    assert len(kept) == 1, ran.err
    table = "later" if is_postgres(filled.prod_database) else f"{kept[0]}.later"
    server = filled.prod_database.server
    assert server.execute(f"SELECT * FROM {table}", database=kept[0]) == []
    assert copies(filled) == set()


@pytest.mark.slow
def test_edited_fingerprint_does_not_fail_a_restore_that_succeeded(filled: ServerShop) -> None:
    before = content(filled.prod_database)
    taken = filled.invoke("backup")
    assert taken.code == 0, taken.err
    sidecar = sidecar_of(Path(taken.out.strip()))
    document = json.loads(sidecar.read_text())
    document["fingerprint"]["schema"] = {"table ghosts": "x"}
    sidecar.write_text(json.dumps(document))
    filled.prod_database.execute("DELETE FROM children")
    ran = filled.invoke("restore", "--env", "prod", "--backup", "latest", "--yes")
    assert ran.code == 0, ran.err
    assert "[sidecar-wrong]" in ran.err
    assert content(filled.prod_database) == before
    assert copies(filled) == set()


def record_or_nothing(shop: ServerShop) -> str:
    try:
        return record_of(shop)
    except (IndexError, OSError):
        return ""


@pytest.mark.slow
def test_no_password_stands_in_the_list_of_processes(filled: ServerShop) -> None:
    seen, programs = set[bytes](), set[str]()
    running = filled.start("release-migration")
    while running.poll() is None:
        for pid in guard.family(running.pid)[1:]:
            command = guard.read(pid, "cmdline")
            programs.add(Path(os.fsdecode(command.partition(b"\0")[0])).name)
            # What env.py reads is its own affair: the tool hands it no password here.
            if b"hidden-word-of" in command + guard.read(pid, "environ"):
                seen.add(command)
        time.sleep(0.005)
    running.communicate()
    assert running.returncode == 0
    assert seen == set()
    assert programs & {"pg_dump", "mariadb-dump", "pg_restore", "mariadb"}
