"""How many rows each table of a MariaDB database has, and a sum of what is in them.

One scan a table: 1 GB takes 10 seconds. The hashes of all rows are added up, in any order; adding
tells what XOR does not, since pairs cancel there.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import pymysql

from migrations_ops.databases.mariadb.connect import Connection, ask
from migrations_ops.databases.mariadb.names import quoted
from migrations_ops.databases.mariadb.rows.columns import Column, as_text, read_columns

# A row without its long texts is never longer, in bytes; the server makes no longer text than its
# max_allowed_packet, 16 MB by default, but NULL.
_LONGEST_ROW = 1 << 20


def count(connection: Connection, tables: Sequence[str]) -> dict[str, int]:
    """The number of rows of each table."""
    return {
        table: int(ask(connection, f"SELECT COUNT(*) FROM {quoted(table)}")[0][0])
        for table in tables
    }


def count_and_sum(
    connection: Connection, tables: Sequence[str]
) -> tuple[dict[str, int], dict[str, str]]:
    """The number of rows of each table, and a checksum of these.

    Among the sums is the next number of each AUTO_INCREMENT and sequence, as ``sequence NAME``.

    :raises pymysql.OperationalError: the server is set to shorter texts than a row may be.
    """
    [(longest, database)] = ask(connection, "SELECT @@max_allowed_packet, DATABASE()")
    if longest < _LONGEST_ROW:
        raise pymysql.OperationalError(
            1301, f"the max_allowed_packet of the server is less than {_LONGEST_ROW} bytes"
        )
    columns, sizes = read_columns(connection, database), table_sizes(connection, database)
    versioned = versioned_tables(connection, database)
    rows, sums = {}, {}
    for table in tables:
        rows[table], sums[table] = _sum(connection, table, columns[table], table in versioned)
    for name, number in next_numbers(connection, database).items():
        if name in rows or name not in sizes:
            sums[f"sequence {name}"] = str(number)
    return rows, sums


def _sum(
    connection: Connection, table: str, columns: Sequence[Column], versioned: bool
) -> tuple[int, str]:
    hashed = [column for column in columns if not column.is_computed]
    terms = row_terms([(as_text(column, "a"), column) for column in hashed])
    source = f"{quoted(table)} AS a"
    if versioned:
        source = f"{quoted(table)} FOR SYSTEM_TIME ALL AS a"
        if not any(column.is_period for column in hashed):
            terms += ["UNIX_TIMESTAMP(a.row_start)", "UNIX_TIMESTAMP(a.row_end)"]
    row = f"SHA1(CONCAT_WS('|', {', '.join(terms)}))"
    [(count, summed)] = ask(
        connection,
        f"SELECT COUNT(*), SUM(CAST(CONV(LEFT({row}, 16), 16, 10) AS UNSIGNED)) FROM {source}",
    )
    if versioned:
        [(count,)] = ask(connection, f"SELECT COUNT(*) FROM {quoted(table)}")
    return int(count), f"{int(summed or 0):x}"


def row_terms(hashed: Sequence[tuple[str, Column]]) -> list[str]:
    """What tells a row from all others in a CONCAT_WS, which leaves out what is NULL.

    :param hashed: expressions, and the columns that they are of.
    """
    terms = [text for text, _ in hashed]
    nulls = ", ".join(f"ISNULL({column.at('a')})" for _, column in hashed if column.is_nullable)
    terms += [f"CONCAT({nulls})"] if nulls else []
    # What might hold the mark between two values: then the lengths tell where one ends.
    terms += [f"LENGTH({text})" for text, column in hashed if column.family in ("text", "binary")
              and not text.startswith("SHA1(")]  # fmt: skip
    return terms or ["1"]  # all columns follow from nothing: its rows are all the same


def table_sizes(connection: Connection, database: str) -> dict[str, int]:
    """The bytes of each table, about, without its indexes."""
    rows = ask(
        connection,
        "SELECT TABLE_NAME, DATA_LENGTH FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s"
        " AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')",
        database,
    )
    return {str(name): int(size or 0) for name, size in rows}


def next_numbers(connection: Connection, database: str) -> dict[str, int]:
    """The next number of each table with AUTO_INCREMENT, and of each sequence."""
    with suppress(pymysql.MySQLError):
        # Only MySQL has such a memory, a day old by default.
        ask(connection, "SET SESSION information_schema_stats_expiry = 0")
    rows = ask(
        connection,
        "SELECT TABLE_NAME, TABLE_TYPE, AUTO_INCREMENT FROM information_schema.TABLES"
        " WHERE TABLE_SCHEMA = %s AND (AUTO_INCREMENT IS NOT NULL OR TABLE_TYPE = 'SEQUENCE')",
        database,
    )
    found = {}
    for name, kind, number in rows:
        if kind == "SEQUENCE":
            sequence = f"{quoted(database)}.{quoted(name)}"
            [(number,)] = ask(connection, f"SELECT next_not_cached_value FROM {sequence}")
        found[str(name)] = int(number)
    return found


def versioned_tables(connection: Connection, database: str) -> frozenset[str]:
    rows = ask(
        connection,
        "SELECT TABLE_NAME FROM information_schema.TABLES"
        " WHERE TABLE_SCHEMA = %s AND TABLE_TYPE = 'SYSTEM VERSIONED'",
        database,
    )
    return frozenset(str(name) for (name,) in rows)
