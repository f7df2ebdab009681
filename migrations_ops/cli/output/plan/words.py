"""The sentences that a measured plan has as text, Markdown and HTML; each form draws the rest."""

from __future__ import annotations

import re
from collections.abc import Iterator

from migrations_ops.cli.output.page import BEGINNING
from migrations_ops.model.measured_plan import (
    BLOCKS_WRITES,
    Blocked,
    Destroyed,
    MeasuredPlan,
    MeasuredRevision,
    MeasuredStatement,
)
from migrations_ops.model.outcome import ErrorReport
from migrations_ops.model.text import counted, duration, human_size

# How a plan begins, in each form that is no JSON: so much of its title that notes about a plan do
# not begin alike.
_TITLE = r"Plan of [^\s:]+: [\d,]+ revisions?, from |Nothing is pending for [^\s:]+: it is at "
BEGINS = re.compile(f"(### |-- |{re.escape(BEGINNING)})?({_TITLE})")
# Below so many seconds, others do not notice that they had to wait; for a write, later.
UNNOTICED = 0.1
_UNNOTICED_WRITES = 0.5
_FIRST_WORD = re.compile(r"(SELECT|PRAGMA|SHOW|EXPLAIN)\b", re.IGNORECASE)
# Alembic's own statements, exactly: a project may have a column of that name elsewhere.
_VERSION = re.compile(
    r"UPDATE (\S+) SET version_num='[^']*' WHERE \1\.version_num = '[^']*'"
    r"|INSERT INTO \S+ \(version_num\) VALUES \('[^']*'\)(?: RETURNING \S+)?"
    r"|DELETE FROM (\S+) WHERE \2\.version_num = '[^']*'"
)
_MOST_TABLES = 5
_DOWN_AND_UP = {
    True: "Down and up again went well.",
    False: "Down and up again did not go well.",
}
_QUICK = (
    "Nothing was rehearsed: how long it takes, what it locks and what it destroys is not known."
)
_NEXT_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")


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
    if not plan.rehearsed:
        yield False, _QUICK
    elif plan.unmeasured:
        yield False, f"No statement was measured: {plan.unmeasured}."
    elif plan.blocked is not None:
        yield _blocked(plan.blocked)
        yield from _in_place(plan)
    if plan.destroyed is not None:
        yield from _destroyed(plan.destroyed)
    if plan.down_and_up is not None:
        yield plan.down_and_up, _DOWN_AND_UP[plan.down_and_up]
    elif plan.error is None and plan.rehearsed and not plan.unmeasured:
        yield True, "The way back is the backup: down and up again was not tried."
    if plan.backup:
        yield True, _disk(plan)


def _in_place(plan: MeasuredPlan) -> Iterator[tuple[bool, str]]:
    """What MariaDB has altered in place: it does not say how long it locks a table at the end."""
    found = {
        lock.table: lock.seconds
        for revision in plan.revisions
        for statement in revision.statements
        for lock in statement.locks
        if lock.mode == "SHARED_UPGRADABLE" and lock.seconds >= UNNOTICED
    }
    if found:
        tables = ", ".join(f"{table} in {duration(seconds)}" for table, seconds in found.items())
        yield (
            True,
            f"Altered in place: {tables}; MariaDB does not say how long it locks at the end.",
        )


def _disk(plan: MeasuredPlan) -> str:
    more = f", {human_size(plan.room)} more for the upgrade" if plan.room else ""
    restore = f"a restore takes about {duration(plan.copied_in)}".replace("about <", "less than ")
    return f"Disk: {human_size(plan.backup_size)} for the backup{more}; {restore}."


def _blocked(blocked: tuple[Blocked, ...]) -> tuple[bool, str]:
    is_calm = all(
        (each.reads or 0.0) < UNNOTICED and each.writes < _UNNOTICED_WRITES for each in blocked
    )
    if not blocked:
        return True, "No table is blocked."
    if not blocked[0].table:
        reads = ", nor read while it commits" if blocked[0].reads is None else "; reads go on"
        return is_calm, f"Nobody else can write for {duration(blocked[0].writes)}{reads}."
    parts = [
        f"{'reads and writes' if each.reads else 'writes'} of {each.table}"
        f" for {duration(each.reads or each.writes)}"
        for each in blocked[:_MOST_TABLES]
    ]
    more = len(blocked) - len(parts)
    return is_calm, f"Blocked: {', '.join(parts)}{f', and {more} more' if more > 0 else ''}."


def _destroyed(destroyed: tuple[Destroyed, ...]) -> Iterator[tuple[bool, str]]:
    """What needs consent has a sentence of its own: a reviewer has to see each reason."""
    if not destroyed:
        yield True, "Nothing is destroyed."
    plain = [_what(each) for each in destroyed if not (each.stops or each.allowed)]
    if plain:
        yield False, f"Destroyed: {', '.join(plain)}."
    for each in destroyed:
        if each.stops:
            yield False, f"Destroyed: {_what(each)}; not allowed: the release would stop."
        elif each.allowed:
            yield False, f"Destroyed: {_what(each)}; {each.allowed}."


def _what(each: Destroyed) -> str:
    if each.kind == "rows":
        return f"{_counted_rows(each.rows)} of {each.name}"
    content = _counted_rows(each.rows, "row" if each.kind == "table" else "value")
    return f"{each.kind} {each.name} ({content})"


def worth_a_line(
    revision: MeasuredRevision,
) -> tuple[list[MeasuredStatement], list[MeasuredStatement]]:
    """The statements worth a line, and the others: those that only read, mostly SQLAlchemy's own
    questions about a table, and the one that writes the version."""
    others = [
        each
        for each in revision.statements
        if each.times
        and each.seconds < UNNOTICED
        and (_FIRST_WORD.match(each.sql) or _VERSION.fullmatch(each.sql))
    ]
    return [each for each in revision.statements if each not in others], others


def others_in_words(others: list[MeasuredStatement]) -> str:
    count, seconds = sum(each.times for each in others), sum(each.seconds for each in others)
    what = "read or version update" if count == 1 else "reads and version updates"
    return f"and {count:,} {what} ({duration(seconds)})"


def is_ordinary(revision: MeasuredRevision) -> bool:
    """Whether nobody else noticed that a revision ran."""
    is_quick = revision.seconds is not None and revision.seconds < UNNOTICED
    return is_quick and not revision.rewritten


def not_run(revision: MeasuredRevision) -> bool:
    return revision.seconds is None and not revision.statements


def notes(statement: MeasuredStatement) -> Iterator[str]:
    """The locks of a statement that keep others waiting, and its values where they are shown."""
    for each in statement.locks:
        if each.mode in BLOCKS_WRITES:
            # AccessExclusiveLock is ACCESS EXCLUSIVE in PostgreSQL's own documents.
            mode = _NEXT_WORD.sub(" ", each.mode.removesuffix("Lock")).upper().replace("_", " ")
            yield f"{mode} lock on {each.table} for {duration(each.seconds)}"
    if statement.values:
        yield f"values: {statement.values}"


def took(revision: MeasuredRevision) -> str:
    if revision.seconds is None:
        return "failed" if revision.statements else "not run"
    count = sum(each.times for each in revision.statements)
    return f"{duration(revision.seconds)}, {counted(count, 'statement')}"


def rows_in_words(statement: MeasuredStatement) -> str:
    return "" if statement.rows is None else _counted_rows(statement.rows)


def _counted_rows(rows: int, noun: str = "row") -> str:
    return f"{rows:,} {noun}{'' if rows == 1 else 's'}"
