"""What revisions declare: which tables and columns they drop, rename and write to."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from migrations_ops.analysis.declared import Declared
from migrations_ops.analysis.reader import read_declared
from migrations_ops.analysis.row_changes import find_changes, rows_gone, surviving
from migrations_ops.analysis.schema_facts import ColumnFact, Fact
from migrations_ops.child.protocol.events import (
    OperationAsked,
    StatementRan,
    Traced,
)
from migrations_ops.child.protocol.sql import Syntax
from migrations_ops.databases.row_changes import ColumnChange, ContentChange, Pair, TableChange
from migrations_ops.model.fingerprint import Fingerprint


def declared(*statements: str, before: Iterable[str] = (), after: Iterable[str] = ()) -> Declared:
    events = [StatementRan(statement) for statement in statements]
    return read_declared(events, dict.fromkeys(before, ""), dict.fromkeys(after, ""))


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
def test_an_update_declares_the_columns_that_it_sets(statement: str, columns: set[str]) -> None:
    assert declared(statement).updated == {("t", column) for column in columns}


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
def test_a_statement_that_overwrites_or_removes_rows_is_noticed(
    statement: str, table: str, replaces: bool, removes: bool
) -> None:
    found = declared(statement)
    assert (table in found.replaced) == replaces
    assert found.removes_rows_of(table) == removes


def test_a_rebuild_by_batch_says_nothing_of_values() -> None:
    found = declared(
        "CREATE TABLE _alembic_tmp_t (a INTEGER)",
        "INSERT INTO _alembic_tmp_t (a) SELECT CAST(t.a AS INTEGER) AS a FROM t",
        "DROP TABLE t",
        "ALTER TABLE _alembic_tmp_t RENAME TO t",
        before=["table t", "column t.a"],
        after=["table t", "column t.a"],
    )
    assert not found.writes_to("t")
    change = TableChange(Pair("t", "t"), columns=(ColumnChange("a", 2, 1, "x became y"),))
    findings = find_changes(ContentChange((change,)), found, "prod")
    assert [(each.code, each.severity, each.where) for each in findings] == [
        ("changed-values", "error", "t.a")
    ]


def test_renames_are_followed_one_after_the_other() -> None:
    found = declared(
        "ALTER TABLE a RENAME TO b", "ALTER TABLE b RENAME one TO two", "ALTER TABLE b RENAME TO c",
        "ALTER TABLE c RENAME COLUMN two TO three", "UPDATE c SET three = 1",
        before=["table A", "column A.One", "table gone"],
        after=["table C", "column C.Three"],
    )  # fmt: skip
    before, after = Fingerprint((), {}, {"A": 1, "gone": 1}), Fingerprint((), {}, {"C": 1})
    assert surviving(before, after, found) == [Pair("A", "C", {"one": "three"}, frozenset({"one"}))]
    assert found.updated == {("a", "one")}


def test_tables_that_change_their_names_are_compared_each_with_itself() -> None:
    found = declared(
        "ALTER TABLE a RENAME TO tmp", "ALTER TABLE b RENAME TO a", "ALTER TABLE tmp RENAME TO b",
        "DELETE FROM b",
        before=["table a", "table b"], after=["table a", "table b"],
    )  # fmt: skip
    there = Fingerprint((), {}, {"a": 1, "b": 1})
    assert surviving(there, there, found) == [Pair("a", "b"), Pair("b", "a")]
    assert (found.removes_rows_of("a"), found.removes_rows_of("b")) == (True, False)


BATCH = ("DROP TABLE u", "ALTER TABLE _alembic_tmp_u RENAME TO u")
BY_HAND = ("DROP TABLE u", "ALTER TABLE u_new RENAME TO u")


@pytest.mark.parametrize(
    ("statements", "rebuilt", "dropped"),
    [
        (BATCH, set(), set()),
        (BY_HAND, {"t"}, set()),
        ((*BATCH, *BY_HAND), {"t"}, set()),
        ((*BY_HAND, *BATCH), {"t"}, set()),
        ((*BATCH, "DROP TABLE u"), set(), {"t"}),
        ((*BY_HAND, "DROP TABLE u"), set(), {"t"}),
    ],
    ids=["batch", "by hand", "then by hand", "by hand before", "then dropped", "dropped after all"],
)
def test_only_a_rebuild_by_hand_rebuilds_a_renamed_table(
    statements: tuple[str, ...], rebuilt: set[str], dropped: set[str]
) -> None:
    found = declared(
        "ALTER TABLE t RENAME TO u", *statements, before=["table t"], after=["table u"]
    )
    assert (found.naming.rebuilt, found.naming.dropped) == (rebuilt, dropped)


COLUMNS = ["table t", "column t.a", "column t.b", "column t.c"]


def in_batch(*operations: str) -> list[Traced]:
    """Operations of one batch: ``a b`` renames a column, ``a`` drops it."""
    events: list[Traced] = []
    for operation in operations:
        name, _, to = operation.partition(" ")
        kind = "rename_column" if to else "drop_column"
        events.append(OperationAsked(kind=kind, table="t", name=name, to=to, batch=7))
    return events


@pytest.mark.parametrize(
    ("events", "moved", "dropped"),
    [
        (in_batch("a b", "b a"), {"a": "b", "b": "a"}, set()),
        (in_batch("a", "b a"), {"a": "", "b": "a"}, {"a"}),
        (in_batch("b a", "a"), {"a": "", "b": "a"}, {"a"}),
        # Without a rebuild, each statement is reported once more when it has run.
        ([*in_batch("a x", "b a", "c"), StatementRan("ALTER TABLE t RENAME a TO x"),
          StatementRan("ALTER TABLE t RENAME b TO a"), StatementRan("ALTER TABLE t DROP c")],
         {"a": "x", "b": "a"}, {"c"}),
        # After a rebuild, the names in a statement mean something else.
        ([*in_batch("a b", "b x"), StatementRan("ALTER TABLE _alembic_tmp_t RENAME TO t"),
          StatementRan("ALTER TABLE t RENAME b TO a"), StatementRan("ALTER TABLE t RENAME x TO b")],
         {}, set()),
        ([*in_batch("a x"), StatementRan("ALTER TABLE _alembic_tmp_t RENAME TO t"),
          StatementRan("ALTER TABLE t RENAME x TO a"), StatementRan("ALTER TABLE t RENAME a TO x")],
         {"a": "x"}, set()),
        ([StatementRan("ALTER TABLE t DROP a"), StatementRan("ALTER TABLE t RENAME new TO a")],
         {}, {"a"}),
    ],
    ids=["swap", "drop and take its name", "take its name and drop", "no rebuild", "rebuild",
         "and back", "written anew"],
)  # fmt: skip
def test_operations_of_a_batch_mean_the_names_from_before_it(
    events: list[Traced], moved: dict[str, str], dropped: set[str]
) -> None:
    schema = dict.fromkeys(COLUMNS, "")
    found = read_declared(events, schema, schema)
    assert found.naming.renamed_columns() == ({"t": moved} if moved else {})
    assert found.columns == {("t", column) for column in dropped}


def test_what_fires_a_trigger_declares_what_it_does() -> None:
    schema = {
        "trigger tr": "create trigger tr after update on t begin update u set a = 1 ; end",
        "trigger next": "create trigger next after update on u begin delete from v ; end",
    }
    found, other = (
        read_declared([StatementRan(f"UPDATE {table} SET x = 1")], schema, schema) for table in "tw"
    )
    assert (("u", "a") in found.updated, "v" in found.emptied) == (True, True)
    assert (other.updated, other.emptied) == ({("w", "x")}, set())


def test_columns_that_revisions_write_identify_no_row() -> None:
    there = Fingerprint((), {}, {"T": 3})
    found = declared("UPDATE t SET id = id + 1", "UPDATE u SET a = 1")
    assert surviving(there, there, found) == [Pair("T", "T", rewritten=frozenset({"id"}))]


def test_rows_that_get_other_keys_by_insert_and_delete_are_not_known_by_these() -> None:
    facts = dict.fromkeys(("table t", "column t.id", "column t.v"), "")
    there = Fingerprint((), {}, {"t": 3})
    for insert, keys in (
        ("INSERT INTO t (id, v) SELECT id || 'x', v FROM t", {"id"}),
        ("INSERT INTO t (id, v) VALUES (1, 2)", set[str]()),
    ):
        events = [StatementRan(insert), StatementRan("DELETE FROM t WHERE id < 9")]
        [pair] = surviving(there, there, read_declared(events, facts, facts))
        assert pair.rewritten == keys


def test_rows_that_could_not_be_compared_are_named() -> None:
    change = ContentChange((TableChange(Pair("t", "t"), gone=3, not_compared="no key"),))
    assert rows_gone(change) == {"t": 3}
    [finding] = find_changes(change, declared(), "prod")
    assert (finding.code, finding.severity) == ("rows-not-compared", "warning")
    assert finding.message == "the rows of t could not be compared one by one: no key"


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
def test_type_and_default_of_a_column_are_read_from_its_fact(
    fact: str, type_: str, default: str, affinity: str
) -> None:
    found = ColumnFact.of(fact)
    assert (found.type, found.default, found.affinity) == (type_, default, affinity)


PARTS = {
    "table whole": "partition by range(at)",
    "table part": "partition of whole for values from ('a') to ('b')",
    "table sub": "partition of part for values from ('a') to ('b')",
    "table other": "",
}


@pytest.mark.parametrize(
    ("statement", "removed"),
    [
        ("TRUNCATE part", {"whole", "part"}),
        ("DELETE FROM part", {"whole", "part", "sub"}),
        ("DELETE FROM whole", {"whole", "part", "sub"}),
        ("ALTER TABLE whole DETACH PARTITION part", {"whole"}),
        ("DROP TABLE sub", {"whole", "part", "sub"}),
        ("DROP TABLE part", {"whole", "part", "sub"}),
        ("INSERT INTO part VALUES (1)", set()),
    ],
)
def test_rows_of_a_partition_are_rows_of_the_whole_table(statement: str, removed: set[str]) -> None:
    found = read_declared([StatementRan(statement)], PARTS, PARTS, "postgresql")
    assert {
        table for table in ("whole", "part", "sub", "other") if found.removes_rows_of(table)
    } == (removed)


SCHEMA = {
    "table t": "",
    'table "audit.a"': "",
    'index "audit.ix"': 'on "audit.a" ( b )',
    "trigger tr on t": "create trigger tr after update on t",
    'trigger tr on "audit.a"': 'create trigger tr after update on "audit.a"',
    'view "audit.w"': "select 1",
    "view v": "select 1",
}
OF_AUDIT = {'table "audit.a"', 'index "audit.ix"', 'trigger tr on "audit.a"'}


@pytest.mark.parametrize(
    ("statement", "dropped", "changed"),
    [
        ("DROP SCHEMA audit CASCADE", OF_AUDIT | {'view "audit.w"'}, set()),
        ("DROP TABLE audit.a", OF_AUDIT, set()),
        ("DROP INDEX audit.ix", {'index "audit.ix"'}, set()),
        ("DROP TRIGGER tr ON t", {"trigger tr on t"}, set()),
        ("ALTER TABLE t DISABLE TRIGGER tr", set(), {"trigger tr on t"}),
        ("CREATE OR REPLACE VIEW v AS SELECT 2", set(), {"view v"}),
        ("ALTER TABLE t SET UNLOGGED", set(), {"table t"}),
    ],
)  # fmt: skip
def test_a_statement_declares_what_it_drops_and_changes(
    statement: str, dropped: set[str], changed: set[str]
) -> None:
    found = read_declared([StatementRan(statement)], SCHEMA, SCHEMA, "postgresql")
    facts = {key: Fact.of(key, was) for key, was in SCHEMA.items()}
    assert {key for key, fact in facts.items() if found.drops(fact)} == dropped
    assert {key for key, fact in facts.items() if found.changes(fact)} == changed


STAMP = "create trigger stamp after update on t begin update t set seen = 1 ; end"


def test_a_trigger_that_comes_with_the_upgrade_declares_what_it_writes() -> None:
    """No engine, as under the project's own commands: the texts have to do."""
    columns = {"table t": "", "column t.seen": ""}
    update = [StatementRan("UPDATE t SET a = 1")]
    for before, after in (({}, {"trigger stamp": STAMP}), ({"trigger stamp": STAMP}, {})):
        found = read_declared(update, columns | before, columns | after)
        assert found.updated == {("t", "a"), ("t", "seen")}
    renamed = [StatementRan("ALTER TABLE t RENAME seen TO at"), *update]
    new = {"table t": "", "column t.at": "", "trigger stamp": STAMP.replace("seen", "at")}
    assert ("t", "seen") in read_declared(renamed, columns, new).updated


