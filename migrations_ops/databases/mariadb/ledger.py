"""The ledger of a MariaDB database, as the parent reads and continues it: a view with one text."""

from __future__ import annotations

import pymysql

from migrations_ops.child.protocol.ledger import NAME as LEDGER
from migrations_ops.child.protocol.ledger import from_text, mariadb_view
from migrations_ops.databases.ledger import extended, ledger_of
from migrations_ops.databases.mariadb.connect import Connection, ask
from migrations_ops.model.ledger import Ledger, LedgerEntry

# https://mariadb.com/kb/en/e1050/
_THERE = 1050


def read_ledger(connection: Connection, version_table: str) -> Ledger:
    """What the ledger knows of a version table; an empty one where there is none, or something
    else of its name."""
    return ledger_of(_read(connection), version_table)


def add_to_ledger(connection: Connection, database: str, entry: LedgerEntry) -> None:
    """Add to the ledger; it is made, and gets its identity, if it has none.

    :raises pymysql.MySQLError: it may not be written; or something has its name that is no ledger.
    """
    text = _read(connection)
    before = None if text is None else from_text(text)
    if before is None and _kind(connection):
        raise pymysql.ProgrammingError(_THERE, f"{LEDGER} exists and is not a ledger")
    runs = extended(before, entry)
    with connection.cursor() as cursor:
        cursor.execute(mariadb_view(database, runs))


def _read(connection: Connection) -> str | None:
    """The content of the ledger; None where there is none, or something else of its name."""
    if _kind(connection) != "VIEW":
        return None
    columns = [row[0] for row in ask(connection, f"SHOW COLUMNS FROM {LEDGER}")]
    if columns != ["ledger"]:
        return None
    rows = ask(connection, f"SELECT * FROM {LEDGER} LIMIT 2")
    text = rows[0][0] if len(rows) == 1 else None
    if text is None:
        return None
    return text.decode() if isinstance(text, bytes) else str(text)


def _kind(connection: Connection) -> str:
    """What has the name of the ledger, such as ``VIEW``; empty where nothing has."""
    # Of this database alone: information_schema compares names of databases without their case.
    found = ask(connection, "SHOW FULL TABLES LIKE %s", LEDGER.replace("_", r"\_"))
    return str(found[0][1]) if found else ""
