"""Which changes of a database's content its revisions did not declare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from migrations_ops.analysis.declared import Declared
from migrations_ops.child.protocol.sql import shown
from migrations_ops.databases.row_changes import ColumnChange, ContentChange, Pair, TableChange
from migrations_ops.model.findings import (
    CHANGED_VALUES,
    CHANGED_VALUES_CAST,
    CHANGED_VALUES_DECLARED,
    CHANGED_VALUES_KEPT,
    CHANGED_VALUES_LOSSY,
    NEW_ORPHANS,
    RENUMBERED_ROWS,
    REUSED_IDS,
    ROWS_NOT_COMPARED_ONE_BY_ONE,
    Finding,
)
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.text import counted


def surviving(before: Fingerprint, after: Fingerprint, declared: Declared) -> list[Pair]:
    """The tables that exist before and after, under their current names."""
    tables_after = {name.lower(): name for name in after.rows}
    columns = declared.naming.renamed_columns()
    pairs = []
    for table in before.rows:
        name = declared.naming.table_after(table.lower())
        if name in tables_after:
            first = table.lower()
            pairs.append(
                Pair(table, tables_after[name], columns.get(first, {}), declared.rewritten(first))
            )
    return pairs


def rows_gone(change: ContentChange) -> dict[str, int]:
    """How many rows of each table are gone."""
    return {each.pair.before: each.gone for each in change.tables if each.gone > 0}


def find_changes(change: ContentChange, declared: Declared, environment: str) -> list[Finding]:
    """Find changes of the surviving content; an undeclared change is an error.

    :param environment: whose database or copy was upgraded, for the messages.
    """
    return [
        *(finding for table in change.tables for finding in _table(table, declared, environment)),
        *_orphans(change.orphans, environment),
        *_sequences(change.sequences, declared, environment),
    ]


def _table(change: TableChange, declared: Declared, environment: str) -> Iterator[Finding]:
    for column in change.columns:
        yield _column(change.pair, column, declared, environment)
    if change.not_compared:
        yield ROWS_NOT_COMPARED_ONE_BY_ONE.found(
            shown(change.pair.before), reason=change.not_compared
        )
    if change.renumbered:
        yield RENUMBERED_ROWS.found(shown(change.pair.before), environment=environment)


def _column(pair: Pair, change: ColumnChange, declared: Declared, environment: str) -> Finding:
    where = f"{shown(pair.before)}.{shown(change.column)}"
    values = counted(change.rows, "value")
    changed = declared.values_changed(pair.before.lower(), change.column.lower())
    table, column = pair.before.lower(), change.column.lower()
    if changed is None or changed >= change.rows:
        if change.lossy and (table, column) in declared.only_cast:
            lost = counted(change.lossy, "value")
            return CHANGED_VALUES_CAST.found(where, values=lost, example=change.example)
        verb = "changes" if change.rows == 1 else "change"
        return CHANGED_VALUES_DECLARED.found(where, values=values, change=verb)
    if declared.may_retype(table, column) and not change.lossy:
        verb = "changes its" if change.rows == 1 else "change their"
        return CHANGED_VALUES_KEPT.found(where, values=values, change=verb)
    if declared.retypes(table, column):
        return CHANGED_VALUES_LOSSY.found(
            where,
            values=counted(change.lossy, "value"),
            environment=environment,
            example=change.example,
        )
    values = counted(change.rows - changed, "value")
    return CHANGED_VALUES.found(
        where, values=values, environment=environment, example=change.example
    )


def _orphans(orphans: Mapping[tuple[str, str], int], environment: str) -> Iterator[Finding]:
    for (child, parent), count in sorted(orphans.items()):
        rows = counted(count, "more row")
        yield NEW_ORPHANS.found(
            shown(child), rows=rows, parent=shown(parent), environment=environment
        )


def _sequences(
    sequences: Mapping[str, tuple[int, int]], declared: Declared, environment: str
) -> Iterator[Finding]:
    if declared.writes_to("sqlite_sequence"):
        return
    for table, (was, now) in sequences.items():
        if table.lower() in declared.recounted:
            continue
        yield REUSED_IDS.found(shown(table), environment=environment, now=now, was=was)
