"""What statements do, in the SQL of each engine."""

from __future__ import annotations

from typing import Any

import pytest

from migrations_ops.analysis.losses import find_losses
from migrations_ops.analysis.reader import read_declared
from migrations_ops.analysis.statements.blocks import statements_of
from migrations_ops.analysis.statements.rows import writes_of
from migrations_ops.analysis.statements.schema import schema_actions
from migrations_ops.child.protocol.events import OperationAsked, StatementRan, Traced
from migrations_ops.child.protocol.sql import Syntax, tokens
from migrations_ops.model.fingerprint import Fingerprint


def actions_of(syntax: Syntax, sql: str) -> list[tuple[str, ...]]:
    """Each action as its words."""
    found = [action for each in statements_of(sql, syntax) for action in schema_actions(each)]
    return [
        tuple(word for word in (each.verb, each.name, each.kind, each.table, each.to) if word)
        for each in found
    ]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ('DROP TABLE IF EXISTS audit.a, "B c" CASCADE; DROP VIEW v',
         [("drop", "audit.a", "table"), ("drop", "b c", "table"), ("drop", "v", "view")]),
        ("DROP INDEX CONCURRENTLY IF EXISTS ix, audit.iy",
         [("drop", "ix", "index"), ("drop", "audit.iy", "index")]),
        ("DROP FUNCTION add(int, text[]), f CASCADE",
         [("drop", "add", "function"), ("drop", "f", "function")]),
        ("DROP POLICY p ON audit.t", [("drop", "p", "policy", "audit.t")]),
        ("DROP MATERIALIZED VIEW m", [("drop", "m", "materialized view")]),
        ("ALTER TABLE ONLY a DROP COLUMN b, ALTER c TYPE int USING (f(c, 1)), ADD d int DEFAULT 5",
         [("drop column", "b", "a"), ("alter column", "c", "a", "type"),
          ("compute column", "c", "a")]),
        ("ALTER TABLE a ALTER b SET DATA TYPE int USING ((b)::text::int), ALTER C TYPE numeric(5)"
         " USING CAST(a.c AS numeric)",
         [("alter column", "b", "a", "type"), ("alter column", "c", "a", "type")]),
        ("ALTER TABLE a ALTER b TYPE int USING c::int, ALTER c TYPE int USING (CASE WHEN c = 'x'"
         " THEN 1 END), ALTER d TYPE int",
         [("alter column", "b", "a", "type"), ("compute column", "b", "a"),
          ("alter column", "c", "a", "type"), ("compute column", "c", "a"),
          ("alter column", "d", "a", "type")]),
        ("ALTER TABLE a ALTER COLUMN b SET NOT NULL, ALTER b DROP DEFAULT, ALTER b DROP IDENTITY",
         [("alter column", "b", "a", "nullable"), ("alter column", "b", "a", "default"),
          ("alter column", "b", "a", "default")]),
        ("ALTER TABLE a RENAME CONSTRAINT x TO y", [("drop constraint", "x", "a")]),
        ("ALTER TABLE a DISABLE TRIGGER t", [("change", "t", "trigger", "a")]),
        ("ALTER TABLE a ADD CONSTRAINT drop_it CHECK (b > 0), VALIDATE CONSTRAINT c", []),
        ("ALTER TYPE mood RENAME VALUE 'a' TO 'b'", [("rename", "'a'", "value", "mood", "'b'")]),
        ('ALTER TYPE a.pair ADD ATTRIBUTE "X" int, DROP ATTRIBUTE IF EXISTS y CASCADE',
         [("add attribute", "x", "a.pair"), ("drop attribute", "y", "a.pair"),
          ("change", "a.pair", "type")]),
        ("ALTER TYPE pair RENAME ATTRIBUTE x TO y CASCADE",
         [("rename attribute", "x", "pair", "y"), ("change", "pair", "type")]),
        ("ALTER FUNCTION f(int, int) RENAME TO g", [("rename", "f", "function", "g")]),
        ("TRUNCATE TABLE ONLY a, b.c RESTART IDENTITY CASCADE",
         [("truncate", "a", "restart"), ("truncate", "b.c", "restart")]),
        ("REVOKE ALL ON a, b.c FROM app, public",
         [("revoke", "a", "app"), ("revoke", "a", "public"),
          ("revoke", "b.c", "app"), ("revoke", "b.c", "public")]),
        ("ALTER DEFAULT PRIVILEGES IN SCHEMA a REVOKE ALL ON TABLES FROM app",
         [("revoke", "default", "app")]),
        ("CREATE OR REPLACE VIEW a.v AS SELECT 'DROP TABLE x; DROP TABLE y'",
         [("change", "a.v", "view")]),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $x$ DROP TABLE t; $x$", []),
        ("CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql"
         " BEGIN ATOMIC SELECT 1; DELETE FROM t; END", [("change", "f", "function")]),
        ("DO $$ DECLARE x int; BEGIN IF true THEN DROP TYPE a; ELSE NULL; END IF;"
         " EXECUTE 'ALTER TABLE t DROP c'; END $$",
         [("drop", "a", "type"), ("drop column", "c", "t")]),
        ("SET LOCAL search_path TO audit, public", [("search path", "audit")]),
        ("/* a /* b */ c */ DROP TABLE d -- ; DROP TABLE e", [("drop", "d", "table")]),
        ("INSERT INTO t VALUES ('x; DROP TABLE y', E'it\\'s; DROP TABLE z')", []),
    ],
)  # fmt: skip
def test_actions_in_the_sql_of_postgresql(sql: str, expected: list[tuple[str, ...]]) -> None:
    assert actions_of("postgresql", sql) == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("ALTER TABLE `t` MODIFY `a` int, CHANGE b c int NOT NULL, CHANGE COLUMN d d text",
         [("rewrite column", "a", "t", "type"), ("rename column", "b", "t", "c"),
          ("rewrite column", "c", "t", "type nullable"), ("rewrite column", "d", "t", "type")]),
        ("ALTER TABLE t MODIFY COLUMN a timestamp DEFAULT NULL ON UPDATE now() COMMENT 'NULL'",
         [("rewrite column", "a", "t", "type default on-update comment")]),
        ("ALTER TABLE t MODIFY a enum('a', 'COMMENT') CHECK (a IS NOT NULL) INVISIBLE NULL,"
         " MODIFY b int AUTO_INCREMENT",
         [("rewrite column", "a", "t", "type invisible nullable"),
          ("rewrite column", "b", "t", "type autoincrement")]),
        ("ALTER TABLE t DROP FOREIGN KEY fk, DROP PRIMARY KEY, DROP INDEX ix, DROP KEY iy,"
         " DROP CONSTRAINT ck, DROP `key`",
         [("drop constraint", "fk", "foreign key", "t"), ("drop constraint", "primary key", "t"),
          ("drop", "ix", "index", "t"), ("drop", "iy", "index", "t"),
          ("drop constraint", "ck", "t"), ("drop column", "key", "t")]),
        ("ALTER TABLE t RENAME INDEX a TO b, RENAME COLUMN x TO y",
         [("drop", "a", "index", "t"), ("rename column", "x", "t", "y")]),
        ("DROP INDEX ix ON t", [("drop", "ix", "index", "t")]),
        ("RENAME TABLE a TO b, c TO d.e",
         [("rename", "a", "table", "b"), ("rename", "c", "table", "d.e")]),
        ("/*!50000 DROP TABLE */ t # and no more", [("drop", "t", "table")]),
        ("INSERT INTO t VALUES ('it\\'s; DROP TABLE x')", []),
        ("CREATE TRIGGER tr AFTER INSERT ON t FOR EACH ROW BEGIN DELETE FROM a; DROP TABLE b; END",
         []),
        ("DROP EVENT IF EXISTS e", [("drop", "e", "event")]),
        ("ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4", [("convert", "t")]),
        # Rows that go to another table and come from it.
        ("ALTER TABLE t EXCHANGE PARTITION p WITH TABLE u WITHOUT VALIDATION",
         [("truncate", "t"), ("truncate", "u")]),
        ("ALTER TABLE t CONVERT PARTITION p TO TABLE u", [("truncate", "t")]),
        ("ALTER TABLE t CONVERT TABLE u TO PARTITION p VALUES LESS THAN (1)",
         [("drop", "u", "table")]),
        ("ALTER TABLE t DROP SYSTEM VERSIONING, DROP PERIOD FOR p", [("change", "t", "table")]),
    ],
)  # fmt: skip
def test_actions_in_the_sql_of_mariadb(sql: str, expected: list[tuple[str, ...]]) -> None:
    assert actions_of("mariadb", sql) == expected