@pytest.mark.parametrize(
    ("sql", "writes", "updated", "emptied", "replaced"),
    [
        # Other than what the text has: it is a temporary table's, or a view's by its trigger.
        ("UPDATE t SET a = 1", (), set(), set(), set()),
        ("DELETE FROM v", (("delete", "v", ""), ("delete", "T", "")), set(), {"v", "t"}, set()),
        ("UPDATE t SET a = 1", (("update", "t", "a"), ("update", "u", "B")),
         {("t", "a"), ("u", "b")}, set(), set()),
        # What the engine does not say.
        ("UPDATE t SET a = 1", None, {("t", "a")}, set(), set()),
        ("INSERT OR REPLACE INTO main.t VALUES (1)", (("insert", "t", ""),), set(), set(), {"t"}),
        ("INSERT INTO _alembic_tmp_t (a) SELECT a FROM t", (("insert", "_alembic_tmp_t", ""),),
         set(), set(), set()),
        ("EXPLAIN UPDATE t SET a = 1", (("update", "t", "a"),), set(), set(), set()),
    ],
)  # fmt: skip
def test_the_engine_is_believed_before_the_text(
    sql: str,
    writes: tuple[tuple[str, str, str], ...] | None,
    updated: set[tuple[str, str]],
    emptied: set[str],
    replaced: set[str],
) -> None:
    found = read_declared([StatementRan(sql, "r", writes)], {}, {})
    assert (found.updated, found.emptied, found.replaced) == (updated, emptied, replaced)
    if writes == (("insert", "_alembic_tmp_t", ""),):
        assert found.inserted == set()


