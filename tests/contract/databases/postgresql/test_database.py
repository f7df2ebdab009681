"""The engine of PostgreSQL: what it sees of a database, its backups, its ledger, its way back."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from migrations_ops.child.protocol.ledger import NAME as LEDGER
from migrations_ops.databases.postgresql.connect import connect
from migrations_ops.databases.postgresql.database import PostgreSQL
from migrations_ops.databases.row_changes import Pair, RowQuery
from migrations_ops.model.errors import Refused, StepFailed
from tests.contract.databases.postgresql.engines import TABLE, back_up, engine_of, filled
from tests.contract.databases.test_backups import LARGE
from tests.servers.databases import ServerDatabase, swept
from tests.servers.postgres import PostgresServer, quoted
from tests.servers.proxy import Proxy
from tests.support import wait_for

pytestmark = pytest.mark.usefixtures("postgres_clients")


# -- looking --------------------------------------------------------------------------------------


def test_tables_are_counted_without_those_of_alembic_and_of_extensions(
    any_postgres: ServerDatabase,
) -> None:
    engine = filled(any_postgres)
    any_postgres.execute("CREATE SCHEMA audit; CREATE TABLE audit.log (a integer)")
    inspection = engine.inspect(TABLE)
    assert (inspection.versioned, inspection.revisions, inspection.tables) == (True, ("r1",), 3)


@pytest.mark.parametrize("name", ["Odd \"vers'ion", "select", "ünï", "a.b", "{x} 100%s"])
def test_a_version_table_of_any_name_is_read_in_its_own_schema_alone(
    name: str, any_postgres: ServerDatabase
) -> None:
    odd = quoted(name)
    any_postgres.execute(
        f"CREATE TABLE {odd} AS SELECT 'r7'::varchar AS version_num; CREATE SCHEMA {odd};"
        f"CREATE TABLE {odd}.{odd} AS SELECT 'r8'::varchar AS version_num;"
        f"CREATE TABLE {odd}.there AS SELECT 'r8'::varchar AS version_num"
    )
    assert engine_of(any_postgres).inspect(name).revisions == ("r7",)
    assert engine_of(any_postgres, schema=name).inspect(name).revisions == ("r8",)
    assert not engine_of(any_postgres).inspect("there").versioned
    assert not engine_of(any_postgres, schema="no such").inspect(name).versioned


@pytest.mark.parametrize(
    "whose", ["DATABASE {}", 'ROLE "the app"', 'ROLE "the app" IN DATABASE {}', "SYSTEM"]
)
def test_a_database_that_may_only_be_read_is_refused_with_what_cures_it(
    any_postgres: ServerDatabase, whose: str
) -> None:
    server = any_postgres.server
    assert isinstance(server, PostgresServer)
    server.create_role("the app", "x")
    server.execute(f'ALTER DATABASE {any_postgres.name} OWNER TO "the app"')
    engine = PostgreSQL.from_url(server.url(any_postgres.name, user="the app", password="x"))
    engine.require_usable()
    with server.session() as writes:
        writes.execute("SET default_transaction_read_only = off")
        setting = f"ALTER {whose.format(any_postgres.name)} SET default_transaction_read_only"
        writes.execute(f"{setting} = on".encode())
        writes.execute("SELECT pg_reload_conf()")
        try:
            wait_for(lambda: is_only_read(engine))
            with pytest.raises(Refused, match="default_transaction_read_only is on") as caught:
                engine.require_usable()
            assert "primary" not in caught.value.next
            with server.session(any_postgres.name) as typed:
                for statement in caught.value.next.split("; "):
                    typed.execute(statement.encode())
            wait_for(lambda: not is_only_read(engine))
        finally:
            writes.execute("ALTER SYSTEM RESET default_transaction_read_only")
            writes.execute("SELECT pg_reload_conf()")


def is_only_read(engine: PostgreSQL) -> bool:
    try:
        engine.require_usable()
    except Refused:
        return True
    return False


def test_what_the_encoding_of_the_clients_lacks_is_in_a_backup(
    any_postgres: ServerDatabase, tmp_path: Path
) -> None:
    engine = filled(any_postgres)
    any_postgres.execute(
        f"ALTER DATABASE {any_postgres.name} SET client_encoding = latin1;"
        "CREATE TABLE words (日本 text); INSERT INTO words VALUES ('日本語')"
    )
    file, taken = back_up(engine, tmp_path)
    with engine.opened_copy(file) as copy:
        assert copy.fingerprint(TABLE) == taken
    with engine.locked("restore", 30):
        engine.restore_from(file, TABLE, None)
    with connect(engine.address) as connection:
        assert connection.execute("TABLE words").fetchall() == [("日本語",)]


def test_two_urls_of_one_database_are_the_same(postgres: PostgresServer) -> None:
    one = PostgreSQL.from_url(f"postgresql://u:p@localhost:{postgres.port}/shop")
    same = PostgreSQL.from_url(
        f"postgresql+asyncpg://other@127.0.0.1:{postgres.port}/shop?ssl=true"
    )
    assert one.same_as(same)
    assert one.lock_order == same.lock_order
    for url in (f"postgresql://u@localhost:{postgres.port}/Shop", "postgresql://u@localhost/shop",
                f"postgresql://u@/shop?host=/run/pg&port={postgres.port}"):  # fmt: skip
        assert not one.same_as(PostgreSQL.from_url(url))
    folders = [PostgreSQL.from_url(f"postgresql:///shop?host=/run/{n}") for n in "ab"]
    assert not folders[0].same_as(folders[1])


# -- backups --------------------------------------------------------------------------------------


def test_a_backup_sees_one_moment_of_a_database_that_is_written(
    postgres: PostgresServer, postgres_database: ServerDatabase, tmp_path: Path
) -> None:
    engine = filled(postgres_database)
    postgres_database.execute(
        "CREATE TABLE left_side AS SELECT 0 AS n; CREATE TABLE right_side AS SELECT 0 AS n"
    )
    done = threading.Event()

    def write() -> None:
        with postgres.session(postgres_database.name) as session:
            while not done.is_set():
                session.execute("UPDATE left_side SET n = n + 1; UPDATE right_side SET n = n + 1")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            file, taken = back_up(engine, tmp_path, str(number))
            with engine.opened_copy(file) as copy:
                assert copy.fingerprint(TABLE) == taken
                [(same,)] = ServerDatabase(postgres, copy.address.database).execute(
                    "SELECT l.n = r.n FROM left_side l, right_side r"
                )
                assert same
    finally:
        done.set()
        writer.join()


def test_what_was_written_is_seen_at_a_glance(any_postgres: ServerDatabase) -> None:
    engine = filled(any_postgres)

    def looks_unseen() -> bool:
        before = engine.stamp_of_content()
        engine.inspect(TABLE)
        engine.fingerprint(TABLE)
        return engine.stamp_of_content() == before != {}

    # The number is that of the whole server, whose autovacuum may take one meanwhile.
    assert any(looks_unseen() for _ in range(5))
    before = engine.stamp_of_content()
    any_postgres.execute("UPDATE parents SET name = 'x' WHERE id = 3")
    assert engine.stamp_of_content() != before


# -- restoring ------------------------------------------------------------------------------------


def test_a_restore_happens_on_the_server_itself_wherever_copies_are_made(
    any_postgres: ServerDatabase, postgres: PostgresServer, tmp_path: Path
) -> None:
    if any_postgres.server is postgres:
        pytest.skip("that would be the same server")
    filled(any_postgres)
    # One of the same name, with content of its own, stands where copies are made.
    postgres.create_database(any_postgres.name)
    place = ServerDatabase(postgres, any_postgres.name)
    place.execute("CREATE TABLE precious AS SELECT 1 AS a")
    before = postgres.databases()
    try:
        engine = engine_of(any_postgres, scratch_url=place.url())
        file, taken = back_up(engine, tmp_path)
        with engine.locked("restore", 30):
            with engine.opened_copy(file) as copy:
                assert copy.fingerprint(TABLE) == taken
                assert copy.redirect() is not None
            any_postgres.execute("UPDATE parents SET name = 'wrong'")
            assert engine.restore_from(file, TABLE, None).now == taken
            assert engine.unchanged_since(taken, None, TABLE)
            any_postgres.server.drop_database(any_postgres.name)
            engine._own.lock.let_go() if engine._own.lock else None
            engine.prepare()
            assert any_postgres.name in any_postgres.server.databases()
            engine.remove()
            assert any_postgres.name not in any_postgres.server.databases()
        assert postgres.databases() == before
        assert place.execute("TABLE precious") == [(1,)]
    finally:
        postgres.drop_database(any_postgres.name)


@pytest.mark.parametrize("way", ["database", "url"])
def test_a_copy_on_another_server_has_the_search_path_of_the_real_one(
    any_postgres: ServerDatabase, postgres: PostgresServer, tmp_path: Path, way: str
) -> None:
    if any_postgres.server is postgres:
        pytest.skip("that would be the same server")
    any_postgres.execute(
        "CREATE SCHEMA app; CREATE TABLE app.loans (id serial PRIMARY KEY);"
        "CREATE TABLE app.alembic_version AS SELECT 'r1'::text AS version_num"
    )
    url = any_postgres.url()
    if way == "url":
        url += f"{'&' if '?' in url else '?'}options=-csearch_path%3Dapp,public"
    else:
        any_postgres.execute(f"ALTER DATABASE {any_postgres.name} SET search_path = app, public")
    engine = PostgreSQL.from_url(url, scratch_url=postgres.url("postgres"))
    file, taken = back_up(engine, tmp_path)
    assert taken.revisions == ("r1",)
    assert "table loans" in taken.schema
    with engine.locked("backup", 30), engine.opened_copy(file) as copy:
        assert copy.fingerprint(TABLE) == taken


# -- a place for what does not exist yet ----------------------------------------------------------


EMPTY = {
    "nothing": "SELECT 1",
    "versions": "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)",
    "versions elsewhere": 'CREATE TABLE "Odd v" (version_num varchar(32))',
    "ledger": f'CREATE VIEW {LEDGER} AS SELECT \'{{"format": 1, "runs": []}}\'::text AS ledger',
    "extension": "CREATE EXTENSION citext; CREATE EXTENSION hstore",
}
HOLDS = {
    "table": "CREATE TABLE t (a integer)",
    "table in a schema": "CREATE SCHEMA s; CREATE TABLE s.t (a integer)",
    "schema": "CREATE SCHEMA s",
    "partitioned": "CREATE TABLE t (a integer) PARTITION BY RANGE (a)",
    "revision": "CREATE TABLE alembic_version AS SELECT 'r1'::varchar AS version_num",
    "more columns": "CREATE TABLE alembic_version (version_num text, other text)",
    "view": "CREATE VIEW v AS SELECT 1 AS a",
    "materialised view": "CREATE MATERIALIZED VIEW v AS SELECT 1 AS a",
    "sequence": "CREATE SEQUENCE s",
    "function": "CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "enum": "CREATE TYPE mood AS ENUM ('sad')",
    "composite": "CREATE TYPE pair AS (a integer, b integer)",
    "domain": "CREATE DOMAIN d AS text",
    "large object": "SELECT lo_from_bytea(0, 'x')",
    "ledger that is a table": f"CREATE TABLE {LEDGER} (a text)",
    "foreign table": "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
    "CREATE FOREIGN TABLE far (a integer) SERVER s",
}


def test_nothing_that_holds_something_is_ever_removed(any_postgres: ServerDatabase) -> None:
    server, wrong = any_postgres.server, []
    for what, sql in (EMPTY | HOLDS).items():
        server.create_database("holds")
        server.execute(sql, database="holds")
        engine = PostgreSQL.from_url(server.url("holds"))
        with engine.locked("release", 30):
            engine.remove()
            engine.require_lock()
        if ("holds" in server.databases()) != (what in HOLDS):
            wrong.append(what)
        server.drop_database("holds")
    assert wrong == []


def test_a_database_in_which_somebody_sits_is_not_removed(
    postgres: PostgresServer, postgres_database: ServerDatabase
) -> None:
    with postgres.session(postgres_database.name):
        engine_of(postgres_database).remove()
    assert postgres_database.name in postgres.databases()


# -- the ledger -----------------------------------------------------------------------------------


def test_identities_distinguish_servers_and_databases(
    any_postgres: ServerDatabase, postgres: PostgresServer
) -> None:
    plain = any_postgres.server.execute("CREATE ROLE plain LOGIN PASSWORD 'x'")
    assert plain == []
    url = any_postgres.server.url(any_postgres.name, user="plain", password="x")
    assert PostgreSQL.from_url(url).identity() == engine_of(any_postgres).identity()
    others = [PostgreSQL.from_url(postgres.url("postgres")),
              PostgreSQL.from_url(any_postgres.server.url("postgres"))]  # fmt: skip
    assert engine_of(any_postgres).identity() not in {other.identity() for other in others}


@pytest.mark.slow
def test_a_network_that_hangs_is_noticed_in_the_middle_of_long_work(
    postgres: PostgresServer,
    postgres_database: ServerDatabase,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    postgres_database.execute(";".join(LARGE["postgresql"]))
    monkeypatch.setattr("migrations_ops.databases.postgresql.connect.ANSWER_SECONDS", 1)
    with Proxy(postgres.host, postgres.port) as proxy:
        far = PostgreSQL.from_url(proxy.through(postgres_database.url()))
        hang = threading.Timer(0.5, proxy.hang)
        hang.start()
        with pytest.raises(StepFailed) as raised:
            far.back_up(tmp_path / "far.dump", TABLE, None)
    assert "does not answer any more" in raised.value.what


def test_a_schema_public_that_was_dropped_does_not_come_back(
    postgres_database: ServerDatabase, tmp_path: Path
) -> None:
    postgres_database.execute(
        "CREATE SCHEMA own; CREATE TABLE own.t (a int); DROP SCHEMA public; "
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = own',"
        " current_database()); END $$"
    )
    engine = engine_of(postgres_database)
    file, _ = back_up(engine, tmp_path)
    engine.restore_from(file, TABLE, None)
    assert postgres_database.execute("SELECT to_regnamespace('public')") == [(None,)]


def test_a_database_without_an_encoding_is_read_and_backed_up(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    """Its bytes may be of any encoding."""
    with swept(postgres):
        kind = "ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
        database = ServerDatabase(postgres, postgres.create_database(options=kind))
        database.execute(
            r"CREATE TABLE t (a text DEFAULT E'\351'); INSERT INTO t VALUES (E'\351'), (E'\370');"
            r"CREATE FUNCTION f() RETURNS text LANGUAGE sql AS E'SELECT ''\351''::text'"
        )
        engine = engine_of(database)
        file, taken = back_up(engine, tmp_path)
        with engine.opened_copy(file) as copy:
            assert copy.fingerprint(TABLE) == taken
            assert copy.compare_content(file, RowQuery([Pair("t", "t")], True), None).tables == ()
            copy.remove()
