"""The sentences that a measured plan has as text, Markdown and HTML; each form draws the rest."""

from __future__ import annotations

import re
from collections.abc import Iterator

from migrations_ops.cli.output.page import BEGINNING
from migrations_ops.model.measured_plan import (
    Blocked,
    Destroyed,
    MeasuredPlan,
    MeasuredRevision,
    MeasuredStatement,
)
from migrations_ops.model.outcome import ErrorReport
from migrations_ops.model.text import counted, human_size

# How a plan begins, in each form that is no JSON: so much of its title that notes about a plan do
# not begin alike.
_TITLE = r"Plan of [^\s:]+: [\d,]+ revisions?, from |Nothing is pending for [^\s:]+: it is at "
BEGINS = re.compile(f"(### |{re.escape(BEGINNING)})?({_TITLE})")
# Below this many seconds, others do not notice that they had to wait.
_UNNOTICED = 0.1
_FIRST_WORD = re.compile(r"(SELECT|PRAGMA|SHOW|EXPLAIN)\b", re.IGNORECASE)
_MOST_TABLES = 5


def nothing_pending(plan: MeasuredPlan) -> str:
    # With --to a revision that it has passed, it is not at the target.
    return f"Nothing is pending for {plan.environment}: it is at {', '.join(plan.from_) or 'base'}."


def title(plan: MeasuredPlan) -> str:
    here, there = ", ".join(plan.from_) or "base", ", ".join(plan.to)
    count = counted(len(plan.revisions), "revision")
    return f"Plan of {plan.environment}: {count}, from {here} to {there}"


def stopped(error: ErrorReport) -> str:
    return f"The release would stop: {error.what}"


def summary(plan: MeasuredPlan) -> Iterator[tuple[bool, str]]:
    """Sentences about the whole, each with whether it is nothing to worry about."""
    if plan.unmeasured:
        yield False, f"No statement was measured: {plan.unmeasured}."
    elif plan.blocked is None and plan.error is None:
        yield False, "How long tables are locked was not measured: the server does not report it."
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


def without_quick_reads(
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


def reads_in_words(reads: list[MeasuredStatement]) -> str:
    count, seconds = sum(each.times for each in reads), sum(each.seconds for each in reads)
    return f"and {counted(count, 'statement')} that only read ({duration(seconds)})"


def took(revision: MeasuredRevision) -> str:
    if revision.seconds is None:
        return "failed" if revision.statements else "not run"
    count = sum(each.times for each in revision.statements)
    return f"{duration(revision.seconds)}, {counted(count, 'statement')}"


def rows_in_words(statement: MeasuredStatement) -> str:
    return "" if statement.rows is None else _counted_rows(statement.rows)


def _counted_rows(rows: int) -> str:
    return f"{rows:,} row{'' if rows == 1 else 's'}"


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
