"""A measured plan for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from migrations_ops.cli.output.plan.words import (
    is_ordinary,
    not_run,
    notes,
    nothing_pending,
    others_in_words,
    rows_in_words,
    stopped,
    summary,
    title,
    took,
    worth_a_line,
)
from migrations_ops.cli.output.style import Style, padded, plain, shortened, unpainted, width
from migrations_ops.cli.output.text import finding
from migrations_ops.model.measured_plan import MeasuredPlan, MeasuredRevision, MeasuredStatement
from migrations_ops.model.text import counted, duration

_MOST_STATEMENTS = 20
_MOST_REVISIONS = 8


def as_text(plan: MeasuredPlan, style: Style) -> list[str]:
    """The plan for a terminal: whether it is safe first, then each statement."""
    if not plan.revisions:
        return [nothing_pending(plan)]
    lines = [style.paint(title(plan), "bold"), ""]
    if plan.error is not None:
        lines.append(f"{style.severity('error')} {stopped(plan.error)}")
    for is_calm, sentence in summary(plan):
        sign, colour = ("✓", "green") if is_calm else ("⚠", "yellow")
        lines.append(f"{style.paint(style.sign(sign), colour)} {sentence}")
    lines += [finding(each, style) for each in plan.findings]
    lines = [part for line in lines for part in _wrapped(line, style)]
    return [*lines, *_revisions(plan, style)]


def _revisions(plan: MeasuredPlan, style: Style) -> Iterator[str]:
    """Each revision with its statements; of many, those that others notice, and the others as a
    line each, so that the screen does not lose what is on top."""
    is_long, was_short = len(plan.revisions) > _MOST_REVISIONS, False
    not_reached = [each for each in plan.revisions if plan.rehearsed and not_run(each)]
    for each in plan.revisions:
        if each in not_reached:
            continue
        is_short = not plan.rehearsed or (is_long and is_ordinary(each))
        if not (is_short and was_short):
            yield ""
        yield from _heading(each, style, measured=plan.rehearsed)
        if not is_short:
            yield from _statements(each, style)
        was_short = is_short
    if not_reached:
        yield from ("", f"{counted(len(not_reached), 'more revision')} did not run.")
    if is_long and plan.rehearsed:
        yield from ("", "Every statement: --format markdown, html or json.")


def _heading(revision: MeasuredRevision, style: Style, *, measured: bool) -> Iterator[str]:
    name = style.paint(revision.revision, "cyan")
    yield f"{name} {revision.message}{f' ({took(revision)})' if measured else ''}"
    if not measured:
        yield style.paint(f"  {revision.file}", "dim")


def _statements(revision: MeasuredRevision, style: Style) -> Iterator[str]:
    yield style.paint(f"  {revision.file}", "dim")
    columns = _columns(style)
    shown, others = worth_a_line(revision)
    for each in shown[:_MOST_STATEMENTS]:
        before = f"  {duration(each.seconds):>8}  {padded(rows_in_words(each), 12)} {_times(each)}"
        sql = plain(" ".join(each.sql.split()))
        room = columns - width(before)
        yield before + _fitting(sql, room, style)
        for line in notes(each):
            yield style.paint(" " * 12 + _fitting(plain(line), columns - 12, style), "dim")
    more = len(shown) - _MOST_STATEMENTS
    if more > 0:
        yield f"  and {counted(more, 'more statement')}"
    if others:
        yield style.paint(f"  {others_in_words(others)}", "dim")
    for table in revision.rewritten:
        yield f"  rewrites the whole table {table}"


def _columns(style: Style) -> int:
    return style.columns() if style.live else 80


def _wrapped(line: str, style: Style) -> list[str]:
    """A line in as many as it needs, those after the first indented."""
    if width(unpainted(line)) <= _columns(style):
        return [line]
    lines = [""]
    for word in line.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1].strip() else lines[-1] + word
        if width(unpainted(longer)) > _columns(style) and lines[-1].strip():
            lines.append(f"  {word}")
        else:
            lines[-1] = longer
    return lines


def _fitting(text: str, room: int, style: Style) -> str:
    if width(text) <= room:
        return text
    sign = style.sign("…")
    return shortened(text, room - width(sign)) + sign


def _times(statement: MeasuredStatement) -> str:
    if not statement.times:
        return "FAILED "
    return f"{statement.times:,} times: " if statement.times > 1 else ""
