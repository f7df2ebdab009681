"""No foreign key ties what a restore has kept to what lives, nor what lives to a copy."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from migrations_ops.databases.mariadb import copies as mariadb_copies
from migrations_ops.databases.mariadb.connect import Connection
from migrations_ops.databases.mariadb.database import MariaDB
from migrations_ops.databases.mariadb.schema.reading import read_schema
from migrations_ops.databases.mariadb.swap import swap as mariadb_exchange
from migrations_ops.databases.mariadb.swap.record import Record
from migrations_ops.model.errors import NeedsAPerson
from tests.contract.databases.mariadb.support import make_role, run, session
from tests.servers.databases import ServerDatabase

PARENTS = "CREATE TABLE parents (id INT PRIMARY KEY)"
KIDS = (
    "CREATE TABLE kids (id INT PRIMARY KEY, p INT,"
    " CONSTRAINT fkp FOREIGN KEY (p) REFERENCES parents (id) ON DELETE CASCADE)"
)
FILLED = ("INSERT INTO parents VALUES (1), (2)", "INSERT INTO kids VALUES (1, 1), (2, 2)")
WITHOUT_PARENTS = ("SET foreign_key_checks = 0", "DROP TABLE parents")


def engine(database: ServerDatabase) -> MariaDB:
    return replace(MariaDB.from_url(database.url()), summed=True)


def kept(database: ServerDatabase) -> list[str]:
    return sorted(name for name in database.server.databases() if "_kept_" in name)


def back_up(database: ServerDatabase, file: Path) -> None:
    one = engine(database)
    with one.locked("backup", 0):
        one.back_up(file, "alembic_version", None)


def restore(database: ServerDatabase, file: Path) -> None:
    one = engine(database)
    with one.locked("restore", 0):
        one.restore_from(file, "alembic_version", None)


def keys_out_of(database: ServerDatabase, name: str) -> list[tuple[object, ...]]:
    """What InnoDB itself knows of keys from one database to others."""
    return database.server.execute(
        "SELECT ID, REF_NAME FROM information_schema.INNODB_SYS_FOREIGN"
        " WHERE FOR_NAME LIKE %s AND REF_NAME NOT LIKE %s", f"{name}/%", f"{name}/%",
    )  # fmt: skip


def shown(database: ServerDatabase, table: str) -> str:
    return str(database.execute(f"SHOW CREATE TABLE {table}")[0][1])


@pytest.mark.parametrize("parent", [f"ENGINE={each}" for each in ("InnoDB", "MyISAM")])
def test_rows_that_are_kept_do_not_go_with_those_of_the_live_database(
    mariadb_database: ServerDatabase, tmp_path: Path, parent: str
) -> None:
    """The parent was missing when the backup was put back, or was none that InnoDB knows."""
    run(mariadb_database, PARENTS, KIDS, *FILLED)
    back_up(mariadb_database, tmp_path / "b")
    run(mariadb_database, *WITHOUT_PARENTS)
    if "MyISAM" in parent:
        run(mariadb_database, "SET foreign_key_checks = 0", f"{PARENTS} {parent}")
    restore(mariadb_database, tmp_path / "b")
    [beside] = kept(mariadb_database)
    assert keys_out_of(mariadb_database, beside) == []
    mariadb_database.execute("DELETE FROM parents WHERE id = 2")
    assert mariadb_database.execute("SELECT id FROM kids") == [(1,)]
    assert mariadb_database.execute(f"SELECT id FROM {beside}.kids") == [(1,), (2,)]
    assert engine(mariadb_database).find_obstacles() == []


def test_an_application_may_delete_in_a_third_database_to_which_kept_rows_referred(
    mariadb_database: ServerDatabase, tmp_path: Path
) -> None:
    server = mariadb_database.server
    third = server.create_database("the-third")
    run(mariadb_database, "CREATE TABLE users (id INT PRIMARY KEY)", "INSERT INTO users VALUES (1)",
        name=third)  # fmt: skip
    kid = (
        f"CREATE TABLE kids (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES `{third}`.users (id))"
    )
    run(mariadb_database, kid, "INSERT INTO kids VALUES (1)")
    back_up(mariadb_database, tmp_path / "b")
    before = shown(mariadb_database, "kids")
    restore(mariadb_database, tmp_path / "b")
    assert shown(mariadb_database, "kids") == before
    mariadb_database.execute("DELETE FROM kids")
    server.execute("DELETE FROM users", database=third)
    [beside] = kept(mariadb_database)
    assert mariadb_database.execute(f"SELECT id FROM {beside}.kids") == [(1,)]


def test_kept_rows_are_not_even_tied_for_a_moment(
    mariadb_database: ServerDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(mariadb_database, PARENTS, KIDS, *FILLED)
    back_up(mariadb_database, tmp_path / "b")
    run(mariadb_database, *WITHOUT_PARENTS)
    seen: list[list[tuple[object, ...]]] = []
    part = mariadb_exchange._complete

    def parted(connection: Connection, record: Record) -> None:
        seen.append(keys_out_of(mariadb_database, record.kept))
        part(connection, record)

    monkeypatch.setattr(mariadb_exchange, "_complete", parted)
    restore(mariadb_database, tmp_path / "b")
    assert seen == [[]]


@pytest.mark.parametrize("there", ["a parent", "no parent"])
def test_a_backup_whose_parent_is_missing_comes_back_as_it_was(
    mariadb_database: ServerDatabase, tmp_path: Path, there: str
) -> None:
    run(mariadb_database, PARENTS, KIDS, *FILLED, *WITHOUT_PARENTS)
    before = shown(mariadb_database, "kids")
    back_up(mariadb_database, tmp_path / "b")
    if there == "a parent":
        run(mariadb_database, "SET foreign_key_checks = 0", PARENTS)
    restore(mariadb_database, tmp_path / "b")
    assert shown(mariadb_database, "kids") == before
    run(mariadb_database, PARENTS, "INSERT INTO parents VALUES (9)",
        "INSERT INTO kids VALUES (9, 9)", "DELETE FROM parents WHERE id = 9")  # fmt: skip
    assert mariadb_database.execute("SELECT id FROM kids") == [(1,), (2,)]
    assert keys_out_of(mariadb_database, mariadb_database.name) == []
    [beside] = kept(mariadb_database)
    assert keys_out_of(mariadb_database, beside) == []


# -- killed at each statement -----------------------------------------------------------------

# Of both sides, one key has no parent; of the old one, another refers to a third database.
WAS = (
    "SET foreign_key_checks = 0",
    KIDS,
    "CREATE TABLE others (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES the_third.users (id))",
    "INSERT INTO kids VALUES (1, 1)",
    "CREATE VIEW v AS SELECT 1 AS a",
    "CREATE VIEW gone AS SELECT 1 AS a",
)
NEW = (
    "SET foreign_key_checks = 0",
    KIDS.replace("CASCADE", "SET NULL"),
    "INSERT INTO kids VALUES (2, 2)",
    "CREATE VIEW v AS SELECT 2 AS a",
    "CREATE VIEW come AS SELECT 2 AS a",
)
BY_HAND = {
    "VIEW": "CREATE VIEW by_hand AS SELECT 3 AS a",
    "TRIGGER": "CREATE TRIGGER by_hand BEFORE INSERT ON kids FOR EACH ROW SET NEW.p = NEW.p",
    "PROCEDURE": "CREATE PROCEDURE by_hand() SELECT 3",
    "EVENT": "CREATE EVENT by_hand ON SCHEDULE EVERY 1 DAY DO SELECT 3",
}
CHILD = """
import os
import signal
import sys
import pymysql
url, start, number, how = sys.argv[1:]
from migrations_ops.databases.mariadb.database import MariaDB
from migrations_ops.model.errors import StepFailed
execute, left = pymysql.cursors.Cursor.execute, [int(number)]

