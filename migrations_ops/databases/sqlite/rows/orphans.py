"""Rows that have lost their parents, and ids that would be given out again."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Mapping, Sequence

from migrations_ops.child.protocol.sql import tokens
from migrations_ops.databases.row_changes import Pair
from migrations_ops.databases.sqlite.connect import Connect
from migrations_ops.databases.sqlite.lacking import violations
from migrations_ops.databases.sqlite.rows.connect import BEFORE, opened


def new_orphans(
    now: str,
    earlier: str,
    pairs: Sequence[Pair],
    stopped: threading.Event,
    also: Connect | None = None,
) -> Mapping[tuple[str, str], int]:
    """Rows without their parents, of which there were fewer before, by (child, parent)."""
    with opened(now, stopped, also) as connection:
        after = _violations(connection)
    if not after:
        return {}  # what was there before need not be counted: it takes seconds a GB
    with opened(earlier, stopped, also) as connection:
        found = _violations(connection)
    names = {pair.before.lower(): pair.after for pair in pairs}
    before: Counter[tuple[str, str]] = Counter()
    for (child, parent), count in found.items():
        before[names.get(child, child).lower(), names.get(parent, parent).lower()] += count
    return dict(after - before)


def _violations(connection: sqlite3.Connection) -> Counter[tuple[str, str]]:
    rows = violations(connection)
    return Counter((child.lower(), parent.lower()) for child, _, parent, _ in rows)


def restarted_sequences(
    connection: sqlite3.Connection, pairs: Sequence[Pair]
) -> Mapping[str, tuple[int, int]]:
    """Where AUTOINCREMENT would give out ids that it has given out before."""
    before, after = (_sequence(connection, schema) for schema in (BEFORE, "main"))
    found = {}
    counting = {
        name.lower()
        for name, sql in connection.execute("SELECT name, sql FROM main.sqlite_master")
        if any(word.means("AUTOINCREMENT") for word in tokens(sql or ""))
    }
    for pair in pairs:
        was = before.get(pair.before.lower(), 0)
        now = after.get(pair.after.lower(), 0)
        if now < was and pair.after.lower() in counting:
            found[pair.before] = (was + 1, now + 1)
    return found


def _sequence(connection: sqlite3.Connection, schema: str) -> dict[str, int]:
    there = f"SELECT 1 FROM {schema}.sqlite_master WHERE name = 'sqlite_sequence'"
    if not connection.execute(there).fetchone():
        return {}
    rows = connection.execute(f"SELECT name, seq FROM {schema}.sqlite_sequence")
    return {str(name).lower(): int(seq or 0) for name, seq in rows}
