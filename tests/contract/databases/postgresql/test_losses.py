"""What an upgrade makes disappear on PostgreSQL, and whether a revision says so.

One database for all: every case is undone by a rollback.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import psycopg
import pytest

from migrations_ops.analysis.destroyed import find_destroyed, with_dropped
from migrations_ops.analysis.losses import find_losses
from migrations_ops.analysis.reader import read_declared
from migrations_ops.child.protocol.events import OperationAsked, StatementRan
from migrations_ops.databases.postgresql.rows.sums import count
from migrations_ops.databases.postgresql.schema.reading import read_schema, read_tables
from migrations_ops.databases.row_changes import ContentChange
from migrations_ops.model.fingerprint import Fingerprint
from tests.servers.databases import swept
from tests.servers.postgres import PostgresServer

START = """
CREATE ROLE app; CREATE ROLE clerk;
CREATE SCHEMA audit;
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TYPE pair AS (a int, b text); CREATE TABLE typed OF pair;
CREATE TABLE parents (id serial PRIMARY KEY, name varchar(20) NOT NULL DEFAULT 'none',
  mood mood DEFAULT 'sad', code text COLLATE "C" UNIQUE, CONSTRAINT named CHECK (name <> ''));
CREATE TABLE children (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  parent_id int CONSTRAINT fk REFERENCES parents ON DELETE CASCADE, note text,
  twice int GENERATED ALWAYS AS (parent_id * 2) STORED);