def test_a_trigger_that_did_not_fire_declares_nothing_where_the_engine_tells() -> None:
    ran = StatementRan("UPDATE t SET a = 1", "r", (("update", "t", "a"),))
    assert read_declared([ran], {}, {"trigger stamp": STAMP}).updated == {("t", "a")}


PEOPLE = ["table people", "column people.id", "column people.name", "column people.city",
          "table other", "column other.name"]  # fmt: skip
NEW = "CREATE TABLE p2 (id INTEGER PRIMARY KEY, name TEXT DEFAULT (1, 2), city TEXT, UNIQUE (name))"
SWAP = ("DROP TABLE people", "ALTER TABLE p2 RENAME TO people")


def rewritten(*statements: str, syntax: Syntax = "sqlite") -> set[str]:
    """The columns of people that may change."""
    facts = dict.fromkeys(PEOPLE, "")
    found = read_declared([StatementRan(each) for each in statements], facts, facts, syntax)
    columns = ("id", "name", "city")
    return {column for column in columns if found.values_changed("people", column) != 0}


@pytest.mark.parametrize(
    ("insert", "columns"),
    [
        # What is copied stays as it is, in whichever order the columns of the table stand.
        ("INSERT INTO p2 SELECT * FROM people", set()),
        ("INSERT INTO p2 SELECT p.* FROM main.people AS p", set()),
        ("INSERT INTO p2 SELECT id, name, city FROM people", set()),
        ("INSERT INTO p2 SELECT id, city, name FROM people", set()),
        ("INSERT INTO p2 (id, city, name) SELECT people.id, city, (name) FROM people", set()),
        ("INSERT INTO p2 (id, name) SELECT id, name FROM people", set()),
        ("WITH x AS (SELECT 1) INSERT OR IGNORE INTO p2 SELECT DISTINCT id, name n, city FROM"
         " people WHERE id > 0 UNION ALL SELECT * FROM people ORDER BY 1", set()),
        # What is computed changes, and that alone.
        ("INSERT INTO p2 SELECT id, upper(name), city FROM people", {"name"}),
        ("INSERT INTO p2 (city, name, id) SELECT 'x', name, id FROM people", {"city"}),
        ("INSERT INTO p2 SELECT id, CASE name WHEN 1 THEN 2 ELSE name END, NULL FROM people",
         {"name", "city"}),
        ("INSERT INTO p2 SELECT id, name || city, city FROM people WHERE name = upper(city)",
         {"name"}),
        ("INSERT INTO p2 SELECT id + 1000 AS x, name, city FROM people", {"id"}),
        ("INSERT INTO p2 SELECT id, name, current_timestamp FROM people", {"city"}),
        ("INSERT INTO p2 SELECT id, name, city FROM people UNION SELECT 1, 'x', city FROM people",
         {"id", "name"}),
        # Another column on purpose, since both are written out; or one of another table.
        ("INSERT INTO p2 (id, name, city) SELECT id, city, name FROM people", {"name", "city"}),
        ("INSERT INTO p2 SELECT p.id, o.name, p.city FROM people p JOIN other o ON o.id = p.id",
         {"name"}),
        ("INSERT INTO p2 SELECT * FROM (SELECT id, upper(name) AS name, city FROM people)",
         {"name"}),
        ("INSERT INTO p2 SELECT s.* FROM (SELECT * FROM people) s", set()),
        ("INSERT INTO p2 WITH s AS (SELECT id, upper(name) AS name FROM people) SELECT * FROM s",
         {"name"}),
        # A program may have computed these.
        ("INSERT INTO p2 (id, name) VALUES (?, ?)", {"id", "name"}),
        ("INSERT INTO p2 VALUES (1, 2, 3)", {"id", "name", "city"}),
        ("SELECT 1", set()),
    ],
)  # fmt: skip
def test_a_table_written_anew_by_hand_changes_what_its_select_computes(
    insert: str, columns: set[str]
) -> None:
    assert rewritten(NEW, insert, *SWAP) == columns
    aside = insert.replace("people", "old").replace("p2", "people")
    renamed = "ALTER TABLE people RENAME TO old"
    assert rewritten(renamed, NEW.replace("p2", "people"), aside, "DROP TABLE old") == columns
    there_and_back = (NEW, insert, "DROP TABLE people", NEW.replace("p2", "people"),
                      "INSERT INTO people SELECT * FROM p2", "DROP TABLE p2")  # fmt: skip
    assert rewritten(*there_and_back) == columns
    if "VALUES" not in insert and "SELECT 1" not in insert[:8]:
        emptied = (NEW, insert, "DELETE FROM people", "INSERT INTO people SELECT * FROM p2")
        unknown = (
            {"name", "city", "id"} if "FROM (SELECT" in insert or "FROM s" in insert else set()
        )
        assert rewritten(*emptied) == columns | unknown


