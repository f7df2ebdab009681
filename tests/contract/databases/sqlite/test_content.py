"""The content, value for value: any change is found, and nothing is found without one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from migrations_ops.databases.row_changes import (
    KEY_REWRITTEN,
    NO_MODULE,
    ContentChange,
    Pair,
    TableChange,
)
from tests.contract.databases.support import sqlite


def make(path: Path, statements: Iterable[str]) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        for statement in statements:
            connection.execute(statement)


def compared(
    folder: Path, before: Iterable[str], statements: Iterable[str], *pairs: Pair
) -> ContentChange:
    """What is found after these statements, on a copy of what the first ones make."""
    earlier, now = folder / "before.sqlite3", folder / "now.sqlite3"
    make(earlier, before)
    now.write_bytes(earlier.read_bytes())
    make(now, statements)
    done: list[tuple[int, int]] = []
    change = sqlite(now).compare_content(
        earlier, pairs or [Pair("t", "t")], lambda *told: done.append(told), orphans=True
    )
    assert all(part <= total for part, total in done)
    return change


def summary(change: ContentChange) -> dict[str, Any]:
    """Each changed column with its count, the rows that are gone, and new row numbers."""
    found: dict[str, Any] = {}
    for table in change.tables:
        found |= {column.column: (column.rows, column.lossy) for column in table.columns}
        if table.gone:
            found["gone"] = table.gone
        if table.renumbered:
            found["renumbered"] = True
    return found


KEYED = (
    "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE, b, c BLOB)",
    "INSERT INTO t VALUES (1, 'one', 1, x'00'), (5, 'two', 1.5, x'01'), (9, NULL, 'x', NULL)",
)
NAMED = (
    "CREATE TABLE t (k TEXT PRIMARY KEY, a TEXT)",
    "INSERT INTO t VALUES ('one', 'a'), ('two', 'b'), ('three', 'c')",
)
HEAP = (
    "CREATE TABLE t (a TEXT, b INT)",
    "INSERT INTO t VALUES ('x', 1), ('y', 2), ('z', 3), ('z', 3)",
)
GAP = (*HEAP, "DELETE FROM t WHERE a = 'x'")
NAMED_GAP = (*NAMED, "DELETE FROM t WHERE k = 'one'")


def rebuilt(columns: str, copied: str) -> tuple[str, ...]:
    """A rebuild as Alembic's batch mode does it."""
    return (
        f"CREATE TABLE _alembic_tmp_t ({columns})",
        f"INSERT INTO _alembic_tmp_t SELECT {copied} FROM t",
        "DROP TABLE t",
        "ALTER TABLE _alembic_tmp_t RENAME TO t",
    )


