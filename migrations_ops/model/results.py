"""What the tasks find out, as data. Rendering is elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from migrations_ops.model.errors import OpsError
from migrations_ops.model.findings import Finding

State = Literal[
    "at head",
    "behind",
    "ahead",
    "diverged",
    "unversioned",
    "empty",
    "missing",
    "dirty",
    "unreachable",
]
Outcome = Literal[
    "released",
    "nothing to do",
    "refused",
    "failed, unchanged",
    "failed, restored",
    "failed, needs a person",
    "interrupted",
]


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What the rehearsal showed: the schema that the real upgrade has to end with, what was found,
    and the statements of the upgrade."""

    after: Fingerprint
    findings: tuple[Finding, ...]
    statements: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Revision, schema and row counts of a database at one moment.

    ``schema`` maps the name of each object (``table loans``, ``column loans.due``,
    ``index ix_loans_due``...) to what it is; ``rows`` each table to its number of rows; ``sums``
    to a checksum of its content, where that was asked for.
    """

    revisions: tuple[str, ...]
    schema: Mapping[str, str]
    rows: Mapping[str, int]
    sums: Mapping[str, str] = field(default_factory=dict)

    def structure_equals(self, other: Fingerprint) -> bool:
        """Whether revision and schema agree, whatever rows live writers have added."""
        return self.revisions == other.revisions and self.schema == other.schema


@dataclass(frozen=True, slots=True)
class Look:
    """What a direct read of a database shows, without Alembic.

    ``trouble`` says in words why it could not be read, and ``remedy`` what to do about it;
    ``tables`` counts the tables other than the version table; ``environment`` is
    the one that its ledger says it is, empty without a ledger; ``begun`` are the revisions of
    which a half is applied, as the ledger tells, with their direction.
    """

    exists: bool
    revisions: tuple[str, ...] = ()
    versioned: bool = False
    tables: int = 0
    leftovers: tuple[str, ...] = ()
    trouble: str = ""
    remedy: str = ""
    environment: str = ""
    begun: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BuiltIndex:
    """An index that a revision makes, told before it did.

    ``table`` is the oid of its table; ``name`` is empty where the server chooses one; ``again``
    tells a REINDEX, which gives its own names to what it leaves.
    """

    table: int
    name: str = ""
    again: bool = False


@dataclass(frozen=True, slots=True)
class MadeIndexes:
    """The indexes that revisions have made which have begun, and not come to their end.

    ``unseen`` tells that there may be more.
    """

    built: tuple[BuiltIndex, ...] = ()
    unseen: bool = False

    def joined(self, other: MadeIndexes) -> MadeIndexes:
        return MadeIndexes(self.built + other.built, self.unseen or other.unseen)


@dataclass(frozen=True, slots=True)
class Ledger:
    """What a database remembers: which environment it is, and what was applied to it.

    ``ran`` maps each revision that ran there, and was not taken back, to the hash of its source;
    ``stamped`` are those that stand in the version table and never ran; ``begun`` maps those that
    have begun where nothing is rolled back, and have not come to their end, to their direction:
    ``upgrade`` or ``downgrade``. ``invalid`` are the oids of the indexes that were INVALID when
    the first of them began; None where nobody has noted them. ``made`` are the indexes that are
    theirs.
    """

    environment: str = ""
    identity: str = ""
    ran: Mapping[str, str | None] = field(default_factory=dict)
    stamped: frozenset[str] = frozenset()
    begun: Mapping[str, str] = field(default_factory=dict)
    invalid: frozenset[int] | None = None
    made: MadeIndexes | None = None


@dataclass(frozen=True, slots=True)
class Backup:
    """A verified copy of one database, and what its sidecar says of it."""

    name: str
    file: str
    environment: str
    taken: str
    revisions: tuple[str, ...]
    size: int
    sha256: str
    note: str = ""
    reused: bool = False
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class RevisionRun:
    """One revision that a step ran."""

    revision: str
    seconds: float
    statements: int


@dataclass(frozen=True, slots=True)
class StepResult:
    """One step of a release or task, finished."""

    name: str
    environment: str
    argv: tuple[str, ...]
    started: str
    seconds: float
    exit: int
    outcome: str
    revisions: tuple[RevisionRun, ...] = ()


@dataclass(frozen=True, slots=True)
class EnvironmentStatus:
    """Where one environment stands."""

    name: str
    database: str
    state: State
    current: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    last_backup: str | None = None
    last_release: str | None = None
    dirty: bool = False
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Selector:
    """The variable that would redirect a command typed by hand, as the shell holds it now."""

    name: str
    shell_value: str | None
    effect: str


@dataclass(frozen=True, slots=True)
class StatusReport:
    """Where all environments stand."""

    environments: tuple[EnvironmentStatus, ...]
    heads: tuple[str, ...]
    selector: Selector


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """What stopped a task: its exit code, and the three parts of its message."""

    exit: int
    what: str
    untouched: str
    next: str

    @classmethod
    def of(cls, error: OpsError) -> ErrorReport:
        return cls(int(error.exit_code), error.what, error.untouched, error.next)


@dataclass(frozen=True, slots=True)
class ReleaseResult:
    """What a release did, or what stopped it; without an outcome it has not ended."""

    id: str
    outcome: Outcome | None
    environment: str
    from_: tuple[str, ...]
    to: tuple[str, ...]
    steps: tuple[StepResult, ...]
    backups: tuple[str, ...]
    findings: tuple[Finding, ...]
    error: ErrorReport | None = None


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What verify found; it passed unless a finding is an error.

    ``compared`` tells whether the models were compared with the database: not where drift is
    off, nor before head, where Alembic does not compare. ``remedy`` is what to type next.
    """

    environment: str
    current: tuple[str, ...]
    heads: tuple[str, ...]
    findings: tuple[Finding, ...] = field(default_factory=tuple)
    compared: bool = False
    remedy: str = ""

    @property
    def passed(self) -> bool:
        return not any(finding.severity == "error" for finding in self.findings)
