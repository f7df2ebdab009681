"""Uses the driver directly, below SQLAlchemy."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from typing import Any

from .families import server_of

# libpq's status of a connection that waits outside of any transaction.
_IDLE = 0
# The drivers whose connections take the class of a cursor.
_WITH_CURSORS = frozenset({"pymysql", "MySQLdb", "aiomysql", "asyncmy"})
_CLASS = re.compile(r"^<class '[^']*'>: ")


def main_file(connection: Any) -> str | None:
    """The file behind the main schema of a SQLAlchemy connection to SQLite."""
    files = [row[2] for row in ask_driver(connection, "PRAGMA database_list") if row[1] == "main"]
    return files[0] or None if files else None


def ask_driver(connection: Any, sql: str) -> list[tuple[Any, ...]]:
    """Run a statement below SQLAlchemy.

    Through SQLAlchemy it would begin a transaction, which Alembic would treat as env.py's own and
    never commit.
    """
    return ask(connection.connection.dbapi_connection, sql)


def ask(driver: Any, sql: str) -> list[tuple[Any, ...]]:
    """Run a statement on a connection of a driver, or of SQLAlchemy's adapter of an async one."""
    if not hasattr(driver, "cursor"):  # pg8000.native
        return [tuple(row) for row in driver.run(sql) or []]
    cursor = plain_cursor(driver)
    try:
        cursor.execute(sql)  # even an empty list of values makes some drivers look for placeholders
        return [] if cursor.description is None else [tuple(row) for row in cursor.fetchall()]
    finally:
        cursor.close()


def plain_cursor(driver: Any) -> Any:
    """A cursor whose rows are tuples, whatever the connection was made to give.

    A dictionary row would yield the names of its columns, not their values.
    """
    packages = {each.__module__.partition(".")[0] for each in type(driver).__mro__}
    if "psycopg" in packages:
        from psycopg.rows import tuple_row

        return driver.cursor(row_factory=tuple_row)
    if "psycopg2" in packages:
        from psycopg2.extensions import (  # type: ignore[import-untyped,unused-ignore]
            connection,
            cursor,
        )

        # Not the method of a class such as LoggingConnection, which is not ready yet.
        return connection.cursor(driver, cursor_factory=cursor)
    for package in _WITH_CURSORS & packages:
        return driver.cursor(sys.modules[f"{package}.cursors"].Cursor)
    return driver.cursor()


def identity_of(driver: Any, family: str) -> str | None:
    """The identity that the server reports for a connection; None for other engines."""
    server = server_of(family)
    return None if server is None else str(ask(driver, server.identity)[0][0])


def is_idle(driver: Any) -> bool:
    """Whether a connection to PostgreSQL is known to be outside of any transaction.

    :param driver: the driver's own connection.
    """
    status = getattr(getattr(driver, "info", None), "transaction_status", None)
    if status is not None:  # psycopg, psycopg2
        return int(status) == _IDLE
    if hasattr(driver, "is_in_transaction"):  # asyncpg
        return not driver.is_in_transaction()
    return not getattr(driver, "_in_transaction", True)  # pg8000


def autocommits(driver: Any) -> bool:
    """Whether each statement of a connection is committed by itself."""
    if hasattr(driver, "get_autocommit"):  # PyMySQL, mysqlclient, aiomysql
        return bool(driver.get_autocommit())
    return getattr(driver, "autocommit", False) is True


def set_autocommit(driver: Any, value: bool) -> None:
    """Switch autocommit on or off; the connection must be idle."""
    if callable(getattr(driver, "autocommit", None)):  # PyMySQL, mysqlclient, aiomysql
        driver.autocommit(value)
        return
    if hasattr(driver, "_isolation_setting"):
        # SQLAlchemy's adapter of asyncpg resets it to the engine's setting.
        driver.set_isolation_level("autocommit" if value else "read_committed")
        return
    driver.autocommit = value


def sqlstate_of(error: BaseException | None) -> str | None:
    """The code of a server's error, wherever the driver puts it: "55P03", "1205"."""
    for each in _causes(error):
        first = each.args[0] if each.args else None
        module = type(each).__module__.lower()
        # MariaDB's SQLSTATE is less exact than its number: HY000 for nearly everything.
        if isinstance(first, int) and ("mysql" in module or "asyncmy" in module):
            return str(first)
        code = getattr(each, "sqlstate", None) or getattr(each, "pgcode", None)
        if isinstance(code, str):
            return code
        if isinstance(first, dict) and isinstance(first.get("C"), str):  # pg8000
            return str(first["C"])
    return None


def _causes(error: BaseException | None) -> list[BaseException]:
    """An error and its causes, the driver's own first of each."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        original = getattr(error, "orig", None)
        if isinstance(original, BaseException):
            found.append(original)
        found.append(error)
        error = error.__cause__
    return found


def message_of(error: BaseException) -> str:
    """The message of an error, without what some drivers put around it."""
    original = getattr(error, "orig", None) or error
    if isinstance(original, OSError) and original.filename is not None:
        return f"{original.strerror}: {original.filename}"
    first, *rest = original.args or ("",)
    if isinstance(first, dict) and "M" in first:  # pg8000
        return str(first["M"])
    if isinstance(first, int) and rest and isinstance(rest[0], str):  # MariaDB's
        return str(rest[0])
    # SQLAlchemy's adapter of asyncpg names the class first.
    return _CLASS.sub("", str(original))


def is_pooled(driver: Any) -> bool:
    """Whether a pooler such as PgBouncer is in front of PostgreSQL: it invents a process number."""
    raw = getattr(driver, "_connection", driver)
    if hasattr(raw, "get_server_pid"):  # asyncpg
        process = raw.get_server_pid()
    else:
        process = getattr(getattr(raw, "info", None), "backend_pid", None)
    if process is None:
        return False
    return bool(ask(driver, "SELECT pg_backend_pid()") != [(process,)])


def close_quietly(driver: Any) -> None:
    with suppress(Exception):
        driver.close()


def raw_of(driver: Any) -> Any:
    """The driver's own connection, behind SQLAlchemy's adapter of an async one."""
    return getattr(driver, "_connection", driver)
