"""A database of PostgreSQL with an object of every kind, and its way through a dump."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from migrations_ops.databases.postgresql.schema.reading import read_schema
from tests.servers.databases import ServerDatabase
from tests.servers.postgres import PostgresServer
from tests.support import clean_environment

VERSION_TABLE = "alembic_version"
EVERYTHING = """
CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
INSERT INTO alembic_version VALUES ('r1');
CREATE VIEW migrations_ops_ledger AS SELECT '{"format": 1, "runs": []}' AS ledger;
GRANT SELECT ON alembic_version, migrations_ops_ledger TO app;
CREATE SCHEMA audit;
CREATE SCHEMA "odd schema";
CREATE EXTENSION citext;
CREATE EXTENSION btree_gist;
CREATE TYPE mood AS ENUM ('sad', 'it''s ok', 'happy');
ALTER TYPE mood ADD VALUE 'meh' BEFORE 'happy';
CREATE TYPE audit.pair AS (a integer, "B" varchar(10), c text COLLATE "C");
CREATE TYPE span AS RANGE (subtype = float8);
CREATE DOMAIN email AS citext CONSTRAINT has_at CHECK (VALUE ~ '@' AND length(VALUE) > 3)
  DEFAULT 'a@b' NOT NULL;
CREATE COLLATION audit.german FROM "C";
CREATE SEQUENCE audit.numbers AS smallint START 5 INCREMENT 2 MAXVALUE 99 CYCLE CACHE 3;
CREATE TABLE parents (id serial PRIMARY KEY, name text NOT NULL, note varchar(20) DEFAULT 'none',
  code text COLLATE "C", size numeric(10,2) CHECK (size > -1.5),
  CONSTRAINT uq_code UNIQUE NULLS NOT DISTINCT (code) INCLUDE (note) WITH (fillfactor = 80));
CREATE TABLE audit.loans (id bigint GENERATED ALWAYS AS IDENTITY (START WITH 10 INCREMENT BY 5),
  parent_id integer, second_id integer, status varchar(10) NOT NULL DEFAULT 'open',
  mood mood DEFAULT 'sad', tags text[] DEFAULT '{}'::text[], due date DEFAULT CURRENT_DATE,
  doubled bigint GENERATED ALWAYS AS (second_id * 2) STORED, mail email, who audit.pair,
  during tstzrange, body text,
  CONSTRAINT pk_loans PRIMARY KEY (id),
  CONSTRAINT fk_parent FOREIGN KEY (parent_id) REFERENCES parents (id)
    ON UPDATE CASCADE ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED,
  CONSTRAINT ck_status CHECK (status IN ('open', 'closed')
    AND second_id BETWEEN 1 AND 9 AND id > 0),
  CONSTRAINT ck_constants CHECK (id > -1::integer AND parent_id > -1.5::numeric),
  CONSTRAINT ck_alone CHECK (parent_id > 0) NO INHERIT,
  CONSTRAINT no_overlap EXCLUDE USING gist (parent_id WITH =, during WITH &&)
    WHERE (status <> 'closed'));
ALTER TABLE audit.loans ALTER body SET STORAGE EXTERNAL, ALTER body SET COMPRESSION pglz;
ALTER TABLE audit.loans ADD CONSTRAINT ck_later CHECK (due > '2000-01-01') NOT VALID;
ALTER TABLE audit.loans ADD CONSTRAINT fk_later FOREIGN KEY (second_id) REFERENCES parents
  MATCH FULL NOT VALID;
CREATE TABLE "Odd ""Table" ("A b" integer REFERENCES parents, "select" text, "ärger" text UNIQUE);
CREATE UNLOGGED TABLE cache (k text, v jsonb) WITH (fillfactor = 70, autovacuum_enabled = off);
CREATE TABLE base_of (id integer);
CREATE TABLE child_of (extra text) INHERITS (base_of);
CREATE TABLE events (id integer NOT NULL, at date NOT NULL, kind text, PRIMARY KEY (id, at))
  PARTITION BY RANGE (at);
CREATE TABLE events_2020 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE events_other PARTITION OF events DEFAULT;
CREATE INDEX ix_events ON events (kind);
ALTER TABLE events ADD CONSTRAINT fk_event FOREIGN KEY (id) REFERENCES parents;
CREATE INDEX ix_partial ON audit.loans (status, lower(body)) WHERE status IN ('open', 'x');
CREATE UNIQUE INDEX "Odd ix" ON "Odd ""Table" ("A b" DESC NULLS LAST, "select" text_pattern_ops);
CREATE INDEX ix_gin ON cache USING gin (v jsonb_path_ops);
CREATE INDEX ix_include ON parents (name) INCLUDE (note) WITH (fillfactor = 60);
CREATE VIEW open_loans WITH (security_barrier = true) AS
  SELECT l.id, p.name FROM audit.loans l JOIN parents p ON p.id = l.parent_id
  WHERE l.status IN ('open', 'x') AND l.second_id BETWEEN 1 AND 3 AND p.size > 0;
CREATE VIEW audit.literals AS SELECT * FROM (SELECT id, 'a' AS k FROM base_of
  UNION ALL SELECT -1::integer, 'none') q WHERE EXISTS (SELECT 'x' FROM cache);
CREATE VIEW audit.mine AS SELECT id FROM audit.loans WITH CASCADED CHECK OPTION;
CREATE MATERIALIZED VIEW totals AS SELECT status, count(*) AS n FROM audit.loans GROUP BY status;
CREATE UNIQUE INDEX ix_totals ON totals (status);
CREATE MATERIALIZED VIEW unfilled AS SELECT 1 AS one WITH NO DATA;
CREATE FUNCTION add(a integer, b integer DEFAULT 1) RETURNS integer LANGUAGE sql IMMUTABLE STRICT
  PARALLEL SAFE AS $$ SELECT a + b -- 'x' $$;
