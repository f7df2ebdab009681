"""Rows of SQLite, whose values have types of their own, and whose rows have hidden numbers."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from migrations_ops.databases.row_changes import NO_MODULE, Pair, RowQuery, TableChange
from tests.contract.databases.bench import SqliteBench, make, summary
from tests.contract.databases.content_cases import NAMED, rebuilt
from tests.contract.databases.support import sqlite


def test_a_full_text_table_is_compared_by_what_it_tells_and_not_by_how_it_keeps_it(
    tmp_path: Path,
) -> None:
    bench = SqliteBench(tmp_path)
    before = "CREATE VIRTUAL TABLE t USING fts5(a); INSERT INTO t VALUES ('one two'), ('three');"
    before += "INSERT INTO t VALUES ('four')"
    pairs = [Pair(name, name) for name in ("t", "t_data", "t_idx", "t_docsize", "t_content")]
    optimised = bench.compared(before, "INSERT INTO t (t) VALUES ('optimize')", *pairs)
    assert optimised.tables == ()
    changed = bench.compared(before, "UPDATE t SET a = 'five' WHERE rowid = 1", *pairs)
    assert summary(changed) == {"a": (1, 1)}


def test_a_virtual_table_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    change = SqliteBench(tmp_path).compared(
        "CREATE VIRTUAL TABLE t USING fts5(a); INSERT INTO t VALUES ('one')",
        "PRAGMA writable_schema=ON;"
        "UPDATE sqlite_master SET sql = replace(sql, 'fts5', 'nowhere') WHERE name = 't'",
    )
    assert [each.not_compared for each in change.tables] == [NO_MODULE]


def test_nothing_is_written_beside_either_file(tmp_path: Path) -> None:
    SqliteBench(tmp_path).compared(f"PRAGMA journal_mode=WAL; {NAMED}", "UPDATE t SET a = 'x'")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["before0", "now0"]


# -- anything at all ----------------------------------------------------------------------------

values = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.sampled_from(["a", "A", "a ", "1", "1.0", "01", ""]),
    st.binary(max_size=4),
)
COLUMNS = ("a", "b", "c")
SHAPES = (
    "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE, b NUMERIC, c)",
    "CREATE TABLE t (id TEXT PRIMARY KEY, a TEXT COLLATE RTRIM, b REAL, c) WITHOUT ROWID",
    "CREATE TABLE t (id INT PRIMARY KEY, a INTEGER, b BLOB, c COLLATE NOCASE)",
    "CREATE TABLE t (id INT, a INTEGER, b BLOB COLLATE NOCASE, c TEXT)",
)


@settings(deadline=None)
@given(
    shape=st.sampled_from(SHAPES),
    rows=st.lists(st.tuples(values, values, values), min_size=1, max_size=6),
    ids=st.permutations(range(1, 20)),
    row=st.integers(0, 5),
    column=st.sampled_from(COLUMNS),
    value=values,
    rebuild=st.booleans(),
)
def test_any_single_value_that_changes_is_found(
    shape: str, rows: list[tuple[Any, ...]], ids: list[int], row: int, column: str, value: Any,
    rebuild: bool,
) -> None:  # fmt: skip
    with TemporaryDirectory() as name:
        folder = Path(name)
        with closing(sqlite3.connect(folder / "before", isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous=OFF")
            connection.execute(shape)
            for number, told in zip(ids, rows, strict=False):
                connection.execute("INSERT INTO t VALUES (?, ?, ?, ?)", (number, *told))
        (folder / "now").write_bytes((folder / "before").read_bytes())
        chosen = ids[row % len(rows)]
        with closing(sqlite3.connect(folder / "now", isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous=OFF")
            if rebuild:
                connection.execute(shape.replace(" t ", " new "))
                connection.execute("INSERT INTO new SELECT * FROM t")
                connection.execute("DROP TABLE t")
                connection.execute("ALTER TABLE new RENAME TO t")
            kept = _differences(folder)
            was = _stored(connection, column, chosen)
            connection.execute(f"UPDATE t SET {column} = ? WHERE id = ?", (value, chosen))
            now = _stored(connection, column, chosen)
        assert _values(kept) == []
        changed = _differences(folder)
        if was == now:
            assert _values(changed) == []
        else:
            assert len(changed) == 1
            gone_or_changed = changed[0].gone or [each.column for each in changed[0].columns]
            assert gone_or_changed in (1, [column])


def _stored(connection: sqlite3.Connection, column: str, chosen: int) -> tuple[Any, ...]:
    """A value as SQLite keeps it, byte for byte."""
    sql = f"SELECT typeof({column}), {column} FROM t WHERE id = ?"
    found: tuple[Any, ...] = connection.execute(sql, (chosen,)).fetchone()
    return found


def _differences(folder: Path) -> list[TableChange]:
    pairs = [Pair("t", "t")]
    change = sqlite(folder / "now").compare_content(
        folder / "before", RowQuery(pairs, orphans=False), None
    )
    return list(change.tables)


def _values(found: list[TableChange]) -> list[TableChange]:
    """What changed besides row numbers, which a rebuild gives anew."""
    return [each for each in found if each.gone or each.columns]


@settings(deadline=None)
@given(rows=st.lists(st.tuples(values, values), max_size=8), gone=st.integers(0, 7))
def test_a_heap_that_is_rebuilt_keeps_its_rows_whatever_their_numbers(
    rows: list[tuple[Any, ...]], gone: int
) -> None:
    assume(len(rows) > 1)
    with TemporaryDirectory() as name:
        folder = Path(name)
        with closing(sqlite3.connect(folder / "before", isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous=OFF")
            connection.execute("CREATE TABLE t (a, b)")
            connection.executemany("INSERT INTO t VALUES (?, ?)", rows)
            connection.execute("DELETE FROM t WHERE rowid = ?", (gone + 1,))
        (folder / "now").write_bytes((folder / "before").read_bytes())
        make(folder / "now", rebuilt("a, b", "*"))
        assert _values(_differences(folder)) == []
        make(folder / "now", "DELETE FROM t WHERE rowid = 1; INSERT INTO t VALUES ('new', x'')")
        assert _values(_differences(folder)) != []