def stopped(cursor, sql, values=None):
    if sql.startswith(start):
        left[0] -= 1
        if left[0] == 0 and how == "kill -9":
            os.kill(os.getpid(), signal.SIGKILL)
        if left[0] == 0:
            execute(cursor, "KILL CONNECTION_ID()")
    return execute(cursor, sql, values)

database = MariaDB.from_url(url)
with database.locked("restore", 0):
    pymysql.cursors.Cursor.execute = stopped
    try:
        database._own.copies.swap("exchange_new")
    except StepFailed:
        sys.exit(3)
"""
# Where it is stopped: before which statement, whether the tables have moved by then.
POINTS = [
    ("ALTER TABLE", 1, False), ("RENAME", 1, False), ("ALTER TABLE", 2, False),
    ("ALTER TABLE", 3, True), ("ALTER TABLE", 4, True), ("CREATE OR REPLACE", 1, True),
]  # fmt: skip


@pytest.fixture
def real(mariadb_database: ServerDatabase) -> ServerDatabase:
    """A database, with one that is to take its place."""
    server = mariadb_database.server
    for name in ("the_third", "exchange_new"):
        server.create_database(name)
    run(mariadb_database, "CREATE TABLE users (id INT PRIMARY KEY)", name="the_third")
    run(mariadb_database, *WAS)
    run(mariadb_database, *NEW, name="exchange_new")
    return mariadb_database


def schema_of(database: ServerDatabase, name: str = "") -> dict[str, str]:
    with session(database, name) as connection:
        return read_schema(connection, "")


def stop_at(real: ServerDatabase, statement: str, number: int, how: str) -> int:
    arguments = [real.url(), statement, str(number), how]
    return subprocess.run([sys.executable, "-c", CHILD, *arguments]).returncode


def require_apart(real: ServerDatabase) -> None:
    """No key leads out of what is kept."""
    for name in kept(real):
        assert keys_out_of(real, name) == []


@pytest.mark.parametrize(("statement", "number", "moved"), POINTS)
def test_keys_are_right_whenever_an_exchange_was_killed(
    real: ServerDatabase, statement: str, number: int, moved: bool
) -> None:
    wanted = schema_of(real, "exchange_new") if moved else schema_of(real)
    assert stop_at(real, statement, number, "kill -9") == -signal.SIGKILL
    with MariaDB.from_url(real.url()).locked("backup", 30):
        pass
    assert schema_of(real) == wanted
    assert real.execute("SELECT id FROM kids") == [(2,) if moved else (1,)]
    assert [each for each in keys_out_of(real, real.name) if "third" not in str(each[1])] == []
    require_apart(real)
    assert len(kept(real)) == moved


@pytest.mark.parametrize(("statement", "number", "moved"), POINTS)
def test_an_exchange_that_breaks_gives_tables_their_own_keys_back(
    real: ServerDatabase, statement: str, number: int, moved: bool
) -> None:
    wanted, told = schema_of(real), shown(real, "others")
    assert stop_at(real, statement, number, "KILL") == 3
    assert schema_of(real) == wanted
    assert shown(real, "others") == told
    assert real.execute("SELECT id FROM kids") == [(1,)]
    require_apart(real)
    assert all(name.endswith("_undone") for name in kept(real))


@pytest.mark.parametrize(("statement", "done"), [("RENAME", "undone"), ("CREATE OR", "finished")])
def test_what_was_made_by_hand_after_a_killed_restore_stays(
    real: ServerDatabase, statement: str, done: str
) -> None:
    wanted = schema_of(real, "exchange_new") if done == "finished" else schema_of(real)
    assert stop_at(real, statement, 1, "kill -9") == -signal.SIGKILL
    run(real, *BY_HAND.values())
    database = MariaDB.from_url(real.url())
    with database.locked("backup", 30):
        [said] = database.resumed_restores()
        assert f"has been {done} now" in said
        assert database.resumed_restores() == []
    by_hand = {f"{kind.lower()} by_hand" for kind in BY_HAND}
    assert schema_of(real).keys() - wanted.keys() == by_hand
    run(real, *(f"DROP {kind} by_hand" for kind in BY_HAND))
    assert schema_of(real) == wanted


# -- what else a restore has to see to --------------------------------------------------------


def test_a_database_that_is_not_as_its_backup_after_the_exchange_is_named(
    mariadb_database: ServerDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody changes a table as soon as it is there."""
    run(mariadb_database, PARENTS)
    back_up(mariadb_database, tmp_path / "b")
    tidy_up = mariadb_exchange._tidy_up

    def tidied(connection: Connection, record: Record) -> None:
        tidy_up(connection, record)
        run(mariadb_database, "ALTER TABLE parents ADD more INT")

    monkeypatch.setattr(mariadb_exchange, "_tidy_up", tidied)
    with pytest.raises(NeedsAPerson) as caught:
        restore(mariadb_database, tmp_path / "b")
    assert "column parents.more" in caught.value.what
    [beside] = kept(mariadb_database)
    assert beside in caught.value.untouched


