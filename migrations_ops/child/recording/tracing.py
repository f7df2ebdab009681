"""What the parent hears of a run: each revision, each statement, what is dropped on purpose."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..protocol.events import Events

# A data migration that works row by row sends hundreds of thousands of statements: past this
# many in one revision they are counted, not told.
STATEMENTS_TOLD = 500
SQL_TOLD = 4000
# Whoever looks for losses must hear of these all the same, once for each thing that they change:
# the words that name it, which an INSERT OR REPLACE has two more of.
_CHANGING = {"DELETE": 6, "UPDATE": 2, "REPLACE": 3, "INSERT": 3}
# And of each of these: the same one means another thing after a rename.
_RESHAPING = ("DROP", "ALTER", "RENAME", "TRUNCATE", "REVOKE", "MERGE", "DO", "WITH")
_WHERE = re.compile(r"\bWHERE\b", re.IGNORECASE)
_SET = re.compile(r"(\w+)[\"`\]]?\s*=")
# A revision of more kinds than this writes its values into its statements.
_KINDS_TOLD = 2000

_DROPS = {
    "DropTableOp": "drop_table",
    "DropColumnOp": "drop_column",
    "DropIndexOp": "drop_index",
    "DropConstraintOp": "drop_constraint",
    "RenameTableOp": "rename_table",
}


class Tracing:
    """Follows one run of revisions and tells the parent."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._count = 0
        self._begun = 0.0
        self._changed: set[tuple[str, ...]] = set()
        self._batch: Any = None
        self._batches = 0
        self.revision: str | None = None

    def install(self) -> None:
        from alembic.operations.base import AbstractOperations
        from sqlalchemy import Engine, event

        event.listen(Engine, "before_cursor_execute", self._before)
        event.listen(Engine, "after_cursor_execute", self._after)
        original = AbstractOperations.invoke

        def invoke(operations: Any, operation: Any) -> Any:
            self._operation(operation, self._batch_of(operations))
            return original(operations, operation)

        AbstractOperations.invoke = invoke  # type: ignore[method-assign,assignment]

    def follow(
        self,
        steps: Callable[..., Iterable[Any]],
        begins: Callable[[str, Any], None],
        ends: Callable[[Any], None],
    ) -> Callable[..., Iterator[Any]]:
        """Alembic's list of steps, with an event before and after each one.

        :param begins: told the revision and Alembic's context before it begins.
        :param ends: told the context when it has come to its end; nothing where it fails.
        """

        def followed(revision: Any, context: Any) -> Iterator[Any]:
            for step in steps(revision, context):
                name, up = _name(step), bool(getattr(step, "is_upgrade", True))
                self.revision, self._count = name, 0
                self._events.emit("started", revision=name, up=up)
                begun = time.perf_counter()
                begins(name, context)
                yield step
                ends(context)
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
        told = self._is_first_of_its_kind(sql) or self._count <= STATEMENTS_TOLD
        if told:
            self._events.emit(
                "statement",
                revision=self.revision,
                sql=sql.strip()[:SQL_TOLD],
                seconds=round(time.perf_counter() - self._begun, 4),
                rows=cursor.rowcount,
            )

    def _is_first_of_its_kind(self, sql: str) -> bool:
        """Whether this statement changes something that none before it did."""
        words = sql[:SQL_TOLD].split(maxsplit=6)[:6]
        verb = words[0].upper() if words else ""
        if verb not in _CHANGING:
            return verb in _RESHAPING
        more = 2 if verb in ("INSERT", "UPDATE") and words[1:2] in (["OR"], ["or"]) else 0
        kind = tuple(words[: _CHANGING[verb] + more])
        if verb == "UPDATE":
            kind += tuple(_SET.findall(_WHERE.split(sql[:SQL_TOLD], maxsplit=1)[0]))
        if kind in self._changed or len(self._changed) > _KINDS_TOLD:
            return False
        self._changed.add(kind)
        return True

    def _batch_of(self, operations: Any) -> int:
        """The number of the batch to which these operations belong; 0 for none."""
        if type(operations).__name__ != "BatchOperations":
            return 0
        if operations is not self._batch:
            self._batch, self._batches = operations, self._batches + 1
        return self._batches

    def _operation(self, operation: Any, batch: int) -> None:
        kind = _DROPS.get(type(operation).__name__)
        renamed = getattr(operation, "modify_name", None)
        changes = _changes(operation)
        if renamed is not None:
            kind = "rename_column"
        if kind == "rename_table":
            renamed = operation.new_table_name
        if self.revision is None:
            return
        if changes:
            self._events.emit(
                "operation",
                revision=self.revision,
                kind="alter_column",
                batch=batch,
                table=_text(operation.table_name),
                schema=_text(getattr(operation, "schema", None)),
                name=_text(operation.column_name),
                changes=changes,
            )
        if kind is None:
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
            batch=batch,
            table=_text(table),
            schema=_text(getattr(operation, "schema", None)),
            name=_text(name),
            type=_text(getattr(operation, "constraint_type", None)),
            to=_text(renamed),
        )


def _changes(operation: Any) -> list[str]:
    """What of a column an operation changes by name."""
    if type(operation).__name__ != "AlterColumnOp":
        return []
    changes = {
        "type": operation.modify_type is not None,
        "nullable": operation.modify_nullable is not None,
        # False means: not asked for; None: no default any more.
        "default": operation.modify_server_default is not False,
    }
    return [what for what, asked in changes.items() if asked]


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _name(step: Any) -> str:
    revision = getattr(step, "revision", None)
    if revision is not None:
        return str(getattr(revision, "revision", revision))
    return ", ".join(getattr(step, "to_", ()) or ())
