"""The ledger of a SQLite database, as the parent reads and continues it.

Whatever runs in Alembic's process is noted there by the child, in the same transaction.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from migrations_ops.databases import LEDGER
from migrations_ops.files import now
from migrations_ops.results import Ledger

CREATE = f"""\
CREATE TABLE {LEDGER} (
    id INTEGER PRIMARY KEY,
    event TEXT NOT NULL,
    environment TEXT NOT NULL,
    identity TEXT,
    revision TEXT,
    source_hash TEXT,
    git_commit TEXT,
    account TEXT,
    host TEXT,
    started TEXT,
    seconds REAL,
    outcome TEXT,
    release_id TEXT
)"""
_READ = (
    f"SELECT event, environment, identity, revision, source_hash FROM {LEDGER}"
    " WHERE outcome = 'done' ORDER BY id"
)


def read_ledger(connection: sqlite3.Connection) -> Ledger:
    """What the ledger says; an empty one where there is none, or a table that is not ours."""
    try:
        rows = connection.execute(_READ).fetchall()
    except sqlite3.OperationalError as error:
        if "no such" in str(error):
            return Ledger()
        raise
    environment, identity = "", ""
    ran: dict[str, str | None] = {}
    stamped: set[str] = set()
    for event, told, key, revision, source in rows:
        if event == "identity":
            environment, identity = str(told), str(key)
            continue
        ran.pop(revision, None)
        stamped.discard(revision)
        if event == "upgrade":
            ran[revision] = source
        elif event == "stamp":
            stamped.add(revision)
    return Ledger(environment, identity, ran, frozenset(stamped))


def read_environment(connection: sqlite3.Connection) -> str:
    """Which environment the ledger says that this is; empty without one."""
    try:
        row = connection.execute(
            f"SELECT environment FROM {LEDGER} WHERE event = 'identity' ORDER BY id DESC LIMIT 1"
        ).fetchone()
    except sqlite3.OperationalError as error:
        if "no such" in str(error):
            return ""
        raise
    return str(row[0]) if row else ""


def add_to_ledger(
    connection: sqlite3.Connection,
    environment: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    adopt: bool,
) -> None:
    """Note rows in one transaction; the ledger is made, and gets its identity, if it has none.

    :param adopt: give it a new identity in any case, as that environment's.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        before = read_ledger(connection)
        connection.execute(CREATE.replace("TABLE", "TABLE IF NOT EXISTS", 1))
        if adopt or not before.identity:
            identity = {"event": "identity", "identity": secrets.token_hex(16), "started": now()}
            rows = [identity, *rows]
        for row in rows:
            whole = {"environment": environment, "outcome": "done", **row}
            places = ", ".join("?" * len(whole))
            connection.execute(
                f"INSERT INTO {LEDGER} ({', '.join(whole)}) VALUES ({places})",
                tuple(whole.values()),
            )
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
