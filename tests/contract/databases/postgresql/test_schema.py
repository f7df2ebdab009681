"""The schema of PostgreSQL as facts: every kind is told, and a restored copy tells the same."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from migrations_ops.databases.postgresql.indexes import find_invalid, findings
from migrations_ops.databases.postgresql.schema.catalog import find_default_schema
from migrations_ops.databases.postgresql.schema.reading import (
    as_dumped,
    read_schema,
    read_tables,
)
from tests.contract.databases.postgresql.support import (
    EVERYTHING,
    VERSION_TABLE,
    facts,
    fill,
    opened,
    restored,
)
from tests.servers.databases import ServerDatabase


def test_a_restored_copy_has_the_same_facts(any_postgres: ServerDatabase, tmp_path: Path) -> None:
    fill(any_postgres)
    before = facts(any_postgres)
    after = facts(any_postgres, restored(any_postgres, tmp_path))
    assert after == before
    if "table rooms" in before:
        assert {key: before.get(key) for key in NEWER_FACTS} == NEWER_FACTS


# What each fact looks like; the keys are how findings and --allow name the objects.
FACTS = {
    'table "Odd ""Table"': "",
    "table cache": "UNLOGGED WITH (autovacuum_enabled=off, fillfactor=70)",
    "table child_of": "INHERITS (base_of)",
    "table events": "PARTITION BY range(at)",
    "table events_2020": "PARTITION OF events for values from('2020-01-01') to('2021-01-01')",
    "table parents": "ROW SECURITY FORCED",
    'column "audit.loans".doubled': "bigint GENERATED (second_id * 2)",
    'column "audit.loans".id': "bigint NOT NULL IDENTITY ALWAYS",
    'column "Odd ""Table"."A b"': "integer",
    "column parents.code": "text COLLATE C",
    "column parents.id": "integer NOT NULL DEFAULT nextval('parents_id_seq'::regclass)",
    'check "audit.loans": ck_alone': "parent_id > 0 NO INHERIT",
    'check "audit.loans": ck_later': "due > '2000-01-01'::date NOT VALID",
    'foreign key "audit.loans"(parent_id) to parents': "(id) ON UPDATE CASCADE ON DELETE SET NULL"
    " DEFERRABLE INITIALLY DEFERRED CONSTRAINT fk_parent",
    'foreign key "audit.loans"(second_id) to parents': "(id) ON UPDATE NO ACTION"
    " ON DELETE NO ACTION MATCH FULL NOT VALID CONSTRAINT fk_later",
    'primary key "audit.loans"(id)': "CONSTRAINT pk_loans",
    "unique parents(code)": "NULLS NOT DISTINCT include(note) CONSTRAINT uq_code",
    'exclusion "audit.loans": no_overlap': "exclude using gist(parent_id with =,"
    "during with & &) where((status)::text <> 'closed'::text)",
    'index "Odd ix"': 'create unique index "Odd ix" on "Odd ""Table"'
    ' using btree("A b" desc nulls last,select text_pattern_ops)',
    "index ix_gin": "create index ix_gin on cache using gin(v jsonb_path_ops)",
    'view "audit.mine"': "select id from audit.loans WITH (check_option=cascaded)",
    "materialized view unfilled": "select 1 as one WITH NO DATA",
    'sequence "audit.numbers"': "AS smallint START 5 INCREMENT 2 MINVALUE 1 MAXVALUE 99 CACHE 3"
    " CYCLE",
    "type mood": "ENUM ('sad', 'it''s ok', 'meh', 'happy')",
    "type span": "RANGE OF double precision",
    "policy own on parents": 'FOR SELECT TO "Odd role", app USING (name = current_user)',
    "trigger sleeping on parents": "create trigger sleeping after delete on parents for each row"
    " execute function touch() DISABLED",
    "extension citext": "SCHEMA public",
    'schema "odd schema"': "",
    "privilege table parents to app": "INSERT, SELECT",
    'privilege table parents to "Odd role"': "SELECT WITH GRANT OPTION",
    "privilege column parents.note to app": "UPDATE",
    "privilege function add(integer,integer) to public": "NONE",
    "privilege view open_loans to public": "SELECT",
    "privilege default tables of postgres in audit to app": "SELECT",
    "object collation audit.german": "",
}  # fmt: skip
NEWER_FACTS = {
    "column virtual_one.a": "integer NOT NULL NOT VALID",
    "column virtual_one.b": "integer GENERATED (a * 3) VIRTUAL",
    "check virtual_one: loose": "a > 0 NOT ENFORCED",
    "primary key rooms(id, during)": "WITHOUT OVERLAPS CONSTRAINT rooms_pkey",
    "foreign key bookings(id, during) to rooms": "(id, during) ON UPDATE NO ACTION"
    " ON DELETE NO ACTION PERIOD CONSTRAINT bookings_id_during_fkey",
}
# Each kind of change, and the fact by which it is noticed. The first ones `alembic check` misses.
CHANGES = {
    "view": ("CREATE OR REPLACE VIEW open_loans AS SELECT 1::bigint AS id, name"
             " FROM parents",
             "view open_loans"),
    "view's options": ("ALTER VIEW open_loans RESET (security_barrier)", "view open_loans"),
    "materialized view": ("DROP MATERIALIZED VIEW unfilled", "materialized view unfilled"),
    "sequence": ("ALTER SEQUENCE audit.numbers INCREMENT 4", 'sequence "audit.numbers"'),
    "sequence's owner": ("ALTER SEQUENCE parents_id_seq OWNED BY NONE", "sequence parents_id_seq"),
    "dropped check": ("ALTER TABLE parents DROP CONSTRAINT parents_size_check",
                      "check parents: parents_size_check"),
    "enum value": ("ALTER TYPE mood ADD VALUE 'new'", "type mood"),
    "renamed enum value": ("ALTER TYPE mood RENAME VALUE 'sad' TO 'sadder'", "type mood"),
    "function's body": ("CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql"
                        " AS $$ BEGIN RETURN OLD; END $$", "function touch()"),
    "function's rights": ("ALTER FUNCTION touch() SECURITY DEFINER", "function touch()"),
    "function's path": ("ALTER FUNCTION touch() SET search_path = audit", "function touch()"),
    "procedure": ("DROP PROCEDURE audit.tidy", 'procedure "audit.tidy"(integer)'),
    "aggregate": ("DROP AGGREGATE total(integer)", "function total(integer)"),
    "trigger": ("DROP TRIGGER tr ON parents", "trigger tr on parents"),
    "disabled trigger": ("ALTER TABLE parents DISABLE TRIGGER tr", "trigger tr on parents"),
    "policy": ("ALTER POLICY own ON parents USING (true)", "policy own on parents"),
    "policy's roles": ("ALTER POLICY own ON parents TO app", "policy own on parents"),
    "row security": ("ALTER TABLE parents DISABLE ROW LEVEL SECURITY", "table parents"),
    "forced row security": ("ALTER TABLE parents NO FORCE ROW LEVEL SECURITY", "table parents"),
    "partial index's condition": (
        "DROP INDEX audit.ix_partial;"
        "CREATE INDEX ix_partial ON audit.loans (status, lower(body)) WHERE status IN ('open')",
        'index "audit.ix_partial"'),
    "operator class": ("DROP INDEX ix_gin; CREATE INDEX ix_gin ON cache USING gin (v)",
                       "index ix_gin"),
    "letters of an index's column": (
        'ALTER TABLE parents ADD "Name" text; DROP INDEX ix_include;'
        'CREATE INDEX ix_include ON parents ("Name") INCLUDE (note) WITH (fillfactor = 60)',
        "index ix_include"),
    "table of another schema": ("CREATE TABLE audit.more (id int)", 'table "audit.more"'),
    "column of another schema": ("ALTER TABLE audit.loans DROP COLUMN tags",
                                 'column "audit.loans".tags'),
    "schema": ('DROP SCHEMA "odd schema"', 'schema "odd schema"'),
    "granted right": ("REVOKE INSERT ON parents FROM app", "privilege table parents to app"),
    "right of a column": ("REVOKE UPDATE (note) ON parents FROM app",
                          "privilege column parents.note to app"),
    "right of a sequence": ("REVOKE ALL ON SEQUENCE audit.numbers FROM app",
                            'privilege sequence "audit.numbers" to app'),
    "right of a schema": ("REVOKE ALL ON SCHEMA audit FROM app", "privilege schema audit to app"),
    "right of all on a schema": ("REVOKE USAGE ON SCHEMA public FROM public",
                                 "privilege schema public to public"),
    "right of all on a function": ("REVOKE EXECUTE ON FUNCTION touch() FROM public",
                                   "privilege function touch() to public"),
    "right on what is new": ("ALTER DEFAULT PRIVILEGES IN SCHEMA audit REVOKE ALL ON TABLES"
                             " FROM app", "privilege default tables of postgres in audit to app"),
    "domain's check": ("ALTER DOMAIN email DROP CONSTRAINT has_at", "domain email"),
    "composite type": ("ALTER TYPE audit.pair ADD ATTRIBUTE d date", 'type "audit.pair"'),
    "extension": ("DROP EXTENSION btree_gist CASCADE", "extension btree_gist"),
    "exclusion": ("ALTER TABLE audit.loans DROP CONSTRAINT no_overlap",
                  'exclusion "audit.loans": no_overlap'),
    "rule": ("DROP RULE no_deletes ON parents", "rule no_deletes on parents"),
    "statistics": ("DROP STATISTICS st_loans", "statistics st_loans"),
    "event trigger": ("DROP EVENT TRIGGER watch", "object event trigger watch"),
    "collation of a column": ('ALTER TABLE "Odd ""Table" ALTER "ärger" TYPE text COLLATE "C"',
                              'column "Odd ""Table".ärger'),
    "default": ("ALTER TABLE parents ALTER note SET DEFAULT 'None'", "column parents.note"),
    "identity": ("ALTER TABLE audit.loans ALTER id SET GENERATED BY DEFAULT",
                 'column "audit.loans".id'),
    "logged": ("ALTER TABLE cache SET LOGGED", "table cache"),
    "storage parameter": ("ALTER TABLE cache RESET (fillfactor)", "table cache"),
    "partition": ("ALTER TABLE events DETACH PARTITION events_2020", "table events_2020"),
    "partition's bounds": (
        "ALTER TABLE events DETACH PARTITION events_2020;"
        "ALTER TABLE events ATTACH PARTITION events_2020 FOR VALUES FROM ('2020-01-01')"
        " TO ('2020-12-01')", "table events_2020"),
    "validated key": ("ALTER TABLE audit.loans VALIDATE CONSTRAINT fk_later",
                      'foreign key "audit.loans"(second_id) to parents'),
    "deferrable key": ("ALTER TABLE audit.loans ALTER CONSTRAINT fk_parent NOT DEFERRABLE",
                       'foreign key "audit.loans"(parent_id) to parents'),
    "second key on the same column": (
        "ALTER TABLE audit.loans ADD CONSTRAINT fk_two FOREIGN KEY (parent_id)"
        " REFERENCES parents (id)", 'foreign key "audit.loans"(parent_id) to parents'),
}  # fmt: skip


def test_each_kind_of_object_is_reported_and_each_kind_of_change_noticed(
    postgres_database: ServerDatabase,
) -> None:
    """One database for all: every change is undone by a rollback."""
    fill(postgres_database)
    with opened(postgres_database) as connection:
        before = read_schema(connection, VERSION_TABLE)
        assert {key: before.get(key) for key in FACTS} == FACTS
        for name, (statements, key) in CHANGES.items():
            with connection.transaction(force_rollback=True):
                connection.execute(statements.encode())
                after = read_schema(connection, VERSION_TABLE)
            assert before.get(key) != after.get(key), name
        assert read_schema(connection, VERSION_TABLE) == before


# What makes no difference to the application, or is not in a dump.
NO_CHANGES = {
    "owner": "ALTER TABLE cache OWNER TO app; ALTER FUNCTION touch() OWNER TO app",
    "order of columns": 'ALTER TABLE "Odd ""Table" DROP COLUMN "select";'
    'ALTER TABLE "Odd ""Table" ADD COLUMN "select" text;'
    'CREATE UNIQUE INDEX "Odd ix" ON "Odd ""Table" ("A b" DESC NULLS LAST,'
    ' "select" text_pattern_ops)',
    "comment": "COMMENT ON TABLE parents IS 'x'",
    "rows": "INSERT INTO parents (name, code) VALUES ('c', 'z')",
    "version table": "ALTER TABLE alembic_version ADD COLUMN more text",
    "ledger": "CREATE OR REPLACE VIEW migrations_ops_ledger AS SELECT '[1]' AS ledger",
    "temporary table": "CREATE TEMPORARY TABLE parents (id integer); CREATE TEMP VIEW v AS SELECT",
    "search path": "SET LOCAL search_path = public, audit",
    "expression in other words": "ALTER TABLE parents DROP CONSTRAINT parents_size_check;"
    "ALTER TABLE parents ADD CONSTRAINT parents_size_check CHECK (((size) > -1.5::numeric))",
}


def test_what_has_no_meaning_is_no_fact(postgres_database: ServerDatabase) -> None:
    fill(postgres_database)
    with opened(postgres_database) as connection:
        before = read_schema(connection, VERSION_TABLE)
        told = " ".join(before)
        assert "alembic_version" not in told
        assert "ledger" not in told
        assert "citext_" not in told, "what an extension brings goes with it"
        for name, statements in NO_CHANGES.items():
            with connection.transaction(force_rollback=True):
                connection.execute(statements.encode())
                after = read_schema(connection, VERSION_TABLE)
            assert after == before, name


def test_tables_are_all_that_hold_rows_of_their_own(postgres_database: ServerDatabase) -> None:
    fill(postgres_database, f"{EVERYTHING}CREATE TEMPORARY TABLE t (a integer)")
    with opened(postgres_database) as connection:
        assert read_tables(connection, VERSION_TABLE) == [
            'Odd "Table', "audit.loans", "base_of", "cache", "child_of", "events", "parents",
        ]  # fmt: skip


def test_names_of_the_schema_where_unqualified_ones_go_are_short(
    postgres_database: ServerDatabase,
) -> None:
    fill(
        postgres_database,
        "CREATE SCHEMA app; CREATE TABLE app.alembic_version (version_num text);"
        "CREATE TABLE app.loans (id serial PRIMARY KEY);"
        "CREATE TABLE public.loans (id integer REFERENCES app.loans);"
        "CREATE VIEW app.v AS SELECT a.id FROM app.loans a, public.loans",
    )
    with opened(postgres_database) as connection:
        connection.execute("SET search_path = nowhere, app, public")
        assert find_default_schema(connection) == "app"
        found = read_schema(connection, VERSION_TABLE)
        assert connection.execute("SHOW search_path").fetchone() == ("nowhere, app, public",)
        assert read_tables(connection, VERSION_TABLE, "app") == ["loans", "public.loans"]
    assert found["column loans.id"] == "integer NOT NULL DEFAULT nextval('loans_id_seq'::regclass)"
    assert found['foreign key "public.loans"(id) to loans'].startswith("(id)")
    assert found["view v"] == "select a.id from loans a,public.loans"
    assert not any("alembic_version" in key for key in found)


def test_a_half_detached_partition_is_reported_and_a_dump_knows_nothing_of_it(
    postgres_database: ServerDatabase, tmp_path: Path
) -> None:
    fill(
        postgres_database,
        "CREATE TABLE m (a integer) PARTITION BY RANGE (a);"
        'CREATE TABLE "M 2" PARTITION OF m FOR VALUES FROM (1) TO (9)',
    )
    with opened(postgres_database) as connection, opened(postgres_database) as reader:
        with reader.transaction():
            reader.execute("SELECT * FROM m")
            connection.execute("SET lock_timeout = '100ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                connection.execute('ALTER TABLE m DETACH PARTITION "M 2" CONCURRENTLY')
        half = read_schema(connection, VERSION_TABLE)
        assert half['table "M 2"'] == "PARTITION OF m for values from(1) to(9) DETACH PENDING"
        assert [(each.code, each.where) for each in findings(connection)] == [
            ("half-detached", '"M 2"')
        ]
        copied = facts(postgres_database, restored(postgres_database, tmp_path))
        assert copied == as_dumped(half) != half
        connection.execute('ALTER TABLE m DETACH PARTITION "M 2" FINALIZE')
        assert findings(connection) == []


def test_an_index_that_a_failure_left_is_named_and_is_no_fact(
    postgres_database: ServerDatabase, tmp_path: Path
) -> None:
    fill(postgres_database, "CREATE SCHEMA s; CREATE TABLE s.t (a integer)")
    postgres_database.execute("INSERT INTO s.t VALUES (1), (1)")
    with opened(postgres_database) as connection:
        assert find_invalid(connection) == []
        before = read_schema(connection, VERSION_TABLE)
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("CREATE UNIQUE INDEX CONCURRENTLY ix ON s.t (a)")
        assert [(each.name, each.table) for each in find_invalid(connection)] == [("s.ix", "s.t")]
        assert read_schema(connection, VERSION_TABLE) == before
    assert facts(postgres_database, restored(postgres_database, tmp_path)) == before


def test_schema_is_read_as_an_ordinary_role_in_a_read_only_snapshot(
    postgres_database: ServerDatabase,
) -> None:
    """Nothing is asked that only a superuser may know, and nothing is written."""
    fill(postgres_database)
    with opened(postgres_database) as connection:
        before = read_schema(connection, VERSION_TABLE)
        connection.execute("SET ROLE app")
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        found = read_schema(connection, VERSION_TABLE)
        connection.execute("SELECT 1")
    # Whoever reads them does not count its own rights.
    assert {key for key in before if key not in found} <= {
        key for key in before if key.startswith("privilege ") and key.endswith(" to app")
    }
