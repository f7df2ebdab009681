"""What a task did, step by step, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from migrations_ops.model.errors import OpsError
from migrations_ops.model.findings import Finding
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.plan import StepName
from migrations_ops.model.status import Selector

# The outcomes of successful tasks; only a release is "released".
Done = Literal[
    "released", "backed up", "restored", "downgraded", "stamped", "adopted", "resolved", "done"
]
DONE: frozenset[str] = frozenset(get_args(Done))
# The outcomes of attempts that failed and left every database as it was.
LEFT_UNCHANGED = frozenset({"refused", "failed, unchanged", "failed, restored", "interrupted"})
# The outcomes of steps that stop their task.
NOT_DONE = frozenset({"failed", "refused", "interrupted"})
Outcome = Literal[
    Done,
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
    and the statements of the upgrade, with how long it took."""

    after: Fingerprint
    findings: tuple[Finding, ...]
    statements: tuple[str, ...] = ()
    seconds: float = 0.0


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


HookOutcome = Literal["done", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class HookRun:
    """A hook that ran: ``name`` is its moment, and ``exit`` None where it was not started, or was
    interrupted."""

    name: str
    argv: tuple[str, ...]
    started: str
    seconds: float
    exit: int | None
    outcome: HookOutcome


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
    """What a release did, or what stopped it; it has no outcome until it has ended."""

    id: str
    outcome: Outcome | None
    environment: str
    from_: tuple[str, ...]
    to: tuple[str, ...]
    steps: tuple[StepResult, ...]
    backups: tuple[str, ...]
    findings: tuple[Finding, ...]
    error: ErrorReport | None = None

    @property
    def upgraded(self) -> tuple[str, ...]:
        """The environments whose upgrade finished, in the order of the path."""
        done = (each for each in self.steps if each.name == StepName.UPGRADE)
        return tuple(dict.fromkeys(each.environment for each in done if each.outcome == "done"))

    @property
    def stopped_at(self) -> StepResult | None:
        """The first failed step, if something stopped the task."""
        if self.error is None:
            return None
        return next((each for each in self.steps if each.outcome in NOT_DONE), None)


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What verify found; it passed unless a finding is an error.

    ``compared`` is whether the models were compared with the database: not if drift is off, nor
    before head, where Alembic does not compare. ``advice`` is what to type next.
    """

    environment: str
    current: tuple[str, ...]
    heads: tuple[str, ...]
    findings: tuple[Finding, ...] = field(default_factory=tuple)
    compared: bool = False
    advice: str = ""

    @property
    def passed(self) -> bool:
        return not any(finding.severity == "error" for finding in self.findings)


@dataclass(frozen=True)
class InitFile:
    """A file that ``init`` writes, and what changes in it, as a unified difference."""

    file: str
    new: bool
    difference: str


@dataclass(frozen=True)
class InitReport:
    """What ``init`` writes into a folder, or would write; no files where it is configured."""

    folder: str
    alembic: str
    configuration: str
    environments: tuple[str, ...]
    files: tuple[InitFile, ...]
    notes: tuple[str, ...]
    written: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorReport:
    """What doctor found. ``advice`` is what to do about each error."""

    configuration: str
    alembic: str
    path: tuple[str, ...]
    selector: Selector
    python: str
    versions: Mapping[str, str]
    findings: tuple[Finding, ...]
    advice: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.advice