@pytest.mark.parametrize(
    ("syntax", "sql", "expected"),
    [
        ("postgresql", "UPDATE ONLY audit.t AS x SET a = 1, (b, c) = (1, 2) FROM u WHERE z = 1",
         [("audit.t", "", {"a", "b", "c"})]),
        ("postgresql", "WITH x AS (DELETE FROM t RETURNING *) INSERT INTO u SELECT * FROM x"
         " ON CONFLICT (id) DO UPDATE SET a = excluded.a", [("t", "d", set()), ("u", "i", {"a"})]),
        ("postgresql", "MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN UPDATE SET a = 1"
         " WHEN NOT MATCHED BY SOURCE THEN DELETE", [("t", "di", {"a"})]),
        ("postgresql", "DELETE FROM t USING u WHERE t.a = u.a", [("t", "d", set())]),
        ("postgresql", "COPY audit.t (a) FROM stdin", [("audit.t", "i", set())]),
        ("mariadb", "UPDATE t JOIN u ON t.a = u.a SET t.b = 1 WHERE t.id = 3",
         [("t", "", {"b"}), ("u", "", {"b"})]),
        ("mariadb", "DELETE a FROM t AS a JOIN u b ON a.x = b.x", [("t", "d", set())]),
        ("mariadb", "INSERT IGNORE INTO t (a) VALUES (1) ON DUPLICATE KEY UPDATE a = 1, b = 2",
         [("t", "i", {"a", "b"})]),
        ("mariadb", "REPLACE INTO t SET a = 1", [("t", "ir", {"a"})]),
        ("mariadb", "INSERT INTO t SET a = 1", [("t", "i", set())]),
    ],
)  # fmt: skip
def test_writes_are_recognised(syntax: Syntax, sql: str, expected: list[Any]) -> None:
    found = [
        (each.table, "d" * each.deletes + "i" * each.inserts + "r" * each.replaces, {*each.columns})
        for each in writes_of(tokens(sql, syntax))
    ]
    assert found == expected


