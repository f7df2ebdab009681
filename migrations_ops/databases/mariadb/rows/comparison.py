"""Compares the content of a MariaDB database with an earlier copy of it on the same server.

The rows of both are joined by their key, inside of the server: 1 GB takes 12 seconds. Texts are
compared byte by byte: what a collation takes for equal need not be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from migrations_ops.databases.interface import Progress, with_progress
from migrations_ops.databases.mariadb.connect import Connection, ask
from migrations_ops.databases.mariadb.names import quoted
from migrations_ops.databases.mariadb.rows.columns import (
    Column,
    as_text,
    canonical,
    joined,
    read_columns,
    still_equal,
)
from migrations_ops.databases.mariadb.rows.sums import (
    count,
    count_and_sum,
    next_numbers,
    table_sizes,
)
from migrations_ops.databases.row_changes import (
    KEY_REWRITTEN,
    ColumnChange,
    ContentChange,
    Pair,
    RowQuery,
    TableChange,
)
from migrations_ops.model.text import counted

__all__ = ["compare", "count", "count_and_sum"]


def compare(
    connection: Connection,
    before_database: str,
    after_database: str,
    query: RowQuery,
    progress: Progress | None,
) -> ContentChange:
    """Compare tables with what they were.

    :param before_database: the earlier copy, which no one writes.
    """
    before, after = (_read(connection, name) for name in (before_database, after_database))
    pairs = query.pairs
    there = [pair for pair in pairs if pair.before in before.sizes and pair.after in after.sizes]
    changes = []
    for pair in with_progress(((each, before.sizes[each.before]) for each in there), progress):
        change = _Comparison(connection, pair, before, after).run()
        if change is not None:
            changes.append(change)
    lost = _new_orphans(connection, before_database, after_database, pairs) if query.orphans else {}
    values = _count_values(connection, before, query.counted)
    return ContentChange(tuple(changes), lost, _gone_back(before, after, pairs), values)


# -- what can be compared -----------------------------------------------------------------------


@dataclass(frozen=True)
class _Side:
    """One of both databases: its columns, its unique keys, and the next numbers of its tables."""

    database: str
    columns: Mapping[str, Sequence[Column]]
    keys: Mapping[str, Sequence[tuple[str, ...]]]
    indexes: Mapping[str, Sequence[tuple[str, ...]]]
    sizes: Mapping[str, int]
    numbers: Mapping[str, int]


def _read(connection: Connection, database: str) -> _Side:
    rows = ask(
        connection,
        "SELECT TABLE_NAME, INDEX_NAME, NON_UNIQUE, LOWER(COLUMN_NAME), SUB_PART, INDEX_TYPE"
        " FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = %s"
        " ORDER BY TABLE_NAME, INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX",
        database,
    )
    columns = read_columns(connection, database)
    # Versioned rows have the end of their time in their key: now it is the same for all.
    periods = {
        (table, column.name.lower())
        for table, each in columns.items()
        for column in each
        if column.is_period
    }
    found: dict[tuple[str, str, bool], list[str]] = {}
    cut = set()
    for table, name, common, column, part, kind in rows:
        if (table, column) in periods:
            continue
        key = (str(table), str(name), not common)
        found.setdefault(key, []).append(str(column))
        if part is not None or kind != "BTREE":
            cut.add(key)
    indexes: dict[str, list[tuple[str, ...]]] = {}
    keys: dict[str, list[tuple[str, ...]]] = {}
    for key, names in found.items():
        if key not in cut:
            indexes.setdefault(key[0], []).append(tuple(names))
            if key[2]:
                keys.setdefault(key[0], []).append(tuple(names))
    return _Side(
        database,
        columns,
        keys,
        indexes,
        table_sizes(connection, database),
        next_numbers(connection, database),
    )


# -- one table ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Matched:
    """A column before, and what it is after."""

    was: Column
    now: Column

    @property
    def is_alike(self) -> bool:
        was, now = self.was, self.now
        return (was.type, was.charset, was.is_nullable) == (now.type, now.charset, now.is_nullable)


class _Comparison:
    """One table: rows are matched by a key that no revision writes, and where there is none that is
    in both, as a multiset: how many have no equal after.
    """

    def __init__(self, connection: Connection, pair: Pair, before: _Side, after: _Side) -> None:
        self._connection, self._pair = connection, pair
        self._before, self._after = before, after
        self._sources = (
            f"{quoted(before.database)}.{quoted(pair.before)} AS a",
            f"{quoted(after.database)}.{quoted(pair.after)} AS b",
        )
        there = {column.name.lower(): column for column in after.columns[pair.after]}
        self._columns = {
            column.name.lower(): _Matched(column, there[name])
            for column in before.columns[pair.before]
            if (name := pair.renamed.get(column.name.lower(), column.name.lower())) in there
            and not (column.is_computed and there[name].is_computed)
            and not (column.is_period and there[name].is_period)
        }

    def run(self) -> TableChange | None:
        has_new_keys = False
        for key in self._before.keys.get(self._pair.before, ()):
            if not self._pair.rewritten.isdisjoint(key):
                has_new_keys = True
                continue
            condition = self._condition(key)
            if condition is not None:
                return self._by_key(key, condition)
        return self._without_key() if has_new_keys else self._as_heap()

    def _condition(self, key: tuple[str, ...]) -> str | None:
        """How rows are joined by this key; None if it does not identify them, then and now,
        or not be found by an index."""
        matched = [self._columns[name] for name in key if name in self._columns]
        if len(matched) < len(key) or any(each.was.is_nullable for each in matched):
            return None
        now = tuple(each.now.name.lower() for each in matched)
        after = self._pair.after
        if not any(set(each) == set(now) for each in self._after.keys.get(after, ())):
            has_index = any(
                set(each[: len(now)]) == set(now) for each in self._after.indexes.get(after, ())
            )
            if not has_index or self._is_repeated(now):
                return None
        terms = [joined(each.was, each.now) for each in matched]
        parts = [term for term in terms if term is not None]
        return " AND ".join(parts) if len(parts) == len(terms) else None

    def _is_repeated(self, columns: tuple[str, ...]) -> bool:
        listed = ", ".join(f"b.{quoted(name)}" for name in columns)
        sql = f"SELECT 1 FROM {self._sources[1]} GROUP BY {listed} HAVING COUNT(*) > 1 LIMIT 1"
        return bool(ask(self._connection, sql))

    def _by_key(self, key: tuple[str, ...], condition: str) -> TableChange | None:
        then, now = self._sources
        found = f"{self._columns[key[0]].now.at('b')} IS NOT NULL"
        same = " AND ".join(
            f"({still_equal(each.was, each.now)})" for each in self._columns.values()
        )
        [(size, together, differing)] = ask(
            self._connection,
            f"SELECT COUNT(*), SUM({found}), SUM({found} AND NOT ({same}))"
            f" FROM {then} LEFT JOIN {now} ON {condition}",
        )
        gone = int(size) - int(together or 0)
        if not gone and not differing:
            return None
        source = f"FROM {then} JOIN {now} ON {condition} WHERE NOT ({same})"
        columns = tuple(self._column_changes(source)) if differing else ()
        return TableChange(self._pair, gone, columns)

    def _column_changes(self, source: str) -> Iterator[ColumnChange]:
        matched = list(self._columns.values())
        sums = ", ".join(f"SUM(NOT ({still_equal(each.was, each.now)}))" for each in matched)
        [counts] = ask(self._connection, f"SELECT {sums} {source}")
        for each, rows in zip(matched, counts, strict=True):
            if rows:
                example = self._example(source, each)
                yield ColumnChange(each.was.name, int(rows), int(rows), example)

    def _example(self, source: str, each: _Matched) -> str:
        sides = [(each.was, "a"), (each.now, "b")]
        parts = ", ".join(
            f"{column.at(side)} IS NULL, {_length(column)}({column.at(side)})"
            for column, side in sides
        )
        [row] = ask(
            self._connection,
            f"SELECT {parts} {source} AND NOT ({still_equal(each.was, each.now)}) LIMIT 1",
        )
        was, now = _shown(each.was, *row[:2]), _shown(each.now, *row[2:])
        return f"{was} became {now}"

    def _unwritten(self) -> list[_Matched]:
        columns = self._columns.items()
        return [each for name, each in columns if name not in self._pair.rewritten]

    def _as_heap(self) -> TableChange | None:
        matched = self._unwritten()
        gone = self._missing(matched)
        if not gone:
            return None
        others = {each: gone for each in matched if not each.is_alike}
        # All rows may be there, but for what became of their new types.
        return self._as_columns(matched, others) or TableChange(self._pair, gone)

    def _without_key(self) -> TableChange | None:
        """By the columns whose values are others, since no row is found again."""
        matched = self._unwritten()
        gone = self._missing(matched)
        others = {each: self._missing([each]) for each in matched} if gone else {}
        if not matched:
            return TableChange(self._pair, gone) if gone else None
        change = self._as_columns(matched, {each: rows for each, rows in others.items() if rows})
        return replace(change or TableChange(self._pair, gone), not_compared=KEY_REWRITTEN)

    def _as_columns(
        self, matched: list[_Matched], others: dict[_Matched, int]
    ) -> TableChange | None:
        """The changes of these columns, with how many rows they have; None if rows are gone."""
        if not others or self._missing([each for each in matched if each not in others]):
            return None
        changes = tuple(
            ColumnChange(each.was.name, rows, rows, f"{each.was.kind} became {each.now.kind}")
            for each, rows in others.items()
        )
        return TableChange(self._pair, 0, changes)

    def _missing(self, matched: Sequence[_Matched]) -> int:
        """How many rows before have no equal after, each counted as often as it is there."""
        sides = []
        for sign, source, side in ((1, self._sources[0], "a"), (-1, self._sources[1], "b")):
            hashed = [f"IFNULL(SHA1({_comparable(each, side)}), '-')" for each in matched]
            row = f"SHA1(CONCAT({', '.join(hashed) or repr('')}))"
            sides.append(f"SELECT {sign} AS n, {row} AS h FROM {source}")
        [(gone,)] = ask(
            self._connection,
            "SELECT COALESCE(SUM(GREATEST(missing, 0)), 0) FROM (SELECT SUM(n) AS missing"
            f" FROM ({' UNION ALL '.join(sides)}) AS rows_of_both GROUP BY h) AS rows_by_hash",
        )
        return int(gone)


def _count_values(
    connection: Connection, side: _Side, columns: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], int]:
    """How many values these columns had, by (table, column) in small letters."""
    found = {}
    for table, name in columns:
        [column] = [each for each in side.columns[table] if each.name.lower() == name]
        counted = "NULL" if column.is_computed else quoted(column.name)
        source = f"{quoted(side.database)}.{quoted(table)}"
        [(values,)] = ask(connection, f"SELECT COUNT({counted}) FROM {source}")
        found[table.lower(), name] = int(values)
    return found


def _comparable(each: _Matched, side: str) -> str:
    """What is equal on both sides for equal values."""
    column, other = (each.was, each.now) if side == "a" else (each.now, each.was)
    return as_text(column, side) if each.is_alike else canonical(column, other, side)


def _length(column: Column) -> str:
    return "CHAR_LENGTH" if column.family == "text" else "LENGTH"


def _shown(column: Column, is_null: int, length: int | None) -> str:
    """A value by its kind and its length, since it may be a secret."""
    if is_null:
        return "NULL"
    if column.family in ("text", "binary"):
        kind, unit = ("text", "character") if column.family == "text" else ("blob", "byte")
        return f"{kind} of {counted(int(length or 0), unit)}"
    return column.kind


# -- what hangs together ------------------------------------------------------------------------


@dataclass(frozen=True)
class _ForeignKey:
    """Rows of ``child`` that refer to rows of ``parent``, which has its database before it."""

    child: str
    parent: str
    columns: tuple[tuple[str, str], ...]
    parent_database: str


def _new_orphans(
    connection: Connection, before: str, after: str, pairs: Sequence[Pair]
) -> Mapping[tuple[str, str], int]:
    """Rows without their parents, of which there were fewer before, by (child, parent).

    The server forbids them, unless a revision switches foreign_key_checks off.
    """
    now = _violations(connection, after, {})
    if not now:
        return {}
    names = {pair.before.lower(): pair.after.lower() for pair in pairs}
    return dict(now - _violations(connection, before, names))


def _violations(
    connection: Connection, database: str, names: Mapping[str, str]
) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for key in _foreign_keys(connection, database):
        there = f"{quoted(key.parent_database)}.{quoted(key.parent)}"
        terms = [f"p.{quoted(parent)} = c.{quoted(child)}" for child, parent in key.columns]
        given = [f"c.{quoted(child)} IS NOT NULL" for child, _ in key.columns]
        [(rows,)] = ask(
            connection,
            f"SELECT COUNT(*) FROM {quoted(database)}.{quoted(key.child)} AS c"
            f" WHERE {' AND '.join(given)}"
            f" AND NOT EXISTS (SELECT 1 FROM {there} AS p WHERE {' AND '.join(terms)})",
        )
        if rows:
            child, parent = key.child.lower(), key.parent.lower()
            found[names.get(child, child), names.get(parent, parent)] += int(rows)
    return found


def _foreign_keys(connection: Connection, database: str) -> list[_ForeignKey]:
    """The foreign keys whose parent exists: without foreign_key_checks it may be dropped."""
    rows = ask(
        connection,
        "SELECT TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_SCHEMA,"
        " REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE"
        " WHERE TABLE_SCHEMA = %s AND REFERENCED_TABLE_NAME IS NOT NULL"
        " ORDER BY TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION",
        database,
    )
    columns: dict[tuple[str, str, str, str], list[tuple[str, str]]] = {}
    for table, name, column, schema, parent, parent_column in rows:
        columns.setdefault((table, name, schema, parent), []).append((column, parent_column))
    there = {
        (schema, table, column)
        for schema in {key[2] for key in columns}
        for table, column in ask(
            connection,
            "SELECT LOWER(TABLE_NAME), LOWER(COLUMN_NAME) FROM information_schema.COLUMNS"
            " WHERE TABLE_SCHEMA = %s",
            schema,
        )
    }
    return [
        _ForeignKey(table, parent, tuple(each), schema)
        for (table, _, schema, parent), each in columns.items()
        if all((schema, parent.lower(), column.lower()) in there for _, column in each)
    ]


def _gone_back(before: _Side, after: _Side, pairs: Sequence[Pair]) -> Mapping[str, tuple[int, int]]:
    """Where AUTO_INCREMENT, or a sequence, would give out numbers that it has given out before."""
    names = {name: name for name in before.numbers if name not in before.sizes}
    names |= {pair.before: pair.after for pair in pairs}
    return {
        name: (before.numbers[name], after.numbers[now])
        for name, now in names.items()
        if after.numbers.get(now, before.numbers.get(name, 0)) < before.numbers.get(name, 0)
    }
