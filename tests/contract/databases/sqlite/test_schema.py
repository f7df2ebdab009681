"""The schema as facts: each kind of object is told, and only what has a meaning counts."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrations_ops.child.protocol.sql import shown, tokens
from migrations_ops.databases.sqlite.schema import read_schema, table_names


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        yield connection


def facts(*statements: str) -> dict[str, str]:
    """The schema that these statements make."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in statements:
            connection.execute(statement)
        return read_schema(connection, table_names(connection))


PARENTS = "CREATE TABLE parents (id INTEGER PRIMARY KEY)"
CASES = {
    "type": ("CREATE TABLE t (a VARCHAR(50))", {"column t.a": "varchar(50)"}),
    "type with a comma": (
        "CREATE TABLE t (a DECIMAL(10, 2) COLLATE NOCASE)",
        {"column t.a": "decimal(10,2) COLLATE NOCASE"},
    ),
    "no type": ("CREATE TABLE t (a)", {"column t.a": ""}),
    "not null and default": (
        "CREATE TABLE t (a TEXT NOT NULL DEFAULT 'It''s  X')",
        {"column t.a": "text NOT NULL DEFAULT 'It''s  X'"},
    ),
    "default expression": (
        "CREATE TABLE t (a INT DEFAULT (1 + 2))",
        {"column t.a": "int DEFAULT 1 + 2"},
    ),
    "key": ("CREATE TABLE t (a INTEGER PRIMARY KEY)", {"column t.a": "integer KEY 1"}),
    "composite key": (
        "CREATE TABLE t (a INT, b INT, PRIMARY KEY (b, a))",
        {"column t.a": "int KEY 2", "column t.b": "int KEY 1", "primary key t(b, a)": ""},
    ),
    "collation": (
        'CREATE TABLE t (other TEXT, "a" TEXT COLLATE "nocase")',
        {"column t.a": "text COLLATE NOCASE", "column t.other": "text"},
    ),
    "collation of an index is none of the column": (
        "CREATE TABLE t (a TEXT, UNIQUE (a COLLATE NOCASE))",
        {"column t.a": "text"},
    ),
    "generated": (
        "CREATE TABLE t (a INT, b INT GENERATED ALWAYS AS (a * 2) STORED)",
        {"column t.b": "int GENERATED (a * 2)"},
    ),
    "inline reference": (
        "CREATE TABLE t (a INTEGER REFERENCES parents (id) ON DELETE CASCADE ON UPDATE SET NULL)",
        {"foreign key t(a) to parents": "(id) ON UPDATE SET NULL ON DELETE CASCADE"},
    ),
    "inline reference without a column": (
        "CREATE TABLE t (a INTEGER REFERENCES parents)",
        {"foreign key t(a) to parents": "() ON UPDATE NO ACTION ON DELETE NO ACTION"},
    ),
    "named foreign key of two columns": (
        "CREATE TABLE t (a INT, b INT, CONSTRAINT fk_t FOREIGN KEY (a, b) REFERENCES parents (x, y)"
        " ON DELETE RESTRICT)",
        {
            "foreign key t(a, b) to parents": "(x, y) ON UPDATE NO ACTION ON DELETE RESTRICT"
            " CONSTRAINT fk_t"
        },
    ),
    "unnamed unique": ("CREATE TABLE t (a INT UNIQUE)", {"unique t(a)": ""}),
    "named unique": (
        "CREATE TABLE t (a INT, b INT, CONSTRAINT uq UNIQUE (b, a))",
        {"unique t(b, a)": "CONSTRAINT uq"},
    ),
    "named unique on the column": (
        "CREATE TABLE t (a INT CONSTRAINT uq UNIQUE)",
        {"unique t(a)": "CONSTRAINT uq"},
    ),
    "unnamed check": (
        "CREATE TABLE t (a INT CHECK (a  >  0 AND a IN (1,2)))",
        {"check t: a > 0 and a in(1,2)": "a > 0 and a in(1,2)"},
    ),
    "named check": (
        "CREATE TABLE t (a INT, CONSTRAINT positive CHECK(a>0))",
        {"check t: positive": "a > 0"},
    ),
    "check beside a literal that looks like SQL": (
        "CREATE TABLE t (a TEXT DEFAULT 'CHECK (1)', CHECK (a <> ')'))",
        {"check t: a <> ')'": "a <> ')'"},
    ),
    "columns that are called like constraints": (
        'CREATE TABLE t ("check" INT, "unique" TEXT, "constraint" INT REFERENCES parents)',
        {
            "column t.check": "int",
            "column t.unique": "text",
            "foreign key t(constraint) to parents": "() ON UPDATE NO ACTION ON DELETE NO ACTION",
        },
    ),
    "strict": ("CREATE TABLE t (a INT) STRICT", {"table t": "STRICT"}),
    "without rowid": (
        "CREATE TABLE t (a TEXT PRIMARY KEY) WITHOUT /* a ) */ ROWID",
        {"table t": "WITHOUT ROWID", "primary key t(a)": ""},
    ),
    "autoincrement": (
        "CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT)",
        {"table t": "AUTOINCREMENT"},
    ),
    "the word in a literal is no autoincrement": (
        "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT DEFAULT 'AUTOINCREMENT STRICT')",
        {"table t": ""},
    ),
    "conflict clause": (
        "CREATE TABLE t (a INT UNIQUE ON CONFLICT REPLACE)",
        {"table t": "ON CONFLICT REPLACE"},
    ),
    "deferred foreign key": (
        "CREATE TABLE t (a INT REFERENCES parents DEFERRABLE INITIALLY DEFERRED)",
        {"table t": "INITIALLY DEFERRED"},
    ),
    "virtual table": (
        "CREATE VIRTUAL TABLE t USING fts5(a, b)",
        {"table t": "create virtual table t using fts5(a,b)"},
    ),
    "name with a blank": (
        'CREATE TABLE "my table" ("the column" INT UNIQUE CHECK ("the column" > 0))',
        {
            'table "my table"': "",
            'column "my table"."the column"': "int",
            'unique "my table"("the column")': "",
            'check "my table": "the column" > 0': '"the column" > 0',
        },
    ),
    "name with a dot": ('CREATE TABLE "a.b" (c INT)', {'column "a.b".c': "int"}),
    "name with quotes": (
        'CREATE TABLE "say ""hi""" ([it\'s] INT)',
        {'column "say ""hi"""."it\'s"': "int"},
    ),
    "name with brackets": ('CREATE TABLE "t(a)" ("b)" INT)', {'column "t(a)"."b)"': "int"}),
    "Japanese name": (
        'CREATE TABLE 貸出 (期限 TEXT COLLATE NOCASE, CHECK (期限 <> "　"))',
        {"column 貸出.期限": "text COLLATE NOCASE", 'check 貸出: 期限 <> "　"': '期限 <> "　"'},
    ),
}


