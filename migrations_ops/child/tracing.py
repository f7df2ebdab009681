"""What the parent hears of a run: each revision, each statement, what is dropped on purpose."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .events import Events

# A data migration that works row by row sends hundreds of thousands of statements: past this
# many in one revision they are counted, not told.
STATEMENTS_TOLD = 500
SQL_TOLD = 4000
# Whoever looks for losses must hear of these all the same.
_REMOVING = frozenset({"DROP", "DELETE", "ALTER"})

_DROPS = {
    "DropTableOp": "drop_table",
    "DropColumnOp": "drop_column",
    "DropIndexOp": "drop_index",
    "DropConstraintOp": "drop_constraint",
    "RenameTableOp": "rename_table",
}


class Tracing:
    """Follows one run of revisions and tells the parent."""

    def __init__(self, events: Events, *, statements: bool) -> None:
        self._events = events
        self._statements = statements
        self._count = 0
        self._begun = 0.0
        self._removed: set[tuple[str, ...]] = set()
        self.revision: str | None = None

    def install(self) -> None:
        from alembic.operations.base import AbstractOperations
        from sqlalchemy import Engine, event

        event.listen(Engine, "before_cursor_execute", self._before)
        event.listen(Engine, "after_cursor_execute", self._after)
        original = AbstractOperations.invoke

        def invoke(operations: Any, operation: Any) -> Any:
            self._operation(operation)
            return original(operations, operation)

        AbstractOperations.invoke = invoke  # type: ignore[method-assign,assignment]

    def follow(
        self, steps: Callable[..., Iterable[Any]], at_work: Callable[[str | None], None]
    ) -> Callable[..., Iterator[Any]]:
        """Alembic's list of steps, with an event before and after each one.

        :param at_work: told the revision before it begins, None when it has come to its end;
            nothing more where it fails.
        """

        def followed(revision: Any, context: Any) -> Iterator[Any]:
            for step in steps(revision, context):
                name, up = _name(step), bool(getattr(step, "is_upgrade", True))
                self.revision, self._count = name, 0
                self._events.emit("started", revision=name, up=up)
                begun = time.perf_counter()
                at_work(name)
                yield step
                at_work(None)
                seconds = round(time.perf_counter() - begun, 4)
                self._events.emit(
                    "done", revision=name, up=up, seconds=seconds, statements=self._count
                )
                self.revision = None

        return followed

    def _before(self, *_: Any) -> None:
        self._begun = time.perf_counter()

    def _after(
        self, connection: Any, cursor: Any, sql: str, parameters: Any, context: Any, many: bool
    ) -> None:
        if self.revision is None:
            return
        self._count += 1
        told = self._count <= STATEMENTS_TOLD or self._is_first_of_its_kind(sql)
        if self._statements and told:
            self._events.emit(
                "statement",
                revision=self.revision,
                sql=sql.strip()[:SQL_TOLD],
                seconds=round(time.perf_counter() - self._begun, 4),
                rows=cursor.rowcount,
            )

    def _is_first_of_its_kind(self, sql: str) -> bool:
        """Whether this statement drops or deletes something that none before it did."""
        words = tuple(sql[:SQL_TOLD].split()[:6])
        if not words or words[0].upper() not in _REMOVING or words in self._removed:
            return False
        self._removed.add(words)
        return True

    def _operation(self, operation: Any) -> None:
        kind = _DROPS.get(type(operation).__name__)
        if getattr(operation, "modify_name", None) is not None:
            kind = "rename_column"
        if kind is None or self.revision is None:
            return
        table = getattr(operation, "table_name", None)
        name = (
            getattr(operation, "column_name", None)
            or getattr(operation, "index_name", None)
            or getattr(operation, "constraint_name", None)
        )
        self._events.emit(
            "operation",
            revision=self.revision,
            kind=kind,
            table=_text(table),
            name=_text(name),
            type=_text(getattr(operation, "constraint_type", None)),
        )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _name(step: Any) -> str:
    revision = getattr(step, "revision", None)
    if revision is not None:
        return str(getattr(revision, "revision", revision))
    return ", ".join(getattr(step, "to_", ()) or ())
