"""The task heads, where it checks or mends."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from migrations_ops.cli.console import Console
from migrations_ops.cli.output import documents
from migrations_ops.cli.output.style import Style
from migrations_ops.model.errors import Refused
from migrations_ops.model.status import HistoryReport
from migrations_ops.operations.heads.check import (
    check_heads,
    join_reports,
    report_of,
    scripts_of,
)
from migrations_ops.project.project import Project

if TYPE_CHECKING:
    # A check needs neither, and would take longer.
    from migrations_ops.operations.heads.changes import FileChange
    from migrations_ops.operations.heads.fix import Fix


def run_check(console: Console, env: str | None, base: str | None) -> None:
    """Check the heads of the scripts, of each set of scripts that the configuration names.

    :raises OpsError: something is wrong with them.
    """
    project = console.project()
    reports = [check_heads(project, each, base) for each in scripts_of(project, env)]
    sign = console.style.paint(console.style.sign("✓"), "green")
    lines = [f"{sign} {_checked(each, base)}" for each in reports]
    console.show(lambda: lines, documents.history(join_reports(reports)))


def _checked(report: HistoryReport, base: str | None) -> str:
    after = f"; this branch comes after {base}" if base else ""
    match report.revisions:
        case []:
            return "There are no revisions yet."
        case [head]:
            return f"One head: {head.revision} ({head.message}){after}."
    return f"{len(report.heads)} heads, as configured: {', '.join(report.heads)}{after}."


def run_fix(console: Console, env: str | None, base: str | None, *, yes: bool, dry: bool) -> None:
    """Show what makes one head of several, and write it on consent.

    :raises OpsError: it cannot be told, there was no consent, or it cannot be written.
    """
    from migrations_ops.operations.heads.fix import plan_fix, write_fix

    project = console.project_as_it_is()
    environments = scripts_of(project, env)
    fixes = [fix for each in environments if (fix := plan_fix(project, each, base))]
    lines = [line for fix in fixes for line in _shown(fix, console.style)]
    if fixes and not dry:
        console.show(lambda: lines)
        _require_consent(console, yes=yes)
        for fix in fixes:
            write_fix(project, fix, console.reporter)
        project = Project(project.settings)
    report = join_reports([report_of(project.read_sources(each)) for each in environments])
    if fixes and dry:
        end = [*lines, "Nothing was changed."]
    else:
        heads = ", ".join(report.heads) or "none"
        end = [f"{'Written' if fixes else 'Nothing to do'}: the head is {heads}."]
    console.show(lambda: end, documents.history(report))


def _require_consent(console: Console, *, yes: bool) -> None:
    """:raises Refused: there is none."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Refused(
            "That was not written: there is no terminal to ask.",
            untouched="No file was changed.",
            next="Add --yes if that is what you want.",
        )
    if console.reporter.ask("Write that? [y/N]").lower() not in ("y", "yes", "はい"):
        raise Refused("That was declined.", untouched="No file was changed.")


def _shown(fix: Fix, style: Style) -> Iterator[str]:
    from migrations_ops.operations.heads.decision import Merge

    titles = {name: each.title for name, each in fix.history.revisions.items()}
    match fix.decided:
        case Merge(heads, why):
            named = " and ".join(f"{each} ({titles[each]})" for each in heads)
            yield f"A revision merges {named}, since {why}:"
            yield f"  {fix.message}"
        case rewriting:
            moved = ", ".join(f"{each} ({titles[each]})" for each in rewriting.moved)
            verb = "come" if len(rewriting.moved) > 1 else "comes"
            yield f"{moved} {verb} after {rewriting.after} ({titles[rewriting.after]}):"
            for change in fix.changes:
                yield from _diff(change, style)
    if fix.unknown:
        sign = style.severity("warning")
        names = " and ".join(fix.unknown)
        yield f"{sign} {names} cannot be asked what ran there: if one of these did, merge instead:"
        yield "  invoke revision --merge"


_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def _diff(change: FileChange, style: Style) -> Iterator[str]:
    before, after = (
        each.decode("utf-8", "replace").splitlines() for each in (change.before, change.after)
    )
    old, new = _short(change.file), _short(change.to)
    if before == after:
        yield f"rename {old} -> {new}"
    for line in difflib.unified_diff(before, after, old, new, n=1, lineterm=""):
        colour = _COLOURS.get(line[:1])
        yield style.paint(line, colour) if colour else line


def _short(file: Path) -> str:
    """A file's name, short where that is possible: not on another drive of Windows."""
    with suppress(ValueError):
        return os.path.relpath(file)
    return str(file)