@pytest.mark.parametrize(("statement", "expected"), CASES.values(), ids=CASES)
def test_each_kind_of_object_is_reported(statement: str, expected: dict[str, str]) -> None:
    found = facts(PARENTS, statement)
    assert {key: found.get(key) for key in expected} == expected


@pytest.mark.parametrize(
    ("statement", "key", "value"),
    [
        ("CREATE INDEX ix ON t (a DESC)", "index ix", "create index ix on t(a desc)"),
        (
            "CREATE UNIQUE INDEX ix ON t (a COLLATE NOCASE) WHERE b > 0",
            "index ix",
            "create unique index ix on t(a collate nocase) where b > 0",
        ),
        ("CREATE INDEX ix ON t (lower(a))", "index ix", "create index ix on t(lower(a))"),
        (
            'CREATE INDEX "my ix" ON t (a)',
            'index "my ix"',
            'create index "my ix" on t(a)',
        ),
        (
            "CREATE TRIGGER tr AFTER UPDATE OF a ON t BEGIN UPDATE t SET b = 'X  y'; END",
            "trigger tr",
            "create trigger tr after update of a on t begin update t set b = 'X  y' ; end",
        ),
        (
            "CREATE VIEW v AS SELECT a FROM t -- all of it",
            "view v",
            "create view v as select a from t",
        ),
    ],
    ids=["index", "partial index", "expression index", "odd name", "trigger", "view"],
)
def test_what_hangs_on_a_table_is_reported(statement: str, key: str, value: str) -> None:
    assert facts("CREATE TABLE t (a TEXT, b INT)", statement)[key] == value


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "CREATE TABLE t (a TEXT NOT NULL, b INT, CHECK (b>0))",
            'create  table "t"(`b` int,\n [a] text not null -- why\n, check ( "b" > 0 ))',
        ),
        (
            "CREATE TABLE t (a INT REFERENCES parents (id) ON DELETE CASCADE)",
            "CREATE TABLE t (a INT, FOREIGN KEY(a) REFERENCES parents(id) ON DELETE CASCADE)",
        ),
    ],
    ids=["white space, quotes, order", "inline or not"],
)
def test_what_has_no_meaning_does_not_count(one: str, other: str) -> None:
    assert facts(one) == facts(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CREATE TABLE t (a TEXT)", "CREATE TABLE t (a INT)"),
        ("CREATE TABLE t (a TEXT)", "CREATE TABLE t (a TEXT NOT NULL)"),
        ("CREATE TABLE t (a TEXT DEFAULT 'x y')", "CREATE TABLE t (a TEXT DEFAULT 'x  y')"),
        ("CREATE TABLE t (a TEXT DEFAULT 'x')", "CREATE TABLE t (a TEXT DEFAULT 'X')"),
        ("CREATE TABLE t (a TEXT)", "CREATE TABLE t (a TEXT COLLATE NOCASE)"),
        ("CREATE TABLE t (a INT CHECK (a <> '\"'))", "CREATE TABLE t (a INT CHECK (a <> ''))"),
        ("CREATE TABLE t (a INT REFERENCES p ON DELETE CASCADE)",
         "CREATE TABLE t (a INT REFERENCES p)"),
        ("CREATE TABLE t (a INT) STRICT", "CREATE TABLE t (a INT)"),
        ("CREATE TABLE t (a, b AS (a))", "CREATE TABLE t (a, b AS (a + 1))"),
    ],
)  # fmt: skip
def test_what_has_a_meaning_counts(one: str, other: str) -> None:
    assert facts(one) != facts(other)