@pytest.mark.parametrize(
    ("statements", "columns"),
    [
        (["CREATE TABLE p2 AS SELECT id, name AS city, city AS name FROM people", *SWAP],
         {"name", "city"}),
        (["CREATE TABLE p2 AS SELECT id, name, lower(city) AS city FROM people", *SWAP], {"city"}),
        ([NEW, "INSERT INTO p2 SELECT * FROM people", "UPDATE p2 SET name = 1", *SWAP], {"name"}),
        ([NEW, "INSERT INTO p2 SELECT *, 1 FROM people", *SWAP], set()),
        ([NEW, "WITH s AS (SELECT id, upper(name) AS name, city FROM people)"
          " INSERT INTO p2 SELECT * FROM s", *SWAP], {"name"}),
        # Later rows are others.
        ([NEW, "INSERT INTO p2 SELECT * FROM people", *SWAP, "INSERT INTO people VALUES (1, 2, 3)"],
         set()),
        (["INSERT INTO people VALUES (1, 2, 3)", NEW, "INSERT INTO p2 SELECT * FROM people", *SWAP],
         set()),
        # A batch in between is none of it.
        ([NEW, "INSERT INTO p2 SELECT id, upper(name), city FROM people",
          "INSERT INTO _alembic_tmp_p2 SELECT id, name, city FROM p2", "DROP TABLE p2",
          "ALTER TABLE _alembic_tmp_p2 RENAME TO p2", *SWAP], {"name"}),
        # A table of which nothing is known.
        (["CREATE TABLE p2 LIKE people", "INSERT INTO p2 SELECT id, upper(name), city FROM people",
          *SWAP], {"name"}),
        # Rows that come in place of others may be any.
        (["DELETE FROM people", "INSERT INTO people VALUES (1, 2, 3)"], {"id", "name", "city"}),
        (["DELETE FROM people", "INSERT INTO people SELECT * FROM nowhere"],
         {"id", "name", "city"}),
        (["DELETE FROM people WHERE id = 1", "INSERT INTO people (id, name) VALUES (1, 2)"],
         {"id", "name", "city"}),
        (["INSERT INTO people SELECT id + 9, name, city FROM people", "DELETE FROM people WHERE id"
          " < 9"], {"id"}),
        (["INSERT INTO people (id, name, city) SELECT id + 9, name, city FROM people",
          "DELETE FROM people WHERE id < 9"], {"id"}),
    ],
)  # fmt: skip
def test_what_comes_into_the_place_of_rows_is_followed(
    statements: list[str], columns: set[str]
) -> None:
    assert rewritten(*statements) == columns
    assert rewritten(*statements, syntax="mariadb") == columns


