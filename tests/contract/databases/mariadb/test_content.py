"""The content, value for value: any change is found, and nothing is found without one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migrations_ops.databases.mariadb.connect import ask
from migrations_ops.databases.mariadb.rows.comparison import compare
from migrations_ops.databases.row_changes import KEY_REWRITTEN, ContentChange, Pair, TableChange
from tests.contract.databases.mariadb.support import run, session
from tests.servers.databases import ServerDatabase
from tests.servers.mariadb import MariaServer

SAME = Pair("t", "t")


@pytest.fixture(scope="module")
def _two(mariadb: MariaServer) -> Iterator[ServerDatabase]:
    mariadb.start()
    for name in ("before", "after"):
        mariadb.create_database(name, options="CHARACTER SET utf8mb4")
    yield ServerDatabase(mariadb, "before")
    for name in ("before", "after"):
        mariadb.drop_database(name)


@pytest.fixture
def two(_two: ServerDatabase) -> ServerDatabase:
    """Two empty databases that understand every character: the one of the test, and ``after``."""
    for name in ("before", "after"):
        with session(_two, name) as connection:
            ask(connection, "SET foreign_key_checks = 0")
            rows = ask(connection, "SHOW FULL TABLES")
            for table, kind in rows:
                what = "SEQUENCE" if kind == "SEQUENCE" else "TABLE"
                ask(connection, f"DROP {what} `{table}`")
    return _two


def compared(
    two: ServerDatabase, before: Sequence[str], statements: Sequence[str], *pairs: Pair
) -> ContentChange:
    """What is found after these statements, on a copy of what the first ones make."""
    off = "SET foreign_key_checks = 0"
    run(two, off, *before)
    run(two, off, *before, *statements, name="after")
    done = [(0, 0)]
    with session(two) as connection:
        change = compare(
            connection, two.name, "after", pairs or [SAME], lambda *told: done.append(told),
            orphans=True,
        )  # fmt: skip
    assert all(part <= total for part, total in done)
    assert done[-1][0] == done[-1][1]
    return change


def summary(change: ContentChange) -> dict[str, Any]:
    """Each changed column with its count, and the rows that are gone."""
    found: dict[str, Any] = {}
    for table in change.tables:
        assert all(column.rows == column.lossy for column in table.columns)
        found |= {column.column: column.rows for column in table.columns}
        if table.gone:
            found["gone"] = table.gone
    return found


KEYED = (
    "CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(20), b DOUBLE, c BLOB)",
    "INSERT INTO t VALUES (1, 'one', 1, x'00'), (5, 'two', 1.5, x'01'), (9, NULL, NULL, NULL)",
)
NAMED = (
    "CREATE TABLE t (k VARCHAR(20) PRIMARY KEY, a TEXT)",
    "INSERT INTO t VALUES ('one', 'a'), ('two', 'b'), ('three', 'c')",
)
UNIQUE = (
    "CREATE TABLE t (a INT, x INT NOT NULL, y INT NOT NULL, UNIQUE (x, y))",
    "INSERT INTO t VALUES (1, 1, 1), (2, 1, 2), (3, 2, 1)",
)
HEAP = (
    "CREATE TABLE t (a VARCHAR(9), b INT)",
    "INSERT INTO t VALUES ('x', 1), ('y', 2), ('z', 3), ('z', 3), (NULL, NULL)",
)
VERSIONED = (
    "CREATE TABLE t (id INT PRIMARY KEY, a INT, s TIMESTAMP(6) GENERATED ALWAYS AS ROW START,"
    " e TIMESTAMP(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (s, e))"
    " WITH SYSTEM VERSIONING",
    "INSERT INTO t (id, a) VALUES (1, 1), (2, 2)",
    "UPDATE t SET a = 3 WHERE id = 1",
)


@pytest.mark.parametrize(
    ("before", "statements", "found"),
    [
        (KEYED, [], {}),
        (KEYED, ["UPDATE t SET a = 'ONE' WHERE id = 1"], {"a": 1}),
        (KEYED, ["UPDATE t SET a = 'one ' WHERE id = 1"], {"a": 1}),
        (KEYED, ["UPDATE t SET a = 'oné' WHERE id = 1"], {"a": 1}),
        (KEYED, ["UPDATE t SET a = '' WHERE a IS NULL"], {"a": 1}),
        (KEYED, ["UPDATE t SET a = NULL, b = b + 1"], {"a": 2, "b": 2}),
        (KEYED, ["UPDATE t SET c = x'0000' WHERE id = 1"], {"c": 1}),
        (KEYED, ["UPDATE t SET b = 1.0000000000000002 WHERE id = 1"], {"b": 1}),
        (KEYED, ["DELETE FROM t WHERE id = 1", "INSERT INTO t VALUES (2, 'one', 1, x'00')"],
         {"gone": 1}),
        (KEYED, ["UPDATE t SET id = -id"], {"gone": 3}),
        (KEYED, ["UPDATE t SET id = -id, a = 'x'", "UPDATE t SET id = 1 WHERE id = -1"],
         {"gone": 2, "a": 1}),
        (KEYED, ["INSERT INTO t (id) VALUES (2)", "ALTER TABLE t ADD d INT DEFAULT 1"], {}),
        (KEYED, ["ALTER TABLE t DROP c"], {}),
        (KEYED, ["ALTER TABLE t DROP PRIMARY KEY"], {}),
        (KEYED, ["ALTER TABLE t DROP PRIMARY KEY", "UPDATE t SET a = 'x' WHERE id = 5"],
         {"gone": 1}),
        (KEYED, ["ALTER TABLE t DROP PRIMARY KEY, ADD KEY (id)",
                 "UPDATE t SET a = 'x' WHERE id > 2"],
         {"a": 2}),
        (KEYED, ["ALTER TABLE t DROP PRIMARY KEY, ADD KEY (id)",
                 "INSERT INTO t SELECT id, 'x', b, c FROM t", "DELETE FROM t WHERE id = 5"],
         {"gone": 1}),
        (KEYED, ["ALTER TABLE t DROP PRIMARY KEY, ADD n INT PRIMARY KEY AUTO_INCREMENT, DROP id"],
         {}),
        (KEYED, ["ALTER TABLE t MODIFY id BIGINT"], {}),
        (KEYED, ["ALTER TABLE t MODIFY id VARCHAR(9)"], {}),
        (KEYED, ["ALTER TABLE t MODIFY id VARCHAR(9)",
                 "UPDATE t SET id = '05', a = 'x' WHERE id = 5"],
         {"gone": 1}),
        (KEYED, ["ALTER TABLE t MODIFY a VARCHAR(20) CHARACTER SET latin1"], {}),
        (NAMED, ["UPDATE t SET a = 'A' WHERE k = 'one'"], {"a": 1}),
        (NAMED, ["UPDATE t SET k = 'ONE' WHERE k = 'one'"], {"k": 1}),
        (NAMED, ["ALTER TABLE t MODIFY k VARCHAR(20) COLLATE utf8mb4_bin"], {}),
        (NAMED, ["ALTER TABLE t MODIFY k VARCHAR(20) CHARACTER SET latin1",
                 "UPDATE t SET a = 'x' WHERE k = 'two'"], {"a": 1}),
        (("CREATE TABLE t (k VARCHAR(9) COLLATE utf8mb4_bin PRIMARY KEY)",
          "INSERT INTO t VALUES ('a'), ('A')"),
         ["DELETE FROM t WHERE k = 'A'",
          "ALTER TABLE t MODIFY k VARCHAR(9) COLLATE utf8mb4_general_ci"],
         {"gone": 1}),
        (("CREATE TABLE t (k VARCHAR(9) PRIMARY KEY)", "INSERT INTO t VALUES ('1'), ('01')"),
         ["DELETE FROM t WHERE k = '01'", "ALTER TABLE t MODIFY k INT"], {"gone": 1}),
        (("CREATE TABLE t (k BINARY(16) PRIMARY KEY, a INT)", "INSERT INTO t VALUES ('a', 1)"),
         ["UPDATE t SET a = 2"], {"a": 1}),
        (NAMED, ["DELETE FROM t WHERE k = 'two'", "INSERT INTO t VALUES ('four', 'b')"],
         {"gone": 1}),
        (UNIQUE, ["UPDATE t SET a = 9 WHERE y = 1"], {"a": 2}),
        (UNIQUE, ["UPDATE t SET y = 9 WHERE a = 2"], {"gone": 1}),
        (HEAP, [], {}),
        (HEAP, ["UPDATE t SET b = 9 WHERE a = 'y'"], {"gone": 1}),
        (HEAP, ["DELETE FROM t WHERE a = 'z' LIMIT 1", "INSERT INTO t VALUES ('new', 1)"],
         {"gone": 1}),
        (HEAP, ["UPDATE t SET a = '' WHERE a IS NULL"], {"gone": 1}),
        (HEAP, ["INSERT INTO t VALUES ('z', 3)"], {}),
        (HEAP, ["ALTER TABLE t MODIFY b BIGINT, MODIFY a VARCHAR(30)"], {}),
        (HEAP, ["ALTER TABLE t MODIFY b VARCHAR(9)"], {}),
        (HEAP, ["ALTER TABLE t MODIFY a TEXT CHARACTER SET latin1"], {}),
        (HEAP, ["ALTER TABLE t MODIFY a VARCHAR(9)", "UPDATE t SET a = 'z' WHERE a = 'x'"],
         {"gone": 1}),
        (HEAP, ["UPDATE t SET a = 'long' WHERE a = 'x'", "ALTER TABLE t MODIFY a VARCHAR(30)"],
         {"a": 1}),
        (VERSIONED, [], {}),
        (VERSIONED, ["UPDATE t SET a = 5 WHERE id = 1"], {"a": 1}),
        (VERSIONED, ["UPDATE t SET a = 5", "UPDATE t SET a = 4 - id",
                     "UPDATE t SET a = 2 WHERE id = 2"],
         {}),
        (VERSIONED, ["DELETE FROM t WHERE id = 1"], {"gone": 1}),
        (("CREATE TABLE t (a INT PRIMARY KEY, b INT AS (a * 2) STORED)",
         "INSERT INTO t (a) VALUES (1)"),
         ["ALTER TABLE t MODIFY b INT AS (a * 3) STORED"], {}),
        (("CREATE TABLE t (a INT PRIMARY KEY, b INT AS (a * 2) STORED)",
         "INSERT INTO t (a) VALUES (1)"),
         ["ALTER TABLE t MODIFY b INT", "UPDATE t SET b = 7"], {"b": 1}),
        (("CREATE TABLE t (`a``b` INT PRIMARY KEY, `c \"d` TEXT)", "INSERT INTO t VALUES (1, 'x')"),
         ["UPDATE t SET `c \"d` = 'y'"], {'c "d': 1}),
        (("CREATE TABLE t (a INT PRIMARY KEY, p POINT, j JSON, u UUID)",
          "INSERT INTO t VALUES (1, POINT(1, 1), '{}', '123e4567-e89b-12d3-a456-426655440000')"),
         ["UPDATE t SET p = POINT(1, 2), j = '[]', u = NULL"], {"p": 1, "j": 1, "u": 1}),
    ],
)  # fmt: skip
def test_each_change_is_found_and_nothing_else(
    two: ServerDatabase, before: tuple[str, ...], statements: list[str], found: dict[str, Any]
) -> None:
    assert summary(compared(two, before, statements)) == found


TYPES = (
    ("INT", "12", "BIGINT", 0), ("INT", "12", "VARCHAR(9)", 0), ("INT", "12", "DOUBLE", 0),
    ("INT", "12", "DECIMAL(9,2)", 0), ("INT", "-1", "INT UNSIGNED", 1),
    ("INT", "300", "TINYINT", 1), ("BIGINT", "9007199254740993", "DOUBLE", 1),
    ("DECIMAL(9,2)", "1.50", "DECIMAL(9,3)", 0), ("DECIMAL(9,2)", "1.55", "DECIMAL(9,1)", 1),
    ("DECIMAL(9,2)", "1.50", "INT", 1), ("DECIMAL(9,2)", "1.50", "FLOAT", 0),
    ("DOUBLE", "0.1", "FLOAT", 0), ("DOUBLE", "1.23456789", "FLOAT", 1),
    ("FLOAT", "0.1", "DOUBLE", 0), ("DOUBLE", "1e300", "VARCHAR(30)", 0),
    ("BIT(4)", "b'101'", "INT", 0), ("VARCHAR(9)", "'12'", "INT", 0),
    ("VARCHAR(9)", "'abc'", "INT", 1), ("VARCHAR(9)", "'12abc'", "INT", 1),
    ("VARCHAR(9)", "'007'", "INT", 1), ("VARCHAR(9)", "''", "INT", 1),
    ("VARCHAR(9)", "'1.50'", "DECIMAL(9,1)", 0), ("VARCHAR(9)", "'abcdef'", "VARCHAR(3)", 1),
    ("VARCHAR(9)", "'a '", "CHAR(9)", 1), ("VARCHAR(9)", "'ab'", "TEXT", 0),
    ("VARCHAR(9)", "'é'", "VARCHAR(9) CHARACTER SET latin1", 0),
    ("VARCHAR(9)", "'€ž'", "VARCHAR(9) CHARACTER SET latin2", 1),
    ("VARCHAR(9)", "'ab'", "VARBINARY(9)", 0),
    ("VARCHAR(9) CHARACTER SET latin1", "'é'", "BLOB", 0),
    ("VARCHAR(9)", "'a'", "ENUM('a','b')", 0), ("VARCHAR(9)", "'c'", "ENUM('a','b')", 1),
    ("ENUM('a','b')", "'b'", "ENUM('b','a')", 0), ("ENUM('a','b')", "'b'", "VARCHAR(9)", 0),
    ("ENUM('a','b')", "'b'", "ENUM('a')", 1), ("VARBINARY(9)", "'ab'", "BLOB", 0),
    ("DATE", "'2025-03-04'", "DATETIME", 0), ("DATETIME", "'2025-03-04 10:11:12'", "DATE", 1),
    ("DATETIME(3)", "'2025-03-04 10:11:12.5'", "DATETIME", 1),
    ("DATETIME", "'2025-03-04 10:11:12'", "DATETIME(6)", 0),
    ("DATETIME", "'2025-03-04 10:11:12'", "TIMESTAMP NULL", 0),
    ("VARCHAR(30)", "'2025-03-04 10:11:12'", "DATETIME(6)", 0),
    ("VARCHAR(30)", "'2025-03-04 10:11:12'", "DATE", 1), ("VARCHAR(30)", "'soon'", "DATE", 1),
    ("DATETIME", "'2025-03-04 10:11:12'", "VARCHAR(30)", 0), ("TIME", "'10:11:12'", "TIME(3)", 0),
    ("TIME(3)", "'10:11:12.5'", "TIME", 1), ("DATETIME", "'2025-03-04 10:11:12'", "TIME", 1),
    ("CHAR(36)", "'123E4567-e89b-12d3-a456-426655440000'", "UUID", 0),
    ("UUID", "'123e4567-e89b-12d3-a456-426655440000'", "BINARY(16)", 0),
    ("INET6", "'::1'", "VARCHAR(40)", 0), ("YEAR", "2020", "INT", 0),
    ("TINYINT(1)", "1", "INT", 0), ("TEXT", "'{\"a\": 1}'", "JSON", 0),
    ("INT", "NULL", "VARCHAR(9)", 0), ("INT", "NULL", "INT NOT NULL", 1),
    ("TEXT", "REPEAT('x', 9000)", "VARCHAR(9000)", 0),
)  # fmt: skip


def test_what_another_type_keeps_is_told_from_what_it_destroys(two: ServerDatabase) -> None:
    columns = {f"c{number}": each for number, each in enumerate(TYPES)}
    old = (f"{name} {each[0]}" for name, each in columns.items())
    new = (f"MODIFY {name} {each[2]}" for name, each in columns.items())
    run(
        two,
        f"CREATE TABLE t (id INT PRIMARY KEY, {', '.join(old)})",
        f"INSERT INTO t VALUES (1, {', '.join(each[1] for each in TYPES)})",
        "CREATE TABLE after.t SELECT * FROM t",
        f"ALTER TABLE after.t MODIFY id INT PRIMARY KEY, {', '.join(new)}",
    )
    with session(two) as connection:
        [change] = compare(connection, two.name, "after", [SAME], None, orphans=False).tables
    lost = {column.column for column in change.columns}
    assert [(*each[:3], int(c in lost)) for c, each in columns.items()] == list(TYPES)
    assert {(column.rows, column.lossy) for column in change.columns} == {(1, 1)}
    assert change.gone == 0


def test_so_it_is_in_tables_without_a_key(two: ServerDatabase) -> None:
    pairs = [Pair(f"t{number}", f"t{number}") for number in range(len(TYPES))]
    run(
        two,
        *(
            statement
            for number, (was, value, now, _) in enumerate(TYPES)
            for statement in (
                f"CREATE TABLE t{number} (id INT, a {was})",
                f"INSERT INTO t{number} VALUES (1, {value})",
                f"CREATE TABLE after.t{number} SELECT * FROM t{number}",
                f"ALTER TABLE after.t{number} MODIFY a {now}",
            )
        ),
    )
    with session(two) as connection:
        change = compare(connection, two.name, "after", pairs, None, orphans=False)
    changed = {table.pair.before: table for table in change.tables}
    found = [(*case[:3], int(f"t{number}" in changed)) for number, case in enumerate(TYPES)]
    assert found == list(TYPES)
    for table in changed.values():
        assert [(each.column, each.rows, each.lossy) for each in table.columns] == [("a", 1, 1)]


def test_an_example_shows_the_kind_and_the_length_and_no_value(two: ServerDatabase) -> None:
    change = compared(
        two,
        ["CREATE TABLE t (id INT PRIMARY KEY, a TEXT, b VARBINARY(9), c DATETIME)",
         "INSERT INTO t VALUES (1, 'a€', 'bb', '2025-01-01'), (2, NULL, NULL, NULL)"],
        ["UPDATE t SET a = 'secret', b = NULL WHERE id = 1",
         "UPDATE t SET c = '2026-01-01', b = 'x' WHERE id = 2"],
    )  # fmt: skip
    [table] = change.tables

    assert {column.column: column.example for column in table.columns}["a"] == (
        "text of 2 characters became text of 6 characters"
    )
    examples = {column.column: column.example for column in table.columns}
    assert examples["b"] in ("blob of 2 bytes became NULL", "NULL became blob of 1 byte")
    assert examples["c"] == "NULL became datetime"


def test_tables_and_columns_are_followed_to_their_new_names(two: ServerDatabase) -> None:
    change = compared(
        two,
        ["CREATE TABLE T1 (Id INT PRIMARY KEY, Old TEXT, gone TEXT)",
         "INSERT INTO T1 VALUES (1, 'a', 'x'), (2, 'b', 'y')"],
        ["ALTER TABLE T1 RENAME TO T2, CHANGE Id Num INT, CHANGE Old new_one TEXT,"
         " CHANGE gone other TEXT, ADD gone TEXT", "UPDATE T2 SET new_one = 'c' WHERE Num = 2"],
        Pair("T1", "T2", {"id": "num", "old": "new_one", "gone": ""}),
    )  # fmt: skip
    [table] = change.tables
    assert [(column.column, column.rows) for column in table.columns] == [("Old", 1)]


def test_tables_that_are_in_one_of_both_only_are_left_to_others(two: ServerDatabase) -> None:
    change = compared(two, KEYED, ["DROP TABLE t"], SAME)
    assert change == ContentChange()


FAMILY = (
    "CREATE TABLE parents (id INT PRIMARY KEY)",
    "CREATE TABLE children (id INT PRIMARY KEY, parent INT, FOREIGN KEY (parent)"
    " REFERENCES parents (id))",
    "INSERT INTO parents VALUES (1), (2), (3)",
    "INSERT INTO children VALUES (1, 1), (2, 2), (3, 3), (4, NULL)",
)


@pytest.mark.parametrize(
    ("before", "statements", "found"),
    [
        ([], [], {}),
        ([], ["DELETE FROM parents WHERE id > 1"], {("children", "parents"): 2}),
        (["DELETE FROM parents WHERE id = 1"], [], {}),
        (["DELETE FROM parents WHERE id = 1"], ["DELETE FROM parents WHERE id = 2"],
         {("children", "parents"): 1}),
        ([], ["ALTER TABLE children RENAME TO kids", "DELETE FROM parents"],
         {("kids", "parents"): 3}),
        (["DELETE FROM parents"], ["ALTER TABLE children RENAME TO kids"], {}),
        ([], ["ALTER TABLE children DROP FOREIGN KEY children_ibfk_1", "DELETE FROM parents"], {}),
    ],
)  # fmt: skip
def test_rows_that_newly_lack_their_parents_are_found(
    two: ServerDatabase,
    before: list[str],
    statements: list[str],
    found: dict[tuple[str, str], int],
) -> None:
    pairs = [Pair("children", "kids" if "kids" in "".join(statements) else "children")]
    change = compared(two, [*FAMILY, *before], statements, *pairs)
    assert change.orphans == found


def test_a_missing_part_of_a_key_of_several_columns_refers_to_nothing(two: ServerDatabase) -> None:
    change = compared(
        two,
        ["CREATE TABLE parents (a INT, b INT, PRIMARY KEY (a, b))",
         "CREATE TABLE t (id INT PRIMARY KEY, x INT, y INT, FOREIGN KEY (x, y)"
         " REFERENCES parents (a, b))"],
        ["INSERT INTO t VALUES (1, 1, NULL), (2, NULL, 1), (3, 1, 1)"],
    )  # fmt: skip
    assert change.orphans == {("t", "parents"): 1}


def test_numbers_that_would_be_given_again_are_found(two: ServerDatabase) -> None:
    change = compared(
        two,
        ["CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT)",
         "CREATE TABLE u (id INT PRIMARY KEY AUTO_INCREMENT)",
         "CREATE TABLE v (id INT PRIMARY KEY AUTO_INCREMENT)",
         "CREATE SEQUENCE q CACHE 1", "DO SETVAL(q, 9)",
         "INSERT INTO t VALUES (9)", "INSERT INTO u VALUES (9)", "INSERT INTO v VALUES (9)",
         "DELETE FROM t", "DELETE FROM u", "DELETE FROM v"],
        ["ALTER TABLE t AUTO_INCREMENT = 4", "INSERT INTO u VALUES (20)",
         "ALTER TABLE v MODIFY id INT", "ALTER SEQUENCE q RESTART 5"],
        Pair("t", "t"), Pair("u", "u"), Pair("v", "v"),
    )  # fmt: skip
    assert change.sequences == {"t": (10, 4), "q": (10, 5)}


def test_many_columns_are_compared_in_one_statement(two: ServerDatabase) -> None:
    names = [f"c{number}" for number in range(400)]
    change = compared(
        two,
        [f"CREATE TABLE t (id INT PRIMARY KEY, {', '.join(f'{name} INT' for name in names)})",
         "INSERT INTO t (id) VALUES (1)"],
        ["UPDATE t SET c399 = 1, c0 = 2"],
    )  # fmt: skip
    assert summary(change) == {"c0": 1, "c399": 1}


VALUES = st.none() | st.sampled_from(["", "a", "A", "a ", "é", "e", "1", "01", "-"])
ROWS = st.dictionaries(st.integers(1, 4), st.tuples(VALUES, VALUES), max_size=4)


@pytest.mark.parametrize("key", ["PRIMARY KEY", ""])
@given(before=ROWS, after=ROWS)
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_is_found_is_what_python_finds(
    two: ServerDatabase,
    key: str,
    before: dict[int, tuple[str | None, str | None]],
    after: dict[int, tuple[str | None, str | None]],
) -> None:
    with session(two) as connection, connection.cursor() as cursor:
        for name, rows in ((two.name, before), ("after", after)):
            table = f"`{name}`.t"
            ask(connection, f"CREATE TABLE IF NOT EXISTS {table}"
                f" (id INT {key}, a VARCHAR(9), b TEXT)")  # fmt: skip
            ask(connection, f"DELETE FROM {table}")
            values = [(number, *row) for number, row in rows.items()]
            cursor.executemany(f"INSERT INTO {table} VALUES (%s, %s, %s)", values)
        change = compare(connection, two.name, "after", [SAME], None, orphans=False)
    lost = Counter((number, *row) for number, row in before.items()) - Counter(
        (number, *row) for number, row in after.items()
    )
    if not key:
        assert summary(change) == ({"gone": lost.total()} if lost else {})
        return
    both = [number for number in before if number in after]
    expected = {
        "a": sum(before[number][0] != after[number][0] for number in both),
        "b": sum(before[number][1] != after[number][1] for number in both),
        "gone": len(before) - len(both),
    }
    assert summary(change) == {name: count for name, count in expected.items() if count}
    assert all(isinstance(table, TableChange) for table in change.tables)


UUIDS = (
    "CREATE TABLE t (id VARCHAR(20) PRIMARY KEY, v VARCHAR(9), w TEXT)",
    "INSERT INTO t VALUES ('c-1', '007', 'x'), ('a-2', 'abc', 'y'), ('b-3', '12', 'z')",
)
NEW_IDS = "UPDATE t SET id = REPLACE(id, '-', '')"


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        ([NEW_IDS], {}),
        ([NEW_IDS, "UPDATE t SET w = 'x'"], {"w": 2}),
        ([NEW_IDS, "SET sql_mode = ''", "ALTER TABLE t MODIFY v INT"], {"v": 2}),
        ([NEW_IDS, "DELETE FROM t WHERE w = 'y'"], {"gone": 1}),
    ],
)
def test_rows_are_compared_though_their_keys_are_rewritten(
    two: ServerDatabase, statements: list[str], found: dict[str, Any]
) -> None:
    pair = Pair("t", "t", rewritten=frozenset({"id"}))
    change = compared(two, UUIDS, statements, pair)
    assert summary(change) == found
    assert [each.not_compared for each in change.tables] == [KEY_REWRITTEN]


def test_another_key_that_no_revision_writes_identifies_rows(two: ServerDatabase) -> None:
    pair = Pair("t", "t", rewritten=frozenset({"id"}))
    unique = (UUIDS[0].replace("w TEXT", "w VARCHAR(9) NOT NULL UNIQUE"), UUIDS[1])
    by_another = compared(two, unique, [NEW_IDS], pair)
    assert summary(by_another) == {"id": 3}
    assert by_another.tables[0].not_compared == ""