CREATE TABLE audit.loans (id int PRIMARY KEY, child_id int REFERENCES children);
CREATE TABLE events (id int, at date, kind text) PARTITION BY RANGE (at);
CREATE TABLE events_2020 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE events_2021 PARTITION OF events FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
CREATE INDEX ix_note ON children (note) WHERE note <> '';
CREATE INDEX ix_kind ON events (kind);
CREATE UNIQUE INDEX ix_loans ON audit.loans (child_id DESC);
CREATE VIEW names AS SELECT name FROM parents WHERE id > 0;
CREATE VIEW audit.all_loans AS SELECT * FROM audit.loans;
CREATE MATERIALIZED VIEW totals AS SELECT count(*) AS n FROM children;
CREATE UNIQUE INDEX ix_totals ON totals (n);
CREATE SEQUENCE numbers;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN NEW.note := 'it''s new'; UPDATE parents SET code = 'x'; RETURN NEW; END $$;
CREATE FUNCTION twice(a int) RETURNS int LANGUAGE sql AS 'SELECT a * 2';
CREATE TRIGGER tr BEFORE UPDATE ON children FOR EACH ROW EXECUTE FUNCTION touch();
CREATE RULE quiet AS ON DELETE TO audit.loans DO INSTEAD NOTHING;
ALTER TABLE children ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON children USING (note = CURRENT_USER);
GRANT SELECT, INSERT ON children TO app;
GRANT SELECT ON names TO app, clerk;
GRANT UPDATE (note) ON children TO clerk;
GRANT USAGE ON SCHEMA audit TO app;
GRANT EXECUTE ON FUNCTION twice(int) TO app;
INSERT INTO parents (name, code) VALUES ('a', 'x'), ('b', 'y');
INSERT INTO children (parent_id, note) VALUES (1, 'x'), (2, 'y');
INSERT INTO audit.loans VALUES (1, 1), (2, 2);
INSERT INTO events VALUES (1, '2020-05-05', 'x'), (2, '2021-05-05', 'y');
"""
Found = Callable[..., dict[str, str]]


def fingerprint(connection: psycopg.Connection[Any]) -> Fingerprint:
    tables = read_tables(connection, "alembic_version")
    return Fingerprint((), read_schema(connection, "alembic_version"), count(connection, tables))


@pytest.fixture(scope="module")
def found(postgres: PostgresServer) -> Iterator[Found]:
    """The findings after statements, as ``code:where`` with their severity."""
    with swept(postgres), postgres.session(postgres.create_database()) as connection:
        connection.execute(START.encode())
        before = fingerprint(connection)
        reached: dict[str, Fingerprint] = {}

        def run(statements: str, *operations: OperationAsked, told: bool = True) -> dict[str, str]:
            if statements not in reached:
                with connection.transaction(force_rollback=True):
                    connection.execute(statements.encode())
                    reached[statements] = fingerprint(connection)
            after = reached[statements]
            ran = [StatementRan(statements)] if told else []
            said = read_declared([*operations, *ran], before.schema, after.schema, "postgresql")
            destroyed = find_destroyed(before, after, said, ContentChange())
            found = with_dropped(find_losses(before, after, said, "prod"), destroyed, "prod")
            return {f"{each.code}:{each.where}": each.severity for each in found}

        yield run


def errors_in(findings: Mapping[str, str]) -> set[str]:
    return {key for key, severity in findings.items() if severity == "error"}


# What is done, with the errors if nobody says so, and those that stay although it is said.
CASES: dict[str, tuple[str, set[str], set[str]]] = {
    "table": ("DROP TABLE audit.loans CASCADE",
              {'lost-table:"audit.loans"', 'lost-view:"audit.all_loans"',
               'lost-index:"audit.ix_loans"'},
              {'lost-view:"audit.all_loans"'}),
    "table, quoted": ('DROP VIEW "audit"."all_loans"; DROP TABLE IF EXISTS "audit"."loans"',
                      {'lost-table:"audit.loans"', 'lost-view:"audit.all_loans"',
                       'lost-index:"audit.ix_loans"'}, set()),
    "parent with its foreign keys": (
        "DROP TABLE children CASCADE",
        {"lost-table:children", "lost-index:ix_note", "lost-trigger:tr on children",
         "lost-materialized-view:totals", "lost-index:ix_totals",
         'lost-foreign-key:"audit.loans"(child_id) to children'},
        {"lost-materialized-view:totals", "lost-index:ix_totals"}),
    "column": ("ALTER TABLE children DROP COLUMN note CASCADE",
               {"lost-column:children.note", "lost-index:ix_note", "lost-policy:own on children"},
               {"lost-policy:own on children"}),
    "columns in one statement": (
        "ALTER TABLE children DROP COLUMN twice, DROP IF EXISTS parent_id",
        {"lost-column:children.parent_id", "lost-column:children.twice",
         "lost-foreign-key:children(parent_id) to parents"}, set()),
    "column of a whole and its parts": (
        "ALTER TABLE events DROP COLUMN kind",
        {"lost-column:events.kind", "lost-column:events_2020.kind", "lost-column:events_2021.kind",
         "lost-index:ix_kind"}, set()),
    "constraint": ("ALTER TABLE ONLY parents DROP CONSTRAINT named, DROP CONSTRAINT"
                   " parents_code_key", {"lost-check:parents: named", "lost-unique:parents(code)"},
                   set()),
    "key and what needs it": (
        "ALTER TABLE parents DROP CONSTRAINT parents_pkey CASCADE",
        {"lost-primary-key:parents(id)", "lost-foreign-key:children(parent_id) to parents"},
        {"lost-foreign-key:children(parent_id) to parents"}),
    "index": ("DROP INDEX IF EXISTS ix_note, audit.ix_loans",
              {"lost-index:ix_note", 'lost-index:"audit.ix_loans"'}, set()),
    "index of the parts": ("DROP INDEX ix_kind", {"lost-index:ix_kind"}, set()),
    "view": ("DROP VIEW names, audit.all_loans",
             {"lost-view:names", 'lost-view:"audit.all_loans"'}, set()),
    "view made anew without its rights": (
        "DROP VIEW names; CREATE VIEW names AS SELECT name FROM parents",
        {"lost-privilege:view names to app", "lost-privilege:view names to clerk"},
        {"lost-privilege:view names to app", "lost-privilege:view names to clerk"}),
    "view replaced": ("CREATE OR REPLACE VIEW names AS SELECT name FROM parents", set(), set()),
    "materialized view": ("DROP MATERIALIZED VIEW totals",
                          {"lost-materialized-view:totals", "lost-index:ix_totals"}, set()),
    "sequence": ("DROP SEQUENCE numbers", {"lost-sequence:numbers"}, set()),
    "function and its trigger": (
        "DROP FUNCTION touch() CASCADE",
        {"lost-function:touch()", "lost-trigger:tr on children"},
        {"lost-trigger:tr on children"}),
    "function made anew without its rights": (
        "DROP FUNCTION twice(int); CREATE FUNCTION twice(a int) RETURNS int LANGUAGE sql AS ''"
        "SELECT 1''".replace("''", "'"),
        {"lost-privilege:function twice(integer) to app"},
        {"lost-privilege:function twice(integer) to app"}),
    "trigger": ("DROP TRIGGER tr ON children", {"lost-trigger:tr on children"}, set()),
    "disabled trigger": ("ALTER TABLE children DISABLE TRIGGER tr",
                         {"weakened-trigger:tr on children"}, set()),
    "policy": ("DROP POLICY own ON children", {"lost-policy:own on children"}, set()),
    "row security": ("ALTER TABLE public.children DISABLE ROW LEVEL SECURITY",
                     {"weakened-table:children"}, set()),
    "rule": ("DROP RULE quiet ON audit.loans", {'lost-rule:quiet on "audit.loans"'}, set()),
    "right": ("REVOKE INSERT ON children FROM app", {"weakened-privilege:table children to app"},
              set()),
    "rights": ("REVOKE ALL ON TABLE children, names FROM app",
               {"lost-privilege:table children to app", "lost-privilege:view names to app"},
               set()),
    "all rights of a role": ("DROP OWNED BY clerk",
                             {"lost-privilege:column children.note to clerk",
                              "lost-privilege:view names to clerk"}, set()),
    "type": ("DROP TYPE mood CASCADE", {"lost-type:mood", "lost-column:parents.mood"},
             {"lost-column:parents.mood"}),
    "value of a type": (
        "ALTER TABLE parents ALTER mood DROP DEFAULT;"
        "ALTER TYPE mood RENAME TO old_mood; CREATE TYPE mood AS ENUM ('happy');"
        "ALTER TABLE parents ALTER mood TYPE mood USING 'happy'; DROP TYPE old_mood",
        {"weakened-type:mood", "changed-column:parents.mood"}, set()),
    "renamed type and value": (
        "ALTER TYPE mood RENAME VALUE 'sad' TO 'low'; ALTER TYPE mood RENAME TO temper",
        {"lost-type:mood", "changed-column:parents.mood"}, set()),
    "attribute of a type": ("ALTER TYPE pair DROP ATTRIBUTE b CASCADE, ADD ATTRIBUTE c int CASCADE",
                            {"lost-column:typed.b"}, set()),
    "renamed attribute": ("ALTER TYPE pair RENAME ATTRIBUTE a TO c CASCADE",
                          {"lost-column:typed.a"}, set()),
    "schema": ("DROP SCHEMA audit CASCADE",
               {"lost-schema:audit", 'lost-table:"audit.loans"', 'lost-index:"audit.ix_loans"',
                'lost-view:"audit.all_loans"'}, set()),
    "renamed schema": ("ALTER SCHEMA audit RENAME TO log",
                       {"lost-schema:audit", 'lost-table:"audit.loans"',
                        'lost-index:"audit.ix_loans"', 'lost-view:"audit.all_loans"'}, set()),
    "table moved to another schema": (
        "ALTER TABLE children SET SCHEMA audit",
        {"lost-table:children", "lost-index:ix_note", "lost-trigger:tr on children",
         'lost-foreign-key:"audit.loans"(child_id) to children'},
        set()),
    "renamed table and columns": (
        "ALTER TABLE children RENAME TO kids; ALTER TABLE kids RENAME COLUMN note TO remark;"
        "ALTER TABLE parents RENAME id TO number; ALTER INDEX ix_note RENAME TO ix_remark;"
        "ALTER TABLE events RENAME kind TO sort; ALTER TABLE audit.loans RENAME TO borrowed",
        None, set()),  # type: ignore[dict-item]
    "renamed constraint": ("ALTER TABLE parents RENAME CONSTRAINT named TO other",
                           {"lost-check:parents: named"}, set()),
    "partition": ("DROP TABLE events_2020", {"lost-table:events_2020", "lost-rows:events"}, set()),
    "partition taken out": ("ALTER TABLE events DETACH PARTITION events_2020",
                            {"lost-rows:events"}, set()),
    "whole with its parts": (
        "DROP TABLE events",
        {"lost-table:events", "lost-table:events_2020", "lost-table:events_2021",
         "lost-index:ix_kind"}, set()),
    "type of a column": ("ALTER TABLE events ALTER COLUMN kind TYPE varchar(90)",
                         {"changed-column:events.kind", "changed-column:events_2020.kind",
                          "changed-column:events_2021.kind"}, set()),
    "default, nullable, and another type": (
        "DROP VIEW names; ALTER TABLE parents ALTER name DROP DEFAULT, ALTER name DROP NOT NULL,"
        " ALTER COLUMN name SET DATA TYPE text",
        {"lost-view:names", "changed-column:parents.name", "weakened-column:parents.name"},
        set()),
    "default with another cast": ("DROP VIEW names; ALTER TABLE parents ALTER name TYPE text",
                                  {"lost-view:names", "changed-column:parents.name"}, set()),
    "collation lost with another type": (
        "ALTER TABLE parents ALTER code TYPE varchar(50)",
        {"changed-column:parents.code", "weakened-column:parents.code"},
        {"weakened-column:parents.code"}),
    "identity": ("ALTER TABLE children ALTER id DROP IDENTITY",
                 {"lost-sequence:children_id_seq", "weakened-column:children.id"},
                 {"lost-sequence:children_id_seq"}),
    "not valid any more": (
        "ALTER TABLE children DROP CONSTRAINT fk;"
        "ALTER TABLE children ADD CONSTRAINT fk FOREIGN KEY (parent_id) REFERENCES parents"
        " ON DELETE CASCADE NOT VALID",
        {"weakened-foreign-key:children(parent_id) to parents"}, set()),
    "not logged": ("ALTER TABLE audit.loans SET UNLOGGED", {'weakened-table:"audit.loans"'}, set()),
    "rows": ("DELETE FROM ONLY audit.loans; TRUNCATE audit.loans",
             {'lost-rows:"audit.loans"'}, set()),
    "rows by cascade": ("DROP RULE quiet ON audit.loans; DELETE FROM audit.loans;"
                        "DELETE FROM parents",
                        {'lost-rule:quiet on "audit.loans"', 'lost-rows:"audit.loans"',
                         "lost-rows:parents", "lost-rows:children"},
                        {"lost-rows:children"}),
    "rows by truncate": ("TRUNCATE parents CASCADE",
                         {"lost-rows:parents", "lost-rows:children", 'lost-rows:"audit.loans"'},
                         {"lost-rows:children", 'lost-rows:"audit.loans"'}),
    "rows of a part, all": ("TRUNCATE events_2020", {"lost-rows:events"}, set()),
    "rows of a part": ("DELETE FROM events_2020", {"lost-rows:events"}, set()),
    "rows by a common table expression": (
        "WITH gone AS (DELETE FROM events RETURNING *) SELECT count(*) FROM gone",
        {"lost-rows:events"}, set()),
    "in a block": (
        "DO $$ BEGIN IF true THEN DROP VIEW names; END IF; EXECUTE 'DROP SEQUENCE numbers'; END $$",
        {"lost-view:names", "lost-sequence:numbers"}, set()),
    "by the search path": (
        "SET LOCAL search_path TO audit; DROP VIEW all_loans; SET LOCAL search_path TO public",
        {'lost-view:"audit.all_loans"'}, set()),
    "a rebuild by hand": (
        "CREATE TABLE fresh (id int PRIMARY KEY, parent_id int, note text);"
        "INSERT INTO fresh SELECT id, parent_id, note FROM children;"
        "DROP TABLE children CASCADE; ALTER TABLE fresh RENAME TO children",
        None,  # type: ignore[dict-item]
        {"lost-index:ix_note", "lost-trigger:tr on children", "lost-policy:own on children",
         "lost-privilege:table children to app", "lost-privilege:column children.note to clerk",
         "lost-materialized-view:totals", "lost-index:ix_totals",
         'lost-foreign-key:"audit.loans"(child_id) to children',
         "lost-foreign-key:children(parent_id) to parents", "weakened-column:children.id",
         "weakened-table:children"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_vanishes_is_an_error_unless_a_revision_says_so(found: Found, name: str) -> None:
    statements, unsaid, stays = CASES[name]
    if unsaid is not None:
        assert errors_in(found(statements, told=False)) == unsaid
    assert errors_in(found(statements)) == stays


def test_what_is_dropped_with_its_rows_is_warned_of(found: Found) -> None:
    assert found("DROP VIEW audit.all_loans; DROP TABLE audit.loans") == {
        'dropped-table:"audit.loans"': "warning"
    }
    assert found("DELETE FROM events WHERE id = 1") == {"deleted-rows:events": "warning"}


def test_an_operation_says_the_schema_of_its_table(found: Found) -> None:
    operation = OperationAsked(kind="drop_table", table="loans", schema="audit")
    statements = "DROP VIEW audit.all_loans; DROP TABLE audit.loans"
    assert errors_in(found(statements, operation, told=False)) == {'lost-view:"audit.all_loans"'}
    other = operation._replace(schema=None, table="parents")
    assert 'lost-table:"audit.loans"' in found(statements, other, told=False)


def test_what_a_trigger_writes_is_declared_by_who_sets_it_off(found: Found) -> None:
    """As a column of the time of the last change is."""
    schema = {
        "table children": "", "column children.note": "text",
        "trigger tr on children": "create trigger tr before update on children for each row"
        " execute function audit.touch()",
        'function "audit.touch"()': "() RETURNS trigger LANGUAGE plpgsql BODY ' BEGIN"
        " IF NEW.a = 1 THEN NEW.note := now(); END IF; DELETE FROM logs; RETURN NEW; END '",
    }  # fmt: skip
    said = read_declared([StatementRan("UPDATE children SET x = 1")], schema, schema, "postgresql")
    assert said.updated == {("children", "x"), ("children", "note")}
    assert said.emptied == {"logs"}
    said = read_declared([StatementRan("UPDATE others SET x = 1")], schema, schema, "postgresql")
    assert said.updated == {("others", "x")}
