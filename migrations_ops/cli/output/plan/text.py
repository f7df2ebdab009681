"""A measured plan for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from migrations_ops.cli.output.plan.words import (
    duration,
    nothing_pending,
    reads_in_words,
    rows_in_words,
    stopped,
    summary,
    title,
    took,
    without_quick_reads,
)
from migrations_ops.cli.output.style import Style, padded, plain, shortened, width
from migrations_ops.cli.output.text import finding
from migrations_ops.model.measured_plan import MeasuredPlan, MeasuredRevision, MeasuredStatement
from migrations_ops.model.text import counted

_MOST_STATEMENTS = 20


def as_text(plan: MeasuredPlan, style: Style) -> list[str]:
    """The plan for a terminal: whether it is safe first, then each statement."""
    if not plan.revisions:
        return [nothing_pending(plan)]
    lines = [style.paint(title(plan), "bold"), ""]
    if plan.error is not None:
        lines.append(f"{style.paint(style.sign('✗'), 'red')} {stopped(plan.error)}")
    for is_calm, sentence in summary(plan):
        sign, colour = ("✓", "green") if is_calm else ("⚠", "yellow")
        lines.append(f"{style.paint(style.sign(sign), colour)} {sentence}")
    lines += [finding(each, style) for each in plan.findings]
    for revision in plan.revisions:
        lines += ["", *_revision(revision, style)]
    return lines


def _revision(revision: MeasuredRevision, style: Style) -> Iterator[str]:
    name = style.paint(revision.revision, "cyan")
    yield f"{name} {revision.message} ({took(revision)})"
    yield style.paint(f"  {revision.file}", "dim")
    columns = style.columns() if style.live else 80
    shown, reads = without_quick_reads(revision)
    for each in shown[:_MOST_STATEMENTS]:
        before = f"  {duration(each.seconds):>8}  {padded(rows_in_words(each), 12)} {_times(each)}"
        sql = plain(" ".join(each.sql.split()))
        room = columns - width(before)
        yield before + (sql if width(sql) <= room else shortened(sql, room - 1) + style.sign("…"))
    more = len(shown) - _MOST_STATEMENTS
    if more > 0:
        yield f"  and {counted(more, 'more statement')}"
    if reads:
        yield style.paint(f"  {reads_in_words(reads)}", "dim")
    for table in revision.rewritten:
        yield f"  rewrites the whole table {table}"


def _times(statement: MeasuredStatement) -> str:
    if not statement.times:
        return "FAILED "
    return f"{statement.times:,} times: " if statement.times > 1 else ""
