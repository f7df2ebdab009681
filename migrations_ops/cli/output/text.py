"""Formats results as text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from migrations_ops.cli.output.style import Style, padded, width
from migrations_ops.journal.record import TaskRecord
from migrations_ops.model.backup import Backup
from migrations_ops.model.errors import OpsError
from migrations_ops.model.findings import Finding
from migrations_ops.model.outcome import DoctorReport, ErrorReport, ReleaseResult, VerifyReport
from migrations_ops.model.plan import EnvironmentPlan, StepName
from migrations_ops.model.status import (
    EnvironmentCurrent,
    EnvironmentVersion,
    HistoryReport,
    StatusReport,
)
from migrations_ops.model.text import counted, human_size

UNCHANGED = "Nothing was changed."
_STATE_COLOURS = {
    "at head": "green", "behind": "yellow", "empty": "yellow", "missing": "yellow",
}  # fmt: skip
_SEVERITY = {"error": ("✗", "red"), "warning": ("⚠", "yellow"), "note": ("●", "dim")}

Paint = Callable[[str, str], str]


def table(header: Sequence[str], rows: Iterable[Sequence[str]], style: Style, paint: Paint) -> str:
    """Columns with a header, each as wide as its widest cell.

    :param paint: given a column's title and a cell, returns the cell in its colour.
    """
    cells = [list(header), *(list(row) for row in rows)]
    widths = [max(width(row[column]) for row in cells) for column in range(len(header))]
    lines = []
    for number, row in enumerate(cells):
        parts = [padded(cell, widths[column]) for column, cell in enumerate(row)]
        if number:
            parts = [paint(title, part) for title, part in zip(header, parts, strict=True)]
        else:
            parts = [style.paint(part, "bold") for part in parts]
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def status(report: StatusReport, style: Style) -> str:
    """One row an environment, and what the shell's selector would do."""
    header = ("environment", "state", "current", "head", "pending", "last backup", "database")
    rows = [
        (
            row.name,
            row.state + (", dirty" if row.dirty and row.state != "dirty" else ""),
            ", ".join(row.current) or "-",
            ", ".join(row.heads) or "-",
            str(len(row.pending)) if row.pending else "-",
            row.last_backup or "-",
            row.database,
        )
        for row in report.environments
    ]

    def paint(title: str, cell: str) -> str:
        if title == "environment":
            return style.paint(cell, "bold")
        if title == "state":
            return style.paint(cell, _STATE_COLOURS.get(cell.strip(), "red"))
        return cell

    lines = [table(header, rows, style, paint)]
    sign = style.paint(style.sign("✗"), "red")
    lines += [f"{sign} {row.name}: {row.trouble}" for row in report.environments if row.trouble]
    return "\n".join([*lines, "", selector_line(report, style)])


def selector_line(report: StatusReport, style: Style) -> str:
    """The value of the selector in the shell, and its effect."""
    selector = report.selector
    if selector.shell_value is None:
        return style.paint(f"{selector.name} is not set: {selector.effect}.", "dim")
    sign = style.paint(style.sign("⚠"), "yellow")
    return f"{sign} {selector.name}={selector.shell_value} in this shell: {selector.effect}."


def backups(found: Sequence[Backup], style: Style) -> str:
    """The backups, newest last, as ``restore --backup`` takes their names."""
    if not found:
        return "There are no backups."
    header = ("environment", "backup", "taken", "revision", "size", "note")
    rows = [
        (
            backup.environment,
            backup.name,
            backup.taken,
            ", ".join(backup.revisions) or "base",
            human_size(backup.size),
            "; ".join(filter(None, (backup.note, backup.doubt))),
        )
        for backup in found
    ]
    return table(header, rows, style, lambda title, cell: cell)


def finding(found: Finding, style: Style) -> str:
    """One finding with its code, by which it can be allowed."""
    sign, colour = _SEVERITY[found.severity]
    code = style.paint(f"[{found.code}]", "dim")
    return f"{style.paint(style.sign(sign), colour)} {found.message} {code}"


def doctor(report: DoctorReport, style: Style) -> str:
    """What a release depends on, a line each, and every finding."""
    selector, versions = report.selector, dict(report.versions)
    value = selector.shell_value
    facts = {
        "configuration": report.configuration,
        "alembic.ini": report.alembic,
        "path": " -> ".join(report.path),
        "selector": f"{selector.name}={value}" if value else f"{selector.name} is not set",
        "now": selector.effect,
        "python": f"{versions.pop('python')} ({report.python})",
        **versions,
    }
    columns = max(map(len, facts))
    lines = [f"{style.paint(padded(name, columns), 'bold')}  {it}" for name, it in facts.items()]
    return "\n".join([*lines, "", *(finding(each, style) for each in report.findings)])


def verified(report: VerifyReport, style: Style) -> str:
    """What verify found, a line each."""
    current = ", ".join(report.current) or "no revision"
    if report.passed:
        sign = style.paint(style.sign("✓"), "green")
        warnings = sum(each.severity == "warning" for each in report.findings)
        rest = f"with {counted(warnings, 'warning')}" if warnings else "sound"
        return f"{sign} {report.environment} is verified: {current}, {rest}."
    sign = style.paint(style.sign("✗"), "red")
    return f"{sign} {report.environment} does not pass: it stands at {current}."


