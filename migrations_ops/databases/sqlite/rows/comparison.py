"""Compares the content of a SQLite database with an earlier copy, value for value.

The rows of both are joined by row number or by primary key, inside of SQLite: 1 GB takes 4
seconds. Values are equal only if their storage classes are, and byte by byte: a plain ``IS NOT``
would take 1 for 1.0, and under NOCASE 'a' for 'A'.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from migrations_ops.child.protocol.sql import tokens
from migrations_ops.databases.interface import Progress
from migrations_ops.databases.row_changes import ColumnChange, ContentChange, Pair, TableChange

_BEFORE = "migrations_ops_before"
# How many instructions SQLite runs before it lets Python look for Ctrl-C.
_INSTRUCTIONS = 2_000_000
# Columns asked about in one statement: SQLite takes 2,000 results at most.
_AT_ONCE = 300
# Tables in which the modules of virtual tables keep what is theirs: a mere optimisation
# writes them anew, and the virtual table itself is compared.
_SHADOWS = ("data", "idx", "content", "docsize", "config", "segments", "segdir", "stat", "node",
            "parent", "rowid")  # fmt: skip


def compare(
    now: str, before: Path, pairs: Sequence[Pair], progress: Progress | None, *, orphans: bool
) -> ContentChange:
    """Compare tables with what they were.

    :param now: the URI of the database; it is only read.
    :param before: the earlier copy, which nobody writes.
    :param orphans: whether to look for rows that lost their parents, beside the comparison.
    """
    earlier = f"{before.absolute().as_uri()}?mode=ro&immutable=1"
    stopped = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        # A connection of its own: on a large database both take seconds, one core each.
        lost = pool.submit(_new_orphans, now, earlier, pairs, stopped) if orphans else None
        try:
            with _open(now, stopped) as connection:
                connection.execute(f"ATTACH ? AS {_BEFORE}", (earlier,))
                connection.execute("BEGIN")
                tables = tuple(_changes(connection, pairs, progress))
                sequences = _sequences(connection, pairs)
            return ContentChange(tables, lost.result() if lost else {}, sequences)
        except BaseException as error:
            stopped.set()
            if str(error) == "interrupted":
                # Ctrl-C, which Python noticed while SQLite was at work in one long statement.
                raise KeyboardInterrupt from None
            raise


@contextmanager
def _open(uri: str, stopped: threading.Event) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        connection.execute("PRAGMA query_only=ON")
        connection.set_progress_handler(stopped.is_set, _INSTRUCTIONS)
        yield connection


def _changes(
    connection: sqlite3.Connection, pairs: Sequence[Pair], progress: Progress | None
) -> Iterator[TableChange]:
    tables = [(pair, _shape(connection, pair)) for pair in _comparable(connection, pairs)]
    total, done = sum(size for _, (_, size) in tables), 0
    for pair, (matched, size) in tables:
        if progress is not None and total:
            progress(done, total)
        done += size
        if matched is None or not size:
            continue
        try:
            change = _Comparison(connection, pair, matched, size).run()
        except sqlite3.OperationalError:
            if not matched.virtual:
                raise
            continue  # its module cannot be asked so, or is not loaded here
        if change is not None:
            yield change
    if progress is not None and total:
        progress(total, total)


def _comparable(connection: sqlite3.Connection, pairs: Sequence[Pair]) -> list[Pair]:
    virtual = {
        name.lower()
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL%'"
        )
    }
    shadows = {f"{name}_{ending}" for name in virtual for ending in _SHADOWS}
    return [pair for pair in pairs if pair.after.lower() not in shadows]


# -- what can be compared -----------------------------------------------------------------------


@dataclass(frozen=True)
class _Table:
    """One side: its columns by their names in small letters, its key, and its row number.

    ``own_number`` is the column that is the row number, INTEGER PRIMARY KEY; ``number`` a name
    under which the row number can be read, empty WITHOUT ROWID; ``texts`` are the columns that
    hold no numbers.
    """

    columns: Mapping[str, str]
    generated: frozenset[str]
    key: tuple[str, ...]
    number: str
    own_number: str
    texts: frozenset[str]


@dataclass(frozen=True)
class _Matched:
    """Both sides, and the columns that are in both, by their names before."""

    before: _Table
    after: _Table
    columns: Mapping[str, str]
    virtual: bool


def _shape(connection: sqlite3.Connection, pair: Pair) -> tuple[_Matched | None, int]:
    """What of a pair can be compared, and how many rows there were."""
    try:
        before = _read_table(connection, _BEFORE, pair.before)
        after = _read_table(connection, "main", pair.after)
        size = _count(connection, f"{_BEFORE}.{_quoted(pair.before)}")
    except sqlite3.OperationalError as error:
        if "no such module" in str(error):
            return None, 0
        raise
    columns = {}
    for name in before.columns:
        other = pair.renamed.get(name, name)
        computed = name in before.generated and other in after.generated
        if other in after.columns and not computed:
            columns[name] = other
    virtual = bool(
        connection.execute(
            "SELECT 1 FROM sqlite_master WHERE lower(name) = ? AND sql LIKE 'CREATE VIRTUAL%'",
            (pair.after.lower(),),
        ).fetchone()
    )
    return _Matched(before, after, columns, virtual), size


def _read_table(connection: sqlite3.Connection, schema: str, table: str) -> _Table:
    columns: dict[str, str] = {}
    types: dict[str, str] = {}
    generated: set[str] = set()
    keys: dict[int, str] = {}
    for _, name, kind, _, _, key, hidden in connection.execute(
        "SELECT * FROM pragma_table_xinfo(?, ?)", (table, schema)
    ):
        if hidden == 1:
            continue  # of a virtual table: no value, but an argument
        columns[name.lower()], types[name.lower()] = name, (kind or "").upper()
        if hidden in (2, 3):
            generated.add(name.lower())
        if key:
            keys[key] = name.lower()
    key_columns = tuple(keys[number] for number in sorted(keys))
    number = _row_number(connection, f"{schema}.{_quoted(table)}", columns)
    own = len(key_columns) == 1 and number and types[key_columns[0]] == "INTEGER"
    if own:
        # An INTEGER PRIMARY KEY DESC is an ordinary column with an index.
        indexes = connection.execute("SELECT origin FROM pragma_index_list(?, ?)", (table, schema))
        own = "pk" not in {origin for (origin,) in indexes}
    own_number = key_columns[0] if own else ""
    texts = frozenset(name for name, kind in types.items() if _turns_into_text(kind))
    return _Table(columns, frozenset(generated), key_columns, number, own_number, texts)


def _turns_into_text(kind: str) -> bool:
    """https://www.sqlite.org/datatype3.html, section 3.1"""
    return "INT" not in kind and any(part in kind for part in ("CHAR", "CLOB", "TEXT"))


