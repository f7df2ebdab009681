"""Measures a run on a copy: how long each statement takes, the rows it changes, what it locks."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from ..channel import Events
from ..families import family_of, family_of_identity, load
from ..protocol.events import StatementMeasured, TableLocked, TableRewritten
from ..protocol.instructions import Instructions
from .literals import in_words, sets_of
from .script import Script
from .tracing import SQL_SENT, Tracing

# At most this many texts are reported: a revision that writes values into its statements has a new
# text each time.
_MOST_KINDS = 500
_CHANGES_ROWS = frozenset({"INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "WITH"})


@dataclass
class _Sum:
    """A statement with the same text, each time that a revision ran it."""

    times: int = 0
    seconds: float = 0.0
    rows: int | None = None
    values: str = ""

    def add(self, seconds: float, rows: int | None) -> None:
        self.times += 1
        self.seconds += seconds
        if rows is not None:
            self.rows = (self.rows or 0) + rows


class Ran(NamedTuple):
    """A statement that has come to its end, and when it began, by ``time.perf_counter``."""

    revision: str
    sql: str
    rows: int
    since: float


class LockReader(Protocol):
    """Reads which tables a run has locked and rewritten, on its own connection."""

    def begins(self, connection: Any) -> None:
        """Before the first statement of a run."""

    def statement_ran(self, connection: Any, ran: Ran) -> None:
        """After the first statement of each text."""

    def take(self) -> list[TableLocked | TableRewritten]:
        """What was found until now; what is still locked counts as locked until now."""


def start_measuring(
    instructions: Instructions, events: Events, tracing: Tracing
) -> Callable[[], None]:
    """Measure each statement from now on.

    :returns: what reports the measurements of a command, to be called at its end.
    """
    server = family_of_identity(instructions.destination).server
    locks: LockReader | None = None
    if server is not None:
        locks = load(server.lock_reader)()
    script = Script(events, tracing) if instructions.script else None
    measuring = _Measuring(events, tracing, locks, script, values=instructions.values)
    measuring.install()
    return measuring.report


class _Measuring:
    def __init__(
        self,
        events: Events,
        tracing: Tracing,
        locks: LockReader | None,
        script: Script | None,
        *,
        values: bool,
    ) -> None:
        self._events, self._tracing, self._locks = events, tracing, locks
        self._script, self._values = script, values
        self._begun = 0.0
        self._at_work = ""
        self._sums: dict[tuple[str, str], _Sum] = {}
        self._begins = True

    def install(self) -> None:
        from sqlalchemy import Engine, event

        event.listen(Engine, "before_cursor_execute", self._before)
        event.listen(Engine, "after_cursor_execute", self._after)

    def report(self) -> None:
        """Send the measurements; a statement that has not finished adds its time, and no count."""
        if self._at_work:
            revision, sql = self._tracing.revision or "", self._at_work
            seconds = time.perf_counter() - self._begun
            self._sum_of(revision, sql).seconds += seconds
        for (revision, sql), found in self._sums.items():
            seconds = round(found.seconds, 6)
            self._events.emit(
                StatementMeasured(revision, sql, found.times, seconds, found.rows, found.values)
            )
        for each in [] if self._locks is None else self._locks.take():
            self._events.emit(each)
        self._sums.clear()
        self._at_work, self._begins = "", True

    def _before(self, connection: Any, cursor: Any, sql: str, *_: Any) -> None:
        if self._tracing.revision is None:
            return
        if self._begins and self._locks is not None:
            self._locks.begins(connection)
        self._begins = False
        self._at_work = sql.strip()[:SQL_SENT]
        self._begun = time.perf_counter()

    def _after(
        self,
        connection: Any,
        cursor: Any,
        whole: str,
        parameters: Any,
        context: Any,
        many: bool,
    ) -> None:
        seconds = time.perf_counter() - self._begun
        if self._script is not None:
            self._script.statement_ran(connection, whole, parameters, context, many=many)
        revision, sql = self._tracing.revision, self._at_work
        if revision is None or not sql:
            return
        self._at_work = ""
        is_new = (revision, sql) not in self._sums
        rows = getattr(cursor, "rowcount", -1)
        rows = rows if isinstance(rows, int) else -1
        total = self._sum_of(revision, sql)
        total.add(seconds, _changed(rows, sql))
        if is_new and self._values and (revision, sql) in self._sums:
            first = next(iter(sets_of(parameters, many=many)), ())
            total.values = in_words(first, family_of(connection.dialect))
        if is_new and self._locks is not None:
            self._locks.statement_ran(connection, Ran(revision, sql, rows, self._begun))

    def _sum_of(self, revision: str, sql: str) -> _Sum:
        key = revision, sql
        if key not in self._sums and len(self._sums) >= _MOST_KINDS:
            key = revision, f"{sql.split(maxsplit=1)[0].upper()} …"
        return self._sums.setdefault(key, _Sum())


def _changed(rows: int, sql: str) -> int | None:
    """How many rows a statement changed; None where the driver does not tell.

    :param rows: what the driver counted, -1 for nothing.
    """
    return rows if rows >= 0 and sql.split(maxsplit=1)[0].upper() in _CHANGES_ROWS else None
