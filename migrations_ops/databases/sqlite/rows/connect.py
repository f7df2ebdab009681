"""Connections to both sides of a comparison, which can be stopped."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

# The schema under which the earlier copy is attached.
BEFORE = "migrations_ops_before"
# How many instructions SQLite runs before it lets Python look for Ctrl-C.
_INSTRUCTIONS = 2_000_000


@contextmanager
def opened(uri: str, stopped: threading.Event) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        connection.execute("PRAGMA query_only=ON")
        connection.set_progress_handler(stopped.is_set, _INSTRUCTIONS)
        yield connection
