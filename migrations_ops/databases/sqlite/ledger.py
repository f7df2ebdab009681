"""The ledger of a SQLite database, as the parent reads and continues it.

It is a view that carries its content in its own text, as JSON: whatever runs in Alembic's process
is recorded there by the child, in the same transaction.
"""

from __future__ import annotations

import sqlite3

from migrations_ops.child.protocol.ledger import NAME as LEDGER
from migrations_ops.child.protocol.ledger import from_text, sqlite_view, text_in_sqlite
from migrations_ops.databases.ledger import extended, ledger_of
from migrations_ops.model.ledger import Ledger, LedgerEntry


def read_ledger(connection: sqlite3.Connection, version_table: str) -> Ledger:
    """What the ledger knows of a version table; an empty one where there is none, or something
    else of its name."""
    return ledger_of(_read(connection), version_table)


def add_to_ledger(connection: sqlite3.Connection, entry: LedgerEntry) -> None:
    """Add to the ledger in one transaction; it is made, and gets its identity, if it has none."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        text = _read(connection)
        before = None if text is None else from_text(text)
        if before is None and _is_taken(connection):
            raise sqlite3.OperationalError(f"{LEDGER} exists and is not a ledger")
        runs = extended(before, entry)
        connection.execute(f"DROP VIEW IF EXISTS {LEDGER}")
        connection.execute(sqlite_view(runs))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _read(connection: sqlite3.Connection) -> str | None:
    """The content of the ledger; None where there is none, or something else of its name."""
    row = connection.execute(
        "SELECT sql FROM sqlite_master WHERE type = 'view' AND name = ?", (LEDGER,)
    ).fetchone()
    return text_in_sqlite(str(row[0])) if row else None


def _is_taken(connection: sqlite3.Connection) -> bool:
    """Whether an object that is not a ledger has its name."""
    sql = "SELECT 1 FROM sqlite_master WHERE name = ?"
    return connection.execute(sql, (LEDGER,)).fetchone() is not None