@pytest.mark.parametrize(
    ("before", "statements", "found"),
    [
        (KEYED, ["UPDATE t SET a = 'ONE' WHERE id = 1"], {"a": (1, 1)}),
        (KEYED, ["UPDATE t SET b = 1.0 WHERE id = 1"], {"b": (1, 0)}),
        (KEYED, ["UPDATE t SET b = '1' WHERE id = 1"], {"b": (1, 0)}),
        (KEYED, ["UPDATE t SET a = '' WHERE a IS NULL"], {"a": (1, 1)}),
        (KEYED, ["UPDATE t SET a = NULL"], {"a": (2, 2)}),
        (KEYED, ["UPDATE t SET c = x'0000' WHERE id = 1"], {"c": (1, 1)}),
        (KEYED, ["UPDATE t SET b = b || ' '"], {"b": (3, 3)}),
        (KEYED, ["DELETE FROM t WHERE id = 1", "INSERT INTO t VALUES (2, 'one', 1, x'00')"],
         {"gone": 1}),
        (KEYED, ["UPDATE t SET id = id + 1"], {"gone": 3}),
        (KEYED, ["INSERT INTO t (id) VALUES (2)", "ALTER TABLE t ADD COLUMN d"], {}),
        (NAMED, ["UPDATE t SET a = 'A' WHERE k = 'one'"], {"a": (1, 1)}),
        (NAMED, ["DELETE FROM t WHERE k = 'two'", "INSERT INTO t VALUES ('four', 'b')"],
         {"gone": 1}),
        (NAMED, ["DELETE FROM t WHERE k = 'two'"], {"gone": 1}),
        (NAMED_GAP, rebuilt("k TEXT PRIMARY KEY, a TEXT", "k, a"), {"renumbered": True}),
        (NAMED_GAP, rebuilt("k TEXT PRIMARY KEY, a INTEGER", "k, CAST(a AS INTEGER)"),
         {"renumbered": True, "a": (2, 2)}),
        (NAMED, rebuilt("k TEXT PRIMARY KEY, a TEXT) WITHOUT ROWID --", "*"), {}),
        (NAMED, rebuilt("k TEXT PRIMARY KEY, a TEXT) WITHOUT ROWID --", "k, 'c'"), {"a": (2, 2)}),
        (NAMED, rebuilt("k TEXT, a TEXT", "k, a"), {}),
        (NAMED, rebuilt("id INTEGER PRIMARY KEY, k TEXT, a TEXT", "9 - rowid, k, a"),
         {"renumbered": True}),
        (HEAP, ["UPDATE t SET b = 9 WHERE a = 'y'"], {"b": (1, 1)}),
        (HEAP, ["DELETE FROM t WHERE rowid = 4", "INSERT INTO t VALUES ('new', 4)"],
         {"a": (1, 1), "b": (1, 1)}),
        (HEAP, ["DELETE FROM t WHERE a = 'x'"], {"gone": 1}),
        (HEAP, ["DELETE FROM t WHERE a = 'x'", *rebuilt("a TEXT, b INT", "*")], {"gone": 1,
         "renumbered": True}),
        (GAP, rebuilt("a TEXT, b INT", "a, b"), {"renumbered": True}),
        (GAP, rebuilt("a TEXT, b TEXT", "*"), {"renumbered": True, "b": (3, 0)}),
        (GAP, [*rebuilt("a TEXT, b INT", "*"), "INSERT INTO t VALUES ('new', 4)"],
         {"renumbered": True}),
        (GAP, rebuilt("a TEXT, b INT", "* FROM (SELECT * FROM t ORDER BY rowid DESC) --"),
         {"renumbered": True}),
        (GAP, rebuilt("a TEXT, b INT", "DISTINCT *"), {"gone": 1, "renumbered": True}),
        (("CREATE TABLE t (k TEXT PRIMARY KEY, a)", "INSERT INTO t VALUES (NULL, 1), (NULL, 2)"),
         ["UPDATE t SET a = 3 WHERE a = 2"], {"a": (1, 1)}),
        (("CREATE TABLE t (a INT, b INT AS (a * 2))", "INSERT INTO t VALUES (1)"),
         ["UPDATE t SET a = 2"], {"a": (1, 1)}),
        (('CREATE TABLE t (rowid TEXT, "a ""b""" TEXT)', "INSERT INTO t VALUES ('x', 'y')"),
         ['UPDATE t SET "a ""b""" = \'z\''], {'a "b"': (1, 1)}),
        (("CREATE TABLE t (rowid, _rowid_, oid)", "INSERT INTO t VALUES (1, 2, 3), (1, 2, 3)"),
         ["DELETE FROM t WHERE oid = 3", "INSERT INTO t VALUES (1, 2, 3)"], {"gone": 1}),
    ],
)  # fmt: skip
def test_each_change_is_found_and_nothing_else(
    tmp_path: Path, before: tuple[str, ...], statements: tuple[str, ...], found: dict[str, Any]
) -> None:
    assert summary(compared(tmp_path, before, statements)) == found


@pytest.mark.parametrize(
    ("was", "kind", "lossy"),
    [
        ("'abc'", "INTEGER", 1), ("'12abc'", "INTEGER", 1), ("'007'", "INTEGER", 1),
        ("1.9", "INTEGER", 1), ("'2025-03-04 10:11:12'", "NUMERIC", 1), ("'true'", "INTEGER", 1),
        ("'12'", "INTEGER", 0), ("12", "TEXT", 0), ("'1.50'", "REAL", 0), ("2.0", "INTEGER", 0),
        ("7", "REAL", 0), ("'2.00'", "NUMERIC", 0), ("x'6162'", "TEXT", 0),
    ],
)  # fmt: skip
def test_what_a_cast_keeps_is_told_from_what_it_destroys(
    tmp_path: Path, was: str, kind: str, lossy: int
) -> None:
    before = ("CREATE TABLE t (id INTEGER PRIMARY KEY, a)", f"INSERT INTO t VALUES (1, {was})")
    moved = rebuilt(f"id INTEGER PRIMARY KEY, a {kind}", f"id, CAST(a AS {kind})")
    assert summary(compared(tmp_path, before, moved)) == {"a": (1, lossy)}


