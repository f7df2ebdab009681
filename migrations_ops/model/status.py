"""What a direct read of a database shows, and where the environments are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
]


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
class Selector:
    """The variable that would redirect a command typed by hand, as it is set in the shell now."""

    name: str
    shell_value: str | None
    effect: str


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The state of all environments."""

    environments: tuple[EnvironmentStatus, ...]
    heads: tuple[str, ...]
    selector: Selector
