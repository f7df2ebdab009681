"""A checksum of a table changes with its content, whatever it is, and with nothing else."""

from __future__ import annotations

from collections import Counter

import pymysql
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from migrations_ops.databases.mariadb.connect import ask
from migrations_ops.databases.mariadb.rows.sums import count, count_and_sum
from migrations_ops.databases.mariadb.schema.reading import read_tables
from tests.contract.databases.mariadb.support import run, session
from tests.servers.databases import ServerDatabase


def sums_of(database: ServerDatabase, *before: str) -> dict[str, str]:
    with session(database) as connection:
        for statement in before:
            ask(connection, statement)
        rows, sums = count_and_sum(connection, read_tables(connection))
        assert rows == count(connection, list(rows))
        return sums


VALUES = (
    ("INT", "1", "2"), ("INT", "NULL", "0"), ("BIGINT", "9007199254740993", "9007199254740992"),
    ("DECIMAL(30,10)", "1.0000000001", "1.0000000002"), ("BIT(9)", "1", "257"),
    ("FLOAT", "0.1", "0.10000001"), ("DOUBLE", "0.1", "0.10000000000000002"),
    ("VARCHAR(9)", "'a'", "'A'"), ("VARCHAR(9)", "'a'", "'a '"), ("VARCHAR(9)", "''", "NULL"),
    ("VARCHAR(9)", "'é'", "'e'"), ("VARCHAR(9)", "'-'", "NULL"),
    ("ENUM('a','b')", "'a'", "'b'"),
    ("SET('a','b')", "'a'", "'a,b'"), ("TEXT", "'a'", "'A'"), ("TEXT", "''", "NULL"),
    ("BLOB", "x'00'", "x'0000'"), ("BINARY(3)", "'a'", "'b'"),
    ("VARBINARY(3)", "x'61'", "x'6100'"),
    ("DATETIME(6)", "'2025-01-01 00:00:00.000001'", "'2025-01-01'"),
    ("TIMESTAMP(6) NULL", "'2025-01-01 00:00:00.000001'", "'2025-01-01'"),
    ("DATE", "'2025-01-01'", "'2025-01-02'"), ("TIME(3)", "'10:00:00.001'", "'10:00'"),
    ("YEAR", "2020", "2021"), ("JSON", "'{}'", "'{ }'"), ("UUID", "UUID()", "NULL"),
    ("POINT", "POINT(1, 2)", "POINT(1, 2.0000000001)"), ("INET6", "'::1'", "'::2'"),
)  # fmt: skip


def test_any_other_value_has_another_sum(mariadb_database: ServerDatabase) -> None:
    tables = {f"t{number}": case for number, case in enumerate(VALUES)}
    run(mariadb_database, "ALTER DATABASE CHARACTER SET utf8mb4")
    for name, (kind, one, _) in tables.items():
        run(mariadb_database, f"CREATE TABLE {name} (id INT, a {kind})",
            f"INSERT INTO {name} VALUES (1, {one})")  # fmt: skip
    before = sums_of(mariadb_database)
    assert sums_of(mariadb_database, *(f"ALTER TABLE {name} FORCE" for name in tables)) == before
    changed = sums_of(
        mariadb_database, *(f"UPDATE {name} SET a = {case[2]}" for name, case in tables.items())
    )
    assert [case for name, case in tables.items() if changed[name] == before[name]] == []


def test_long_values_count_to_their_end(mariadb_database: ServerDatabase) -> None:
    run(mariadb_database, "CREATE TABLE t (a LONGBLOB, b LONGTEXT)",
        "INSERT INTO t VALUES (REPEAT('x', 9000000), REPEAT('y', 9000000))")  # fmt: skip
    before = sums_of(mariadb_database)
    changed = sums_of(mariadb_database, "UPDATE t SET b = CONCAT(LEFT(b, 8999999), 'z')")
    assert changed != before