MODIFIED = {
    "table t": "engine = innodb default charset = utf8mb4",
    "column t.a": "int(11) not null default 5 on update current_timestamp()",
    "column t.id": "int(11) not null auto_increment",
    "index ix on t": "create index ix on t(a)",
    "index ix on u": "create index ix on u(a)",
    "trigger tr": "before update on t for each row update u set b = 1",
}


def losses(after: dict[str, str], *events: Traced) -> set[str]:
    before = Fingerprint((), MODIFIED, {})
    declared = read_declared(events, MODIFIED, after, "mariadb")
    found = find_losses(before, Fingerprint((), after, {}), declared, "prod")
    return {f"{each.code}:{each.where}" for each in found if each.severity == "error"}


def test_what_modify_leaves_out_is_lost_though_the_type_is_declared() -> None:
    """Alembic writes MODIFY for alter_column: it keeps only what it is given of the column."""
    after = MODIFIED | {"column t.a": "bigint(20) default null", "column t.id": "bigint(20)"}
    events = [
        part
        for name in ("a", "id")
        for part in (
            OperationAsked(kind="alter_column", table="t", name=name, changes=("type",), batch=0),
            StatementRan(f"ALTER TABLE t MODIFY {name} BIGINT NULL"),
        )
    ]
    assert losses(after, *events) == {
        "changed-column:t.a", "weakened-column:t.a", "weakened-column:t.id",
    }  # fmt: skip
    renamed = MODIFIED | {"column t.b": "int(11) default null"}
    renamed |= {"index ix on t": "create index ix on t(b)"}
    del renamed["column t.a"]
    rename = OperationAsked(kind="rename_column", table="t", name="a", to="b", batch=0)
    assert losses(renamed, rename, StatementRan("ALTER TABLE t CHANGE a b INTEGER NULL")) == {
        "changed-column:t.a", "weakened-column:t.a",
    }  # fmt: skip
    # Whoever writes the statement by hand declares what it names: NULL, and no default.
    by_hand = [part for part in events if isinstance(part, StatementRan)]
    assert losses(after, *by_hand) == {
        "changed-column:t.a", "weakened-column:t.a", "weakened-column:t.id",
    }  # fmt: skip


WHOLE = (
    "varchar(60) invisible not null default 'x' on update now() auto_increment comment 'not null'"
)


