"""Applies the rules to revisions: each change in the surroundings that the sources show."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from migrations_ops.analysis.lint.actions import (
    UNKNOWN,
    Change,
    CreateTable,
    Drop,
    PythonFact,
    Rename,
)
from migrations_ops.analysis.lint.known import KnownSchema, bare_name
from migrations_ops.analysis.lint.reading.python_facts import used_models
from migrations_ops.analysis.lint.reading.source import read_changes
from migrations_ops.analysis.lint.rule import Hit, Rule, Situation
from migrations_ops.child.protocol.sql import Syntax
from migrations_ops.revisions.errors import UnreadableScript


@dataclass(frozen=True)
class Script:
    """A revision as lint reads it."""

    revision: str
    tree: ast.Module


@dataclass(frozen=True)
class Located:
    """A hit, and where its change is."""

    hit: Hit
    revision: str
    line: int


def lint(
    before: Sequence[Script], linted: Sequence[Script], engine: Syntax, rules: Sequence[Rule]
) -> Iterator[Located]:
    """What the rules have against revisions, in their order.

    :param before: the revisions that come before these: only what they created is of interest.
    :param linted: the revisions that are released together.
    """
    known = KnownSchema()
    for script in before:
        for change in _read(script, engine):
            known.apply(change)
    applicable = [each for each in rules if each.engine in (None, engine)]
    changes = {each.revision: _changes(each, engine) for each in linted}
    yield from _lint(changes, known, engine, applicable)


def _lint(
    changes: Mapping[str, Sequence[Change]],
    known: KnownSchema,
    engine: Syntax,
    rules: Sequence[Rule],
) -> Iterator[Located]:
    new_tables: set[str] = set()
    coming = [change for found in changes.values() for change in found]
    for revision, found in changes.items():
        seen: set[tuple[str, str]] = set()
        for number, change in enumerate(found):
            coming = coming[1:]
            situation = Situation(
                change, engine, known, found[:number], coming, frozenset(new_tables)
            )
            for hit in (each for rule in rules for each in rule.check(situation)):
                key = (hit.finding.code, hit.finding.message)
                if key not in seen and _counts(hit, situation):
                    seen.add(key)
                    yield Located(hit, revision, change.line)
            _follow(new_tables, change)
            known.apply(change)


def _counts(hit: Hit, situation: Situation) -> bool:
    """Whether a finding is about something: a table with rows, a name that the source shows, an
    error that would stop the upgrade."""
    is_new = bool(hit.table) and situation.is_new(hit.table)
    is_computed = UNKNOWN in (hit.table, hit.finding.where.partition(".")[0])
    only_fails = hit.finding.severity == "error" and situation.change.is_caught
    return not (is_new or is_computed or only_fails)


def _changes(script: Script, engine: Syntax) -> list[Change]:
    facts = [Change(PythonFact("imports model", name), line)
             for name, line in used_models(script.tree)]  # fmt: skip
    return [replace(each, revision=script.revision)
            for each in (*facts, *_read(script, engine))]  # fmt: skip


def _read(script: Script, engine: Syntax) -> list[Change]:
    """:raises UnreadableScript: its expressions are nested too deeply."""
    try:
        return read_changes(script.tree, engine)
    except RecursionError:
        raise UnreadableScript(
            f"The revision {script.revision} cannot be linted: it is nested too deeply."
        ) from None


def _follow(new_tables: set[str], change: Change) -> None:
    match change.action:
        case CreateTable(table):
            new_tables.add(bare_name(table))
        case Drop("table", name):
            new_tables.discard(bare_name(name))
        case Rename("table", name, to) if bare_name(name) in new_tables:
            new_tables.discard(bare_name(name))
            new_tables.add(bare_name(to))
