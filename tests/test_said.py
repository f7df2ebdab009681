"""What the words of a revision mean: which tables and columns they write to."""

from __future__ import annotations

import pytest

from migrations_ops.changes import find_changes, rows_gone, surviving
from migrations_ops.databases.contents import ColumnChange, ContentChange, Pair, TableChange
from migrations_ops.facts import ColumnFact
from migrations_ops.results import Fingerprint
from migrations_ops.said import Said


def said(*statements: str) -> Said:
    return Said.by([], [{"sql": statement} for statement in statements])


@pytest.mark.parametrize(
    ("statement", "columns"),
    [
        ("UPDATE t SET a = 1", {"a"}),
        ("update main.\"T\" set [A]=1, `b` = (SELECT max(c, d) FROM x WHERE y), c = 2 WHERE d = 1",
         {"a", "b", "c"}),
        ("UPDATE OR IGNORE t SET (a, b) = (1, 2) FROM x WHERE c = 3", {"a", "b"}),
        ("UPDATE t AS u SET a = 1 RETURNING b", {"a"}),
        ("WITH x(a, b) AS (SELECT 1, 2 UPDATE) UPDATE t SET c = 3", {"c"}),
        ("INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = excluded.a, b = 2",
         {"a", "b"}),
        ("-- UPDATE t SET a = 1\nSELECT 'UPDATE t SET a = 1'", set()),
        ("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", set()),
        ("CREATE TRIGGER x AFTER INSERT ON y BEGIN UPDATE t SET a = 1; END", set()),
    ],
)  # fmt: skip
def test_an_update_says_the_columns_that_it_sets(statement: str, columns: set[str]) -> None:
    assert said(statement).updated == {("t", column) for column in columns}


@pytest.mark.parametrize(
    ("statement", "table", "replaces", "removes"),
    [
        ("INSERT OR REPLACE INTO t VALUES (1)", "t", True, True),
        ("REPLACE INTO main.t VALUES (1)", "t", True, True),
        ("insert or ignore into t values (1)", "t", False, False),
        ("INSERT INTO t SELECT * FROM u", "t", False, False),
        ("WITH x AS (SELECT 1) DELETE FROM t", "t", False, True),
        ('DELETE FROM "main"."t"', "t", False, True),
        # How Alembic's batch mode copies a table, which nobody asked for.
        ("INSERT INTO _alembic_tmp_t (a) SELECT CAST(t.a AS INTEGER) AS a FROM t", "t", False,
         False),
    ],
)  # fmt: skip
def test_what_overwrites_or_removes_rows_is_told(
    statement: str, table: str, replaces: bool, removes: bool
) -> None:
    told = said(statement)
    assert (table in told.replaced) == replaces
    assert told.removes_rows_of({table}) == removes


def test_a_rebuild_by_batch_says_nothing_of_values() -> None:
    told = said(
        "CREATE TABLE _alembic_tmp_t (a INTEGER)",
        "INSERT INTO _alembic_tmp_t (a) SELECT CAST(t.a AS INTEGER) AS a FROM t",
        "DROP TABLE t",
        "ALTER TABLE _alembic_tmp_t RENAME TO t",
    )
    assert not told.writes({"t"})
    change = TableChange(Pair("t", "t"), columns=(ColumnChange("a", 2, 1, "x became y"),))
    findings = find_changes(ContentChange((change,)), told, "prod")
    assert [(each.code, each.severity, each.where) for each in findings] == [
        ("changed-values", "error", "t.a")
    ]


def test_renames_are_followed_one_after_the_other() -> None:
    told = said(
        "ALTER TABLE a RENAME TO b", "ALTER TABLE b RENAME one TO two", "ALTER TABLE b RENAME TO c",
        "ALTER TABLE c RENAME COLUMN two TO three",
    )  # fmt: skip
    before, after = Fingerprint((), {}, {"A": 1, "gone": 1}), Fingerprint((), {}, {"C": 1})
    assert surviving(before, after, told) == [Pair("A", "C", {"one": "three"})] or surviving(
        before, after, told
    ) == [Pair("A", "C", {"two": "three"})]


def test_a_trigger_is_said_by_whoever_sets_it_off() -> None:
    schema = {
        "trigger tr": "create trigger tr after update on t begin update u set a = 1 ; end",
        "trigger next": "create trigger next after update on u begin delete from v ; end",
    }
    told, other = said("UPDATE t SET x = 1"), said("UPDATE w SET x = 1")
    for each in (told, other):
        each.note_triggers(schema)
    assert (("u", "a") in told.updated, "v" in told.emptied) == (True, True)
    assert (other.updated, other.emptied) == ({("w", "x")}, set())


def test_rows_whose_key_is_changed_by_name_are_not_gone() -> None:
    change = ContentChange((TableChange(Pair("t", "t"), gone=3, key=("ID",)),))
    assert rows_gone(change, said("UPDATE t SET id = id + 1")) == {}
    assert rows_gone(change, said("UPDATE t SET a = 1")) == {"t": 3}


@pytest.mark.parametrize(
    ("fact", "type_", "default", "affinity"),
    [
        ("varchar(50) NOT NULL DEFAULT 'KEY  x' KEY 1", "varchar ( 50 )", "'KEY  x'", "text"),
        ("integer KEY 1", "integer", "", "integer"),
        ("", "", "", "blob"),
        ("decimal(10,2) COLLATE NOCASE", "decimal ( 10 , 2 )", "", "numeric"),
        ("double precision DEFAULT (1 + 2) GENERATED (a)", "double precision", "1 + 2", "real"),
        ("text DEFAULT NULL", "text", "", "text"),
    ],
)
def test_the_fact_of_a_column_is_taken_apart(
    fact: str, type_: str, default: str, affinity: str
) -> None:
    found = ColumnFact.of(fact)
    assert (found.type, found.default, found.affinity) == (type_, default, affinity)
