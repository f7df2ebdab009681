"""The task doctor."""

from __future__ import annotations

from migrations_ops.cli.console import Console
from migrations_ops.cli.output import documents, text
from migrations_ops.operations.doctor import examine, require_no_errors


def show_doctor(console: Console) -> None:
    """Show what a release depends on, and what is wrong with it.

    :raises Refused: something is wrong; each finding is shown before.
    """
    report = examine(console.project_as_it_is())
    console.show(lambda: text.doctor(report, console.style), documents.doctor(report))
    require_no_errors(report)
