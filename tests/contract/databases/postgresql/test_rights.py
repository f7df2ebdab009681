"""What a role lacks is found before a release begins, and what the message names cures it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from migrations_ops.databases.postgresql.database import PostgreSQL
from migrations_ops.databases.postgresql.preflight import obstacles as rights
from migrations_ops.model.findings import Finding
from tests.contract.databases.postgresql.engines import TABLE, back_up
from tests.servers.databases import ServerDatabase
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgres import PostgresServer, quoted

pytestmark = pytest.mark.usefixtures("postgres_clients")
CURE = re.compile(r"((?:GRANT|ALTER|CREATE ROLE) [^;:]*)")


def role(
    database: ServerDatabase, name: str = "release", options: str = "CREATEDB", *, owns: bool = True
) -> PostgreSQL:
    """A role with all that it needs, unless told; and the database as it sees it."""
    server = database.server
    assert isinstance(server, PostgresServer)
    server.create_role(name, "x", options)
    if owns:
        server.execute(f"ALTER DATABASE {quoted(database.name)} OWNER TO {quoted(name)}")
    return PostgreSQL.from_url(server.url(database.name, user=name, password="x"))


def codes(found: list[Finding]) -> set[str]:
    return {each.code for each in found}


def cure(database: ServerDatabase, finding: Finding) -> None:
    """Let the administrator do what the message says, in that database."""
    found = CURE.findall(finding.message)
    assert found, finding.message
    database.execute(found[-1])


def assert_is_cured_by_what_is_advised(database: ServerDatabase, engine: PostgreSQL) -> None:
    """Each message in turn, until nothing is found any more."""
    for _ in range(5):
        found = engine.find_obstacles()
        if not found:
            return
        assert all(each.severity == "error" for each in found)
        assert all("\n" not in each.message for each in found)
        cure(database, found[0])
    raise AssertionError(found)


def test_a_role_that_has_all_finds_nothing(any_postgres: ServerDatabase) -> None:
    engine = role(any_postgres)
    any_postgres.execute("CREATE EXTENSION citext; GRANT ALL ON SCHEMA public TO release")
    assert engine.find_obstacles() == []
    assert PostgreSQL.from_url(any_postgres.url()).find_obstacles() == []


@pytest.mark.parametrize("name", ["release", "Odd 'role\" ü"])
def test_who_may_make_no_databases(name: str, any_postgres: ServerDatabase) -> None:
    engine = role(any_postgres, name, "NOCREATEDB")
    found = engine.find_obstacles()
    assert codes(found) == {"no-copies", "no-restore"}
    assert any("scratch_url" in each.message for each in found)
    for each in found:
        assert f"ALTER ROLE {quoted(name) if ' ' in name else name} CREATEDB" in each.message
    any_postgres.execute(f"ALTER ROLE {quoted(name)} CREATEDB")
    assert engine.find_obstacles() == []


@pytest.mark.parametrize("name", ["release", "Odd 'role\" ü"])
def test_who_does_not_own_the_database(name: str, any_postgres: ServerDatabase) -> None:
    role(any_postgres, "Other owner")
    engine = role(any_postgres, name, owns=False)
    [found] = engine.find_obstacles()
    assert found.code == "no-restore"
    assert 'GRANT "Other owner" TO' in found.message
    cure(any_postgres, found)
    assert engine.find_obstacles() == []


def test_who_is_a_member_and_inherits_nothing(any_postgres: ServerDatabase) -> None:
    role(any_postgres, "owner")
    engine = role(any_postgres, options="CREATEDB NOINHERIT", owns=False)
    any_postgres.execute("GRANT owner TO release")
    assert codes(engine.find_obstacles()) == {"no-restore"}


def test_who_may_go_into_no_other_database(
    postgres: PostgresServer, postgres_database: ServerDatabase
) -> None:
    engine = role(postgres_database)
    for name in ("postgres", "template1"):
        postgres.execute(f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC")
    try:
        [found] = engine.find_obstacles()
        assert found.code == "no-restore"
        assert "GRANT CONNECT ON DATABASE postgres TO release" in found.message
        cure(postgres_database, found)
        assert engine.find_obstacles() == []
    finally:
        for name in ("postgres", "template1"):
            postgres.execute(f"GRANT CONNECT ON DATABASE {name} TO PUBLIC")


def test_what_the_server_makes_as_a_part_of_something_needs_nobody(
    postgres_database: ServerDatabase, tmp_path: Path
) -> None:
    """The constructors of a range type are functions in a language for superusers."""
    engine = role(postgres_database)
    postgres_database.execute(
        "SET ROLE release; CREATE TYPE span AS RANGE (subtype = float8);"
        "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY, a span, b span[])"
    )
    assert engine.find_obstacles() == []
    backup, taken = back_up(engine, tmp_path)
    with engine.opened_copy(backup) as copy:
        assert copy.fingerprint(TABLE) == taken


def test_what_is_in_a_tablespace_of_its_own(
    postgres: PostgresServer, postgres_database: ServerDatabase, tmp_path: Path
) -> None:
    with postgres.session() as session:
        session.execute("SET allow_in_place_tablespaces = on")
        session.execute("CREATE TABLESPACE fast LOCATION ''")
    try:
        engine = role(postgres_database)
        postgres_database.execute("GRANT CREATE ON TABLESPACE fast TO release")
        postgres_database.execute("SET ROLE release; CREATE TABLE t (a int) TABLESPACE fast")
        assert engine.find_obstacles() == []
        postgres_database.execute("REVOKE CREATE ON TABLESPACE fast FROM release")
        assert_is_cured_by_what_is_advised(postgres_database, engine)
        back_up(engine, tmp_path)
        with engine.opened_copy(tmp_path / "backup.dump") as copy:
            copy.remove()
    finally:
        postgres_database.execute("DROP TABLE t")
        postgres.execute("DROP TABLESPACE fast")


THINGS = {
    "table": "CREATE TABLE t (a integer); ALTER TABLE t OWNER TO {owner}",
    "view": "CREATE VIEW v AS SELECT 1 AS a; ALTER VIEW v OWNER TO {owner}",
    "materialised view": "CREATE MATERIALIZED VIEW m AS SELECT 1 AS a;"
    "ALTER MATERIALIZED VIEW m OWNER TO {owner}",
    "sequence": "CREATE SEQUENCE s; ALTER SEQUENCE s OWNER TO {owner}",
    "schema": 'CREATE SCHEMA "Odd s" AUTHORIZATION {owner}',
    "public": "ALTER SCHEMA public OWNER TO {owner}",
    "function": "CREATE FUNCTION f(integer, text) RETURNS integer LANGUAGE sql AS 'SELECT 1';"
    "ALTER FUNCTION f OWNER TO {owner}",
    "procedure": "CREATE PROCEDURE p() LANGUAGE sql AS ''; ALTER PROCEDURE p OWNER TO {owner}",
    "aggregate": "CREATE AGGREGATE total(integer) (SFUNC = int4pl, STYPE = integer);"
    "ALTER AGGREGATE total(integer) OWNER TO {owner}",
    "type": "CREATE TYPE mood AS ENUM ('sad'); ALTER TYPE mood OWNER TO {owner}",
    "domain": "CREATE DOMAIN d AS text; ALTER DOMAIN d OWNER TO {owner}",
}


@pytest.mark.parametrize("thing", THINGS)
@pytest.mark.parametrize("owner", ["Somebody else", "postgres"])
def test_what_belongs_to_somebody_else(
    owner: str, thing: str, postgres_database: ServerDatabase
) -> None:
    engine = role(postgres_database)
    if owner != "postgres":
        role(postgres_database, owner, owns=False)
    postgres_database.execute(THINGS[thing].format(owner=quoted(owner)))
    [found] = engine.find_obstacles()
    assert found.code == "no-copies"
    # Nobody is told to make a superuser of the role, nor to become one who may make nothing there.
    is_schema = thing in ("schema", "public")
    assert ("GRANT" in found.message) == (is_schema and owner != "postgres")
    assert_is_cured_by_what_is_advised(postgres_database, engine)


def test_on_old_servers_too(any_postgres: ServerDatabase) -> None:
    engine = role(any_postgres)
    role(any_postgres, "somebody", owns=False)
    any_postgres.execute("CREATE TABLE t (a integer); ALTER TABLE t OWNER TO somebody")
    [found] = engine.find_obstacles()
    assert "may not give the TABLE t to its owner somebody" in found.message
    assert_is_cured_by_what_is_advised(any_postgres, engine)


MORE = {
    "table": "CREATE TABLE t (a integer); ALTER TABLE t OWNER TO {owner};"
    "GRANT CREATE ON SCHEMA public TO {owner}",
    "schema with a table": "CREATE SCHEMA s AUTHORIZATION {owner}; CREATE TABLE s.t (a integer);"
    "ALTER TABLE s.t OWNER TO {owner}",
    "publication": "CREATE TABLE t (a integer); ALTER TABLE t OWNER TO release;"
    "CREATE PUBLICATION p FOR TABLE t; ALTER PUBLICATION p OWNER TO {owner}",
    "collation": "CREATE COLLATION c (locale = 'C'); ALTER COLLATION c OWNER TO {owner}",
    "statistics": "CREATE TABLE t (a integer, b integer); ALTER TABLE t OWNER TO release;"
    "CREATE STATISTICS s ON a, b FROM t; ALTER STATISTICS s OWNER TO {owner}",
    "text search configuration": "CREATE TEXT SEARCH CONFIGURATION c (COPY = english);"
    "ALTER TEXT SEARCH CONFIGURATION c OWNER TO {owner}",
    "large object": "SELECT lo_from_bytea(77, 'x'); ALTER LARGE OBJECT 77 OWNER TO {owner}",
    "operator": "CREATE OPERATOR === (LEFTARG = integer, RIGHTARG = integer, FUNCTION = int4eq);"
    "ALTER OPERATOR === (integer, integer) OWNER TO {owner}",
    "default privileges": "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT SELECT ON TABLES"
    " TO release",
    "row level security": "CREATE TABLE t (a integer); INSERT INTO t VALUES (1);"
    "ALTER TABLE t OWNER TO release; ALTER TABLE t ENABLE ROW LEVEL SECURITY,"
    " FORCE ROW LEVEL SECURITY",
}


@pytest.mark.parametrize("thing", MORE)
def test_backup_can_be_restored_when_what_is_advised_was_typed(
    thing: str, postgres_database: ServerDatabase, tmp_path: Path
) -> None:
    engine = role(postgres_database)
    role(postgres_database, "somebody", "", owns=False)
    postgres_database.execute(MORE[thing].format(owner="somebody"))
    [found] = engine.find_obstacles()
    assert (found.code, found.severity) == ("no-copies", "error")
    assert_is_cured_by_what_is_advised(postgres_database, engine)
    file = tmp_path / "dump"
    taken = engine.back_up(file, "alembic_version", None)
    with engine.opened_copy(file) as copy:
        assert copy.fingerprint("alembic_version") == taken


def test_right_that_was_granted_on_by_another_role(postgres_database: ServerDatabase) -> None:
    engine = role(postgres_database)
    for name in ("app", "other"):
        role(postgres_database, name, "", owns=False)
    postgres_database.execute(
        "CREATE TABLE t (a integer); ALTER TABLE t OWNER TO release;"
        "GRANT SELECT ON t TO app WITH GRANT OPTION; SET ROLE app; GRANT SELECT ON t TO other"
    )
    [found] = engine.find_obstacles()
    assert found.code == "no-copies"
    assert "what app has granted on t" in found.message
    postgres_database.execute(
        "SET ROLE app; REVOKE SELECT ON t FROM other; SET ROLE release; GRANT SELECT ON t TO other"
    )
    assert engine.find_obstacles() == []


def test_replication_slot_that_a_restore_leaves_behind_is_named(tmp_path: Path) -> None:
    server = PostgresServer(wal_level="logical", max_replication_slots="4")
    try:
        database = ServerDatabase(server, server.create_database())
        engine = PostgreSQL.from_url(database.url())
        assert engine.find_obstacles() == []
        database.execute("SELECT pg_create_logical_replication_slot('cdc', 'pgoutput')")
        [found] = engine.find_obstacles()
        assert (found.code, found.severity, found.where) == ("replication-slot", "warning", "cdc")
        file = tmp_path / "dump"
        engine.back_up(file, "alembic_version", None)
        with engine.locked("restore", 30):
            restored = engine.restore_from(file, "alembic_version", None)
        assert "pg_drop_replication_slot('cdc')" in restored.previous
    finally:
        server.close()


def test_copies_on_another_server_do_not_hide_what_a_restore_needs(
    postgres_database: ServerDatabase,
) -> None:
    role(postgres_database)
    postgres_database.execute("CREATE PUBLICATION p FOR ALL TABLES")
    server = postgres_database.server
    assert isinstance(server, PostgresServer)
    url = server.url(postgres_database.name, user="release", password="x")
    found = PostgreSQL.from_url(url, None, server.url("postgres")).find_obstacles()
    assert codes(found) == {"no-restore"}
    assert "scratch_url" not in found[0].message


SPECIAL = {
    "the publication p of whole schemas or of all tables": "CREATE PUBLICATION p FOR ALL TABLES;"
    "ALTER PUBLICATION p OWNER TO postgres",
    "the publication s of whole schemas or of all tables": "CREATE PUBLICATION s FOR TABLES IN"
    " SCHEMA public",
    "the operator family o": "CREATE OPERATOR CLASS o FOR TYPE integer USING btree AS"
    " OPERATOR 1 <, FUNCTION 1 btint4cmp(integer, integer)",
    "the extension dblink": "CREATE EXTENSION dblink",
    "the event trigger watch": "CREATE FUNCTION see() RETURNS event_trigger LANGUAGE plpgsql"
    " AS 'BEGIN END'; ALTER FUNCTION see OWNER TO release;"
    "CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION see()",
    'the foreign data wrapper "Odd w"': 'CREATE FOREIGN DATA WRAPPER "Odd w"',
    "the function low": "CREATE FUNCTION low(cstring) RETURNS integer LANGUAGE internal"
    " AS 'int4in' STRICT; ALTER FUNCTION low OWNER TO release",
}


@pytest.mark.parametrize("what", SPECIAL)
def test_what_a_superuser_alone_can_make(what: str, postgres_database: ServerDatabase) -> None:
    engine = role(postgres_database)
    try:
        postgres_database.execute(SPECIAL[what])
    except Exception as error:
        if "is not available" not in str(error):
            raise
        pytest.skip(str(error))
    [found] = engine.find_obstacles()
    assert found.code == "no-copies"
    assert f"{what} can be made by a superuser alone" in found.message
    assert "scratch_url" in found.message
    # As a superuser on the same server, copies can be made; the exchange is still the role's.
    url, place = engine.address, postgres_database.url()
    beside = PostgreSQL.from_url(
        postgres_database.server.url(url.database, user="release", password="x"), None, place
    )
    assert codes(beside.find_obstacles()) == {"no-restore"}


def test_settings_that_only_others_may_repeat(postgres_database: ServerDatabase) -> None:
    engine = role(postgres_database)
    role(postgres_database, "app", "", owns=False)
    name = postgres_database.name
    before = "SELECT setrole::regrole::text, setconfig FROM pg_db_role_setting ORDER BY 1"
    postgres_database.execute(f"ALTER DATABASE {name} SET search_path = audit")
    assert engine.find_obstacles() == []
    postgres_database.execute(f"ALTER ROLE app IN DATABASE {name} SET app.secret = 'hidden'")
    settings = postgres_database.execute(before)
    [found] = engine.find_obstacles()
    assert (found.code, found.severity) == ("setting-left-out", "warning")
    assert 'SET "app.secret"' in found.message
    assert "hidden" not in found.message
    assert postgres_database.execute(before) == settings
    postgres_database.execute(f"ALTER ROLE app IN DATABASE {name} RESET ALL")
    assert engine.find_obstacles() == []


def test_the_owner_of_things_that_another_server_does_not_know(
    any_postgres: ServerDatabase, postgres: PostgresServer
) -> None:
    if any_postgres.server is postgres:
        pytest.skip("that would be the same server")
    any_postgres.server.execute("CREATE ROLE unknown_there LOGIN")
    any_postgres.execute("CREATE TABLE t (a integer); ALTER TABLE t OWNER TO unknown_there")
    engine = PostgreSQL.from_url(any_postgres.url(), None, postgres.url("postgres"))
    [found] = engine.find_obstacles()
    assert found.code == "no-copies"
    assert "CREATE ROLE unknown_there" in found.message
    try:
        cure(ServerDatabase(postgres, "postgres"), found)
        assert engine.find_obstacles() == []
    finally:
        postgres.drop_role("unknown_there")


def test_a_database_that_does_not_exist_yet(
    postgres: PostgresServer, postgres_database: ServerDatabase
) -> None:
    role(postgres_database)
    url = postgres.url("not yet", user="release", password="x")
    assert PostgreSQL.from_url(url).find_obstacles() == []
    postgres.execute("ALTER ROLE release NOCREATEDB")
    assert codes(PostgreSQL.from_url(url).find_obstacles()) == {"no-copies"}


def test_the_database_from_which_others_are_renamed(postgres: PostgresServer) -> None:
    [found] = PostgreSQL.from_url(postgres.url("postgres")).find_obstacles()
    assert (found.code, found.where) == ("no-restore", "postgres")


def test_a_pooler(pgbouncer: PgBouncer, postgres_database: ServerDatabase) -> None:
    found = PostgreSQL.from_url(pgbouncer.url(postgres_database.name)).find_obstacles()
    assert "pooler" in codes(found)


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ("CockroachDB CCL v24.1.0 (x86_64-pc-linux-gnu)", "CockroachDB"),
        ("PostgreSQL 11.2-YB-2.20.1.0-b0 on x86_64-pc-linux-gnu", "YugabyteDB"),
        ("PostgreSQL 8.0.2 on i686-pc-linux-gnu, Redshift 1.0.12103", "Redshift"),
    ],
)
def test_other_engines_are_known_by_what_they_say(
    version: str, name: str, postgres_database: ServerDatabase
) -> None:
    postgres_database.execute("CREATE SCHEMA pretends")
    postgres_database.execute(
        f"CREATE FUNCTION pretends.version() RETURNS text LANGUAGE sql AS $$ SELECT '{version}' $$"
    )
    postgres_database.server.execute(
        f"ALTER DATABASE {postgres_database.name} SET search_path = pretends, pg_catalog, public"
    )
    found = PostgreSQL.from_url(postgres_database.url()).find_obstacles()
    assert ("engine-untested", name) in {(each.code, each.where) for each in found}


def test_versions_on_which_nobody_tried_it(
    postgres_database: ServerDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rights, "TESTED", (15, 17))
    [found] = PostgreSQL.from_url(postgres_database.url()).find_obstacles()
    assert (found.code, found.where) == ("engine-untested", "PostgreSQL 18")


def test_a_server_that_does_not_answer(postgres: PostgresServer) -> None:
    url = postgres.url("shop", password="hidden")
    [found] = PostgreSQL.from_url(url).find_obstacles()
    assert found.code == "unreachable"
    assert "password authentication failed" in found.message
    assert "hidden" not in found.message.replace("hidden-word", "")


@pytest.mark.parametrize("inherits", ["INHERIT", "NOINHERIT"])
def test_a_role_that_becomes_another_one_at_login(
    inherits: str, postgres_database: ServerDatabase, tmp_path: Path
) -> None:
    """As some servers hand out their accounts: what one makes belongs to the role of all."""
    server = postgres_database.server
    engine = role(postgres_database, options=f"CREATEDB {inherits}", owns=False)
    role(postgres_database, "team")
    postgres_database.execute(
        "ALTER ROLE team NOLOGIN; GRANT team TO release; ALTER ROLE release SET role = 'team';"
        "SET ROLE team; CREATE TABLE t (a int); INSERT INTO t VALUES (1)"
    )
    assert engine.find_obstacles() == []
    file, taken = back_up(engine, tmp_path)
    with engine.opened_copy(file) as copy:
        assert copy.fingerprint(TABLE) == taken
    engine.restore_from(file, TABLE, None)
    assert engine.fingerprint(TABLE).rows == {"t": 1}
    owner, rights = "pg_get_userbyid(datdba)::text", "datacl IS NULL OR datacl::text !~ 'release'"
    assert server.execute(
        f"SELECT {owner}, {rights} FROM pg_database WHERE datname = %s", postgres_database.name
    ) == [("team", True)]


def test_a_role_that_becomes_another_one_in_this_database_alone(
    postgres_database: ServerDatabase, tmp_path: Path
) -> None:
    engine = role(postgres_database, owns=False)
    role(postgres_database, "team")
    name = quoted(postgres_database.name)
    postgres_database.execute(
        f"GRANT team TO release; ALTER ROLE release IN DATABASE {name} SET role = 'team'"
    )
    found = {each.code: each for each in engine.find_obstacles() if each.severity == "error"}
    assert set(found) == {"no-copies"}
    cure(postgres_database, found["no-copies"])
    assert all(each.severity != "error" for each in engine.find_obstacles())
    back_up(engine, tmp_path)
    with engine.opened_copy(tmp_path / "backup.dump") as copy:
        copy.remove()
