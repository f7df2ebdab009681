"""The task init."""

from __future__ import annotations

import sys

from migrations_ops.cli.console import Console
from migrations_ops.cli.output import documents, text
from migrations_ops.model.errors import Refused
from migrations_ops.model.outcome import DoctorReport
from migrations_ops.model.text import counted
from migrations_ops.operations.doctor import examine
from migrations_ops.operations.init.init import Initialisation, prepare, wanted_of, write
from migrations_ops.project.project import Project


def run_init(
    console: Console, envs: str, urls: list[str], *, tasks: bool, yes: bool, dry: bool
) -> None:
    """Show what would be written, write it on consent, and let doctor check the result.

    :raises OpsError: the project cannot be configured; nobody consented; or doctor found errors.
    """
    wanted = wanted_of(envs, urls, tasks=tasks)
    can_ask = sys.stdin.isatty() and not yes and not dry
    made = prepare(console.folder_of_init(), wanted, console.ask_url if can_ask else None)
    if dry or (made.edits and not yes and not can_ask):
        report = made.report()
        console.show(lambda: text.initialised(report), documents.initialised(report, None))
        if not dry:
            raise Refused(
                "Nobody consented to writing these files.",
                untouched="Nothing was written.",
                next="Add --yes if that is what you want.",
            )
        return
    if not yes:
        _ask(console, made)
    write(made)
    _finish(console, made, shown=not yes)


def _ask(console: Console, made: Initialisation) -> None:
    """:raises Refused: the answer is not yes."""
    if not made.edits:
        return
    for line in text.initialised(made.report()):
        console.reporter.say(line)
    if console.reporter.ask("Write these files? [y/N]").lower() not in ("y", "yes"):
        raise Refused("That was not yes.", untouched="Nothing was written.")


def _finish(console: Console, made: Initialisation, *, shown: bool) -> None:
    """Show what was written, and what doctor finds.

    :raises Refused: doctor found errors.
    """
    checked = examine(Project.read(made.folder))
    report = made.report(written=bool(made.edits))
    lines = text.written(report) if shown else text.initialised(report)
    console.show(
        lambda: [*lines, "", *text.doctor(checked, console.style)],
        documents.initialised(report, checked),
    )
    _require_no_errors(checked)


def _require_no_errors(checked: DoctorReport) -> None:
    """:raises Refused: doctor found errors."""
    if checked.passed:
        return
    advice = checked.advice[0]
    raise Refused(
        f"doctor found {counted(len(checked.advice), 'thing')} to fix.",
        untouched="What was written stays.",
        next="Fix that, then type: invoke doctor" if advice.startswith("Fix that") else advice,
    )
