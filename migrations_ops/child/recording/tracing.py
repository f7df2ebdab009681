"""Reports a run to the parent: each revision, each statement, what is dropped on purpose."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..channel import Events
from ..protocol.events import (
    STATEMENTS_SENT,
    OperationAsked,
    RevisionDone,
    RevisionStarted,
    StatementRan,
)
from .writes import EngineWrites

SQL_SENT = 4000
# The search for losses needs these all the same, once for each thing that they change. The number
# is that of the words that name it, which an INSERT OR REPLACE has two more of.
_CHANGING = {"DELETE": 6, "UPDATE": 2, "REPLACE": 3, "INSERT": 3}
# And each of these: the same one means another thing after a rename.
_RESHAPING = ("DROP", "ALTER", "RENAME", "TRUNCATE", "REVOKE", "MERGE", "DO", "WITH")
_WHERE = re.compile(r"\bWHERE\b", re.IGNORECASE)
_RETURNING = re.compile(r"\bRETURNING\b", re.IGNORECASE)
_SET = re.compile(r"(\w+)[\"`\]]?\s*=")
# A revision of more kinds than this writes its values into its statements.
_MOST_KINDS = 2000

_DROPS = {
    "DropTableOp": "drop_table",
    "DropColumnOp": "drop_column",
    "DropIndexOp": "drop_index",
    "DropConstraintOp": "drop_constraint",
    "RenameTableOp": "rename_table",
}
# What creates a constraint may take the place of one that is there.
_CREATES = {
    "CreatePrimaryKeyOp": "primary",
    "CreateUniqueConstraintOp": "unique",
    "CreateForeignKeyOp": "foreignkey",
    "CreateCheckConstraintOp": "check",
}


class Tracing:
    """Follows the revisions of a run and reports them."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._count = 0
        self._changed: set[tuple[str, ...]] = set()
        self.writes = EngineWrites()
        self._batch: Any = None
        self._batches = 0
        self.revision: str | None = None

    def install(self) -> None:
        from alembic.operations.base import AbstractOperations
        from sqlalchemy import Engine, event

        event.listen(Engine, "before_cursor_execute", lambda *_: self.writes.begin())
        event.listen(Engine, "after_cursor_execute", self._statement)
        original = AbstractOperations.invoke

        def invoke(operations: Any, operation: Any) -> Any:
            if self.revision is not None:
                for asked in _asked(operation, self._batch_of(operations)):
                    self._events.emit(asked._replace(revision=self.revision))
            return original(operations, operation)

        AbstractOperations.invoke = invoke  # type: ignore[method-assign,assignment]

    def follow(
        self,
        steps: Callable[..., Iterable[Any]],
        begins: Callable[[str, Any], None],
        ends: Callable[[Any], None],
    ) -> Callable[..., Iterator[Any]]:
        """Alembic's list of steps, with an event before and after each one.

        :param begins: called with the revision and Alembic's context before it begins.
        :param ends: called with the context when it has finished; not where it fails.
        """

        def followed(revision: Any, context: Any) -> Iterator[Any]:
            for step in steps(revision, context):
                name = _name(step)
                self.revision, self._count = name, 0
                self._events.emit(RevisionStarted(name))
                begun = time.perf_counter()
                begins(name, context)
                yield step
                ends(context)
                seconds = round(time.perf_counter() - begun, 4)
                self._events.emit(RevisionDone(name, seconds, self._count))
                self.revision = None

        return followed

    def _statement(
        self, connection: Any, cursor: Any, sql: str, parameters: Any, context: Any, many: bool
    ) -> None:
        if self.revision is None:
            return
        self._count += 1
        writes = self.writes.take()
        is_new = self._is_first_of_its_kind(sql) or not self._changed.issuperset(writes or ())
        self._changed.update(writes or ())
        if is_new or self._count <= STATEMENTS_SENT:
            rows = _rows(connection, cursor, sql)
            self._events.emit(StatementRan(sql.strip()[:SQL_SENT], self.revision, writes, rows))

    def _is_first_of_its_kind(self, sql: str) -> bool:
        """Whether this statement changes something that none before it did."""
        words = sql[:SQL_SENT].split(maxsplit=6)[:6]
        verb = words[0].upper() if words else ""
        if verb not in _CHANGING:
            return verb in _RESHAPING
        more = 2 if verb in ("INSERT", "UPDATE") and words[1:2] in (["OR"], ["or"]) else 0
        kind = tuple(words[: _CHANGING[verb] + more])
        if verb == "UPDATE":
            kind += tuple(_SET.findall(_WHERE.split(sql[:SQL_SENT], maxsplit=1)[0]))
        if kind in self._changed or len(self._changed) > _MOST_KINDS:
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


def _rows(connection: Any, cursor: Any, sql: str) -> int | None:
    """How many rows a statement on SQLite wrote; None for what it writes while its rows are read.

    Other engines count what was found or what was changed, and their triggers differently.
    """
    if connection.dialect.name != "sqlite" or _RETURNING.search(sql):
        return None
    count = getattr(cursor, "rowcount", -1)
    return count if isinstance(count, int) and count >= 0 else None


def _asked(operation: Any, batch: int) -> Iterator[OperationAsked]:
    """What an operation of Alembic asks for by name: nothing, a change, or two of them."""
    created = _CREATES.get(type(operation).__name__)
    if created is not None:
        yield _created(operation, created, batch)
        return
    table = _text(getattr(operation, "table_name", None))
    schema = _text(getattr(operation, "schema", None))
    changes = _changes(operation)
    if changes is not None:
        name = _text(operation.column_name)
        yield OperationAsked("alter_column", table, name, schema, batch, changes=changes)
    kind = _DROPS.get(type(operation).__name__)
    new_name = getattr(operation, "modify_name", None)
    if new_name is not None:
        kind = "rename_column"
    if kind == "rename_table":
        new_name = operation.new_table_name
    if kind is None:
        return
    named = ("column_name", "index_name", "constraint_name")
    name = next(filter(None, (getattr(operation, each, None) for each in named)), None)
    kind_of_constraint = _text(getattr(operation, "constraint_type", None))
    yield OperationAsked(
        kind, table, _text(name), schema, batch, kind_of_constraint, _text(new_name)
    )


def _created(operation: Any, kind: str, batch: int) -> OperationAsked:
    own = vars(operation)
    columns = own.get("columns") or own.get("local_cols") or ()
    return OperationAsked(
        "create_constraint",
        _text(own.get("table_name") or own.get("source_table")),
        _text(operation.constraint_name),
        _text(own.get("schema") or operation.kw.get("source_schema")),
        batch,
        kind,
        columns=tuple(map(str, columns)),
    )


def _changes(operation: Any) -> tuple[str, ...] | None:
    """What of a column an operation changes by name; None where it changes no more than that."""
    if type(operation).__name__ != "AlterColumnOp":
        return None
    changes = {
        "type": operation.modify_type is not None,
        "nullable": operation.modify_nullable is not None,
        # False means: not asked for; None: no default any more.
        "default": operation.modify_server_default is not False,
        "autoincrement": operation.kw.get("autoincrement") is not None,
        "comment": operation.modify_comment is not False,
    }
    found = tuple(what for what, asked in changes.items() if asked)
    return None if not found and operation.modify_name is not None else found


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _name(step: Any) -> str:
    revision = getattr(step, "revision", None)
    if revision is not None:
        return str(getattr(revision, "revision", revision))
    return ", ".join(getattr(step, "to_", ()) or ())
