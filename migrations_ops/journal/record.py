"""The record of a task: what it did, as stored in release.json. One writer, and one reader."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from migrations_ops.child.protocol.redaction import redacted_document
from migrations_ops.journal.ids import ids_in
from migrations_ops.model.errors import Unresolved
from migrations_ops.model.outcome import HookRun, ReleaseResult
from migrations_ops.model.plan import TOUCHING
from migrations_ops.model.serialisation import Unreadable, read_versioned, to_versioned
from migrations_ops.system.files import make_folder, write_whole
from migrations_ops.system.provenance import Provenance
from migrations_ops.system.reading import read_json

RECORD = "release.json"
_LEFT_OUT_IF_EMPTY = (
    "error", "by", "titles", "targets", "committed", "commands", "unresolved", "unfinished",
    "closed", "hooks",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class UnderWay:
    """The running step; for a restore, ``backup`` is what it restores."""

    name: str
    environment: str
    started: str
    backup: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord(ReleaseResult):
    """What a task did so far. Its ``outcome`` is None while it runs, and after it was killed.

    ``titles`` are those of the pending revisions.
    ``targets`` are what the version table of each environment holds when a release has arrived;
    ``committed`` names the environments in which part of an upgrade was committed before its end,
    ``commands`` those in which the project's own commands were started and have not finished,
    ``unresolved`` those that it left to a person, ``unfinished`` those that the next task has to
    inspect though this one has ended, and ``closed`` those in which a later task has finished or
    undone that, or a person has. ``hooks`` are those that ran.
    """

    task: str
    process: int
    by: Provenance | None = None
    titles: Mapping[str, str] = field(default_factory=dict)
    under_way: UnderWay | None = None
    targets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    committed: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    unresolved: tuple[Unresolved, ...] = ()
    unfinished: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    hooks: tuple[HookRun, ...] = ()

    @property
    def title(self) -> str:
        return f"{self.task} {self.id}"

    @property
    def how_it_ended(self) -> str:
        return "was interrupted" if self.outcome in (None, "interrupted") else "failed"

    @property
    def where(self) -> str:
        """The step at which it is or was: `` during upgrade of prod``."""
        if self.under_way is not None:
            return f" during {self.under_way.name} of {self.under_way.environment}"
        last = self.steps[-1] if self.steps else None
        return f" after {last.name} of {last.environment}" if last else ""

    @property
    def is_open(self) -> bool:
        """Whether something is left to do: the task was killed, or it ended with commands neither
        finished nor undone, or with a database that needs a person."""
        return self.outcome is None or bool(self.left_open)

    @property
    def left_open(self) -> tuple[str, ...]:
        """The environments in which something is left to do: of a killed task, all that it had
        started with."""
        left = [*self.commands, *self.unfinished, *(each.environment for each in self.unresolved)]
        if self.outcome is None:
            steps = [*self.steps, *([self.under_way] if self.under_way else ())]
            left = [*(step.environment for step in steps if step.name in TOUCHING), *left]
        return tuple(name for name in dict.fromkeys(left) if name not in self.closed)

    def unresolved_in(self, environment: str) -> Unresolved | None:
        """What it left to a person there; None if nothing, or if that is resolved."""
        if environment in self.closed:
            return None
        return next((each for each in self.unresolved if each.environment == environment), None)

    def has_unfinished_commands(self, environment: str) -> bool:
        """Whether its commands started there and neither finished nor were undone."""
        return environment in self.commands and environment not in self.closed

    def has_committed(self, environment: str) -> bool:
        """Whether part of an upgrade may be there: commands can commit at any time."""
        return environment in self.committed or self.has_unfinished_commands(environment)


def read_record(folder: Path) -> TaskRecord | Unreadable:
    """What a task did. The folder's name is the task's id: the record is written, and files next to
    it are removed, by that name."""
    file = folder / RECORD
    # What a link leads to is no record of ours, and nothing there is ours to remove.
    document = None if folder.is_symlink() else read_json(file)
    if isinstance(document, dict):
        document["id"] = folder.name
    return read_versioned(TaskRecord, file, document)


def write_record(releases: Path, record: TaskRecord) -> None:
    """:raises OSError: it cannot be written; the old one, if there is one, stays."""
    folder = releases / record.id
    make_folder(folder)
    write_whole(folder / RECORD, redacted_document(record_document(record)))


def read_records(releases: Path) -> Iterator[TaskRecord]:
    """The records of the tasks that changed, or tried to change, a database; newest first."""
    return (each for each in walk_records(releases) if isinstance(each, TaskRecord))


def walk_records(releases: Path) -> Iterator[TaskRecord | Unreadable]:
    """All records, newest first, including those that cannot be read."""
    for id in reversed(ids_in(releases)):
        if os.path.lexists(releases / id / RECORD):
            yield read_record(releases / id)


def record_document(record: TaskRecord) -> dict[str, Any]:
    """The document of release.json: empty values have no key."""
    document = to_versioned(record)
    if record.outcome is not None:
        del document["under_way"]
    elif record.under_way and record.under_way.backup is None:
        del document["under_way"]["backup"]
    for name in _LEFT_OUT_IF_EMPTY:
        if not document[name]:
            del document[name]
    return document
