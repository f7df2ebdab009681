"""Compares the content of a SQLite database with an earlier copy, value for value.

The rows of both are joined by row number or by primary key, inside of SQLite: 1 GB takes 4
seconds. Values are equal only if their storage classes are, and byte by byte: a plain ``IS NOT``
would take 1 for 1.0, and under NOCASE 'a' for 'A'.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from migrations_ops.databases.interface import Progress, with_progress
from migrations_ops.databases.row_changes import (
    KEY_REWRITTEN,
    NO_MODULE,
    ColumnChange,
    ContentChange,
    Pair,
    RowQuery,
    TableChange,
)
from migrations_ops.databases.sqlite.connect import Connect, quoted
from migrations_ops.databases.sqlite.lacking import lacking_in
from migrations_ops.databases.sqlite.rows.connect import BEFORE, opened
from migrations_ops.databases.sqlite.rows.orphans import new_orphans, restarted_sequences
from migrations_ops.databases.sqlite.rows.tables import (
    Matched,
    comparable,
    count_values,
    match,
)
from migrations_ops.databases.sqlite.rows.values import Column, shown_value

# Columns asked about in one statement: SQLite takes 2,000 results at most.
_AT_ONCE = 300
# What SQLite says where only an index of an unknown collation could serve.
_NO_PLAN = "no query solution"


def compare(
    now: str,
    before: Path,
    query: RowQuery,
    progress: Progress | None,
    also: Connect | None = None,
) -> ContentChange:
    """Compare tables with what they were.

    :param now: the URI of the database; it is only read.
    :param before: the earlier copy, which no one writes.
    :param also: gives each connection what the application's have.
    """
    pairs = query.pairs
    earlier = f"{before.absolute().as_uri()}?mode=ro&immutable=1"
    stopped = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        # A connection of its own: on a large database both take seconds, one core each.
        lost = (
            pool.submit(new_orphans, now, earlier, pairs, stopped, also) if query.orphans else None
        )
        try:
            with opened(now, stopped, also) as connection:
                connection.execute(f"ATTACH ? AS {BEFORE}", (earlier,))
                connection.execute("BEGIN")
                tables = tuple(_changes(connection, pairs, progress))
                sequences = restarted_sequences(connection, pairs)
                values = count_values(connection, query.counted)
            return ContentChange(tables, lost.result() if lost else {}, sequences, values)
        except BaseException as error:
            stopped.set()
            if str(error) == "interrupted":
                # Ctrl-C, which Python noticed while SQLite was at work in one long statement.
                raise KeyboardInterrupt from None
            raise


def _changes(
    connection: sqlite3.Connection, pairs: Sequence[Pair], progress: Progress | None
) -> Iterator[TableChange]:
    tables = [(pair, *match(connection, pair)) for pair in comparable(connection, pairs)]
    for pair, matched, size in with_progress(((each, each[2]) for each in tables), progress):
        change: TableChange | None = None
        try:
            if matched is None:
                change = TableChange(pair, not_compared=NO_MODULE)
            elif size:
                change = _Comparison(connection, pair, matched, size).run()
        except sqlite3.OperationalError as error:
            lacking = lacking_in(error)
            if lacking is not None and lacking.kind != "module":
                reason = f"the {lacking.kind} {lacking.name} is not known here"
                change = TableChange(pair, not_compared=reason)
            elif str(error) == _NO_PLAN:
                reason = "a collation of its key is not known here"
                change = TableChange(pair, not_compared=reason)
            elif matched is None or not matched.virtual:
                raise
            else:
                change = TableChange(pair, not_compared=NO_MODULE)
        if change is not None:
            yield change


@dataclass(frozen=True)
class _Alignment:
    """Rows before beside rows after: what to select from, and how many differ.

    ``unexpected`` of them differ in columns that no revision writes. Rows that are no more than
    counted have no source.
    """

    source: str
    gone: int
    differing: int
    unexpected: int

    @property
    def trouble(self) -> int:
        return self.gone + self.unexpected

    @property
    def is_equal(self) -> bool:
        return not self.gone and not self.differing


class _Comparison:
    """One table. Rows are put side by side by row number first, which is quickest; where they
    differ, by their key; without one, in order or as a multiset. The alignment with the fewest
    differences counts, since a rebuild renumbers rows that it does not change. A key that the
    revisions rewrite is none.
    """

    def __init__(
        self, connection: sqlite3.Connection, pair: Pair, matched: Matched, size: int
    ) -> None:
        self._connection, self._pair, self._matched, self._size = connection, pair, matched, size
        self._before = f"{BEFORE}.{quoted(pair.before)}"
        self._after = f"main.{quoted(pair.after)}"
        before, after = matched.before, matched.after
        self._names = (
            [quoted(before.columns[name]) for name in matched.columns],
            [quoted(after.columns[name]) for name in matched.columns.values()],
        )
        self._columns = [
            Column(
                before.columns[name],
                f"a.{quoted(before.columns[name])}",
                f"b.{quoted(after.columns[other])}",
                name in before.texts and other in after.texts and not matched.virtual,
            )
            for name, other in matched.columns.items()
        ]
        self._unwritten = [
            column for column in self._columns if column.name.lower() not in pair.rewritten
        ]
        self._has_new_keys = not pair.rewritten.isdisjoint(before.key)

    def run(self) -> TableChange | None:
        before, after = self._matched.before, self._matched.after
        if before.number and after.number:
            by_number = self._by_number()
            if by_number.is_equal:
                return None
            own = before.own_number
            is_own = own and self._matched.columns.get(own) == after.own_number
            if is_own and not self._has_new_keys:
                return self._change(by_number)
            best, renumbered = self._without_numbers(by_number)
            return self._change(best, renumbered=renumbered and not is_own)
        return self._change(self._by_key() or self._as_heap())

    def _without_numbers(self, by_number: _Alignment) -> tuple[_Alignment, bool]:
        by_key = self._by_key()
        if by_key is not None:
            return by_key, self._is_renumbered(by_key)
        others = [self._in_order()]
        if by_number.gone or self._has_new_keys:
            others.append(self._as_heap())
        best = min((by_number, *others), key=lambda each: (each.trouble, each.gone))
        return best, best is not by_number

    def _is_renumbered(self, by_key: _Alignment) -> bool:
        before, after = self._matched.before.number, self._matched.after.number
        sql = f"SELECT 1 {by_key.source} WHERE a.{before} <> b.{after} LIMIT 1"
        return self._connection.execute(sql).fetchone() is not None

    def _by_key(self) -> _Alignment | None:
        """By primary key; None if it does not identify rows, then and now."""
        matched = self._matched
        if self._has_new_keys:
            return None
        then = [matched.before.columns[name] for name in matched.before.key]
        now = [
            matched.after.columns[matched.columns[name]]
            for name in matched.before.key
            if name in matched.columns
        ]
        if not then or len(now) < len(then) or not self._are_unique(then, now):
            return None
        # The plus takes the affinity of the old column away: with it, no index might serve.
        terms = [
            f"b.{quoted(there)} = +a.{quoted(here)}" for here, there in zip(then, now, strict=True)
        ]
        return self._side_by_side(
            f"FROM {self._before} AS a CROSS JOIN {self._after} AS b ON {' AND '.join(terms)}"
        )

    def _are_unique(self, then: list[str], now: list[str]) -> bool:
        """A key may hold NULL, for historical reasons, and need not be one any more."""
        empty = " OR ".join(f"{quoted(name)} IS NULL" for name in then)
        repeated = [f"SELECT 1 FROM {self._before} WHERE {empty} LIMIT 1"]
        if {name.lower() for name in now} != set(self._matched.after.key):
            listed = ", ".join(map(quoted, now))
            repeated.append(
                f"SELECT 1 FROM {self._after} GROUP BY {listed} HAVING count(*) > 1 LIMIT 1"
            )
        return not any(self._connection.execute(sql).fetchone() for sql in repeated)

    def _by_number(self) -> _Alignment:
        numbers = f"b.{self._matched.after.number} = a.{self._matched.before.number}"
        return self._side_by_side(
            f"FROM {self._before} AS a CROSS JOIN {self._after} AS b ON {numbers}"
        )

    def _in_order(self) -> _Alignment:
        """The first row beside the first, and so on, as a rebuild copies them."""
        sides = []
        for side, table, number, names in (
            ("a", self._before, self._matched.before.number, self._names[0]),
            ("b", self._after, self._matched.after.number, self._names[1]),
        ):
            position = f"row_number() OVER (ORDER BY {number}) AS migrations_ops_place"
            sides.append(f"(SELECT {', '.join((*names, position))} FROM {table}) AS {side}")
        return self._side_by_side(
            f"FROM {sides[0]} JOIN {sides[1]} ON a.migrations_ops_place = b.migrations_ops_place"
        )

    def _side_by_side(self, source: str) -> _Alignment:
        differ = [_any([column.differs for column in self._columns])]
        if len(self._unwritten) < len(self._columns):
            differ.append(_any([column.differs for column in self._unwritten]))
        asked = ", ".join(f"coalesce(sum({each}), 0)" for each in differ)
        sql = f"SELECT count(*), {asked} {source}"
        if len(self._columns) > _AT_ONCE:
            # An aggregate may not refer to more than 2,000 columns.
            asked = ", ".join(f"(SELECT count(*) {source} WHERE {each})" for each in differ)
            sql = f"SELECT (SELECT count(*) {source}), {asked}"
        together, differing, *unexpected = self._connection.execute(sql).fetchone()
        return _Alignment(
            source, self._size - together, differing, unexpected[0] if unexpected else differing
        )

    def _as_heap(self) -> _Alignment:
        return _Alignment("", self._missing(self._unwritten), 0, 0)

    def _missing(self, columns: Sequence[Column], value: str = "{}, typeof({})") -> int:
        """How many rows before have no equal after, each counted as often as it is there.

        :param value: what of each column is compared.
        """
        sides = []
        for count, table, side in (
            (1, f"{self._before} AS a", "here"),
            (-1, f"{self._after} AS b", "there"),
        ):
            names = [getattr(column, side) for column in columns]
            values = [value.format(f"{name} COLLATE BINARY", name) for name in names]
            sides.append(f"SELECT {', '.join((str(count), *values))} FROM {table}")
        numbers = range(2, (value.count(",") + 1) * len(columns) + 2)
        rows = f"WITH both_of({', '.join(f'c{n}' for n in (1, *numbers))}) AS"
        rows += f" ({' UNION ALL '.join(sides)})"
        groups = f" GROUP BY {', '.join(f'c{n}' for n in numbers)}" if numbers else ""
        gone = self._connection.execute(
            f"{rows} SELECT coalesce(sum(missing), 0) FROM"
            f" (SELECT max(sum(c1), 0) AS missing FROM both_of{groups})"
        ).fetchone()[0]
        return int(gone)

    def _change(self, aligned: _Alignment, *, renumbered: bool = False) -> TableChange | None:
        if not aligned.source and self._has_new_keys:
            return self._as_columns(aligned.gone)
        if aligned.is_equal and not renumbered:
            return None
        columns = tuple(self._column_changes(aligned.source)) if aligned.differing else ()
        return TableChange(self._pair, aligned.gone, columns, renumbered)

    def _as_columns(self, gone: int) -> TableChange | None:
        """What of rows without a key can be told: the columns whose values are others."""
        changes: list[ColumnChange] = []
        kept = list(self._unwritten)
        for column in self._unwritten if gone else ():
            rows = self._missing([column])
            if rows:
                kept.remove(column)
                lossy = self._missing([column], "CAST({} AS TEXT) COLLATE BINARY")
                changes.append(ColumnChange(column.name, rows, lossy, "value became another"))
        not_compared = KEY_REWRITTEN if self._unwritten else ""
        if self._missing(kept):
            return TableChange(self._pair, gone, not_compared=not_compared)
        if not changes and not not_compared:
            return None
        return TableChange(self._pair, 0, tuple(changes), not_compared=not_compared)

    def _column_changes(self, source: str) -> Iterator[ColumnChange]:
        for start in range(0, len(self._columns), _AT_ONCE):
            part = self._columns[start : start + _AT_ONCE]
            asked = ", ".join(f"sum({column.differs}), sum({column.is_lost})" for column in part)
            # A quick look for the few rows that differ first, a thorough one at these.
            rows_differ = _any([column.differs for column in part])
            sql = f"SELECT {asked} {source} WHERE {rows_differ}"
            counts = self._connection.execute(sql).fetchone()
            for number, column in enumerate(part):
                rows, lossy = counts[2 * number], counts[2 * number + 1]
                if rows:
                    example = self._example(source, column, lossy=bool(lossy))
                    yield ColumnChange(column.name, rows, lossy, example)

    def _example(self, source: str, column: Column, *, lossy: bool) -> str:
        was, length_was, now, length_now = self._connection.execute(
            f"SELECT typeof({column.here}), length({column.here}), typeof({column.there}),"
            f" length({column.there}) {source}"
            f" WHERE {column.is_lost if lossy else column.differs} LIMIT 1"
        ).fetchone()
        return f"{shown_value(was, length_was)} became {shown_value(now, length_now)}"


def _any(terms: list[str]) -> str:
    """All of them with OR, nested evenly: SQLite takes expressions of depth 1,000 only."""
    if len(terms) < 2:
        return terms[0] if terms else "0"
    middle = len(terms) // 2
    return f"({_any(terms[:middle])} OR {_any(terms[middle:])})"