@pytest.mark.parametrize(
    ("statement", "operation", "kept"),
    [
        # Nothing of it is named but the type, or the comment: all of that is lost unseen.
        ("ALTER TABLE t MODIFY a varchar(60)", None, set()),
        ("ALTER TABLE t MODIFY a varchar(60) NULL", None, {"NOT NULL"}),
        ("ALTER TABLE t MODIFY a varchar(60) DEFAULT NULL", None, {"DEFAULT"}),
        ("ALTER TABLE t CHANGE a a varchar(60) COMMENT ''", None, {"COMMENT"}),
        ("ALTER TABLE t MODIFY a varchar(60) NULL", ("comment",), {"COMMENT"}),
        ("ALTER TABLE t MODIFY a varchar(60) NULL", ("autoincrement",), {"AUTO_INCREMENT"}),
        ("ALTER TABLE t MODIFY a varchar(60) NULL", ("default",), {"DEFAULT", "ON UPDATE"}),
        ("ALTER TABLE t MODIFY a varchar(60) NULL", (), set()),
    ],
)
def test_an_attribute_of_a_column_is_declared_only_where_it_is_named(
    statement: str, operation: tuple[str, ...] | None, kept: set[str]
) -> None:
    before = Fingerprint((), {"table t": "", "column t.a": WHOLE}, {})
    after = Fingerprint((), {"table t": "", "column t.a": "varchar(60)"}, {})
    events: list[Traced] = [StatementRan(statement)]
    if operation is not None:
        events.insert(0, OperationAsked("alter_column", "t", "a", changes=operation))
    declared = read_declared(events, before.schema, after.schema, "mariadb")
    said = " ".join(each.message for each in find_losses(before, after, declared, "prod"))
    named = ("NOT NULL", "AUTO_INCREMENT", "ON UPDATE", "INVISIBLE", "COMMENT")
    lost = {each for each in named if each in said} | {"DEFAULT" for _ in "x" if "default" in said}
    assert lost == {*named, "DEFAULT"} - kept


@pytest.mark.parametrize(
    ("statement", "operation", "lost"),
    [
        # The type of MariaDB's JSON is LONGTEXT, with a check and a collation of its own.
        ("ALTER TABLE t MODIFY a LONGTEXT", None, set()),
        ("ALTER TABLE t MODIFY a LONGTEXT", ("type",), set()),
        ("ALTER TABLE t MODIFY a LONGTEXT", ("comment",), {"lost-check:t: json_valid(a)"}),
        ("UPDATE t SET a = NULL", None, {"lost-check:t: json_valid(a)"}),
    ],
)
def test_the_check_of_json_goes_with_its_type(
    statement: str, operation: tuple[str, ...] | None, lost: set[str]
) -> None:
    json = "longtext character set utf8mb4 collate utf8mb4_bin default null"
    check = {"check t: json_valid(a)": "json_valid(a)"}
    before = Fingerprint((), {"table t": "", "column t.a": json, **check}, {})
    after = Fingerprint((), {"table t": "", "column t.a": "longtext default null"}, {})
    events: list[Traced] = [StatementRan(statement)]
    if operation is not None:
        events.insert(0, OperationAsked("alter_column", "t", "a", changes=operation))
    declared = read_declared(events, before.schema, after.schema, "mariadb")
    found = find_losses(before, after, declared, "prod")
    assert {f"{each.code}:{each.where}" for each in found} == lost


@pytest.mark.parametrize(
    ("named", "lost"),
    [("COLLATE utf8mb4_general_ci", False), ("CHARACTER SET utf8mb4", False), ("", True)],
)
def test_a_collation_is_declared_where_it_is_named(named: str, lost: bool) -> None:
    was = "varchar(40) character set utf8mb4 collate utf8mb4_bin default null"
    before = Fingerprint((), {"table t": "", "column t.a": was}, {})
    after = Fingerprint((), {"table t": "", "column t.a": "varchar(60) default null"}, {})
    events = [StatementRan(f"ALTER TABLE t MODIFY a VARCHAR(60) {named}")]
    declared = read_declared(events, before.schema, after.schema, "mariadb")
    assert bool(find_losses(before, after, declared, "prod")) is lost


def test_words_in_a_comment_are_no_properties() -> None:
    before = Fingerprint((), {"column t.a": "int comment 'was not null on update'"}, {})
    after = Fingerprint((), {"column t.a": "int comment 'other'"}, {})
    declared = read_declared([], before.schema, after.schema, "mariadb")
    assert find_losses(before, after, declared, "prod") == []


def test_an_index_is_dropped_on_its_own_table_alone() -> None:
    after = {key: text for key, text in MODIFIED.items() if not key.startswith("index")}
    assert losses(after, StatementRan("DROP INDEX ix ON t")) == {"lost-index:ix on u"}
    operation = OperationAsked(kind="drop_index", table="u", name="ix")
    assert losses(after, operation, StatementRan("DROP INDEX ix ON t")) == set()


def test_a_trigger_of_mariadb_writes_what_its_body_writes() -> None:
    declared = read_declared([StatementRan("UPDATE t SET a = 2")], MODIFIED, MODIFIED, "mariadb")
    assert declared.updated == {("t", "a"), ("u", "b")}
