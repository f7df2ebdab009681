"""What the read-only tasks show about the environments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

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
    "unknown",
]


@dataclass(frozen=True, slots=True)
class EnvironmentStatus:
    """The state of one environment, as ``status`` shows it."""

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
class EnvironmentVersion:
    """The content of the version table of one environment, as ``db-version`` shows it."""

    name: str
    database: str
    exists: bool
    current: tuple[str, ...]
    trouble: str


@dataclass(frozen=True, slots=True)
class EnvironmentCurrent(EnvironmentVersion):
    """The version compared with the scripts, as ``current`` shows it, with the messages of known
    revisions."""

    heads: tuple[str, ...]
    at_head: bool
    messages: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RevisionRow:
    """One revision, with the environments that are at it."""

    revision: str
    down: tuple[str, ...]
    message: str
    head: bool
    environments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HistoryReport:
    """Revisions, newest first; ``base`` are the environments that are at none."""

    heads: tuple[str, ...]
    base: tuple[str, ...]
    revisions: tuple[RevisionRow, ...]


@dataclass(frozen=True, slots=True)
class Selector:
    """The variable that would redirect a command typed by hand, with its current value in the
    shell."""

    name: str
    shell_value: str | None
    effect: str


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The state of all environments."""

    environments: tuple[EnvironmentStatus, ...]
    heads: tuple[str, ...]
    selector: Selector
