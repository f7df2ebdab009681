"""The ledger of a SQLite database, as the parent reads and continues it.

It is a view that carries its content in its own text, as JSON: whatever runs in Alembic's process
is noted there by the child, in the same transaction.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Mapping
from typing import Any

from migrations_ops.databases import LEDGER
from migrations_ops.files import now
from migrations_ops.results import Ledger

_HEAD, _TAIL = f"CREATE VIEW {LEDGER} AS SELECT '", "' AS ledger"

Run = dict[str, Any]


def read_ledger(connection: sqlite3.Connection) -> Ledger:
    """What the ledger says; an empty one where there is none, or something else of its name."""
    try:
        return _ledger_of(_read(connection) or [])
    except (KeyError, TypeError):  # somebody has written into it
        return Ledger()


def _ledger_of(runs: list[Run]) -> Ledger:
    environment, identity = "", ""
    ran: dict[str, str | None] = {}
    stamped: set[str] = set()
    for run in runs:
        event = run.get("event")
        if event == "identity":
            environment, identity = str(run.get("environment", "")), str(run.get("identity", ""))
        for each in run.get("revisions", ()):
            name = each["revision"]
            ran.pop(name, None)
            stamped.discard(name)
            if event == "upgrade":
                ran[name] = each["source_hash"]
            elif event == "stamp":
                stamped.add(name)
    return Ledger(environment, identity, ran, frozenset(stamped))


def add_to_ledger(
    connection: sqlite3.Connection, environment: str, run: Mapping[str, Any] | None, *, adopt: bool
) -> None:
    """Note a run in one transaction; the ledger is made, and gets its identity, if it has none.

    :param adopt: give it a new identity in any case, as that environment's.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        before = _read(connection)
        if before is None and _is_taken(connection):
            raise sqlite3.OperationalError(f"{LEDGER} is there, and is no ledger")
        added: list[Run] = [] if run is None else [dict(run)]
        if adopt or not before:
            identity = {"event": "identity", "identity": secrets.token_hex(16), "started": now()}
            added.insert(0, identity)
        facts = {"outcome": "done", "environment": environment}
        connection.execute(f"DROP VIEW IF EXISTS {LEDGER}")
        connection.execute(_text_of([*(before or []), *(facts | each for each in added)]))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _read(connection: sqlite3.Connection) -> list[Run] | None:
    row = connection.execute(
        "SELECT sql FROM sqlite_master WHERE type = 'view' AND name = ?", (LEDGER,)
    ).fetchone()
    text = str(row[0]) if row else ""
    if not (text.startswith(_HEAD) and text.endswith(_TAIL)):
        return None
    try:
        runs = json.loads(text[len(_HEAD) : -len(_TAIL)].replace("''", "'"))
    except ValueError:
        return None
    sound = isinstance(runs, list) and all(isinstance(run, dict) for run in runs)
    return runs if sound else None


def _is_taken(connection: sqlite3.Connection) -> bool:
    """Whether something that is no ledger has its name."""
    sql = "SELECT 1 FROM sqlite_master WHERE name = ?"
    return connection.execute(sql, (LEDGER,)).fetchone() is not None


def _text_of(runs: list[Run]) -> str:
    return f"{_HEAD}{json.dumps(runs).replace(chr(39), chr(39) * 2)}{_TAIL}"
