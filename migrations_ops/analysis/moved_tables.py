"""Finds what still belongs or refers to a table that was renamed, though a new one has its name.

``ALTER TABLE t RENAME TO old; CREATE TABLE t ...`` leaves indexes, triggers, policies and rights
with the old table. The foreign keys of other tables follow it, and so do views, and on SQLite the
triggers of other tables: the applications use the new table, which has none of these, while
views and keys still look at the old one, which no one writes any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from migrations_ops.analysis.declared import Declared
from migrations_ops.analysis.rebuilds import is_like
from migrations_ops.analysis.schema_facts import ATTACHED, Fact, lowered
from migrations_ops.child.protocol.sql import shown, tokens
from migrations_ops.model.findings import LOST_TO_MOVED, REFERS_TO_MOVED, Finding
from migrations_ops.model.fingerprint import Fingerprint

# What names tables in its text.
_READING = ("view", "materialized view", "trigger", "rule", "policy", "function", "procedure")


def moved_tables(after: Fingerprint, declared: Declared) -> dict[str, str]:
    """The tables that a new one replaces while they are still there, with their new names."""
    there = {Fact.of(key, "").table for key in after.schema if key.startswith("table ")}
    naming = declared.naming
    moved = {
        fact.table: naming.whereabouts(fact.table)
        for fact in declared.facts
        if fact.kind == "table" and fact.table in there and not naming.table(fact.table)
    }
    return {table: now for table, now in moved.items() if now in there - {table}}


def find_left_behind(
    keys_now: Mapping[str, str | None],
    before: Fingerprint,
    after: Fingerprint,
    declared: Declared,
    environment: str,
) -> Iterator[Finding]:
    """:param keys_now: the keys of the schema before, with those that they have after it."""
    moved = moved_tables(after, declared)
    if not moved:
        return
    facts = {key: Fact.of(key, was) for key, was in after.schema.items()}
    for key, key_now in keys_now.items():
        if key_now is None:
            continue
        fact, now = Fact.of(key, before.schema[key]), facts[key_now]
        table = _follows(fact, now, before.schema[key], after.schema[key_now], moved)
        if table and not declared.drops(fact) and not declared.changes(fact):
            yield REFERS_TO_MOVED.found(
                fact.where,
                kind=fact.kind,
                moved=shown(moved[table]),
                table=shown(table),
                environment=environment,
            )
        stays = fact.kind in ATTACHED and now.table == moved.get(fact.table)
        if declared.leaves_out(fact):
            continue
        if stays and not _has_its_like(fact, before.schema[key], facts, after, declared):
            yield LOST_TO_MOVED.found(
                fact.where,
                kind=fact.kind,
                moved=shown(now.table),
                table=shown(fact.table),
                environment=environment,
            )


def _follows(fact: Fact, now: Fact, was: str, text: str, moved: Mapping[str, str]) -> str:
    """The table that an object of another one referred to, and follows; empty for none."""
    if fact.kind == "foreign key":
        is_other = fact.table != fact.parent and now.parent == moved.get(fact.parent)
        return fact.parent if is_other else ""
    if fact.kind not in _READING or was == text:
        return ""
    words, words_now = (set(lowered(tokens(each, "facts"))) for each in (was, text))
    for table, name in moved.items():
        old, new = (each.rpartition(".")[2] for each in (table, name))
        if fact.table != table and old in words and new in words_now - words:
            return table
    return ""


def _has_its_like(
    fact: Fact, was: str, facts: Mapping[str, Fact], after: Fingerprint, declared: Declared
) -> bool:
    """Whether the new table has one as well: an index of these columns, or any trigger."""
    names = declared.naming.columns(fact.table).successors()
    others = [(each, after.schema[key]) for key, each in facts.items() if each.table == fact.table]
    if fact.kind in ("index", "statistics"):
        return any(is_like(fact, was, each, text, names) for each, text in others)
    return any(
        each.kind == fact.kind and (each.name == fact.name or fact.kind != "privilege")
        for each, _ in others
    )
