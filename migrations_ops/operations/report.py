"""What the report of a release shows: its record, the plan that it followed, what it changed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from migrations_ops.analysis.drift import find_changed
from migrations_ops.backups.quality import is_damaged
from migrations_ops.backups.store import BackupStore
from migrations_ops.journal.attachments import (
    SchemaChanges,
    add_changes,
    read_changes,
    read_followed_plan,
    write_followed_plan,
)
from migrations_ops.journal.record import TaskRecord
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.measured_plan import MeasuredPlan
from migrations_ops.operations.session import Session
from migrations_ops.project.project import Project


@dataclass(frozen=True)
class Report:
    """A record with what is known about it now.

    ``kept`` has the environment of each backup that is still there, by its name; empty if it is
    damaged. ``plan`` is the one that the release followed.
    """

    record: TaskRecord
    kept: Mapping[str, str]
    plan: MeasuredPlan | None = None
    changes: SchemaChanges = field(default_factory=SchemaChanges)


def read_report(project: Project, record: TaskRecord) -> Report:
    """A record with what is beside it, and with its backups as they are now."""
    folder = project.settings.releases / record.id
    kept = kept_backups(project)
    return Report(record, kept, read_followed_plan(folder), read_changes(folder))


def kept_backups(project: Project) -> dict[str, str]:
    """The environment of each backup that is still there, by its name; empty if it is damaged."""
    return {
        backup.name: "" if is_damaged(backup) else backup.environment
        for each in project.settings.path
        for backup in BackupStore.of(project.settings, each).backups()
    }


def keep_changes(
    session: Session, environment: str, before: Fingerprint, after: Fingerprint
) -> None:
    """Keep what an upgrade changed in the schema; it never fails for that."""
    changed = tuple(find_changed(before.schema, after.schema))
    with suppress(OSError):
        add_changes(session.record.folder, environment, changed)


def keep_plan(session: Session, plan: MeasuredPlan) -> None:
    """Keep the plan that a release follows; it never fails for that."""
    with suppress(OSError):
        write_followed_plan(session.record.folder, plan)