def test_an_example_tells_kinds_and_lengths_and_never_a_value(tmp_path: Path) -> None:
    change = compared(tmp_path, KEYED, ["UPDATE t SET a = 0, c = zeroblob(3) WHERE id = 1"])
    examples = {column.column: column.example for column in change.tables[0].columns}
    assert examples == {
        "a": "text of 3 characters became text of 1 character",
        "c": "blob of 1 byte became blob of 3 bytes",
    }


def test_a_renamed_table_and_column_are_compared_under_their_new_names(tmp_path: Path) -> None:
    statements = (
        "ALTER TABLE t RENAME TO Other", "ALTER TABLE Other RENAME a TO Z",
        "UPDATE other SET z = 'new' WHERE id = 1",
    )  # fmt: skip
    change = compared(tmp_path, KEYED, statements, Pair("t", "Other", {"a": "z"}))
    assert summary(change) == {"a": (1, 1)}


def test_more_columns_than_one_expression_may_hold_are_compared(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(1500)]
    before = (f"CREATE TABLE t ({', '.join(names)})", "INSERT INTO t (c0) VALUES (1)")
    assert summary(compared(tmp_path, before, ["UPDATE t SET c1499 = 1"])) == {"c1499": (1, 1)}


UUIDS = (
    "CREATE TABLE t (id TEXT PRIMARY KEY, v TEXT, w TEXT)",
    "INSERT INTO t VALUES ('c-1', '007', 'x'), ('a-2', 'abc', 'y'), ('b-3', '12', 'z')",
)
WITHOUT = (UUIDS[0] + " WITHOUT ROWID", UUIDS[1])
NEW_IDS = "UPDATE t SET id = REPLACE(id, '-', '')"
OTHER_ORDER = "UPDATE t SET id = substr(id, 3) || id"
AS_INTEGER = rebuilt("id TEXT PRIMARY KEY, v INTEGER, w TEXT", "id, CAST(v AS INTEGER), w")
NUMBERS = (UUIDS[0].replace("TEXT PRIMARY", "INTEGER PRIMARY"), "INSERT INTO t VALUES"
           " (1, '1', 'x'), (2, '2', 'y'), (4, '3', 'z')")  # fmt: skip


@pytest.mark.parametrize(
    ("before", "statements", "found", "told"),
    [
        (UUIDS, [NEW_IDS], {"id": (3, 3)}, False),
        (UUIDS, [NEW_IDS, *AS_INTEGER], {"id": (3, 3), "v": (3, 2)}, False),
        (UUIDS, [OTHER_ORDER, *AS_INTEGER], {"id": (3, 3), "v": (3, 2)}, False),
        (UUIDS, [NEW_IDS, "UPDATE t SET w = 'x'"], {"id": (3, 3), "w": (2, 2)}, False),
        (UUIDS, [NEW_IDS, "DELETE FROM t WHERE w = 'y'"], {"id": (2, 2), "gone": 1}, False),
        (WITHOUT, [NEW_IDS], {}, True),
        (WITHOUT, [OTHER_ORDER, "UPDATE t SET w = 'x'"], {"w": (2, 2)}, True),
        (WITHOUT, [OTHER_ORDER, *AS_INTEGER], {"v": (3, 2)}, True),
        (WITHOUT, [NEW_IDS, "DELETE FROM t WHERE w = 'y'"], {"gone": 1}, True),
        (NUMBERS, ["UPDATE t SET id = id + 100"], {"id": (3, 3)}, False),
        (NUMBERS, ["UPDATE t SET id = 10 - id"], {}, True),
        (NUMBERS, ["UPDATE t SET id = id + 100", "UPDATE t SET v = 0 WHERE id = 102"],
         {"id": (3, 3), "v": (1, 1)}, False),
    ],
)  # fmt: skip
def test_rows_are_compared_though_their_keys_are_rewritten(
    tmp_path: Path,
    before: tuple[str, ...],
    statements: list[str],
    found: dict[str, Any],
    told: bool,
) -> None:
    pair = Pair("t", "t", rewritten=frozenset({"id"}))
    change = compared(tmp_path, before, statements, pair)
    assert summary(change) == found
    assert [each.not_compared for each in change.tables] == [KEY_REWRITTEN if told else ""]


