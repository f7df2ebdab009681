"""Formats results as text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from migrations_ops.child.protocol.escaping import escaped
from migrations_ops.cli.output.style import Style, padded, width
from migrations_ops.journal.record import TaskRecord
from migrations_ops.model.backup import Backup
from migrations_ops.model.errors import OpsError
from migrations_ops.model.findings import Finding
from migrations_ops.model.outcome import (
    DoctorReport,
    ErrorReport,
    InitReport,
    ReleaseResult,
    StepResult,
    VerifyReport,
)
from migrations_ops.model.plan import EnvironmentPlan, StepName
from migrations_ops.model.status import (
    EnvironmentCurrent,
    EnvironmentVersion,
    HistoryReport,
    Selector,
    StatusReport,
)
from migrations_ops.model.text import counted, duration, human_size, local_time

UNCHANGED = "Nothing was changed."
_STATE_COLOURS = {
    "at head": "green", "behind": "yellow", "empty": "yellow", "missing": "yellow",
}  # fmt: skip

Paint = Callable[[str, str], str]


def table(
    header: Sequence[str], rows: Iterable[Sequence[str]], style: Style, paint: Paint
) -> list[str]:
    """Columns with a header, each as wide as its widest cell.

    On a terminal that is too narrow for them, each row is a block of lines instead: a line that
    wraps breaks in the middle of names.

    :param paint: given a column's title and a cell, returns the cell in its colour.
    """
    # Escaped here: their width counts.
    cells = [list(header), *([escaped(cell) for cell in row] for row in rows)]
    widths = [max(width(row[column]) for row in cells) for column in range(len(header))]
    if style.live and sum(widths) + 2 * len(widths) - 2 > style.columns():
        return [line for row in cells[1:] for line in _block(header, row, style, paint)]
    lines = []
    for number, row in enumerate(cells):
        parts = [padded(cell, widths[column]) for column, cell in enumerate(row)]
        if number:
            parts = [paint(title, part) for title, part in zip(header, parts, strict=True)]
        else:
            parts = [style.paint(part, "bold") for part in parts]
        lines.append("  ".join(parts).rstrip())
    return lines


def _block(header: Sequence[str], row: Sequence[str], style: Style, paint: Paint) -> list[str]:
    """One row of a table as lines: its name, and below it what the other columns have."""
    columns = max(map(width, header))
    lines = [paint(header[0], row[0])]
    lines += [
        f"  {style.paint(padded(title, columns), 'dim')}  {paint(title, cell)}"
        for title, cell in zip(header[1:], row[1:], strict=True)
        if cell not in ("", "-")
    ]
    return lines


def status(report: StatusReport, style: Style) -> list[str]:
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

    lines = table(header, rows, style, paint)
    sign = style.severity("error")
    lines += [f"{sign} {row.name}: {row.trouble}" for row in report.environments if row.trouble]
    if report.selector.name:
        lines += ["", selector_line(report.selector, style)]
    return lines


def selector_line(selector: Selector, style: Style) -> str:
    """The value of the selector in the shell, and its effect."""
    if selector.shell_value is None:
        return style.paint(f"{selector.name} is not set: {selector.effect}.", "dim")
    sign = style.severity("warning")
    return f"{sign} {selector.name}={selector.shell_value} in this shell: {selector.effect}."


def backups(found: Sequence[Backup], style: Style) -> list[str]:
    """The backups, newest last, as ``restore --backup`` takes their names."""
    if not found:
        return ["There are no backups."]
    header = ("environment", "backup", "taken", "revision", "size", "note")
    rows = [
        (
            backup.environment,
            backup.name,
            local_time(backup.taken),
            ", ".join(backup.revisions) or "base",
            human_size(backup.size),
            "; ".join(filter(None, (backup.note, backup.doubt))),
        )
        for backup in found
    ]
    return table(header, rows, style, lambda title, cell: cell)


def finding(found: Finding, style: Style) -> str:
    """One finding with its code, by which it can be allowed."""
    code = style.paint(f"[{found.code}]", "dim")
    return f"{style.severity(found.severity)} {found.message} {code}"


def doctor(report: DoctorReport, style: Style) -> list[str]:
    """What a release depends on, a line each, and every finding."""
    selector, versions = report.selector, dict(report.versions)
    value = selector.shell_value
    shown = f"{selector.name}={value}" if value else f"{selector.name} is not set"
    facts = {
        "configuration": report.configuration,
        "alembic.ini": report.alembic,
        "path": " -> ".join(report.path),
        **({"selector": shown, "now": selector.effect} if selector.name else {}),
        "python": f"{versions.pop('python')} ({report.python})",
        **versions,
    }
    columns = max(map(len, facts))
    lines = [f"{style.paint(padded(name, columns), 'bold')}  {it}" for name, it in facts.items()]
    return [*lines, "", *(finding(each, style) for each in report.findings)]


def initialised(report: InitReport) -> list[str]:
    """What changes in each file, and what there is to say about it."""
    lines = [line for each in report.files for line in (*each.difference.splitlines(), "")]
    return [*lines, *report.notes, *(["", *written(report)] if report.written else [])] or written(
        report
    )


def written(report: InitReport) -> list[str]:
    """What was written, and where."""
    if not report.files:
        return [
            f"{report.configuration} configures migrations_ops already; it stays as it is. To let"
            " init propose a new one, take it out first."
        ]
    names = ", ".join(each.file for each in report.files)
    return [f"Written in {report.folder}: {names}."]


def verified(report: VerifyReport, style: Style) -> str:
    """What verify found, a line each."""
    current = ", ".join(report.current) or "no revision"
    if report.passed:
        sign = style.paint(style.sign("✓"), "green")
        warnings = sum(each.severity == "warning" for each in report.findings)
        rest = f"with {counted(warnings, 'warning')}" if warnings else "sound"
        return f"{sign} {report.environment} is verified: {current}, {rest}."
    sign = style.severity("error")
    return f"{sign} {report.environment} does not pass: it is at {current}."


def released(result: ReleaseResult, style: Style) -> str:
    """One line about how a release ended."""
    to = ", ".join(result.to)
    if result.outcome == "nothing to do":
        if not to:
            return "Nothing to do: there are no revisions yet."
        return f"Nothing to do: every environment has reached {to}."
    if result.outcome == "released":
        seconds = sum(step.seconds for step in result.steps)
        sign = style.paint(style.sign("✓"), "green", "bold")
        where = " and ".join(result.upgraded)
        return f"{sign} Released {where} to {to} in {seconds:.1f} s (record {result.id})."
    return f"{result.outcome} (record {result.id})"


def records(found: Sequence[TaskRecord], style: Style) -> list[str]:
    """Past releases, newest last, as ``releases --show`` takes their IDs."""
    if not found:
        return ["There are no releases yet."]
    header = ("release", "task", "environment", "from", "to", "outcome")
    rows = [
        (
            each.id,
            each.task,
            ", ".join(_worked_on(each)),
            ", ".join(each.from_) or "-",
            ", ".join(each.to) or "-",
            _outcome(each),
        )
        for each in found
    ]
    return table(header, rows, style, lambda title, cell: cell)


def _worked_on(record: TaskRecord) -> Sequence[str]:
    """The environments that a task upgraded, and the one at which it was stopped."""
    stopped = record.stopped_at
    names = [*record.upgraded, *([stopped.environment] if stopped and _where(stopped) else [])]
    return list(dict.fromkeys(names)) or [record.environment]


def _outcome(record: TaskRecord) -> str:
    """How a task ended; for a stopped one also where, and which environments it had upgraded."""
    outcome, stopped = record.outcome or "unfinished", record.stopped_at
    if stopped is None:
        return outcome
    upgraded = f"; {', '.join(record.upgraded)} upgraded" if record.upgraded else ""
    return f"{outcome} ({stopped.name}{_where(stopped)}{upgraded})"


def _where(step: StepResult) -> str:
    return "" if step.name == StepName.PREFLIGHT else f" of {step.environment}"


def record(found: TaskRecord, kept: Mapping[str, str], style: Style) -> list[str]:
    """A whole release: who ran it, each step, the revisions, the way back, and what stopped it.

    :param kept: the environment of each backup that is still there, by its name.
    """
    lines = [
        f"{found.task} of {found.environment}: {found.outcome or 'unfinished'}",
        f"from {', '.join(found.from_) or '-'} to {', '.join(found.to) or '-'}",
        *provenance_in_words(found),
        "",
    ]
    header = ("step", "environment", "started", "seconds", "exit", "outcome", "revisions")
    rows = [
        (
            step.name,
            step.environment,
            local_time(step.started, offset=True),
            f"{step.seconds:.2f}",
            str(step.exit),
            step.outcome,
            str(len(step.revisions) or "-"),
        )
        for step in found.steps
    ]
    lines += table(header, rows, style, lambda title, cell: cell)
    lines += _titles(found, style)
    lines += ["", *ways_back(found, kept)] if found.backups else []
    lines += [finding(each, style) for each in found.findings]
    if found.error is not None:
        lines += ["", *error(found.error, style)]
    return lines


def provenance_in_words(found: TaskRecord) -> Iterator[str]:
    if found.by is not None:
        commit = f", from commit {found.by.git_commit[:12]}" if found.by.git_commit else ""
        yield f"by {found.by.account} on {found.by.host}{commit}"


def _titles(found: TaskRecord, style: Style) -> Iterator[str]:
    ran = revisions_that_ran(found)
    if ran:
        yield ""
    for revision, runs in ran.items():
        title = found.titles.get(revision, "")
        yield f"{style.paint(revision, 'cyan')} {title} ({', '.join(runs)})"


def revisions_that_ran(found: TaskRecord) -> dict[str, list[str]]:
    """The revisions that ran, each with its duration in each step."""
    ran: dict[str, list[str]] = {}
    for step in found.steps:
        for each in step.revisions:
            took = f"{step.name} {step.environment} {duration(each.seconds)}"
            ran.setdefault(each.revision, []).append(took)
    return ran


def ways_back(found: TaskRecord, kept: Mapping[str, str]) -> Iterator[str]:
    """For each backup of a release, the command that restores it.

    :param kept: the environment of each backup that is still there, by its name; empty if it is
        damaged.
    """
    for name in found.backups:
        environment = kept.get(name)
        if environment is None:
            yield f"The backup {name} has been removed."
        elif not environment:
            yield f"The backup {name} is damaged."
        else:
            yield f"To go back: invoke restore --env {environment} --backup {name}"


def error(stopped: OpsError | ErrorReport, style: Style) -> list[str]:
    """What happened, what is untouched, what to type next."""
    sign = style.paint(style.sign("✗"), "red", "bold")
    lines = [f"{sign} {style.paint(stopped.what, 'bold')}"]
    return lines + [f"  {part}" for part in (stopped.untouched, stopped.next) if part]


def current(rows: Iterable[EnvironmentCurrent]) -> list[str]:
    """A line for each revision that an environment is at."""
    return [
        f"{row.name}: {name or '-'}{_at_head(row)}  {_message(row, name)}"
        for row in rows
        for name in row.current or ("",)
    ]


def _at_head(row: EnvironmentCurrent) -> str:
    return " (head)" if row.current and row.at_head else ""


def _message(row: EnvironmentCurrent, name: str) -> str:
    if name in row.messages:
        return row.messages[name]
    if row.trouble:
        return row.trouble
    if name:
        return "the scripts do not have this revision"
    return "no revision yet" if row.exists else "no database yet"


def db_version(rows: Iterable[EnvironmentVersion]) -> list[str]:
    """The content of the version table of each environment."""
    lines = []
    for row in rows:
        nothing = "no version" if row.exists else "no database"
        answer = row.trouble or ", ".join(row.current) or nothing
        lines.append(f"{row.name}: {answer}  ({row.database})")
    return lines


def history(report: HistoryReport, style: Style, *, with_base: bool = True) -> list[str]:
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
    return lines


def plan(plans: Iterable[EnvironmentPlan], selector: str) -> list[str]:
    """The steps that a task would run, with a note that none was run.

    :param selector: the variable that tells env.py its environment; empty if none does.
    """
    return [*(line for each in plans for line in _planned(each, selector)), UNCHANGED]


def _planned(plan: EnvironmentPlan, selector: str) -> list[str]:
    if not plan.steps:
        return [f"{plan.environment}: nothing to do."]
    count = len(plan.pending)
    to = ", ".join(plan.to or ())
    lines = [f"{plan.environment}: {f'{count} pending, to {to}' if count else plan.database}"]
    lines += [f"    {each.revision}  {each.message}" for each in plan.pending]
    for step in plan.steps:
        chosen = f"{selector}={plan.environment} " if selector else ""
        command = f"{chosen}{' '.join(step.argv)}"
        source = f" from {plan.backup}" if step.name is StepName.RESTORE else ""
        lines.append(f"  {step.name:<9} {command if step.argv else plan.database + source}")
    return lines
