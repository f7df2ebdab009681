"""The plan of a task: what it would do to each environment, in which steps."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class StepName(StrEnum):
    """The steps of all tasks, as plans, progress, records and JSON documents name them."""

    PREFLIGHT = "preflight"
    RECOVER = "recover"
    BACK_UP = "back up"
    REHEARSE = "rehearse"
    UPGRADE = "upgrade"
    VERIFY = "verify"
    RESTORE = "restore"
    DOWNGRADE = "downgrade"
    COMPARE = "compare"
    STAMP = "stamp"
    ADOPT = "adopt"
    RESOLVE = "resolve"
    REVISION = "revision"
    ALEMBIC = "alembic"
    PRUNE = "prune"


# The steps that change a database; and those that may, or that precede such a step.
CHANGING = frozenset(
    {StepName.UPGRADE, StepName.DOWNGRADE, StepName.STAMP, StepName.ALEMBIC, StepName.RESTORE}
)
TOUCHING = CHANGING | {StepName.BACK_UP, StepName.REHEARSE}

# The Alembic commands that the process of one step runs in turn, each as its arguments.
AlembicCommands = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step that would run; ``argv`` is empty for a step without an Alembic process.

    ``commands`` are those that its process runs; empty where the project's own commands do.
    """

    name: StepName
    argv: tuple[str, ...] = ()
    commands: AlembicCommands = ()


@dataclass(frozen=True, slots=True)
class PlannedRevision:
    """A revision that would run."""

    revision: str
    message: str


@dataclass(frozen=True, slots=True)
class EnvironmentPlan:
    """What would be done to one environment.

    ``from_`` and ``to`` are None where the steps were only listed and no database was read;
    ``backup`` is the one that a restore would restore.
    """

    environment: str
    database: str
    from_: tuple[str, ...] | None = None
    to: tuple[str, ...] | None = None
    pending: tuple[PlannedRevision, ...] = ()
    steps: tuple[PlannedStep, ...] = ()
    backup: str = ""
