"""Finds what an upgrade destroys, declared or not: tables, columns and rows, by number."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from migrations_ops.analysis.declared import Declared
from migrations_ops.analysis.renames import Renames
from migrations_ops.analysis.row_changes import rows_gone, surviving
from migrations_ops.analysis.schema_facts import Fact
from migrations_ops.child.protocol.sql import shown
from migrations_ops.databases.row_changes import ContentChange
from migrations_ops.model.allowed import Consent, find_consent
from migrations_ops.model.findings import DROPPED_WITH_CONTENT, Finding
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.measured_plan import Destroyed
from migrations_ops.model.text import counted


def columns_to_count(
    before: Fingerprint, after: Fingerprint, declared: Declared
) -> list[tuple[str, str]]:
    """The columns, as (table, column), whose values may be destroyed while their table stays."""
    tables = {name.lower(): name for name in before.rows}
    gone = {(each.table, each.name) for each in _gone(before, after, declared)}
    dropped = {each for each in declared.columns if declared.drops_and_adds(*each)}
    anew = declared.naming.dropped
    there = {fact.table for fact in declared.facts if fact.kind == "table"}
    kept = there - {table for table, column in gone if not column}
    return [
        (tables[fact.table], fact.name)
        for fact in declared.facts
        if fact.kind == "column"
        and (fact.table in anew or (fact.table, fact.name) in gone | dropped)
        and fact.table in kept & tables.keys()
    ]


def find_destroyed(
    before: Fingerprint, after: Fingerprint, declared: Declared, change: ContentChange
) -> tuple[Destroyed, ...]:
    """The tables and columns that are gone under every name, and the tables with fewer rows.

    A table or column that was dropped and made anew is gone as far as its content is.

    :param declared: what the revisions declare, for the names that were changed.
    :param change: what has become of the rows, with the values of :func:`columns_to_count`.
    """
    return (
        *_objects(before, after, declared, change.values),
        *_columns_made_anew(declared, change),
        *_rows(before, after, declared, change),
    )


def with_dropped(
    findings: Iterable[Finding], destroyed: Iterable[Destroyed], environment: str
) -> list[Finding]:
    """Add a warning for each table and column that was dropped with its content.

    It replaces the findings that say less about the same object. What no revision declares is
    lost, and not dropped.

    :param environment: whose copy was upgraded, for the messages.
    """
    findings = [*findings]
    lost = {(each.code, each.where) for each in findings}
    dropped = {
        (each.kind, each.name): each
        for each in destroyed
        if each.kind != "rows" and each.rows and (f"lost-{each.kind}", each.name) not in lost
    }
    less = {(f"dropped-{kind}", name) for kind, name in dropped}
    less |= {("changed-values", name) for kind, name in dropped if kind == "column"}
    return [
        *(each for each in findings if (each.code, each.where) not in less),
        *(_dropped(each, environment) for each in dropped.values()),
    ]


def judged(
    destroyed: Iterable[Destroyed], findings: Iterable[Finding], consents: Collection[Consent]
) -> tuple[Destroyed, ...]:
    """What is destroyed, with whether the release stops for it, or where that is allowed.

    :param findings: as they are without the consents.
    """
    errors = {(each.code, each.where): each for each in findings if each.severity == "error"}

    def one(each: Destroyed) -> Destroyed:
        dropped, lost = (f"dropped-{each.kind}", each.name), (f"lost-{each.kind}", each.name)
        found = errors.get(dropped) or errors.get(lost)
        if found is None:
            return each
        consent = find_consent(found, consents)
        allowed = f"allowed{consent.place}" if consent else ""
        return replace(each, stops=consent is None, allowed=allowed)

    return tuple(map(one, destroyed))


def _dropped(each: Destroyed, environment: str) -> Finding:
    content = counted(each.rows, "row" if each.kind == "table" else "value")
    by = f"revision {each.revision}" if each.revision else "a revision"
    found = DROPPED_WITH_CONTENT.found(
        each.name, by=by, kind=each.kind, environment=environment, content=content
    )
    return replace(found, revision=each.revision)


def _gone(before: Fingerprint, after: Fingerprint, declared: Declared) -> list[Fact]:
    """The tables and columns, without those that go with a larger one."""
    renames = Renames(declared.naming, after.schema, any_case=declared.syntax == "sqlite")
    facts = ((key, Fact.of(key, was)) for key, was in sorted(before.schema.items()))
    gone = [
        fact
        for key, fact in facts
        if fact.kind in ("table", "column") and renames.key(key, fact) not in after.schema
    ]
    names = {(each.table, each.name) for each in gone}
    partitions = {
        Fact.of(key, was).table
        for key, was in before.schema.items()
        if key.startswith("table ") and "PARTITION OF " in was
    }

    def goes_with_larger(fact: Fact) -> bool:
        # The rows of a partition are counted as those of the whole table, too.
        whole = declared.hierarchy.above(fact.table) if fact.table in partitions else ()
        larger = {(table, name) for table in whole for name in ("", fact.name)}
        return bool(names & (larger | ({(fact.table, "")} if fact.kind == "column" else set())))

    # A table that was renamed and stays still has the columns that its copy leaves out.
    return [
        each
        for each in gone
        if each.table not in declared.naming.kept and not goes_with_larger(each)
    ]


def _objects(
    before: Fingerprint,
    after: Fingerprint,
    declared: Declared,
    values: Mapping[tuple[str, str], int],
) -> Iterator[Destroyed]:
    rows = {name.lower(): count for name, count in before.rows.items()}
    for fact in _gone(before, after, declared):
        revision = declared.revision_that_drops(fact.table, fact.name)
        if fact.kind == "table":
            yield Destroyed("table", fact.where, rows.get(fact.table, 0), revision)
        else:
            count = values.get((fact.table, fact.name), 0)
            yield Destroyed("column", fact.where, count, revision)


def _columns_made_anew(declared: Declared, change: ContentChange) -> Iterator[Destroyed]:
    for table in change.tables:
        for each in table.columns:
            key = table.pair.before.lower(), each.column.lower()
            # Where it was NULL before, nothing is lost.
            count = min(each.rows, change.values.get(key, 0))
            if count and declared.drops_and_adds(*key):
                where = f"{shown(table.pair.before)}.{shown(each.column)}"
                yield Destroyed("column", where, count, declared.revision_that_drops(*key))


def _rows(
    before: Fingerprint, after: Fingerprint, declared: Declared, change: ContentChange
) -> Iterator[Destroyed]:
    gone, overwritten = rows_gone(change), _overwritten(change)
    for pair in surviving(before, after, declared):
        count, first = before.rows[pair.before], pair.before.lower()
        fewer = max(count - after.rows[pair.after], min(count, gone.get(pair.before, 0)))
        is_anew = first in declared.naming.dropped
        if is_anew:
            fewer = max(fewer, overwritten.get(first, 0))
        if fewer <= 0:
            continue
        if is_anew:
            revision = declared.revision_that_drops(first)
            yield Destroyed("table", shown(pair.before), fewer, revision)
        else:
            yield Destroyed("rows", shown(pair.before), fewer)


def _overwritten(change: ContentChange) -> dict[str, int]:
    """In how many rows of each table there is something else in place of a value, at least.

    In a table that was dropped and made anew, other rows may have the keys of the old ones.
    """
    return {
        table.pair.before.lower(): max(
            min(each.lossy, change.values.get((table.pair.before.lower(), each.column.lower()), 0))
            for each in table.columns
        )
        for table in change.tables
        if table.columns
    }