def test_two_restores_within_one_second_keep_both(
    mariadb_database: ServerDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = mariadb_database.server
    name = server.create_database("n" * 64)
    long = ServerDatabase(server, name)
    run(long, "CREATE TABLE t (id INT)")
    back_up(long, tmp_path / "b")
    monkeypatch.setattr(mariadb_copies, "local_stamp", lambda: "20260102_030405")
    server.create_database(f"migrations_ops_kept_{'n' * 17}_20260102_030405_2_undone")
    for _ in range(2):
        restore(long, tmp_path / "b")
    stem = f"migrations_ops_kept_{'n' * 17}_20260102_030405"
    assert kept(long) == [stem, f"{stem}_2_undone", f"{stem}_3"]


@pytest.mark.parametrize("privileged", [True, False])
def test_what_earlier_versions_left_is_named_with_statements_that_end_it(
    mariadb_database: ServerDatabase, privileged: bool
) -> None:
    server, name = mariadb_database.server, mariadb_database.name
    run(mariadb_database, PARENTS)
    beside = server.create_database("migrations_ops_kept_shop_20260102_030405")
    run(mariadb_database, KIDS.replace("parents", f"`{name}`.parents"), name=beside)
    address = make_role(mariadb_database, "ALL")
    server.execute(r"GRANT ALL ON `migrations\_ops\_%`.* TO plain@'%'")
    url = server.url(name, user="plain", password=address.password)
    database = MariaDB.from_url(server.url(name) if privileged else url)
    [found] = database.find_obstacles()
    assert found.code == "no-restore"
    assert f"{beside}.kids" in found.message
    [cure] = re.findall(r"ALTER TABLE \S+ DROP FOREIGN KEY `\w+`", found.message)
    run(mariadb_database, cure)
    assert database.find_obstacles() == []
