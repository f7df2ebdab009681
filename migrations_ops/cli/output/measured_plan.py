"""Formats a measured plan, as text for a terminal and as Markdown for a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterator

from migrations_ops.cli.output.style import Style, padded, plain, shortened, width
from migrations_ops.cli.output.text import finding
from migrations_ops.model.measured_plan import (
    Blocked,
    Destroyed,
    MeasuredPlan,
    MeasuredRevision,
    MeasuredStatement,
)
from migrations_ops.model.outcome import ErrorReport
from migrations_ops.model.text import counted, human_size

# How a plan begins, as text and as Markdown.
TITLES = ("Plan of ", "### Plan of ", "Nothing is pending for ")
# Below this many seconds, others do not notice that they had to wait.
_UNNOTICED = 0.1
_FIRST_WORD = re.compile(r"(SELECT|PRAGMA|SHOW|EXPLAIN)\b", re.IGNORECASE)
_MOST_STATEMENTS = 20
_MOST_TABLES = 5


def as_text(plan: MeasuredPlan, style: Style) -> list[str]:
    """The plan for a terminal: whether it is safe first, then each statement."""
    if not plan.revisions:
        return [nothing_pending(plan)]
    lines = [style.paint(_title(plan), "bold"), ""]
    if plan.error is not None:
        lines.append(f"{style.paint(style.sign('✗'), 'red')} {_stopped(plan.error)}")
    for is_calm, sentence in _summary(plan):
        sign, colour = ("✓", "green") if is_calm else ("⚠", "yellow")
        lines.append(f"{style.paint(style.sign(sign), colour)} {sentence}")
    lines += [finding(each, style) for each in plan.findings]
    for revision in plan.revisions:
        lines += ["", *_revision(revision, style)]
    return lines


def as_markdown(plan: MeasuredPlan) -> list[str]:
    """The plan for a comment on a pull request."""
    if not plan.revisions:
        return [escaped(nothing_pending(plan))]
    lines = [f"### {escaped(_title(plan))}", ""]
    if plan.error is not None:
        lines.append(f"- **{escaped(_stopped(plan.error))}**")
    lines += [f"- {escaped(sentence)}" for _, sentence in _summary(plan)]
    lines += [f"- **{it.severity}** {code(it.code)}: {escaped(it.message)}" for it in plan.findings]
    for revision in plan.revisions:
        lines += ["", *_revision_in_markdown(revision)]
    # Those of a name or a message are escaped.
    return "\n".join(lines).split("\n")


def nothing_pending(plan: MeasuredPlan) -> str:
    return f"Nothing is pending for {plan.environment}: it is at {', '.join(plan.to)}."


def _title(plan: MeasuredPlan) -> str:
    here, there = ", ".join(plan.from_) or "base", ", ".join(plan.to)
    count = counted(len(plan.revisions), "revision")
    return f"Plan of {plan.environment}: {count}, from {here} to {there}"


def _stopped(error: ErrorReport) -> str:
    return f"The release would stop: {error.what}"


def _summary(plan: MeasuredPlan) -> Iterator[tuple[bool, str]]:
    """Sentences about the whole, each with whether it is nothing to worry about."""
    if plan.unmeasured:
        yield False, f"No statement was measured: {plan.unmeasured}."
    elif plan.blocked is None and plan.error is None:
        yield False, "How long tables are locked was not measured: the server does not tell."
    elif plan.blocked is not None:
        yield _blocked(plan.blocked)
    if plan.destroyed is not None:
        yield _destroyed(plan.destroyed)
    if plan.backup:
        size, seconds = human_size(plan.backup_size), duration(plan.copied_in)
        yield True, f"The backup takes {size}; a copy was restored from it in {seconds}."


def _blocked(blocked: tuple[Blocked, ...]) -> tuple[bool, str]:
    is_calm = all(max(each.reads or 0.0, each.writes) < _UNNOTICED for each in blocked)
    if not blocked:
        return True, "No table is blocked."
    if not blocked[0].table:
        return is_calm, f"Nobody else can write for {duration(blocked[0].writes)}."
    parts = [
        f"{'reads and writes' if each.reads else 'writes'} of {each.table}"
        f" for {duration(each.reads or each.writes)}"
        for each in blocked[:_MOST_TABLES]
    ]
    more = len(blocked) - len(parts)
    return is_calm, f"Blocked: {', '.join(parts)}{f', and {more} more' if more > 0 else ''}."


def _destroyed(destroyed: tuple[Destroyed, ...]) -> tuple[bool, str]:
    if not destroyed:
        return True, "Nothing is destroyed."
    parts = []
    for each in destroyed:
        rows = _counted_rows(each.rows)
        parts.append(
            f"{rows} of {each.name}" if each.kind == "rows" else f"{each.kind} {each.name} ({rows})"
        )
    return False, f"Destroyed: {', '.join(parts)}."


def _revision(revision: MeasuredRevision, style: Style) -> Iterator[str]:
    name = style.paint(revision.revision, "cyan")
    yield f"{name} {revision.message} ({_took(revision)})"
    yield style.paint(f"  {revision.file}", "dim")
    columns = style.columns() if style.live else 80
    shown, reads = _without_quick_reads(revision)
    for each in shown[:_MOST_STATEMENTS]:
        before = f"  {duration(each.seconds):>8}  {padded(_rows(each), 12)} {_times(each)}"
        sql = plain(" ".join(each.sql.split()))
        room = columns - width(before)
        yield before + (sql if width(sql) <= room else shortened(sql, room - 1) + style.sign("…"))
    more = len(shown) - _MOST_STATEMENTS
    if more > 0:
        yield f"  and {counted(more, 'more statement')}"
    if reads:
        yield style.paint(f"  {_reads(reads)}", "dim")
    for table in revision.rewritten:
        yield f"  writes the whole table {table} anew"


def _revision_in_markdown(revision: MeasuredRevision) -> Iterator[str]:
    title = f"{code(revision.revision)} {escaped(revision.message)} ({_took(revision)})"
    yield f"<details><summary>\n\n{title}\n\n</summary>\n"
    yield f"{code(revision.file)}\n"
    if revision.rewritten:
        yield f"Writes whole tables anew: {', '.join(map(code, revision.rewritten))}\n"
    shown, reads = _without_quick_reads(revision)
    if shown:
        yield "| time | rows | times | statement |\n|---:|---:|---:|---|"
    for each in shown:
        rows = "" if each.rows is None else str(each.rows)
        sql = code(" ".join(each.sql.split()))
        yield f"| {duration(each.seconds)} | {rows} | {each.times or 'failed'} | {sql} |"
    if reads:
        yield f"\n{_reads(reads)}"
    yield "\n</details>"


def _without_quick_reads(
    revision: MeasuredRevision,
) -> tuple[list[MeasuredStatement], list[MeasuredStatement]]:
    """The statements worth a line, and those that only read, mostly SQLAlchemy's own questions
    about a table."""
    reads = [
        each
        for each in revision.statements
        if each.times and each.seconds < _UNNOTICED and _FIRST_WORD.match(each.sql)
    ]
    return [each for each in revision.statements if each not in reads], reads


def _reads(reads: list[MeasuredStatement]) -> str:
    count, seconds = sum(each.times for each in reads), sum(each.seconds for each in reads)
    return f"and {counted(count, 'statement')} that only read ({duration(seconds)})"


def _took(revision: MeasuredRevision) -> str:
    if revision.seconds is None:
        return "failed" if revision.statements else "not run"
    count = sum(each.times for each in revision.statements)
    return f"{duration(revision.seconds)}, {counted(count, 'statement')}"


def _rows(statement: MeasuredStatement) -> str:
    return "" if statement.rows is None else _counted_rows(statement.rows)


def _counted_rows(rows: int) -> str:
    return f"{rows:,} row{'' if rows == 1 else 's'}"


def _times(statement: MeasuredStatement) -> str:
    if not statement.times:
        return "FAILED "
    return f"{statement.times:,} times: " if statement.times > 1 else ""


def duration(seconds: float) -> str:
    """``3 ms``, ``1.24 s``, ``3 min 05 s``."""
    if 0 < seconds < 0.0005:
        return "<1 ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.995:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is (https://spec.commonmark.org/, backslash escapes)."""
    return "".join(f"\\{each}" if each in "\\`*_{}[]<>()#+!|~@" else each for each in plain(text))


def code(text: str) -> str:
    """A code span; a bar would end the cell of a table, also in there."""
    text, ticks = plain(text), "`"
    while ticks in text:
        ticks += "`"
    inside = text.replace("|", "\\|")
    return f"{ticks} {inside} {ticks}" if "`" in text else f"{ticks}{inside}{ticks}"
