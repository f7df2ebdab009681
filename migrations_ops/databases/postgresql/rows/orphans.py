"""What hangs together in PostgreSQL: rows with their parents, ids with their counters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from migrations_ops.child.protocol.sql import quoted
from migrations_ops.databases.postgresql.rows.tables import Reference, Side, Table
from migrations_ops.databases.row_changes import Pair, TableChange


def find_orphans(
    before: Side, after: Side, pairs: Sequence[Pair], changes: Iterable[TableChange]
) -> Mapping[tuple[str, str], int]:
    """Rows without their parents, of which there were fewer before, by (child, parent).

    The server makes sure of what a valid foreign key says, unless a revision has switched that off,
    as with ``session_replication_role``: a key is looked at where it is not valid, or was dropped,
    or where rows on one of its ends have changed.
    """
    touched = {change.pair.after for change in changes}
    now = _wanted(after, pairs, before.references(), touched)
    tables = after.tables(sorted({name for each in now for name in (each.child, each.parent)}))
    found: Counter[tuple[str, str]] = Counter()
    for reference in now:
        if lost := _count(after, reference, tables):
            found[reference.child, reference.parent] += lost
    if not found:
        return {}
    names = {pair.before: pair.after for pair in pairs}
    earlier = before.tables(list(names))
    was: Counter[tuple[str, str]] = Counter()
    for reference in before.references():
        key = (names.get(reference.child, ""), names.get(reference.parent, ""))
        if not reference.valid and key in found:
            was[key] += _count(before, reference, earlier)
    return {key: lost for key, lost in (found - was).items() if lost > 0}


def _wanted(
    after: Side, pairs: Sequence[Pair], before: Sequence[Reference], touched: set[str]
) -> list[Reference]:
    """The foreign keys that are to be looked at, by the names of after."""
    there = after.references()
    found = [
        each for each in there if not each.valid or each.child in touched or each.parent in touched
    ]
    known = {(each.child, each.parent, each.columns) for each in there}
    dropped = _dropped(before, pairs)
    return found + [
        each for each in dropped if (each.child, each.parent, each.columns) not in known
    ]


def _dropped(before: Sequence[Reference], pairs: Sequence[Pair]) -> Iterator[Reference]:
    """The foreign keys that there were, by the names of after, as far as all of them are there."""
    by_name = {pair.before: pair for pair in pairs}
    for each in before:
        if each.child in by_name and each.parent in by_name:
            child, parent = by_name[each.child], by_name[each.parent]
            yield Reference(
                child.after,
                parent.after,
                tuple(child.renamed.get(name.lower(), name) for name in each.columns),
                tuple(parent.renamed.get(name.lower(), name) for name in each.parent_columns),
            )


def _count(side: Side, reference: Reference, tables: Mapping[str, Table]) -> int:
    """How many rows lack their parent; none where the key cannot be asked about any more."""
    child, parent = tables.get(reference.child), tables.get(reference.parent)
    if child is None or parent is None:
        return 0
    known = {*reference.columns} <= child.columns.keys()
    if not known or not {*reference.parent_columns} <= parent.columns.keys():
        return 0
    columns = list(zip(reference.columns, reference.parent_columns, strict=True))
    if any(child.columns[one].type_name != parent.columns[two].type_name for one, two in columns):
        equal = [f"p.{quoted(two)}::text = c.{quoted(one)}::text" for one, two in columns]
    else:
        equal = [f"p.{quoted(two)} = c.{quoted(one)}" for one, two in columns]
    filled = " AND ".join(f"c.{quoted(one)} IS NOT NULL" for one, _ in columns)
    return side.number(
        f"SELECT count(*) FROM {child.rows} c WHERE {filled} AND NOT EXISTS"
        f" (SELECT FROM {parent.rows} p WHERE {' AND '.join(equal)})"
    )


def find_reused(before: Side, after: Side, pairs: Sequence[Pair]) -> Mapping[str, tuple[int, int]]:
    """The tables that would give out ids again: what was to be the next one, and what is now.

    A column that did not count before has the ids that are there for given out.
    """
    counting, counting_then = after.counters(), before.counters()
    here = before.tables([pair.before for pair in pairs])
    there = after.tables([pair.after for pair in pairs])
    columns_of: dict[int, list[str]] = {}
    for table, column in counting:
        columns_of.setdefault(table, []).append(column)
    found: dict[str, tuple[int, int]] = {}
    for pair in pairs:
        if pair.before not in here or pair.after not in there:
            continue
        was, now = here[pair.before], there[pair.after]
        first = {pair.renamed.get(name.lower(), name): name for name in was.columns}
        for column in columns_of.get(now.oid, []):
            upcoming = _next(after, counting[now.oid, column])
            earlier = counting_then.get((was.oid, first.get(column, "")))
            expected = _next(before, earlier) if earlier else _highest(after, now, column) + 1
            if upcoming < expected:
                found[pair.before] = (expected, upcoming)
    return found


def _next(side: Side, sequence: str) -> int:
    return side.number(f"SELECT last_value + CASE WHEN is_called THEN 1 ELSE 0 END FROM {sequence}")


def _highest(side: Side, table: Table, column: str) -> int:
    return side.number(f"SELECT coalesce(max({quoted(column)}), 0) FROM {table.rows}")
