"""The measured plan: what a release would do to one environment, as a rehearsal has shown it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from migrations_ops.model.findings import Finding
from migrations_ops.model.outcome import ErrorReport

# The locks of PostgreSQL and MariaDB that keep others from reading and writing, or from writing.
# https://www.postgresql.org/docs/current/explicit-locking.html
BLOCKS_READS = frozenset({"AccessExclusiveLock", "EXCLUSIVE"})
BLOCKS_WRITES = BLOCKS_READS | {
    "ExclusiveLock", "ShareRowExclusiveLock", "ShareLock", "SHARED_NO_WRITE",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class StatementLock:
    """The strongest lock that a statement took on a table, in the server's words, and for how many
    seconds its transaction kept it."""

    table: str
    mode: str
    seconds: float


@dataclass(frozen=True, slots=True)
class MeasuredStatement:
    """The statements of one text that a revision ran, together.

    ``times`` is how many came to their end: 0 for the one that failed. ``rows`` is how many rows
    they changed, None where that is unknown or where they change none. ``values`` are those of the
    parameters of the first one, where that was asked for.
    """

    sql: str
    times: int
    seconds: float
    rows: int | None
    locks: tuple[StatementLock, ...] = ()
    values: str = ""


@dataclass(frozen=True, slots=True)
class MeasuredRevision:
    """A pending revision. ``seconds`` is None where it did not come to its end, or never began.

    ``source`` tells versions of its script apart; ``rewritten`` are the tables that were rewritten
    as a whole.
    """

    revision: str
    message: str
    file: str
    source: str
    seconds: float | None
    statements: tuple[MeasuredStatement, ...]
    rewritten: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Blocked:
    """For how many seconds others could not read or write a table; without a table, any of them.

    ``reads`` is None where that depends on more than the run.
    """

    table: str
    reads: float | None
    writes: float


@dataclass(frozen=True, slots=True)
class Destroyed:
    """A table that is gone afterwards, with its rows; a column, with its values; or rows.

    ``revision`` is the one that drops it, where that is known. ``stops`` is whether the release
    stops for it; ``allowed`` is where that is allowed, and why.
    """

    kind: Literal["table", "column", "rows"]
    name: str
    rows: int
    revision: str = ""
    stops: bool = False
    allowed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredPlan:
    """What the rehearsal of one environment has shown.

    ``schema`` is the one that the revisions began with. ``copied_in`` is how many seconds it took
    to make the copy: a restore takes about as long. ``room`` is how many bytes the upgrade needs
    beside the database. ``blocked``, ``destroyed`` and ``room`` are None where the upgrade failed,
    and the first also where locks are not measured. ``down_and_up`` says whether the downgrades
    and the upgrade again went well, None where they were not tried. ``unmeasured`` is why there
    are no statements, if there are none. ``rehearsed`` is False where the sources were read alone.
    ``error`` is what would stop the release.
    """

    environment: str
    database: str
    from_: tuple[str, ...]
    to: tuple[str, ...]
    backup: str = ""
    backup_size: int
    copied_in: float
    schema: Mapping[str, str]
    revisions: tuple[MeasuredRevision, ...]
    blocked: tuple[Blocked, ...] | None = None
    destroyed: tuple[Destroyed, ...] | None = None
    room: int | None = None
    down_and_up: bool | None = None
    findings: tuple[Finding, ...]
    unmeasured: str = ""
    rehearsed: bool = True
    error: ErrorReport | None = None
