"""The ledger of a SQLite database, as the child reads and writes it."""

from __future__ import annotations

from typing import Any

from ..driver import ask_driver
from ..protocol.ledger import NAME, Run, from_sqlite, sqlite_view


def find(connection: Any, schema: str | None = None) -> list[Run] | None:
    """The content of the ledger; None where there is none, or something else of its name."""
    sql = f"SELECT sql FROM sqlite_master WHERE type = 'view' AND name = '{NAME}'"
    rows = ask_driver(connection, sql)
    return from_sqlite(str(rows[0][0])) if rows else None


def is_taken(connection: Any, schema: str | None = None) -> bool:
    """Whether something that is no ledger has its name."""
    if find(connection) is not None:
        return False
    return bool(ask_driver(connection, f"SELECT 1 FROM sqlite_master WHERE name = '{NAME}'"))


def write(connection: Any, schema: str | None, runs: list[Run]) -> None:
    """Replace the ledger, in the transaction that is open."""
    ask_driver(connection, f"DROP VIEW IF EXISTS {NAME}")
    ask_driver(connection, sqlite_view(runs))


def must_be_written(error: Exception, *, begins: bool) -> bool:
    """Whether the run fails with what prevented an entry: the right cannot be missing here."""
    return True


def role(connection: Any) -> str:
    """None: it knows no roles."""
    return ""