@pytest.mark.parametrize("zone", ["+00:00", "-11:30"])
def test_settings_of_the_session_do_not_count(mariadb_database: ServerDatabase, zone: str) -> None:
    run(mariadb_database, "CREATE TABLE t (a TIMESTAMP(3) NULL, b DATETIME)",
        "INSERT INTO t VALUES ('2025-06-01 00:00:00.5', '2025-01-01')")  # fmt: skip
    before = sums_of(mariadb_database)
    assert sums_of(mariadb_database, f"SET SESSION time_zone = '{zone}'") == before


def test_sums_tell_the_numbers_that_would_be_given_next(mariadb_database: ServerDatabase) -> None:
    run(mariadb_database, "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT)",
        "CREATE TABLE plain (id INT PRIMARY KEY)", "CREATE SEQUENCE q START WITH 5 CACHE 1",
        "INSERT INTO t VALUES (7)")  # fmt: skip
    before = sums_of(mariadb_database)
    assert {key: before[key] for key in before if key.startswith("sequence ")} == {
        "sequence t": "8", "sequence q": "5",
    }  # fmt: skip
    after = sums_of(mariadb_database, "DO NEXTVAL(q)", "DELETE FROM t")
    assert (after["sequence q"], after["sequence t"]) == ("6", "8")


def test_the_history_of_rows_counts_and_is_no_number_of_rows(
    mariadb_database: ServerDatabase,
) -> None:
    run(mariadb_database, "CREATE TABLE t (a INT) WITH SYSTEM VERSIONING",
        "INSERT INTO t VALUES (1)", "UPDATE t SET a = 2", "UPDATE t SET a = 3")  # fmt: skip
    before = sums_of(mariadb_database)
    assert sums_of(mariadb_database, "DELETE HISTORY FROM t BEFORE SYSTEM_TIME NOW(6)") != before


def test_computed_values_that_are_not_stored_are_not_read(mariadb_database: ServerDatabase) -> None:
    run(mariadb_database, "CREATE TABLE t (a INT, b INT AS (a + 1) VIRTUAL)",
        "INSERT INTO t (a) VALUES (1)")  # fmt: skip
    before = sums_of(mariadb_database)
    changed = sums_of(mariadb_database, "ALTER TABLE t MODIFY b INT AS (a + 2) VIRTUAL")
    assert changed == before


def test_a_server_that_cuts_texts_short_is_not_believed(mariadb_database: ServerDatabase) -> None:
    run(mariadb_database, "CREATE TABLE t (a INT)", "SET GLOBAL max_allowed_packet = 65536")
    try:
        with pytest.raises(pymysql.MySQLError, match="max_allowed_packet"):
            sums_of(mariadb_database)
    finally:
        run(mariadb_database, "SET GLOBAL max_allowed_packet = 16777216")


TEXTS = st.none() | st.text(st.sampled_from("ab|01:-é \\'"), max_size=4)
ROWS = st.lists(st.tuples(TEXTS, TEXTS, st.none() | st.integers(0, 2)), max_size=4)


@given(one=ROWS, other=ROWS)
@example(one=[("a", None, None)], other=[(None, "a", None)])
@example(one=[("a|b", "c", 1)], other=[("a", "b|c", 1)])
@example(one=[("", None, 1)], other=[(None, "", 1)])
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_sums_are_equal_for_the_same_rows_in_any_order_and_for_no_others(
    mariadb_database: ServerDatabase,
    one: list[tuple[str | None, str | None, int | None]],
    other: list[tuple[str | None, str | None, int | None]],
) -> None:
    with session(mariadb_database) as connection, connection.cursor() as cursor:
        ask(connection, "CREATE TABLE IF NOT EXISTS t (a VARCHAR(9), b VARCHAR(9), c INT)"
            " CHARSET utf8mb4")  # fmt: skip
        sums = []
        for rows in (one, one[::-1], other):
            cursor.execute("DELETE FROM t")
            cursor.executemany("INSERT INTO t VALUES (%s, %s, %s)", rows)
            sums.append(count_and_sum(connection, ["t"]))
    assert sums[0] == sums[1]
    assert (sums[0] == sums[2]) == (Counter(one) == Counter(other))
