"""The rows of a MariaDB database as statements that hold each digit of its numbers.

mariadb-dump writes a FLOAT as the server prints it, with six digits, while it may have nine:
https://mariadb.com/kb/en/float/. Where a value has more than six, the rows of the whole database
are written here, since no other session can see the moment that mariadb-dump sees. That takes about
four times as long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pymysql.cursors import SSCursor

from migrations_ops.databases.mariadb.connect import Connection, ask, database_of
from migrations_ops.databases.mariadb.names import quoted
from migrations_ops.databases.mariadb.rows.columns import Column, read_columns
from migrations_ops.databases.mariadb.rows.sums import table_sizes, versioned_tables

# A statement is sent as one packet, of which the smallest server takes 1 MB.
_STATEMENT = 1 << 19
_TO_ESCAPE = re.compile(rb"[\\'\0\n\r\x1a]")
_ESCAPED = {b"\\": rb"\\", b"'": rb"\'", b"\0": rb"\0", b"\n": rb"\n", b"\r": rb"\r",
            b"\x1a": rb"\Z"}  # fmt: skip
# A date such as the 31st of February, which a server may be set to allow, has to stay.
ROWS_MODE = "NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES"
_BEFORE = (
    b"/*!40101 SET NAMES utf8mb4 */;\n"
    b"SET @was_time_zone=@@time_zone, time_zone='+00:00';\n"
    b"SET @was_unique=@@unique_checks, unique_checks=0;\n"
    b"SET @was_foreign=@@foreign_key_checks, foreign_key_checks=0;\n"
    b"SET @was_mode=@@sql_mode, sql_mode='" + ROWS_MODE.encode() + b"';\n"
    b"SET @was_autocommit=@@autocommit, autocommit=0;\n"
)
_AFTER = (
    b"SET autocommit=@was_autocommit, sql_mode=@was_mode, foreign_key_checks=@was_foreign,"
    b" unique_checks=@was_unique, time_zone=@was_time_zone;\n"
)
# As mariadb-dump writes them: since 10.11 rows may be given the time since when they are so.
_WITH_HISTORY = b"/*M!101100 SET @was_history=@@system_versioning_insert_history,"
_WITH_HISTORY += b" system_versioning_insert_history=1 */;\n"
_WITHOUT_HISTORY = b"/*M!101100 SET system_versioning_insert_history=@was_history */;\n"


def has_long_floats(connection: Connection) -> bool:
    """Whether a FLOAT of the database says more than its six printed digits."""
    database = database_of(connection)
    versioned = versioned_tables(connection, database)
    tables = table_sizes(connection, database)
    for table, columns in read_columns(connection, database).items():
        floats = [each.at("a") for each in columns if each.kind == "float" and not each.is_computed]
        if not floats or table not in tables:
            continue
        other = " OR ".join(f"NOT {a} <=> CAST(CAST({a} AS CHAR) AS FLOAT)" for a in floats)
        sql = f"SELECT 1 FROM {_source(table, versioned)} WHERE {other} LIMIT 1"
        if ask(connection, sql):
            return True
    return False


def write_rows(connection: Connection) -> Iterator[bytes]:
    """Statements that insert all rows, read in the transaction that the connection is in.

    The tables have no triggers yet where these are executed. The connection is of no other use.
    """
    database = database_of(connection)
    versioned, columns = versioned_tables(connection, database), read_columns(connection, database)
    tables = list(table_sizes(connection, database))
    ask(connection, "SET SESSION time_zone = '+00:00', net_write_timeout = 3600")
    # The values as the server sends them.
    connection.decoders, connection.use_unicode = {}, False
    yield _BEFORE
    for table in tables:
        stored = [column for column in columns[table] if not column.is_computed]
        with_history = table in versioned
        yield f"\n--\n-- Rows of {quoted(table)}\n--\n\n".encode()
        yield _WITH_HISTORY if with_history else b""
        yield from _insertions(connection, table, stored, versioned)
        yield _WITHOUT_HISTORY if with_history else b""
        yield b"COMMIT;\n"
    yield _AFTER


def _source(table: str, versioned: frozenset[str]) -> str:
    history = "FOR SYSTEM_TIME ALL " if table in versioned else ""
    return f"{quoted(table)} {history}AS a"


def _insertions(
    connection: Connection, table: str, columns: Sequence[Column], versioned: frozenset[str]
) -> Iterator[bytes]:
    names = [quoted(column.name) for column in columns]
    values = [_expression(column) for column in columns]
    kinds = [_kind(column) for column in columns]
    if table in versioned and not any(column.is_period for column in columns):
        names += ["row_start", "row_end"]
        values += ["a.row_start", "a.row_end"]
        kinds += ["text", "text"]
    head = f"INSERT INTO {quoted(table)} ({', '.join(names)}) VALUES\n".encode()
    with connection.cursor(SSCursor) as cursor:
        # All columns may follow from nothing: then a row says nothing but that it is there.
        cursor.execute(f"SELECT {', '.join(values) or 1} FROM {_source(table, versioned)}")
        waiting: list[bytes] = []
        size = 0
        for row in cursor:
            waiting.append(b"(" + b",".join(map(_literal, row, kinds)) + b")")
            size += len(waiting[-1])
            if size > _STATEMENT:
                yield head + b",\n".join(waiting) + b";\n"
                waiting, size = [], 0
        if waiting:
            yield head + b",\n".join(waiting) + b";\n"


def _expression(column: Column) -> str:
    value = column.at("a")
    return f"CAST({value} AS DOUBLE)" if column.kind == "float" else value


def _kind(column: Column) -> str:
    if column.kind == "bit":
        return "binary"
    return column.family if column.family in ("integer", "decimal", "float", "binary") else "text"


def _literal(value: bytes | None, kind: str) -> bytes:
    """A value as SQL, on one line."""
    if value is None:
        return b"NULL"
    if kind == "binary":
        return b"0x" + value.hex().encode() if value else b"''"
    if kind == "text":
        return b"'" + _TO_ESCAPE.sub(lambda found: _ESCAPED[found[0]], value) + b"'"
    return value
