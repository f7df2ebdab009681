"""What was changed by hand in a database since its last release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Fate = Literal["made", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class RecordedSchema:
    """The schema that an upgrade of an environment left, and the record of that task."""

    release: str
    revisions: tuple[str, ...]
    schema: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ChangedObject:
    """An object that differs from the recorded schema.

    ``name`` is that of fingerprints without its kind; ``was`` and ``now`` are its definitions,
    empty where it is not there. That of a whole table has its columns and what else is on it below.
    """

    kind: str
    name: str
    fate: Fate
    was: str = ""
    now: str = ""
    accepted: bool = False

    @property
    def key(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class DriftReport:
    """What differs in one environment. ``trouble`` says why that is not known, if so."""

    environment: str
    release: str | None = None
    revisions: tuple[str, ...] = ()
    changed: tuple[ChangedObject, ...] = ()
    trouble: str = ""

    @property
    def unaccepted(self) -> tuple[ChangedObject, ...]:
        return tuple(each for each in self.changed if not each.accepted)
