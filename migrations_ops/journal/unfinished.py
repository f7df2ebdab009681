"""Finds the tasks that are running or were killed, by their marks and their records."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from migrations_ops.journal.marks import is_running, mark_of, marked, remove_dead_mark
from migrations_ops.journal.record import TaskRecord, read_record
from migrations_ops.model.errors import Refused
from migrations_ops.model.serialisation import Unreadable


@dataclass(frozen=True)
class Unfinished:
    """A task that is running or unfinished; ``running`` if the writer of its record is alive."""

    record: TaskRecord | Unreadable
    running: bool = False

    def __str__(self) -> str:
        """A sentence about it."""
        record = self.record
        if isinstance(record, Unreadable):
            name = record.file.parent.name
            return f"Task {name} was interrupted, and its record {record.file} {record.why}."
        if self.running:
            return f"{record.title} is running{record.where}."
        subject = f"{record.title} {record.how_it_ended}"
        if any(map(record.unresolved_in, record.left_open)):
            names = " and ".join(record.left_open)
            return f"{subject}, and left {names} to a person: invoke status-all"
        return f"{subject}{record.where}: {_who(record)} finishes or undoes it."


def _who(record: TaskRecord) -> str:
    """The task that recovers a killed one: the same task, which goes no further than it would have.

    The arguments of other tasks are not known.
    """
    if record.task == "release-migration" or record.task.startswith("upgrade-"):
        return f"invoke {record.task}"
    return f"the next task that changes {record.environment}"


def find_unfinished(releases: Path) -> list[Unfinished]:
    """The tasks that are running or were killed, oldest first."""
    found = []
    for name in marked(releases):
        # In this order: one that is running now may have finished before its record is read.
        running = is_running(releases, name)
        record = read_record(releases / name)
        if _is_open(record, running=running):
            found.append(Unfinished(record, running))
    return found


def _is_open(record: TaskRecord | Unreadable, *, running: bool) -> bool:
    """Whether a task is unfinished. An unreadable record counts as unfinished; a task without a
    record had not started anything."""
    if isinstance(record, TaskRecord):
        return record.is_open
    return not running and os.path.lexists(record.file)


def find_interrupted(releases: Path) -> list[TaskRecord]:
    """What is known of the tasks that were killed, oldest first."""
    return [
        one.record
        for one in find_unfinished(releases)
        if isinstance(one.record, TaskRecord) and not one.running
    ]


def find_lost(releases: Path) -> list[Unreadable]:
    """The unreadable records of killed tasks."""
    return [one.record for one in find_unfinished(releases) if isinstance(one.record, Unreadable)]


def find_unfinished_commands(releases: Path, environment: str) -> TaskRecord | None:
    """The killed task whose commands had started in that environment; None if there is none."""
    found = find_interrupted(releases)
    return next((each for each in found if each.has_unfinished_commands(environment)), None)


def find_left(releases: Path, environment: str) -> TaskRecord | None:
    """The oldest task that has ended and left that environment to a person or to the next task;
    None if there is none."""
    for record in find_interrupted(releases):
        is_left = record.unresolved_in(environment) or environment in record.unfinished
        if is_left and environment not in record.closed:
            return record
    return None


def require_readable_records(releases: Path) -> None:
    """:raises Refused: the record of a killed task cannot be read."""
    for record in find_lost(releases):
        mark = mark_of(releases, record.file.parent.name)
        raise Refused(
            f"{Unfinished(record)} What it left in a database is unknown, and cannot be undone.",
            untouched="No database was touched.",
            next="Bring the record back; or check each database: invoke verify --env NAME; and if"
            f" all pass, delete {mark} and try again.",
        )


def sweep(releases: Path) -> None:
    """Remove marks without a purpose: of tasks killed before their first line or after the last."""
    for name in marked(releases):
        if is_running(releases, name):
            continue
        record = read_record(releases / name)
        if not _is_open(record, running=False):
            # One without a record may be a moment old: its owner writes the record next.
            remove_dead_mark(releases, name)
