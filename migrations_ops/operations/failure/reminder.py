"""Reminds the tasks that change nothing of a database that an earlier task left in need."""

from __future__ import annotations

from dataclasses import dataclass

from migrations_ops.journal.unfinished import find_left
from migrations_ops.model.errors import Refused
from migrations_ops.operations.state import LocatedDatabase
from migrations_ops.project.project import Project


@dataclass(frozen=True, slots=True)
class Reminder:
    """What is wrong with a database according to the records, and what to type."""

    trouble: str
    next: str


def find_reminder(project: Project, located: LocatedDatabase) -> Reminder | None:
    """What an earlier task left to a person, or to the next task; None if nothing."""
    name = located.environment.name
    record = find_left(project.settings.releases, name)
    if record is None:
        return None
    # Imported here: a status rarely needs it.
    from migrations_ops.operations.failure.messages import how_to_resolve, unresolved_since

    left = record.unresolved_in(name)
    if left is not None:
        return Reminder(unresolved_since(record), how_to_resolve(located, left))
    return Reminder(
        f"{unresolved_since(record)}; nothing has inspected it since",
        f"Type: invoke upgrade-{name}; it finishes or undoes that first",
    )


def require_no_reminder(project: Project, located: LocatedDatabase) -> None:
    """:raises Refused: the records say that an earlier task left it in need."""
    reminder = find_reminder(project, located)
    if reminder is not None:
        raise Refused(
            f"{located.environment.name} ({located.database.label}) cannot be upgraded:"
            f" {reminder.trouble}.",
            untouched=f"{located.environment.name} was not touched.",
            next=reminder.next,
        )