def test_a_virtual_table_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    before = ("CREATE VIRTUAL TABLE t USING fts5(a)", "INSERT INTO t VALUES ('one')")
    unknown = (
        "PRAGMA writable_schema=ON",
        "UPDATE sqlite_master SET sql = replace(sql, 'fts5', 'nowhere') WHERE name = 't'",
    )
    change = compared(tmp_path, before, unknown)
    assert [each.not_compared for each in change.tables] == [NO_MODULE]


def test_a_full_text_table_is_compared_by_what_it_tells_and_not_by_how_it_keeps_it(
    tmp_path: Path,
) -> None:
    before = (
        "CREATE VIRTUAL TABLE t USING fts5(a)",
        "INSERT INTO t VALUES ('one two'), ('three')",
        "INSERT INTO t VALUES ('four')",
    )
    pairs = [Pair(name, name) for name in ("t", "t_data", "t_idx", "t_docsize", "t_content")]
    (tmp_path / "kept").mkdir()
    optimised = ["INSERT INTO t (t) VALUES ('optimize')"]
    assert compared(tmp_path / "kept", before, optimised, *pairs).tables == ()
    changed = ["UPDATE t SET a = 'five' WHERE rowid = 1"]
    assert summary(compared(tmp_path, before, changed, *pairs)) == {"a": (1, 1)}


FAMILY = (
    "CREATE TABLE p (id INTEGER PRIMARY KEY)",
    "CREATE TABLE t (id INTEGER PRIMARY KEY, p INT REFERENCES p (id))",
    "INSERT INTO p VALUES (1), (2)",
    "INSERT INTO t VALUES (1, 1), (2, 2), (3, 99)",
)


def test_only_orphans_that_were_none_before_are_told(tmp_path: Path) -> None:
    (tmp_path / "same").mkdir()
    assert compared(tmp_path / "same", FAMILY, ["INSERT INTO p VALUES (3)"]).orphans == {}
    assert compared(tmp_path, FAMILY, ["DELETE FROM p WHERE id = 2"]).orphans == {("t", "p"): 1}


def test_old_orphans_stay_old_under_a_new_name(tmp_path: Path) -> None:
    statements = ["ALTER TABLE t RENAME TO kids"]
    assert compared(tmp_path, FAMILY, statements, Pair("t", "kids")).orphans == {}


COUNTING = (
    "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a)",
    "INSERT INTO t VALUES (1, 'a'), (7, 'b')",
    "DELETE FROM t WHERE id = 7",
)


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        (rebuilt("id INTEGER PRIMARY KEY AUTOINCREMENT, a", "*"), {"t": (8, 2)}),
        (["DELETE FROM t", *rebuilt("id INTEGER PRIMARY KEY AUTOINCREMENT, a", "*")],
         {"t": (8, 1)}),
        (["INSERT INTO t (a) VALUES ('c')"], {}),
        (["DELETE FROM t"], {}),
        # That it does not count any more is told by the schema.
        (rebuilt("id INTEGER PRIMARY KEY, a", "*"), {}),
    ],
    ids=["rebuilt", "rebuilt empty", "on", "emptied", "no more"],
)  # fmt: skip
def test_a_sequence_that_goes_back_is_told(
    tmp_path: Path, statements: tuple[str, ...], found: dict[str, tuple[int, int]]
) -> None:
    assert compared(tmp_path, COUNTING, statements).sequences == found


def test_nothing_is_written_beside_either_file(tmp_path: Path) -> None:
    compared(tmp_path, ("PRAGMA journal_mode=WAL", *KEYED), ["UPDATE t SET a = 'x'"])
    assert sorted(file.name for file in tmp_path.iterdir()) == ["before.sqlite3", "now.sqlite3"]


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
    change = sqlite(folder / "now").compare_content(folder / "before", pairs, None, orphans=False)
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
        make(folder / "now", ["DELETE FROM t WHERE rowid = 1", "INSERT INTO t VALUES ('new', x'')"])
        assert _values(_differences(folder)) != []
