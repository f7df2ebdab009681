"""The ledger of a MariaDB database, as the parent reads and continues it: a view with one text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from migrations_ops.child.protocol.ledger import NAME as LEDGER
from migrations_ops.child.protocol.ledger import Run, from_text, mariadb_view
from migrations_ops.databases.ledger import extended, ledger_of
from migrations_ops.databases.mariadb.connect import Connection, ask
from migrations_ops.model.ledger import Ledger


def read_ledger(connection: Connection) -> Ledger:
    """What the ledger says; an empty one where there is none, or something else of its name."""
    return ledger_of(_read(connection) or [])


def add_to_ledger(
    connection: Connection,
    database: str,
    environment: str,
    run: Mapping[str, Any] | None,
    *,
    adopt: bool,
) -> None:
    """Note a run; the ledger is made, and gets its identity, if it has none.

    :param adopt: give it a new identity in any case, as that environment's.
    """
    runs = extended(_read(connection), environment, run, adopt=adopt)
    with connection.cursor() as cursor:
        cursor.execute(mariadb_view(database, runs))


def _read(connection: Connection) -> list[Run] | None:
    found = ask(
        connection,
        "SELECT 1 FROM information_schema.views WHERE table_schema = DATABASE()"
        f" AND table_name = '{LEDGER}'",
    )
    if not found:
        return None
    rows = ask(connection, f"SELECT * FROM {LEDGER}")
    text = rows[0][0] if len(rows) == 1 else None
    return from_text(text.decode() if isinstance(text, bytes) else str(text))
