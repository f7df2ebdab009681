"""``plan --sql``: what ran in the rehearsal, as a script that a person can run elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from migrations_ops.child.protocol.events import StatementInFull
from migrations_ops.child.protocol.sql import Syntax, located
from migrations_ops.model.errors import Refused
from migrations_ops.model.measured_plan import MeasuredPlan
from migrations_ops.model.text import counted

# With what each engine's own shell is told to stop at an error, and what keeps the meaning of the
# statements; a rebuild on SQLite would delete what refers to the table, were foreign keys on.
_FIRST: dict[str, tuple[str, ...]] = {
    "sqlite": (".bail on", "PRAGMA foreign_keys = OFF;"),
    "postgresql": ("\\set ON_ERROR_STOP on", "SET standard_conforming_strings = on;"),
    "mariadb": ("SET NAMES utf8mb4;",),
}
_BEGIN = {"sqlite": "BEGIN IMMEDIATE;", "postgresql": "BEGIN;", "mariadb": "START TRANSACTION;"}
_RUN = {
    "sqlite": "sqlite3 FILE < SCRIPT",
    "postgresql": "psql -d DATABASE -f SCRIPT",
    "mariadb": "mariadb DATABASE < SCRIPT",
}


def as_script(plan: MeasuredPlan, ran: Sequence[StatementInFull], syntax: Syntax) -> list[str]:
    """The lines of the script, for the shell of that engine.

    :raises Refused: it would not do what the rehearsal did.
    """
    if not plan.revisions:
        here = ", ".join(plan.from_) or "base"
        return [*_comment(f"Nothing is pending for {plan.environment}: it is at {here}.")]
    if plan.unmeasured:
        raise _refused(plan, plan.unmeasured)
    for each in ran:
        if each.problem:
            where = f"{each.revision} " if each.revision else "env.py "
            raise _refused(plan, where + each.problem)
    titles = {each.revision: each.message for each in plan.revisions}
    lines = [*_heading(plan, syntax), "", *_FIRST[syntax]]
    if syntax != "mariadb":
        lines.append(_BEGIN[syntax])
    for revision, statements in groupby(ran, key=lambda each: each.revision):
        title = f"{revision} {titles.get(revision, '')}" if revision else "before the first one"
        lines += ["", *_comment(title)]
        lines += _statements(list(statements), syntax)
    if syntax == "sqlite":
        lines += ["", "-- Shows the rows whose parents are missing: there are none."]
        lines.append("PRAGMA foreign_key_check;")
    return [*lines, "COMMIT;"] if syntax != "mariadb" else lines


def _heading(plan: MeasuredPlan, syntax: Syntax) -> Iterator[str]:
    here, there = ", ".join(plan.from_) or "base", ", ".join(plan.to)
    count = counted(len(plan.revisions), "revision")
    yield from _comment(f"Plan of {plan.environment}: {count}, from {here} to {there}")
    yield "--"
    copy = f"made from the backup {plan.backup}" if plan.backup else "of an empty database"
    yield from _comment(
        f"What ran in the rehearsal on a copy, {copy}; what only reads is left out."
    )
    yield from _comment(
        f"It is for a database at {here}, with the rows of that copy: what a revision"
    )
    yield "-- has read there may be in it as values. Back up first."
    if syntax == "mariadb":
        yield "-- MariaDB commits each change of the schema: an error leaves those before it."
    yield f"-- Run it with {_RUN[syntax]}"
    yield from _comment(f"and then the task verify, with --env {plan.environment}.")


def _statements(statements: Sequence[StatementInFull], syntax: Syntax) -> Iterator[str]:
    if syntax == "mariadb":
        yield _BEGIN[syntax]
    for autocommits, some in groupby(statements, key=lambda each: each.autocommits):
        if autocommits and syntax != "mariadb":
            yield "COMMIT;"
        for each in some:
            yield from _ended(each.sql, syntax)
        if autocommits and syntax != "mariadb":
            yield _BEGIN[syntax]
    if syntax == "mariadb":
        yield "COMMIT;"


def _ended(sql: str, syntax: Syntax) -> list[str]:
    """A statement with what ends it, also where it has a comment at its end or a body."""
    tokens = list(located(sql, syntax))
    while tokens and tokens[-1][2].means(";"):
        tokens.pop()
    if not tokens:
        return sql.split("\n")
    end = tokens[-1][1]
    rest = sql[end:].replace(";", "").strip()
    # Not splitlines(): it would also split a literal, at what is no line break to SQL.
    lines = f"{sql[:end]}{f' {rest}' if rest else ''}".split("\n")
    if syntax == "mariadb" and any(token.means(";") for _, _, token in tokens):
        # Its shell ends a statement at the first semicolon, also within a body.
        mark = next(each for each in ("$$", "//", "@@@@", ";;;;") if each not in sql)
        return [f"DELIMITER {mark}", *lines, mark, "DELIMITER ;"]
    return [*lines, ";"] if rest else [*lines[:-1], f"{lines[-1]};"]


def _comment(text: str) -> Iterator[str]:
    yield from (f"-- {line}".rstrip() for line in text.splitlines() or [""])


def _refused(plan: MeasuredPlan, why: str) -> Refused:
    return Refused(
        f"There is no script of this plan: {why}.",
        untouched="No database was changed.",
        next=f"For what it does, type: invoke plan --env {plan.environment}",
    )
