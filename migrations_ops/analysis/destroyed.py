"""Finds what an upgrade destroys, declared or not: tables, columns and rows, by number."""

from __future__ import annotations

from collections.abc import Iterator

from migrations_ops.analysis.declared import Declared
from migrations_ops.analysis.renames import Renames
from migrations_ops.analysis.row_changes import surviving
from migrations_ops.analysis.schema_facts import Fact
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.measured_plan import Destroyed


def find_destroyed(
    before: Fingerprint, after: Fingerprint, declared: Declared
) -> tuple[Destroyed, ...]:
    """The tables and columns that are gone under every name, and the tables with fewer rows.

    :param declared: what the revisions declare, for the names that were changed.
    """
    return (*_objects(before, after, declared), *_rows(before, after, declared))


def _objects(before: Fingerprint, after: Fingerprint, declared: Declared) -> Iterator[Destroyed]:
    renames = Renames(declared.naming, after.schema)
    facts = ((key, Fact.of(key, was)) for key, was in sorted(before.schema.items()))
    gone = [
        fact
        for key, fact in facts
        if fact.kind in ("table", "column") and renames.key(key, fact) not in after.schema
    ]
    rows = {name.lower(): count for name, count in before.rows.items()}
    tables = {each.table for each in gone if each.kind == "table"}
    for fact in gone:
        if fact.kind == "table":
            yield Destroyed("table", fact.where, rows.get(fact.table, 0))
        elif fact.table not in tables:
            yield Destroyed("column", fact.where, rows.get(fact.table, 0))


def _rows(before: Fingerprint, after: Fingerprint, declared: Declared) -> Iterator[Destroyed]:
    for pair in surviving(before, after, declared):
        fewer = before.rows[pair.before] - after.rows[pair.after]
        if fewer > 0:
            yield Destroyed("rows", pair.before, fewer)
