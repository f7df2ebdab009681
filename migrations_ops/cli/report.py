"""The report that a release leaves beside its record."""

from __future__ import annotations

from contextlib import suppress

from migrations_ops.backups.quality import is_damaged
from migrations_ops.backups.store import BackupStore
from migrations_ops.cli.output.report import report
from migrations_ops.journal.record import TaskRecord, read_record
from migrations_ops.project.project import Project
from migrations_ops.system.files import write_text

REPORT = "report.html"


def write_report(project: Project, id: str) -> None:
    """Write the report of a task that has a record; a release never fails for it."""
    folder = project.settings.releases / id
    found = read_record(folder)
    if isinstance(found, TaskRecord):
        with suppress(OSError):
            write_text(folder / REPORT, "\n".join(report(found, kept_backups(project))) + "\n")


def kept_backups(project: Project) -> dict[str, str]:
    """The environment of each backup that is still there, by its name; empty if it is damaged."""
    return {
        backup.name: "" if is_damaged(backup) else backup.environment
        for each in project.settings.path
        for backup in BackupStore.of(project.settings, each).backups()
    }
