"""No foreign key ties what a restore has kept to what lives, nor what lives to a copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrations_ops.databases.mariadb.connect import Connection
from migrations_ops.databases.mariadb.swap import swap as mariadb_swap
from migrations_ops.databases.mariadb.swap.record import Record
from tests.contract.databases.mariadb.support import (
    back_up,
    engine,
    kept,
    keys_out_of,
    restore,
    run,
)
from tests.servers.databases import ServerDatabase

PARENTS = "CREATE TABLE parents (id INT PRIMARY KEY)"
KIDS = (
    "CREATE TABLE kids (id INT PRIMARY KEY, p INT,"
    " CONSTRAINT fkp FOREIGN KEY (p) REFERENCES parents (id) ON DELETE CASCADE)"
)
FILLED = ("INSERT INTO parents VALUES (1), (2)", "INSERT INTO kids VALUES (1, 1), (2, 2)")
WITHOUT_PARENTS = ("SET foreign_key_checks = 0", "DROP TABLE parents")


def shown(database: ServerDatabase, table: str) -> str:
    return str(database.execute(f"SHOW CREATE TABLE {table}")[0][1])


@pytest.mark.parametrize("there", ["nothing", "InnoDB", "MyISAM", "partitioned"])
def test_rows_that_are_kept_do_not_go_with_those_of_the_live_database(
    mariadb_database: ServerDatabase,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    there: str,
) -> None:
    """The parent was missing when the backup was restored, or was none that InnoDB knows."""
    run(mariadb_database, PARENTS, KIDS, *FILLED)
    back_up(mariadb_database, tmp_path / "b")
    run(mariadb_database, *WITHOUT_PARENTS)
    if there != "nothing":
        how = "PARTITION BY KEY (id)" if there == "partitioned" else f"ENGINE={there}"
        run(mariadb_database, "SET foreign_key_checks = 0", f"{PARENTS} {how}")
    at_first: list[list[str]] = []
    complete = mariadb_swap._complete

    def completed(connection: Connection, record: Record) -> None:
        at_first.append(keys_out_of(mariadb_database, record.previous))
        complete(connection, record)

    monkeypatch.setattr(mariadb_swap, "_complete", completed)
    restore(mariadb_database, tmp_path / "b")
    [beside] = kept(mariadb_database)
    assert at_first == [[]]  # not even for a moment
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
    key = f"FOREIGN KEY (id) REFERENCES `{third}`.users (id)"
    run(mariadb_database, f"CREATE TABLE kids (id INT PRIMARY KEY, {key})",
        "INSERT INTO kids VALUES (1)")  # fmt: skip
    back_up(mariadb_database, tmp_path / "b")
    before = shown(mariadb_database, "kids")
    restore(mariadb_database, tmp_path / "b")
    assert shown(mariadb_database, "kids") == before
    mariadb_database.execute("DELETE FROM kids")
    server.execute("DELETE FROM users", database=third)
    [beside] = kept(mariadb_database)
    assert mariadb_database.execute(f"SELECT id FROM {beside}.kids") == [(1,)]


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
