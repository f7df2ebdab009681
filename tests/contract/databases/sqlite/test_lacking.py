"""What only the application's connections know: it hides no damage, and prevents no backup."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from migrations_ops.databases.row_changes import Pair, RowQuery
from migrations_ops.databases.sqlite.database import SQLite
from tests.contract.databases.support import sqlite

VERSION = "alembic_version"
ROWS = [(1, "Abc"), (2, "b"), (3, "C")]
# Each has a table t(id, a), with three rows, and the name of what it needs.
SCHEMAS = {
    "a check": ("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT CHECK (slug(a) <> ''))", "slug"),
    "a check of NULL": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT CHECK (slug(a) IS NOT NULL))",
        "slug",
    ),
    "a generated column": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, v TEXT NOT NULL AS (slug(a)))",
        "slug",
    ),
    "a stored column": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, v TEXT AS (slug(a)) STORED)",
        "slug",
    ),
    "an index": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); CREATE INDEX i ON t (slug(a))",
        "slug",
    ),
    "a partial index": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); CREATE INDEX i ON t (a) WHERE slug(a)",
        "slug",
    ),
    "a view": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); CREATE VIEW v AS SELECT slug(a) FROM t",
        "slug",
    ),
    "a trigger": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); CREATE TRIGGER r AFTER DELETE ON t"
        " BEGIN SELECT slug(OLD.a); END",
        "slug",
    ),
    "a collation": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT COLLATE german UNIQUE)",
        "german",
    ),
    "a key WITHOUT ROWID": (
        "CREATE TABLE t (id INTEGER, a TEXT COLLATE german PRIMARY KEY) WITHOUT ROWID",
        "german",
    ),
    "a foreign key": (
        "CREATE TABLE p (k TEXT COLLATE german PRIMARY KEY); INSERT INTO p VALUES ('abc');"
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT COLLATE german REFERENCES p)",
        "german",
    ),
}


def slug(text: str | None) -> str | None:
    return text and text.lower()


def german(a: str, b: str) -> int:
    return (a.lower() > b.lower()) - (a.lower() < b.lower())


def register(connection: sqlite3.Connection) -> None:
    connection.create_function("slug", 1, slug, deterministic=True)
    connection.create_collation("german", german)
    connection.row_factory = sqlite3.Row


def make(path: Path, schema: str) -> SQLite:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        register(connection)
        connection.executescript(schema)
        connection.executemany("INSERT INTO t (id, a) VALUES (?, ?)", ROWS)
        connection.execute("CREATE TABLE plain (a TEXT)")
        connection.executemany("INSERT INTO plain VALUES (?)", [("x" * 3000,)] * 9)
    return sqlite(path)


@pytest.fixture(params=SCHEMAS)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[SQLite, str]:
    schema, name = SCHEMAS[request.param]
    return make(tmp_path / "a.db", schema), name


def test_what_cannot_be_checked_is_named_and_is_no_damage(case: tuple[SQLite, str]) -> None:
    database, name = case
    assert database.find_damage() == ""
    assert not database.is_damaged()
    [found] = database.check_integrity()
    assert (found.code, found.severity, found.where) == ("unchecked", "warning", name)
    assert "connect = " in found.message
    assert database.find_broken() == []


def test_with_the_applications_function_all_is_checked(case: tuple[SQLite, str]) -> None:
    database = case[0].with_connect("shop:register", register)
    orphans = 2 if "german REFERENCES" in database.path.read_bytes().decode("latin-1") else 0
    found = database.check_integrity()
    assert [each.code for each in found] == ["orphans"] * bool(orphans)
    assert all(f"{orphans} rows of t" in each.message for each in found)


def test_it_is_backed_up_compared_and_restored(case: tuple[SQLite, str], tmp_path: Path) -> None:
    database, _ = case
    taken = database.back_up(tmp_path / "backup", VERSION, None)
    assert taken.rows["t"] == 3
    with database.opened_copy(tmp_path / "backup") as copy:
        assert copy.find_damage() == ""
        assert copy.fingerprint(VERSION) == taken
    pairs = [Pair("t", "t"), Pair("plain", "plain")]
    change = database.compare_content(tmp_path / "backup", RowQuery(pairs, orphans=True), None)
    reasons = {each.not_compared for each in change.tables}
    assert all(each.endswith("is not known here") for each in reasons)
    assert not change.orphans
    with closing(sqlite3.connect(database.path)) as connection, connection:
        connection.execute("DELETE FROM plain")
    assert database.restore_from(tmp_path / "backup", VERSION, None).now == taken


def test_damage_elsewhere_is_found_all_the_same(case: tuple[SQLite, str]) -> None:
    database, _ = case
    with closing(sqlite3.connect(database.path)) as connection:
        [page] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'plain'")
        [size] = connection.execute("PRAGMA page_size").fetchone()
    with database.path.open("r+b") as stream:
        stream.seek((page[0] - 1) * size + 8)
        stream.write(b"\xff" * 40)
    assert "damaged" in database.find_damage()
    assert database.is_damaged()


def test_what_the_function_does_is_checked_with_it(tmp_path: Path) -> None:
    database = make(tmp_path / "a.db", SCHEMAS["a check"][0])
    with closing(sqlite3.connect(database.path)) as connection, connection:
        register(connection)
        connection.execute("PRAGMA ignore_check_constraints=ON")
        connection.execute("INSERT INTO t VALUES (4, '')")
    assert database.find_damage() == ""
    assert "CHECK" in database.with_connect("shop:register", register).find_damage()


def test_a_module_that_is_not_here_is_named(tmp_path: Path) -> None:
    database = make(tmp_path / "a.db", SCHEMAS["an index"][0])
    with closing(sqlite3.connect(database.path)) as connection, connection:
        connection.execute("DROP INDEX i")
        connection.execute("CREATE VIRTUAL TABLE f USING fts5(a)")
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'fts5', 'nowhere')")
    [found] = database.check_integrity()
    assert (found.code, found.where) == ("unchecked", "nowhere")
    assert "the table f" in found.message
    database.back_up(tmp_path / "backup", VERSION, None)


def test_what_sqlalchemy_registers_is_there(tmp_path: Path) -> None:
    schema = "CREATE TABLE t (id INTEGER PRIMARY KEY CHECK (floor(id) = id), a TEXT"
    schema += " CHECK (a REGEXP '^[a-z]+$'))"
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints=ON")
        connection.create_function("regexp", 2, lambda *_: True, deterministic=True)
        connection.create_function("floor", 1, lambda _: 1, deterministic=True)
        connection.execute(schema)
        connection.execute("INSERT INTO t VALUES (1, 'abc'), (2, NULL), (5, x'00')")
    database = sqlite(tmp_path / "a.db")
    assert database.check_integrity() == []
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints=ON")
        connection.create_function("regexp", 2, lambda *_: True, deterministic=True)
        connection.create_function("floor", 1, lambda _: 1, deterministic=True)
        connection.execute("INSERT INTO t VALUES (3, 'A')")
    assert "CHECK" in database.find_damage()


def test_a_function_that_fails_is_named_with_what_to_do(tmp_path: Path) -> None:
    def broken(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM plain")

    database = make(tmp_path / "a.db", SCHEMAS["an index"][0]).with_connect("shop:go", broken)
    inspection = database.inspect(VERSION)
    assert "shop:go failed: OperationalError: attempt to write a readonly" in inspection.trouble
    assert "connect =" in inspection.advice
    assert sqlite(database.path).fingerprint(VERSION).rows["plain"] == 9