def _row_number(connection: sqlite3.Connection, table: str, columns: Mapping[str, str]) -> str:
    for name in ("rowid", "_rowid_", "oid"):
        if name not in columns:
            try:
                connection.execute(f"SELECT {name} FROM {table} LIMIT 0")
            except sqlite3.OperationalError:
                return ""
            return name
    return ""


# -- one table ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Alignment:
    """Rows before beside rows after: what to select from, and how many differ."""

    source: str
    gone: int
    differing: int

    @property
    def trouble(self) -> int:
        return self.gone + self.differing


class _Comparison:
    """One table. Rows are put side by side by row number first, which is quickest; where they
    differ then, by their key; without one, in their order or as a heap: what differs least counts,
    since a rebuild gives other numbers to rows that it does not change.
    """

    def __init__(
        self, connection: sqlite3.Connection, pair: Pair, matched: _Matched, size: int
    ) -> None:
        self._connection, self._pair, self._matched, self._size = connection, pair, matched, size
        self._before = f"{_BEFORE}.{_quoted(pair.before)}"
        self._after = f"main.{_quoted(pair.after)}"
        before, after = matched.before, matched.after
        self._names = (
            [_quoted(before.columns[name]) for name in matched.columns],
            [_quoted(after.columns[name]) for name in matched.columns.values()],
        )
        self._columns = [
            _Column(
                before.columns[name],
                f"a.{_quoted(before.columns[name])}",
                f"b.{_quoted(after.columns[other])}",
                name in before.texts and other in after.texts and not matched.virtual,
            )
            for name, other in matched.columns.items()
        ]

    def run(self) -> TableChange | None:
        before, after = self._matched.before, self._matched.after
        key = tuple(before.columns[name] for name in before.key)
        if before.number and after.number:
            by_number = self._by_number()
            if not by_number.trouble:
                return None
            own = before.own_number
            if own and self._matched.columns.get(own) == after.own_number:
                return self._change(by_number, key)
            best, renumbered = self._without_numbers(by_number)
            return self._change(best, key, renumbered=renumbered)
        best = self._by_key() or self._as_heap()
        return self._change(best, key)

    def _without_numbers(self, by_number: _Alignment) -> tuple[_Alignment, bool]:
        by_key = self._by_key()
        if by_key is not None:
            return by_key, self._is_renumbered(by_key)
        others = [self._in_order()]
        if by_number.gone:
            others.append(self._as_heap())
        best = min((by_number, *others), key=lambda each: (each.trouble, each.gone))
        return best, best is not by_number

    def _is_renumbered(self, by_key: _Alignment) -> bool:
        before, after = self._matched.before.number, self._matched.after.number
        sql = f"SELECT 1 {by_key.source} WHERE a.{before} <> b.{after} LIMIT 1"
        return self._connection.execute(sql).fetchone() is not None

    def _by_key(self) -> _Alignment | None:
        """By primary key; None if rows cannot be told apart by it, then and now."""
        matched = self._matched
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
            f"b.{_quoted(there)} = +a.{_quoted(here)}"
            for here, there in zip(then, now, strict=True)
        ]
        return self._side_by_side(
            f"FROM {self._before} AS a CROSS JOIN {self._after} AS b ON {' AND '.join(terms)}"
        )

    def _are_unique(self, then: list[str], now: list[str]) -> bool:
        """A key may hold NULL, for historical reasons, and need not be one any more."""
        empty = " OR ".join(f"{_quoted(name)} IS NULL" for name in then)
        repeated = [f"SELECT 1 FROM {self._before} WHERE {empty} LIMIT 1"]
        if {name.lower() for name in now} != set(self._matched.after.key):
            listed = ", ".join(map(_quoted, now))
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
            place = f"row_number() OVER (ORDER BY {number}) AS migrations_ops_place"
            sides.append(f"(SELECT {', '.join((*names, place))} FROM {table}) AS {side}")
        return self._side_by_side(
            f"FROM {sides[0]} JOIN {sides[1]} ON a.migrations_ops_place = b.migrations_ops_place"
        )

    def _side_by_side(self, source: str) -> _Alignment:
        differs = _any([column.differs for column in self._columns])
        sql = f"SELECT count(*), coalesce(sum({differs}), 0) {source}"
        if len(self._columns) > _AT_ONCE:
            # An aggregate may not refer to more than 2,000 columns.
            sql = f"SELECT (SELECT count(*) {source}), (SELECT count(*) {source} WHERE {differs})"
        together, differing = self._connection.execute(sql).fetchone()
        return _Alignment(source, self._size - together, differing)

    def _as_heap(self) -> _Alignment:
        """How many rows before have no equal after, each counted as often as it is there."""
        sides = []
        for count, table, names in (
            (1, self._before, self._names[0]),
            (-1, self._after, self._names[1]),
        ):
            told = [f"{name} COLLATE BINARY, typeof({name})" for name in names]
            sides.append(f"SELECT {', '.join((str(count), *told))} FROM {table}")
        columns = range(2, 2 * len(self._columns) + 2)
        rows = f"WITH both_of({', '.join(f'c{n}' for n in (1, *columns))}) AS"
        rows += f" ({' UNION ALL '.join(sides)})"
        groups = f" GROUP BY {', '.join(f'c{n}' for n in columns)}" if columns else ""
        gone = self._connection.execute(
            f"{rows} SELECT coalesce(sum(missing), 0) FROM"
            f" (SELECT max(sum(c1), 0) AS missing FROM both_of{groups})"
        ).fetchone()[0]
        return _Alignment("", gone, 0)

    def _change(
        self, aligned: _Alignment, key: tuple[str, ...], *, renumbered: bool = False
    ) -> TableChange | None:
        if not aligned.trouble and not renumbered:
            return None
        columns = tuple(self._column_changes(aligned.source)) if aligned.differing else ()
        return TableChange(self._pair, aligned.gone, columns, renumbered, key)

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

    def _example(self, source: str, column: _Column, *, lossy: bool) -> str:
        was, length_was, now, length_now = self._connection.execute(
            f"SELECT typeof({column.here}), length({column.here}), typeof({column.there}),"
            f" length({column.there}) {source}"
            f" WHERE {column.is_lost if lossy else column.differs} LIMIT 1"
        ).fetchone()
        return f"{_shown(was, length_was)} became {_shown(now, length_now)}"


