"""Finds what a new table lacks that took the name of another one.

``ALTER TABLE t RENAME TO old; CREATE TABLE t ...`` leaves the indexes and triggers with the old
table, and the foreign keys of other tables refer to it: the table that the
applications use from now on has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from migrations_ops.analysis.declared import Declared
from migrations_ops.analysis.schema_facts import Fact
from migrations_ops.child.protocol.sql import shown
from migrations_ops.model.findings import LOST_TO_MOVED, REFERS_TO_MOVED, Finding
from migrations_ops.model.fingerprint import Fingerprint


def moved_tables(after: Fingerprint, declared: Declared) -> dict[str, str]:
    """The tables that a new one replaces while they are still there, with their new names."""
    if declared.syntax != "sqlite":
        return {}
    there = {Fact.of(key, "").table for key in after.schema if key.startswith("table ")}
    naming = declared.naming
    moved = {
        fact.table: naming.table_after(fact.table)
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
        if fact.kind == "foreign key" and fact.table != fact.parent:
            if now.parent == moved.get(fact.parent):
                yield REFERS_TO_MOVED.found(
                    fact.where,
                    kind=fact.kind,
                    moved=shown(now.parent),
                    table=shown(fact.parent),
                    environment=environment,
                )
            continue
        stays = fact.kind in ("index", "trigger") and now.table == moved.get(fact.table)
        if stays and not _has_its_like(fact, before.schema[key], facts, after):
            yield LOST_TO_MOVED.found(
                fact.where,
                kind=fact.kind,
                moved=shown(now.table),
                table=shown(fact.table),
                environment=environment,
            )


def _has_its_like(fact: Fact, was: str, facts: Mapping[str, Fact], after: Fingerprint) -> bool:
    """Whether the new table has a trigger, or an index of these columns."""
    new = {key: each for key, each in facts.items() if each.table == fact.table}
    if fact.kind == "trigger":
        return any(each.kind == "trigger" for each in new.values())
    is_unique = was.startswith("create unique ")
    return any(
        (
            (each.kind == "index" and each.columns == fact.columns)
            and (not is_unique or after.schema[key].startswith("create unique "))
        )
        or (each.kind == "unique" and each.columns - {","} == fact.columns - {"(", ")", ","})
        for key, each in new.items()
    )
