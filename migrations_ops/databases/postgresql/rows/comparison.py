"""What became of the rows of a PostgreSQL database, table by table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg

from migrations_ops.child.protocol.sql import quoted
from migrations_ops.databases.interface import Progress, with_progress
from migrations_ops.databases.postgresql.rows.orphans import find_orphans, find_reused
from migrations_ops.databases.postgresql.rows.tables import Side, Table
from migrations_ops.databases.postgresql.rows.types import change_types
from migrations_ops.databases.postgresql.rows.values import (
    IS_RECOVERABLE,
    Column,
    compared,
    hash_of,
)
from migrations_ops.databases.row_changes import (
    KEY_REWRITTEN,
    ColumnChange,
    ContentChange,
    Pair,
    RowQuery,
    TableChange,
)

T = TypeVar("T")
# Rows are first compared by groups of about this size.
_ROWS_IN_GROUP = 64
_MOST_GROUPS = 1 << 12
# Asked about in one statement: PostgreSQL returns 1,664 results at most.
_AT_ONCE = 500
# Two hashes of different seeds are as good as one of 128 bits.
_OTHER_SEED = 917_639
_BROUGHT = "pg_temp.migrations_ops_after"


def compare(
    before: psycopg.Connection[Any],
    after: psycopg.Connection[Any],
    query: RowQuery,
    progress: Progress | None,
) -> ContentChange:
    """Compare tables with what they were, in another database of the same server.

    :param before: no one writes there; it gets a temporary table, and its types are changed as
        those of the other were, all of which is rolled back.
    :param after: it is only read.
    """
    one, other = Side(before), Side(after)
    with (
        ThreadPoolExecutor(1) as pool,
        one.comparable(other.time_zone(), writes=True),
        other.comparable(),
    ):
        change_types(one, query.types)
        try:
            changes = list(_changes(_Both(one, other, pool), query.pairs, progress))
            lost = find_orphans(one, other, query.pairs, changes) if query.orphans else {}
            reused = find_reused(one, other, query.pairs)
            values = _count_values(one, query.counted)
            return ContentChange(tuple(changes), lost, reused, values)
        except BaseException:
            # Its thread waits for an answer that is not needed any more.
            after.cancel_safe()
            raise


class _Both:
    """Both databases, which are asked at the same time: each has a core of its own."""

    def __init__(self, before: Side, after: Side, pool: ThreadPoolExecutor) -> None:
        self.before, self.after, self._pool = before, after, pool

    def do(self, before: Callable[[Side], T], after: Callable[[Side], T]) -> tuple[T, T]:
        later = self._pool.submit(after, self.after)
        return before(self.before), later.result()

    def ask(self, before: str, after: str) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        return self.do(lambda side: side.ask(before), lambda side: side.ask(after))


def _count_values(side: Side, columns: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """How many values these columns had, by (table, column) in small letters."""
    tables = side.tables([table for table, _ in columns])
    found = {}
    for name, column in columns:
        table = tables[name]
        # Names may differ in their case alone.
        known = [each for each in table.columns.values() if each.name.lower() == column]
        stored = [f"count({quoted(each.name)})" for each in known if not each.generated]
        counted = " + ".join(stored) or "count(NULL)"
        found[name.lower(), column] = side.number(f"SELECT {counted} FROM {table.rows}")
    return found


def _changes(
    both: _Both, pairs: Sequence[Pair], progress: Progress | None
) -> Iterator[TableChange]:
    here, there = both.do(
        lambda side: side.tables([pair.before for pair in pairs]),
        lambda side: side.tables([pair.after for pair in pairs]),
    )
    found = [pair for pair in pairs if pair.before in here and pair.after in there]
    for pair in with_progress(((each, here[each.before].size) for each in found), progress):
        change = _Comparison(both, pair, here[pair.before], there[pair.after]).run()
        if change is not None:
            yield change


_Columns = list[tuple[Column, Column]]


class _Comparison:
    """One table: first as a whole by its checksum, then in groups of rows, then row by row.

    Rows are put side by side by their key. Without one, or where the revisions rewrite it, they are
    put by what has not changed; where that is not the same on both sides, rows are counted as a
    heap, by the columns that no revision writes.
    """

    def __init__(self, both: _Both, pair: Pair, before: Table, after: Table) -> None:
        self._both, self._pair = both, pair
        self._before, self._after = before, after
        self._columns = _matched(pair, before, after)
        self._unwritten = [
            each for each in self._columns if each[0].name.lower() not in pair.rewritten
        ]
        self._has_new_keys = any(name.lower() in pair.rewritten for name in before.key)

    def run(self) -> TableChange | None:
        asked = (
            f"SELECT count(*), coalesce(sum({hash_of(values)}), 0) FROM {table.rows}"
            for values, table in zip(
                _values(self._columns), (self._before, self._after), strict=True
            )
        )
        ([(rows, was)], [(rows_now, now)]) = self._both.ask(*asked)
        if (rows, was) == (rows_now, now):
            return None
        self._size = rows
        by_name = {here.name: (here, there) for here, there in self._columns}
        has_key = self._before.key and not self._has_new_keys
        if has_key and all(name in by_name for name in self._before.key):
            key = [by_name[name] for name in self._before.key]
            change = self._by_key(key)
            # A key of another type whose values all are new is another column of the same name.
            anew = any(here.type_name != there.type_name for here, there in key)
            if change is not None and not (anew and change.gone == rows):
                return change
        return self._without_key(rows == rows_now)

    def _by_key(self, key: _Columns) -> TableChange | None:
        """None if it does not identify rows any more."""
        rest = [each for each in self._columns if each not in key]
        groups, changed = self._differing(key, rest)
        with self._brought(key, changed, groups) as source:
            repeated = f"SELECT 1 FROM {_BROUGHT} GROUP BY k1, k2 HAVING count(*) > 1 LIMIT 1"
            if self._both.before.ask(repeated):
                return None
            return self._change(source, changed)

    def _without_key(self, as_many: bool) -> TableChange | None:
        changed = self._changed_columns()
        kept = [each for each in self._columns if each not in changed]
        if as_many and changed and not self._differing(kept, [])[0]:
            groups, _ = self._differing(kept, changed)
            with self._brought(kept, changed, groups, ranked=True) as source:
                return self._change(source, changed)
        groups, _ = self._differing(self._unwritten, [])
        with self._brought(self._unwritten, [], groups, ranked=True) as source:
            return self._change(source, [])

    def _changed_columns(self) -> _Columns:
        """The columns whose values differ in any row."""
        found: _Columns = []
        for part in filter(None, _parts(self._columns)):
            asked = [
                f"SELECT {', '.join(f'sum({hash_of([value])})' for value in values)}"
                f" FROM {table.rows}"
                for values, table in zip(_values(part), (self._before, self._after), strict=True)
            ]
            ([was], [now]) = self._both.ask(*asked)
            found += [each for each, a, b in zip(part, was, now, strict=True) if a != b]
        return found

    def _differing(self, key: _Columns, rest: _Columns) -> tuple[list[int], _Columns]:
        """The groups of rows that are not the same, and the columns in which they are not."""
        groups: set[int] = set()
        changed: _Columns = []
        for part in _parts(rest):
            asked = []
            for keys, values, table in zip(
                _values(key), _values(part), (self._before, self._after), strict=True
            ):
                sums = [f"sum({hash_of([*keys, value])})" for value in values]
                asked.append(
                    f"SELECT {self._group(keys)}, sum({hash_of(keys)})"
                    f"{''.join(f', {each}' for each in sums)} FROM {table.rows} GROUP BY 1"
                )
            was, now = ({row[0]: row[1:] for row in rows} for rows in self._both.ask(*asked))
            for number in was.keys() | now.keys():
                then, there = was.get(number), now.get(number)
                if then == there:
                    continue
                groups.add(number)
                if then and there:
                    pairs = zip(part, then[1:], there[1:], strict=True)
                    changed += [each for each, a, b in pairs if a != b and each not in changed]
        return sorted(groups), [each for each in rest if each in changed]

    def _group(self, keys: Sequence[str]) -> str:
        return f"{hash_of(keys)} & {self._groups() - 1}"

    def _groups(self) -> int:
        groups = 1
        while groups < min(self._size // _ROWS_IN_GROUP, _MOST_GROUPS):
            groups *= 2
        return groups

    @contextmanager
    def _brought(
        self, key: _Columns, changed: _Columns, groups: list[int], *, ranked: bool = False
    ) -> Iterator[str]:
        """Take the rows of these groups to the other database; yields both, side by side.

        :param ranked: several rows may have the same key: they are put together in their order.
        """
        here, there = (
            self._rows(keys, expressions, groups, table, ranked=ranked)
            for keys, expressions, table in zip(
                _values(key), _as_text(changed), (self._before, self._after), strict=True
            )
        )
        columns = "".join(f', c{number} text COLLATE "C"' for number in range(len(changed)))
        before, after = self._both.before, self._both.after
        before.do(f"CREATE TABLE {_BROUGHT} (k1 bigint, k2 bigint, place bigint{columns})")
        after.copy(f"COPY ({there}) TO STDOUT", before, f"COPY {_BROUGHT} FROM STDIN")
        before.do(f"ANALYZE {_BROUGHT}")
        yield f"FROM ({here}) a LEFT JOIN {_BROUGHT} b USING (k1, k2, place)"
        before.do(f"DROP TABLE {_BROUGHT}")

    def _rows(
        self,
        keys: Sequence[str],
        expressions: Sequence[str],
        groups: list[int],
        table: Table,
        *,
        ranked: bool,
    ) -> str:
        """A query: what rows are put together by, and the values that are compared."""
        place = "0::bigint"
        if ranked:
            by = ", ".join((hash_of(keys), hash_of(keys, _OTHER_SEED)))
            order = ", ".join(f'{value} COLLATE "C"' for value in expressions) or "1"
            place = f"row_number() OVER (PARTITION BY {by} ORDER BY {order})"
        values = "".join(f", {value} AS c{number}" for number, value in enumerate(expressions))
        wanted = ", ".join(map(str, groups))
        where = f"{self._group(keys)} = ANY('{{{wanted}}}'::bigint[])"
        k1, k2 = hash_of(keys), hash_of(keys, _OTHER_SEED)
        return (
            f"SELECT {k1} AS k1, {k2} AS k2, {place} AS place{values}"
            f" FROM {table.rows} WHERE {where if len(groups) < self._groups() else 'true'}"
        )

    def _change(self, source: str, changed: _Columns) -> TableChange | None:
        gone = self._both.before.number(f"SELECT count(*) {source} WHERE b.ctid IS NULL")
        columns: list[ColumnChange] = []
        for start, part in zip(range(0, len(changed), _AT_ONCE), _parts(changed), strict=False):
            columns += self._column_changes(f"{source} WHERE b.ctid IS NOT NULL", start, part)
        not_compared = KEY_REWRITTEN if self._has_new_keys and self._unwritten else ""
        if not gone and not columns and not not_compared:
            return None
        return TableChange(self._pair, gone, tuple(columns), not_compared=not_compared)

    def _column_changes(self, source: str, start: int, part: _Columns) -> Iterator[ColumnChange]:
        """All of them in one pass: with millions of rows, each one takes seconds."""
        asked = []
        for number in range(start, start + len(part)):
            a, b = f"a.c{number}", f"b.c{number}"
            lost = f"(NOT ({IS_RECOVERABLE.format(a=a, b=b)}))"
            lengths = f"coalesce(length({a}), -1), coalesce(length({b}), -1)"
            asked += [
                f"count(*) FILTER (WHERE {a} IS DISTINCT FROM {b})",
                f"count(*) FILTER (WHERE {a} IS DISTINCT FROM {b} AND {lost})",
                f"max(ARRAY[{lost}::integer, {lengths}]) FILTER (WHERE {a} IS DISTINCT FROM {b})",
            ]
        [found] = self._both.before.ask(f"SELECT {', '.join(asked)} {source}")
        for number, (here, there) in enumerate(part):
            rows, lossy, example = found[3 * number : 3 * number + 3]
            if rows:
                example_text = f"{here.shown(example[1])} became {there.shown(example[2])}"
                yield ColumnChange(here.name, rows, lossy, example_text)


def _matched(pair: Pair, before: Table, after: Table) -> _Columns:
    """The columns that are there before and after, under whichever name."""
    lowered = {name.lower(): column for name, column in after.columns.items()}
    found: _Columns = []
    for name, column in before.columns.items():
        other = pair.renamed.get(name.lower(), name)
        there = after.columns.get(other) or lowered.get(other)
        if there is not None and not (column.generated and there.generated):
            found.append((column, there))
    return found


def _values(columns: _Columns) -> tuple[list[str], list[str]]:
    """What goes into the hashes of both sides."""
    both = [compared(here, there) for here, there in columns]
    return [here for here, _ in both], [there for _, there in both]


def _as_text(columns: _Columns) -> tuple[list[str], list[str]]:
    return [here.as_text(there) for here, there in columns], [
        there.as_text(here) for here, there in columns
    ]


def _parts(columns: _Columns) -> list[_Columns]:
    """A few columns at a time; none is one part, too."""
    return [columns[start : start + _AT_ONCE] for start in range(0, len(columns) or 1, _AT_ONCE)]