@dataclass(frozen=True)
class _Column:
    """One column of both sides, as SQL has to name it.

    ``are_texts``: it holds no number on either side, so that what is equal is of one kind.
    """

    name: str
    here: str
    there: str
    are_texts: bool

    @property
    def differs(self) -> str:
        differs = f"{self.here} COLLATE BINARY IS NOT {self.there}"
        kinds = "" if self.are_texts else f" OR typeof({self.here}) <> typeof({self.there})"
        return f"({differs}{kinds})"

    @property
    def is_lost(self) -> str:
        return f"({self.differs} AND NOT {_told_again(self.here, self.there)})"


def _told_again(here: str, there: str) -> str:
    """Whether the old value can be told from the new one: '12' from 12, but not '12abc', '007'."""
    same_text = f"CAST({there} AS TEXT) = CAST({here} AS TEXT) COLLATE BINARY"
    same_number = (
        f"{here} = {there} AND ({_number(here)} OR {_number(there)})"
        f" AND (typeof({here}) <> 'text' OR {here} NOT GLOB '0[0-9]*')"
    )
    return f"coalesce({same_text} OR ({same_number}), 0)"


def _number(value: str) -> str:
    return f"typeof({value}) IN ('integer', 'real')"


def _any(terms: list[str]) -> str:
    """All of them with OR, nested evenly: SQLite takes expressions of depth 1,000 only."""
    if len(terms) < 2:
        return terms[0] if terms else "0"
    middle = len(terms) // 2
    return f"({_any(terms[:middle])} OR {_any(terms[middle:])})"