@pytest.mark.parametrize(
    ("lossy", "code"),
    [(0, ("changed-values", "note")), (1, ("changed-values", "error"))],
)
def test_a_copied_column_may_get_another_type_but_lose_nothing(
    lossy: int, code: tuple[str, str]
) -> None:
    facts = dict.fromkeys(PEOPLE, "")
    events = [StatementRan(each) for each in (NEW, "INSERT INTO p2 SELECT * FROM people", *SWAP)]
    change = TableChange(
        Pair("people", "people"), columns=(ColumnChange("city", 1, lossy, "text became integer"),)
    )
    found = read_declared(events, facts, facts)
    [finding] = find_changes(ContentChange((change,)), found, "prod")
    assert (finding.code, finding.severity) == code
    assert ("its type" not in finding.message) == bool(lossy)


def test_what_refers_to_a_key_by_on_update_cascade_follows_it() -> None:
    schema = {
        "foreign key b(a_id, x) to a": "(id, x) ON UPDATE CASCADE ON DELETE NO ACTION",
        "foreign key c(b_id) to b": "(a_id) on update cascade on delete no action",
        "foreign key d(a_id) to a": "(id) ON UPDATE NO ACTION ON DELETE CASCADE",
        "table a": "", "table b": "", "table c": "", "table d": "",
    }  # fmt: skip
    found, other = (
        read_declared([StatementRan(f"UPDATE a SET {column} = 1")], schema, schema, "postgresql")
        for column in ("id", "z")
    )
    assert found.updated == {("a", "id"), ("b", "a_id"), ("b", "x"), ("c", "b_id")}
    assert other.updated == {("a", "z")}
