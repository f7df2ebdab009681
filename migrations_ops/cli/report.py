"""The report that a release leaves beside its record."""

from __future__ import annotations

from contextlib import suppress

from migrations_ops.journal.record import TaskRecord, read_record
from migrations_ops.project.project import Project
from migrations_ops.system.files import write_text

REPORT = "report.html"


def write_report(project: Project, id: str) -> None:
    """Write the report of a task that has a record; a release never fails for it."""
    folder = project.settings.releases / id
    found = read_record(folder)
    if isinstance(found, TaskRecord):
        # Not where nothing was to be done: a page costs a tenth of such a release.
        from migrations_ops.cli.output.report.page import as_html
        from migrations_ops.operations.report import read_report

        lines = as_html(read_report(project, found))
        with suppress(OSError):
            write_text(folder / REPORT, "\n".join(lines) + "\n")