def _shown(kind: str, length: int | None) -> str:
    if kind in ("text", "blob"):
        unit = "character" if kind == "text" else "byte"
        return f"{kind} of {length} {unit}{'' if length == 1 else 's'}"
    return "NULL" if kind == "null" else kind


def _count(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


# -- what hangs together ------------------------------------------------------------------------


def _new_orphans(
    now: str, earlier: str, pairs: Sequence[Pair], stopped: threading.Event
) -> Mapping[tuple[str, str], int]:
    """Rows without their parents, of which there were fewer before, by (child, parent)."""
    with _open(now, stopped) as connection:
        after = _violations(connection)
    if not after:
        return {}  # what was there before need not be counted: it takes seconds a GB
    with _open(earlier, stopped) as connection:
        found = _violations(connection)
    names = {pair.before.lower(): pair.after for pair in pairs}
    before: Counter[tuple[str, str]] = Counter()
    for (child, parent), count in found.items():
        before[names.get(child, child).lower(), names.get(parent, parent).lower()] += count
    return dict(after - before)


def _violations(connection: sqlite3.Connection) -> Counter[tuple[str, str]]:
    rows = connection.execute("PRAGMA foreign_key_check")
    return Counter((child.lower(), parent.lower()) for child, _, parent, _ in rows)


def _sequences(
    connection: sqlite3.Connection, pairs: Sequence[Pair]
) -> Mapping[str, tuple[int, int]]:
    """Where AUTOINCREMENT would give out ids that it has given out before."""
    before, after = (_sequence(connection, schema) for schema in (_BEFORE, "main"))
    found = {}
    counting = {
        name.lower()
        for name, sql in connection.execute("SELECT name, sql FROM main.sqlite_master")
        if any(word.means("AUTOINCREMENT") for word in tokens(sql or ""))
    }
    for pair in pairs:
        was = before.get(pair.before.lower(), 0)
        now = after.get(pair.after.lower(), 0)
        if now < was and pair.after.lower() in counting:
            found[pair.before] = (was + 1, now + 1)
    return found


def _sequence(connection: sqlite3.Connection, schema: str) -> dict[str, int]:
    there = f"SELECT 1 FROM {schema}.sqlite_master WHERE name = 'sqlite_sequence'"
    if not connection.execute(there).fetchone():
        return {}
    rows = connection.execute(f"SELECT name, seq FROM {schema}.sqlite_sequence")
    return {str(name).lower(): int(seq or 0) for name, seq in rows}