CREATE FUNCTION add(a text, VARIADIC b text[]) RETURNS TABLE (one text, two text)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = audit COST 7 ROWS 3
  AS $body$ BEGIN RETURN QUERY SELECT a, b[1]; END $body$;
CREATE FUNCTION audit.latest(day date) RETURNS bigint LANGUAGE sql
  BEGIN ATOMIC SELECT max(id) FROM audit.loans WHERE due = day AND status IN ('open', 'x'); END;
CREATE PROCEDURE audit.tidy(days integer) LANGUAGE sql AS 'DELETE FROM cache';
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE FUNCTION see() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
CREATE AGGREGATE total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0');
CREATE TRIGGER tr BEFORE UPDATE OF name, note ON parents FOR EACH ROW
  WHEN (old.note IS DISTINCT FROM new.note AND new.note IN ('a', 'b')) EXECUTE FUNCTION touch();
CREATE TRIGGER tr AFTER INSERT ON audit.loans REFERENCING NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION touch('x');
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON parents DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER sleeping AFTER DELETE ON parents FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE parents DISABLE TRIGGER sleeping;
CREATE TRIGGER on_parts AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION touch();
CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION see();
CREATE RULE no_deletes AS ON DELETE TO parents WHERE old.id = 1 DO INSTEAD NOTHING;
CREATE STATISTICS st_loans (dependencies) ON status, due FROM audit.loans;
CREATE STATISTICS st_open ON (status IN ('open', 'x')), due FROM audit.loans;
ALTER TABLE parents ENABLE ROW LEVEL SECURITY;
ALTER TABLE parents FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON parents FOR SELECT TO app, "Odd role" USING (name = CURRENT_USER);
CREATE POLICY never ON parents AS RESTRICTIVE USING (true) WITH CHECK (name IN ('a', 'b'));
ALTER TABLE audit.loans REPLICA IDENTITY FULL;
GRANT SELECT, INSERT ON parents TO app;
GRANT SELECT ON parents TO "Odd role" WITH GRANT OPTION;
GRANT UPDATE (note) ON parents TO app;
GRANT USAGE ON SEQUENCE audit.numbers TO app;
GRANT SELECT ON open_loans TO PUBLIC;
GRANT USAGE ON SCHEMA audit TO app;
REVOKE EXECUTE ON FUNCTION add(integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION add(integer, integer) TO app;
REVOKE USAGE ON TYPE mood FROM PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA audit GRANT SELECT ON TABLES TO app;
CREATE FOREIGN DATA WRAPPER wrapper;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER wrapper;
CREATE FOREIGN TABLE far (id integer) SERVER elsewhere;
CREATE CAST (mood AS integer) WITH INOUT;
INSERT INTO parents (name, code) VALUES ('a', 'x'), ('b', 'y');
INSERT INTO events VALUES (1, '2020-05-05', 'x'), (2, '2022-01-01', 'y');
"""
# What only newer servers have.
NEWER = {
    180000: """
CREATE TABLE virtual_one (a integer, b integer GENERATED ALWAYS AS (a * 3) VIRTUAL);
ALTER TABLE virtual_one ADD CONSTRAINT not_yet NOT NULL a NOT VALID;
ALTER TABLE virtual_one ADD CONSTRAINT loose CHECK (a > 0) NOT ENFORCED;
CREATE TABLE rooms (id integer, during tstzrange, PRIMARY KEY (id, during WITHOUT OVERLAPS));
CREATE TABLE bookings (id integer, during tstzrange,
  FOREIGN KEY (id, PERIOD during) REFERENCES rooms (id, PERIOD during));
""",
}


def server_of(database: ServerDatabase) -> PostgresServer:
    assert isinstance(database.server, PostgresServer)
    return database.server


@contextmanager
def opened(database: ServerDatabase, name: str = "") -> Iterator[psycopg.Connection[Any]]:
    """A connection of the superuser, in autocommit."""
    with server_of(database).session(name or database.name) as connection:
        yield connection


def fill(database: ServerDatabase, sql: str = EVERYTHING) -> None:
    """Make one object of every kind, and the roles that they need."""
    server = server_of(database)
    for role in ("app", "Odd role"):
        if role not in server.roles():
            server.create_role(role, "secret")
    database.execute(sql)
    if sql is EVERYTHING:
        [(version,)] = database.execute("SELECT current_setting('server_version_num')::int")
        for since, more in NEWER.items():
            if version >= since:
                database.execute(more)


def facts(database: ServerDatabase, name: str = "") -> dict[str, str]:
    with opened(database, name) as connection:
        return read_schema(connection, VERSION_TABLE)


def restored(database: ServerDatabase, folder: Path) -> str:
    """A new database of the same server, restored from a dump of this one; returns its name."""
    server = server_of(database)
    copy = server.create_database(options="TEMPLATE template0")
    environment = clean_environment(PGPASSWORD=server.password)
    if os.name == "posix":
        environment["LD_LIBRARY_PATH"] = str(server.bin.parent / "lib")
    where = ["-h", server.host, "-p", str(server.port), "-U", "postgres"]
    for argv in (
        ["pg_dump", *where, "-Fc", "-f", str(folder / "dump"), "-d", database.name],
        ["pg_restore", *where, "--exit-on-error", "-d", copy, str(folder / "dump")],
    ):
        program = str(server.bin / argv[0])
        done = subprocess.run(
            [program, *argv[1:]], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    return copy
