"""What a server is set to for its applications takes nothing away from a backup or a look."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pymysql
import pytest

from migrations_ops.databases.mariadb.database import MariaDB
from migrations_ops.databases.mariadb.rows.columns import read_columns
from migrations_ops.model.errors import StepFailed
from tests.contract.databases.mariadb.support import run, session
from tests.servers.databases import ServerDatabase

TABLES = 6


@pytest.fixture
def tables(mariadb_database: ServerDatabase) -> ServerDatabase:
    """Some tables with ten times as many rows, one of them with a history."""
    for number in range(TABLES):
        run(mariadb_database, f"CREATE TABLE t{number} (id INT PRIMARY KEY, f FLOAT)",
            f"INSERT INTO t{number} SELECT seq, 0.5 FROM seq_1_to_{10 * TABLES}")  # fmt: skip
    run(mariadb_database, "CREATE TABLE v (id INT PRIMARY KEY) WITH SYSTEM VERSIONING",
        "INSERT INTO v VALUES (1), (2)", "DELETE FROM v WHERE id = 2")  # fmt: skip
    return mariadb_database


def engine(database: ServerDatabase) -> MariaDB:
    return replace(MariaDB.from_url(database.url()), summed=True)


@contextmanager
def server_set_to(database: ServerDatabase, **settings: str) -> Iterator[None]:
    names = list(settings)
    [was] = database.execute(f"SELECT {', '.join(f'@@global.{name}' for name in names)}")
    try:
        for name, value in settings.items():
            database.execute(f"SET GLOBAL {name} = {value}")
        yield
    finally:
        for name, before in zip(names, was, strict=True):
            value = "DEFAULT" if before == "DEFAULT" else repr(before)
            database.server.execute(f"SET GLOBAL {name} = {value}")


@pytest.mark.parametrize("long_floats", [False, True])
@pytest.mark.parametrize(
    "settings",
    [
        {"sql_select_limit": "20"},
        {"sql_safe_updates": "1", "sql_auto_is_null": "1"},
        {"system_versioning_asof": "'2020-01-01 00:00:00'"},
        {"tx_read_only": "1"},
        {"max_statement_time": "0.0001"},
    ],
    ids=lambda settings: ", ".join(settings),
)
def test_a_backup_holds_all_and_is_put_back_whatever_the_server_is_set_to(
    tables: ServerDatabase, tmp_path: Path, settings: dict[str, str], long_floats: bool
) -> None:
    if long_floats:  # then the rows are written here, and not by mariadb-dump
        run(tables, "UPDATE t0 SET f = 1.23456789")
    before = engine(tables).fingerprint("")
    assert (before.rows["t3"], before.rows["v"]) == (10 * TABLES, 1)
    with server_set_to(tables, **settings), engine(tables).locked("restore", 30):
        assert engine(tables).fingerprint("") == before
        database = engine(tables)
        assert database.back_up(tmp_path / "b", "", None) == before
        run(tables, "DELETE FROM t3 WHERE id > 1", "DROP TABLE t4")
        assert database.restore_from(tmp_path / "b", "", None).now == before
    assert engine(tables).fingerprint("") == before


# What a session could write before its server was made stricter, or since it says so itself.
LAX = (
    "SET SESSION sql_mode = '', innodb_strict_mode = 0, check_constraint_checks = 0,"
    " foreign_key_checks = 0",
    f"CREATE TABLE wide (id INT, {', '.join(f'c{each} VARCHAR(200)' for each in range(200))})"
    " CHARACTER SET latin1",
    "CREATE TABLE odd (id INT PRIMARY KEY) ROW_FORMAT=COMPACT KEY_BLOCK_SIZE=8",
    "CREATE TABLE checked (id INT PRIMARY KEY, n INT CHECK (n > 0), CONSTRAINT c CHECK (n < 9))",
    "INSERT INTO checked VALUES (1, -1), (2, 10)",
    "CREATE TABLE dates (id INT PRIMARY KEY, d DATE NOT NULL DEFAULT '0000-00-00', m DATETIME,"
    " e ENUM('a'), t TEXT, n INT AS (t) STORED)",
    "INSERT INTO dates (id, m, e, t) VALUES (1, '2020-00-00', 'b', '7x')",
    "CREATE TABLE orphans (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES checked (id),"
    " q INT, FOREIGN KEY (q) REFERENCES nowhere (id))",
    "INSERT INTO orphans VALUES (1, 7, 7)",
)


@pytest.mark.parametrize("long_floats", [False, True])
def test_what_was_written_under_laxer_settings_is_copied_and_put_back(
    mariadb_database: ServerDatabase, tmp_path: Path, long_floats: bool
) -> None:
    run(mariadb_database, *LAX, "CREATE TABLE f (id INT PRIMARY KEY, f FLOAT)")
    run(mariadb_database, f"INSERT INTO f VALUES (1, {'1.23456789' if long_floats else '0.5'})")
    database = engine(mariadb_database)
    strict = {"sql_mode": "'TRADITIONAL'", "innodb_strict_mode": "1"}
    with server_set_to(mariadb_database, **strict), database.locked("restore", 30):
        before = database.back_up(tmp_path / "b", "", None)
        with database.opened_copy(tmp_path / "b") as copy:
            assert copy.fingerprint("") == before
        run(mariadb_database, "DELETE FROM checked", "DROP TABLE wide")
        assert database.restore_from(tmp_path / "b", "", None).now == before


def test_a_limit_that_would_cut_the_lists_of_the_clients_is_reported_and_no_backup_taken(
    tables: ServerDatabase, tmp_path: Path
) -> None:
    with server_set_to(tables, sql_select_limit=str(TABLES)):
        with pytest.raises(StepFailed) as caught:
            engine(tables).back_up(tmp_path / "b", "", None)
        assert f"after {TABLES} rows (sql_select_limit)" in str(caught.value)
        assert not (tmp_path / "b").exists()


def test_a_limit_of_joins_at_which_the_clients_fail_is_reported_with_its_cure(
    tables: ServerDatabase, tmp_path: Path
) -> None:
    with server_set_to(tables, max_join_size="1"):
        before = engine(tables).fingerprint("")
        with pytest.raises(StepFailed) as caught:
            engine(tables).back_up(tmp_path / "b", "", None)
    assert before == engine(tables).fingerprint("")
    assert "SET GLOBAL max_join_size = DEFAULT" in caught.value.next


def test_a_table_that_has_gone_meanwhile_is_an_error_of_sql(tables: ServerDatabase) -> None:
    with session(tables) as connection:
        columns = read_columns(connection, tables.name)
        with pytest.raises(pymysql.ProgrammingError, match="the table gone has gone"):
            columns["gone"]


def test_a_server_that_lets_sessions_only_read_does_not_keep_us_from_making_copies(
    tables: ServerDatabase,
) -> None:
    with server_set_to(tables, tx_read_only="1"):
        assert engine(tables).find_obstacles() == []


def test_a_copy_that_cannot_be_made_is_reported_with_its_own_cause(
    tables: ServerDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("migrations_ops.databases.server_copies.OWN", "x" * 60)
    [found] = engine(tables).find_obstacles()
    assert found.code == "no-copies"
    assert "Incorrect database name" in found.message
    assert "GRANT" not in found.message