def released(result: ReleaseResult, style: Style) -> str:
    """How a release ended, in a line."""
    name, to = result.environment, ", ".join(result.to)
    if result.outcome == "nothing to do":
        if not to:
            return "Nothing to do: there are no revisions yet."
        return f"Nothing to do: every environment has reached {to}."
    if result.outcome == "released":
        seconds = sum(step.seconds for step in result.steps)
        sign = style.paint(style.sign("✓"), "green", "bold")
        return f"{sign} Released {name} to {to} in {seconds:.1f} s (record {result.id})."
    return f"{result.outcome} (record {result.id})"


def records(found: Sequence[TaskRecord], style: Style) -> str:
    """Past releases, newest last, as ``releases --show`` takes their IDs."""
    if not found:
        return "There are no releases yet."
    header = ("release", "task", "environment", "from", "to", "outcome")
    rows = [
        (
            each.id,
            each.task,
            each.environment,
            ", ".join(each.from_) or "-",
            ", ".join(each.to) or "-",
            each.outcome or "unfinished",
        )
        for each in found
    ]
    return table(header, rows, style, lambda title, cell: cell)


def record(found: TaskRecord, style: Style) -> str:
    """One release whole: each step, what was found, and what stopped it."""
    lines = [
        f"{found.task} of {found.environment}: {found.outcome or 'unfinished'}",
        f"from {', '.join(found.from_) or '-'} to {', '.join(found.to) or '-'}",
        "",
    ]
    header = ("step", "environment", "started", "seconds", "exit", "outcome", "revisions")
    rows = [
        (
            step.name,
            step.environment,
            step.started,
            f"{step.seconds:.2f}",
            str(step.exit),
            step.outcome,
            str(len(step.revisions) or "-"),
        )
        for step in found.steps
    ]
    lines.append(table(header, rows, style, lambda title, cell: cell))
    lines += [f"backup {name}" for name in found.backups]
    lines += [finding(each, style) for each in found.findings]
    if found.error is not None:
        lines += ["", error(found.error, style)]
    return "\n".join(lines)


def error(stopped: OpsError | ErrorReport, style: Style) -> str:
    """What happened, what is untouched, what to type next."""
    sign = style.paint(style.sign("✗"), "red", "bold")
    lines = [f"{sign} {style.paint(stopped.what, 'bold')}"]
    lines += [f"  {part}" for part in (stopped.untouched, stopped.next) if part]
    return "\n".join(lines)


def current(rows: Iterable[EnvironmentCurrent]) -> str:
    """A line for each revision that an environment is at."""
    return "\n".join(
        f"{row.name}: {name or '-'}{' (head)' if row.at_head else ''}  {_message(row, name)}"
        for row in rows
        for name in row.current or ("",)
    )


def _message(row: EnvironmentCurrent, name: str) -> str:
    if name in row.messages:
        return row.messages[name]
    if row.trouble:
        return row.trouble
    if name:
        return "the scripts do not have this revision"
    return "no revision yet" if row.exists else "no database yet"


def db_version(rows: Iterable[EnvironmentVersion]) -> str:
    """The content of the version table of each environment."""
    lines = []
    for row in rows:
        nothing = "no version" if row.exists else "no database"
        answer = row.trouble or ", ".join(row.current) or nothing
        lines.append(f"{row.name}: {answer}  ({row.database})")
    return "\n".join(lines)


def history(report: HistoryReport, style: Style, *, with_base: bool = True) -> str:
    """Revisions, newest first, with the environments that are at each.

    :param with_base: whether to name those that are at none.
    """
    lines = []
    for row in report.revisions:
        here = ", ".join(row.environments)
        sign = style.paint(style.sign("●"), "green") if here else " "
        label = f"  {style.paint(here, 'green', 'bold')}" if here else ""
        parent = style.paint(f"({', '.join(row.down) or 'base'})", "dim")
        lines.append(f"{sign} {style.paint(row.revision, 'cyan')} {parent} {row.message}{label}")
    if with_base and report.base:
        lines.append(f"{style.sign('●')} base  {', '.join(report.base)}")
    return "\n".join(lines)


def plan(plans: Iterable[EnvironmentPlan], selector: str) -> str:
    """The steps that a task would run, and that none was run.

    :param selector: the variable that tells env.py its environment.
    """
    return "\n".join([*(line for each in plans for line in _planned(each, selector)), UNCHANGED])


def _planned(plan: EnvironmentPlan, selector: str) -> list[str]:
    if not plan.steps:
        return [f"{plan.environment}: nothing to do."]
    count = len(plan.pending)
    to = ", ".join(plan.to or ())
    lines = [f"{plan.environment}: {f'{count} pending, to {to}' if count else plan.database}"]
    lines += [f"    {each.revision}  {each.message}" for each in plan.pending]
    for step in plan.steps:
        command = f"{selector}={plan.environment} {' '.join(step.argv)}"
        source = f" from {plan.backup}" if step.name is StepName.RESTORE else ""
        lines.append(f"  {step.name:<9} {command if step.argv else plan.database + source}")
    return lines
