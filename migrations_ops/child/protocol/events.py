"""What the child reports to the parent: one event a line, as a JSON object.

The name of an event on the wire is that of its class. Events are named tuples, since thirteen
frozen dataclasses would cost each process, parent and child, four milliseconds at start.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias, get_args

from .stamp import Stamp

# "insert", "update" or "delete"; the table; the column, for an update.
TableWrite = tuple[str, str, str]


class Ready(NamedTuple):
    """The imports are done; the child waits for its instructions."""


class Opened(NamedTuple):
    """env.py opened a database, which was proved to be the right one.

    ``in_transaction`` says that env.py had begun a transaction before, which Alembic leaves to it.
    """

    in_transaction: bool


class RevisionStarted(NamedTuple):
    """A revision begins."""

    revision: str


class RevisionDone(NamedTuple):
    """A revision finished and is in the version table."""

    revision: str
    seconds: float
    statements: int


# A data migration that works row by row sends hundreds of thousands of statements: past this
# many in one revision they are counted, not reported.
STATEMENTS_SENT = 500


class StatementRan(NamedTuple):
    """A revision ran a statement, recorded without its parameters.

    ``writes`` is what it writes according to the engine; None where the engine does not report it.
    ``rows`` is how many rows it updated or deleted itself; None where that is unknown.
    """

    sql: str
    revision: str = ""
    writes: tuple[TableWrite, ...] | None = None
    rows: int | None = None


class StatementMeasured(NamedTuple):
    """What a revision's statements of the same text took together, in seconds.

    Sent at the end of a command that is measured. ``times`` is how many came to their end, and
    ``rows`` how many rows they changed; None where that is unknown. ``values`` are those of the
    parameters of the first one, where that was asked for.
    """

    revision: str
    sql: str
    times: int
    seconds: float
    rows: int | None
    values: str = ""


class StatementInFull(NamedTuple):
    """A statement that came to its end, with the values of its parameters written into it.

    ``problem`` is why that cannot be done; nothing is sent after it. ``autocommits`` says that it
    ran outside of a transaction. ``revision`` is empty for what ran before the first one.
    """

    revision: str
    sql: str
    autocommits: bool = False
    problem: str = ""


class TableLocked(NamedTuple):
    """A statement of a revision locked a table that was there before, for so many seconds to the
    commit.

    ``mode`` is the server's name of the lock; for MariaDB, see recording/mariadb_locks.py.
    """

    revision: str
    table: str
    mode: str
    seconds: float
    sql: str = ""


class TableRewritten(NamedTuple):
    """A revision made the server rewrite a whole table, which has so many bytes afterwards."""

    revision: str
    table: str
    size: int = 0


class OperationAsked(NamedTuple):
    """A revision called an operation to drop, rename or alter something by name, or to create a
    constraint.

    ``batch`` numbers the batch to which it belongs, 0 for none; ``to`` is the new name; ``type``
    and ``columns`` are those of a constraint; ``changes`` are the altered properties of a column.
    """

    kind: str
    table: str | None = None
    name: str | None = None
    schema: str | None = None
    batch: int = 0
    type: str | None = None
    to: str | None = None
    changes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    revision: str = ""


class PartlyCommitted(NamedTuple):
    """A part of a revision is, or is about to be, committed before its end.

    By an autocommit_block(), or by DDL that MariaDB cannot roll back. The child waits for a line
    from the parent before it goes on.
    """

    revision: str


class RowsWritten(NamedTuple):
    """The revision changed rows, or may have, in the part that is about to be committed."""

    revision: str


class Autocommitted(NamedTuple):
    """A statement in an autocommit_block() is about to run, and commits by itself."""

    revision: str
    sql: str


class SoleWriter(NamedTuple):
    """Between these two stamps of the database's file no other process wrote to it."""

    since: Stamp | None
    until: Stamp


class LedgerFailed(NamedTuple):
    """The ledger of a server's database could not be written; the run goes on."""

    message: str


class DriftFound(NamedTuple):
    """The models and the database differ."""

    differences: tuple[str, ...]


class ScriptFound(NamedTuple):
    """A revision script, as Alembic itself has loaded it."""

    revision: str
    down: tuple[str, ...]
    depends_on: tuple[str, ...]
    labels: tuple[str, ...]
    file: str
    doc: str


class Failed(NamedTuple):
    """A command failed, or was refused.

    ``kind`` is refused, error, guard, exit, usage or interrupted. ``locked`` says that another
    session of the server had a lock, so that a retry may succeed. ``next`` is what to do, where the
    refusal knows it.
    """

    kind: str
    type: str
    message: str
    revision: str | None = None
    where: str | None = None
    locked: bool = False
    next: str = ""

    @property
    def sentence(self) -> str:
        """How the parent shows it."""
        if self.kind in ("exit", "guard") or self.type == "CommandError":
            return self.message
        if "database is locked" in self.message:
            return "the database is locked by another process"
        # SQLAlchemy repeats in parentheses which of the driver's errors it wraps.
        message = re.sub(r"^\([\w.]+\) ", "", self.message)
        return f"{self.type}: {message}"


class Finished(NamedTuple):
    """An Alembic command has returned."""


Event: TypeAlias = (
    Ready
    | Opened
    | RevisionStarted
    | RevisionDone
    | StatementRan
    | StatementMeasured
    | StatementInFull
    | TableLocked
    | TableRewritten
    | OperationAsked
    | PartlyCommitted
    | RowsWritten
    | Autocommitted
    | SoleWriter
    | LedgerFailed
    | DriftFound
    | ScriptFound
    | Failed
    | Finished
)
Traced: TypeAlias = OperationAsked | StatementRan
Measured: TypeAlias = StatementMeasured | StatementInFull | TableLocked | TableRewritten
EVENTS: dict[str, Callable[..., Event]] = {each.__name__: each for each in get_args(Event)}


def encode(event: Event) -> bytes:
    """The line of an event."""
    fields = {"event": type(event).__name__, **event._asdict()}
    return json.dumps(fields, default=str).encode() + b"\n"


def decode(line: bytes) -> Event | None:
    """The event of a line; None for a line that a kill has cut short.

    An unknown event, or one with unknown fields, is a failure.
    """
    try:
        fields = json.loads(line)
        name = fields.pop("event")
    except (ValueError, AttributeError, KeyError):
        return None
    try:
        return EVENTS[name](**{key: _value(each) for key, each in fields.items()})
    except (KeyError, TypeError):
        return Failed(
            "guard",
            "ProtocolError",
            "migrations_ops was replaced while it worked: a step reported"
            f" {name}({', '.join(fields)}), which this version does not know",
        )


def _value(value: Any) -> Any:
    return tuple(map(_value, value)) if isinstance(value, list) else value