def test_a_virtual_table_whose_module_is_missing_is_reported_all_the_same(
    connection: sqlite3.Connection,
) -> None:
    connection.execute("CREATE TABLE t (a INT)")
    connection.execute("PRAGMA writable_schema=ON")
    connection.execute(
        "INSERT INTO sqlite_master VALUES"
        " ('table', 'v', 'v', 0, 'CREATE VIRTUAL TABLE v USING nobody_has_this(a)')"
    )
    connection.execute("PRAGMA writable_schema=RESET")
    found = read_schema(connection, table_names(connection))
    assert found["table v"] == "create virtual table v using nobody_has_this(a)"
    assert found["column t.a"] == "int"


def test_sqlites_own_tables_are_left_out() -> None:
    found = facts("CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT)", "ANALYZE")
    assert [key for key in found if "sqlite_" in key] == []


# Names as nobody would choose them: SQLite takes them all.
names = st.text(min_size=1, max_size=8).filter(
    lambda name: (
        "\x00" not in name and not name.lower().startswith("sqlite_") and name.isprintable()
    )
)


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


@given(table=names, columns=st.lists(names, min_size=1, max_size=3, unique_by=str.lower))
def test_any_name_is_read_back_as_it_is(table: str, columns: list[str]) -> None:
    body = ", ".join(f"{_quoted(column)} INT UNIQUE" for column in columns)
    found = facts(f"CREATE TABLE {_quoted(table)} ({body})")
    for column in columns:
        assert f"column {shown(table)}.{shown(column)}" in found
        assert f"unique {shown(table)}({shown(column)})" in found
    told = tokens(f"{shown(table)}.{shown(columns[0])}")
    assert [told[0].text, told[-1].text] == [table, columns[0]]
