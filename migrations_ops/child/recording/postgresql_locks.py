"""Reads from PostgreSQL which tables the transaction of a run has locked and rewritten.

A lock that a transaction takes stays until its end
(https://www.postgresql.org/docs/current/explicit-locking.html), so that it is enough to look after
each statement. A rewritten table has another file than before.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from ..driver import ask_driver
from ..protocol.events import TableLocked, TableRewritten
from .measuring import Ran

_TABLES = (
    "SELECT c.oid, format('%I.%I', n.nspname, c.relname), c.relfilenode FROM pg_class c"
    " JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname !~ '^pg_'"
    " AND n.nspname <> 'information_schema'"
)
# A table that the transaction has dropped is locked as well, and not in pg_class any more.
_LOCKED = (
    "SELECT l.relation, l.mode, c.relfilenode FROM pg_locks l"
    " LEFT JOIN pg_class c ON c.oid = l.relation"
    " WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.granted"
)


def _size(connection: Any, oid: Any) -> int:
    with suppress(Exception):
        [[size]] = ask_driver(connection, f"SELECT pg_total_relation_size({int(oid)})")
        return int(size)
    return 0


class PostgreSQLLocks:
    """The locks of one run on the tables that were there before it."""

    def __init__(self) -> None:
        self._tables: dict[int, tuple[str, int]] = {}
        self._held: dict[tuple[int, str], Ran] = {}
        self._found: list[TableLocked | TableRewritten] = []

    def begins(self, connection: Any) -> None:
        with suppress(Exception):  # a transaction that has failed answers nothing
            rows = ask_driver(connection, _TABLES)
            self._tables = {int(oid): (name, int(file)) for oid, name, file in rows}

    def statement_ran(self, connection: Any, ran: Ran) -> None:
        try:
            rows = ask_driver(connection, _LOCKED)
        except Exception:
            return  # as above
        held = {(int(oid), str(mode)) for oid, mode, _ in rows if int(oid) in self._tables}
        for key in [each for each in self._held if each not in held]:
            self._release(key)  # by the end of a transaction in between
        for key in held:
            self._held.setdefault(key, ran)
        for oid, _, file in rows:
            name, was = self._tables.get(int(oid), ("", 0))
            if name and file is not None and int(file) != was:
                self._tables[int(oid)] = name, int(file)
                self._found.append(TableRewritten(ran.revision, name, _size(connection, oid)))

    def take(self) -> list[TableLocked | TableRewritten]:
        for key in list(self._held):
            self._release(key)
        found, self._found = self._found, []
        return found

    def _release(self, key: tuple[int, str]) -> None:
        ran = self._held.pop(key)
        seconds, table = round(time.perf_counter() - ran.since, 6), self._tables[key[0]][0]
        self._found.append(TableLocked(ran.revision, table, key[1], seconds, ran.sql))
