"""Connections to both sides of a comparison, which can be stopped."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

from migrations_ops.databases.sqlite.connect import Connect, equip

# The schema under which the earlier copy is attached.
BEFORE = "migrations_ops_before"
# How many instructions SQLite runs before it lets Python look for Ctrl-C.
_INSTRUCTIONS = 2_000_000


@contextmanager
def opened(
    uri: str, stopped: threading.Event, also: Connect | None = None
) -> Iterator[sqlite3.Connection]:
    """:param also: gives the connection what the application's have."""
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        equip(connection, also)
        connection.set_progress_handler(stopped.is_set, _INSTRUCTIONS)
        yield connection
