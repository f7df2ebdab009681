"""Copies come and go and nothing else does; the exchange loses nothing, whoever dies meanwhile."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from migrations_ops.databases.address import Address
from migrations_ops.databases.postgresql import copies as postgresql_copies
from migrations_ops.databases.postgresql.connect import connect
from migrations_ops.databases.postgresql.copies import Copies
from migrations_ops.databases.postgresql.database import PostgreSQL
from migrations_ops.databases.postgresql.dump import dump, require_tools
from migrations_ops.databases.postgresql.preflight.settings import kind_of
from migrations_ops.model.errors import StepFailed
from tests.servers.databases import ServerDatabase
from tests.servers.postgres import PostgresServer, quoted

pytestmark = pytest.mark.usefixtures("postgres_clients")
# As long as a name may be, with everything that needs quoting, and with a word of the language.
ODD = ["x" * 63, 'Shop\'s "100%" {brace} back\\slash a-b.c', "ünïcode 日本語 " + "ö" * 18, "select"]


def server_of(database: ServerDatabase) -> PostgresServer:
    assert isinstance(database.server, PostgresServer)
    return database.server


def address_of(database: ServerDatabase) -> Address:
    return Address.of(database.url())


def copies_of(address: Address) -> Copies:
    return Copies(address, address)


def dumped(address: Address, into: Path) -> Path:
    """A backup of what a database holds."""
    with connect(address) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        [(snapshot,)] = connection.execute("SELECT pg_export_snapshot()").fetchall()
        found = require_tools(connection.info.server_version // 10000)
        dump(address, into, tools=found, snapshot=str(snapshot), sizes={}, progress=None)
    return into


def filled(database: ServerDatabase, folder: Path) -> Path:
    """A backup of a table with the row ``old``, which the database loses for ``new`` then."""
    database.execute("CREATE TABLE t (a text); INSERT INTO t VALUES ('old')")
    file = dumped(address_of(database), folder / "dump")
    database.execute("UPDATE t SET a = 'new'")
    return file


@contextmanager
def plain_role(database: ServerDatabase, options: str = "CREATEDB") -> Iterator[Address]:
    """A role that owns the database and is no superuser."""
    server = server_of(database)
    server.create_role("release", "x", options)
    server.execute(f"ALTER DATABASE {quoted(database.name)} OWNER TO release")
    yield Address.of(server.url(database.name, user="release", password="x"))


# -- copies ---------------------------------------------------------------------------------------


def test_a_backup_is_restored_once_until_another_one_takes_its_room(
    any_postgres: ServerDatabase, tmp_path: Path
) -> None:
    file, server = filled(any_postgres, tmp_path), any_postgres.server
    other = dumped(address_of(any_postgres), tmp_path / "other")
    before = server.databases()
    copies = copies_of(address_of(any_postgres))
    restored = copies.restored(file)
    assert copies.restored(file) == restored
    clone = copies.clone(file)
    server.execute("UPDATE t SET a = 'scratch'", database=clone.database)
    for address, value in ((restored, "old"), (clone, "scratch"), (copies.clone(file), "old")):
        assert server.execute("TABLE t", database=address.database) == [(value,)]
    second = copies.restored(other)
    assert server.execute("TABLE t", database=second.database) == [("new",)]
    assert restored.database not in server.databases()
    copies.sweep()
    assert server.databases() == before


def test_a_copy_is_closed_to_everybody_else(
    postgres_database: ServerDatabase, tmp_path: Path
) -> None:
    server = server_of(postgres_database)
    server.create_role("somebody", "x")
    copies = copies_of(address_of(postgres_database))
    file = filled(postgres_database, tmp_path)
    for address in (copies.restored(file), copies.clone(file), copies.clone(None)):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            server.session(address.database, user="somebody", password="x").__enter__()


def test_only_copies_of_this_database_are_swept(
    postgres: PostgresServer, postgres_database: ServerDatabase
) -> None:
    copies = copies_of(address_of(postgres_database))
    left = copies.make().database
    others = [copies_of(address_of(postgres_database).of_database(name)) for name in ODD]
    kept = {each.make().database for each in others}
    assert len({each.prefix for each in (copies, *others)}) == len(ODD) + 1
    kept |= {
        postgres.create_database(name)
        for name in (f"x{copies.prefix}1", copies.prefix.upper(), copies.prefix[:-1], "plain",
                     copies.prefix.replace("_", "x"))
    }  # fmt: skip
    copies_of(address_of(postgres_database)).sweep()
    assert left not in postgres.databases()
    assert kept <= postgres.databases()
    with pytest.raises(AssertionError):
        copies.drop(copies.scratch_server.of_database("plain"))
    assert "plain" in postgres.databases()


def test_a_copy_in_which_somebody_sits_is_swept_all_the_same(
    postgres: PostgresServer, postgres_database: ServerDatabase
) -> None:
    copies = copies_of(address_of(postgres_database))
    left = copies.make().database
    with postgres.session(left):
        copies.sweep()
    assert left not in postgres.databases()


def test_a_role_that_may_make_no_databases_is_reported(postgres_database: ServerDatabase) -> None:
    with plain_role(postgres_database, "NOCREATEDB") as address:
        with pytest.raises(StepFailed) as raised:
            copies_of(address).make()
        assert "permission denied to create database" in raised.value.what
        assert raised.value.next
        copies_of(address).sweep()


def test_copies_are_made_on_another_server_where_one_is_named(
    any_postgres: ServerDatabase, postgres: PostgresServer, tmp_path: Path
) -> None:
    if any_postgres.server is postgres:
        pytest.skip("that would be the same server")
    file = filled(any_postgres, tmp_path)
    place = Address.of(postgres.url(postgres.create_database("test_place")))
    before, own = postgres.databases(), any_postgres.server.databases()
    copies = Copies(address_of(any_postgres), place)
    try:
        clone = copies.clone(file)
        assert postgres.execute("TABLE t", database=clone.database) == [("old",)]
        assert any_postgres.server.databases() == own
        copies.sweep()
        assert postgres.databases() == before
    finally:
        postgres.drop_database("test_place")


# -- what a database is beside its content --------------------------------------------------------

KINDS = {
    "C": "ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER libc",
    "libc": "ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C' LOCALE_PROVIDER libc",
    "icu": "LOCALE_PROVIDER icu ICU_LOCALE 'de-DE' ENCODING 'UTF8'",
    "icu rules": "LOCALE_PROVIDER icu ICU_LOCALE 'und' ICU_RULES '& a < ö' ENCODING 'UTF8'",
    "builtin": "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' ENCODING 'UTF8'",
}
SAME = (
    "SELECT to_jsonb(d) - '{oid,datname,datacl,datfrozenxid,datminmxid,datcollversion}'::text[]"
    " FROM pg_database d WHERE datname = %s"
)


@pytest.mark.parametrize("kind", KINDS)
def test_copies_are_of_the_same_kind(
    kind: str, any_postgres: ServerDatabase, tmp_path: Path
) -> None:
    server = server_of(any_postgres)
    try:
        name = server.create_database("kind", options=f"TEMPLATE template0 {KINDS[kind]}")
    except psycopg.Error as error:
        pytest.skip(f"this server has not that kind: {error}")
    address = address_of(any_postgres).of_database(name)
    server.execute("CREATE TABLE t AS SELECT 'a' AS a", database=name)
    file = dumped(address, tmp_path / "dump")
    copies = copies_of(address)
    wanted = server.execute(SAME, name)
    for copy in (copies.restored(file), copies.clone(file), copies.clone(None)):
        assert server.execute(SAME, copy.database) == wanted
    copies.exchange(copies.take(file))
    assert server.execute(SAME, name) == wanted


def test_a_database_stays_in_its_tablespace(
    postgres: PostgresServer, postgres_database: ServerDatabase, tmp_path: Path
) -> None:
    with postgres.session() as session:
        session.execute("SET allow_in_place_tablespaces = on")
        session.execute("CREATE TABLESPACE apart LOCATION ''")
    name = postgres.create_database("moved", options="TABLESPACE apart")
    address = address_of(postgres_database).of_database(name)
    try:
        wanted = postgres.execute(SAME, name)
        copies = copies_of(address)
        assert postgres.execute(
            SAME, copies.restored(dumped(address, tmp_path / "d")).database
        ) == (wanted)
        copies.sweep()
        with plain_role(ServerDatabase(postgres, name)) as plain, connect(plain) as connection:
            # Who may put nothing there gets his copies elsewhere.
            assert "apart" not in kind_of(plain, connection).as_string()
    finally:
        postgres.drop_database(name)
        postgres.execute("DROP TABLESPACE apart")


# Given to a database; each as (whose, name, what is told to SET).
SETTINGS = [
    ("DATABASE {}", "search_path", '"$user", public, \'Odd, "schema\', "select"'),
    ("ROLE app IN DATABASE {}", "search_path", "''"),
    ('ROLE "Odd \'role" IN DATABASE {}', "search_path", "audit"),
    ("DATABASE {}", "temp_tablespaces", "''"),
    ("DATABASE {}", "session_preload_libraries", "'auto_explain', '$libdir/plpgsql'"),
    ("DATABASE {}", "DateStyle", "German, DMY"),
    ("DATABASE {}", "TimeZone", "'Asia/Tokyo'"),
    ("DATABASE {}", "app.secret", "'it''s a \\ \"secret\" = 100% {{x}}'"),
    ("DATABASE {}", "application_name", "''"),
    ("ROLE app IN DATABASE {}", "statement_timeout", "'5s'"),
    ("DATABASE {}", "default_transaction_read_only", "off"),
    ("DATABASE {}", "work_mem", "'77kB'"),
]
DRESS = """
SELECT (SELECT jsonb_agg(jsonb_build_array(r.rolname, setting) ORDER BY r.rolname, setting)
        FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = setrole, unnest(setconfig) setting
        WHERE setdatabase = d.oid),
    (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(datacl) a),
    datconnlimit, shobj_description(oid, 'pg_database'), pg_get_userbyid(datdba)
FROM pg_database d WHERE datname = %s
"""


def dress(database: ServerDatabase, owner: str) -> None:
    """Give a database something of everything that is beside its content."""
    server = server_of(database)
    for role in ("app", "Odd 'role"):
        server.create_role(role, "x")
    name = quoted(database.name)
    for whose, setting, value in SETTINGS:
        server.execute(f'ALTER {whose.format(name)} SET "{setting}" TO {value.format()}')
    server.execute(
        f"ALTER DATABASE {name} OWNER TO {owner}; REVOKE ALL ON DATABASE {name} FROM PUBLIC;"
        f"GRANT CONNECT ON DATABASE {name} TO app WITH GRANT OPTION;"
        f'GRANT CREATE, TEMPORARY ON DATABASE {name} TO "Odd \'role";'
        f"ALTER DATABASE {name} CONNECTION LIMIT 33;"
        f"COMMENT ON DATABASE {name} IS 'it''s \\ 100% the {{shop}}'"
    )


@pytest.mark.parametrize("owner", ["postgres", "app", '"Odd \'role"'])
def test_what_pg_dump_leaves_out_is_carried_over(
    owner: str, any_postgres: ServerDatabase, tmp_path: Path
) -> None:
    file = filled(any_postgres, tmp_path)
    dress(any_postgres, owner)
    wanted = any_postgres.server.execute(DRESS, any_postgres.name)
    assert len(wanted[0][0]) == len(SETTINGS)
    copies = copies_of(address_of(any_postgres))
    kept, _ = copies.exchange(copies.take(file) if copies.restored(file) else "")
    assert any_postgres.server.execute(DRESS, any_postgres.name) == wanted
    assert any_postgres.server.execute(DRESS, kept) == wanted
    with server_of(any_postgres).session(any_postgres.name) as session:
        [(path,)] = session.execute("SHOW search_path").fetchall()
        assert path == '"$user", public, "Odd, ""schema", "select"'
    assert any_postgres.execute("SELECT a FROM public.t") == [("old",)]


def test_usual_rights_stay_usual(postgres_database: ServerDatabase, tmp_path: Path) -> None:
    file = filled(postgres_database, tmp_path)
    server = server_of(postgres_database)
    server.create_role("app", "x")
    copies = copies_of(address_of(postgres_database))
    copies.exchange(copies.take(file))
    with server.session(postgres_database.name, user="app", password="x") as session:
        session.execute("CREATE TEMPORARY TABLE mine (a integer)")


def test_a_setting_that_may_not_be_repeated_is_named_and_stops_nothing(
    postgres_database: ServerDatabase, tmp_path: Path
) -> None:
    server = server_of(postgres_database)
    with plain_role(postgres_database) as address:
        with connect(address) as connection:
            connection.execute("CREATE TABLE t AS SELECT 'old' AS a")
        file = dumped(address, tmp_path / "dump")
        server.execute(f"ALTER DATABASE {postgres_database.name} SET log_statement = 'all'")
        copies = copies_of(address)
        new = copies.take(file)
        kept, left = copies.exchange(new)
        assert kept in server.databases()
        assert f'ALTER DATABASE "{postgres_database.name}" SET "log_statement"' in left
        assert postgres_database.execute("TABLE t") == [("old",)]


# -- the exchange ---------------------------------------------------------------------------------


def test_names_that_differ_in_case_are_two_databases(
    postgres: PostgresServer, postgres_database: ServerDatabase, tmp_path: Path
) -> None:
    one, other = (ServerDatabase(postgres, postgres.create_database(n)) for n in ("Shop", "shop"))
    file = filled(one, tmp_path)
    other.execute("CREATE TABLE t AS SELECT 'other' AS a")
    copies = copies_of(address_of(one))
    copies.exchange(copies.take(file))
    copies_of(address_of(other)).sweep()
    assert one.execute("TABLE t") == [("old",)]
    assert other.execute("TABLE t") == [("other",)]
    assert postgres_database.name in postgres.databases()


class Writers:
    """Threads of an application that writes, and comes again whenever it is thrown out."""

    def __init__(self, server: PostgresServer, name: str, count: int) -> None:
        self._server, self._name = server, name
        self._done = threading.Event()
        self.written: list[set[str]] = [set() for _ in range(count)]
        self.thrown_out = 0
        self._threads = [threading.Thread(target=self._write, args=(n,)) for n in range(count)]

    def __enter__(self) -> Writers:
        for thread in self._threads:
            thread.start()
        self.wait_for_more()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def wait_for_more(self) -> None:
        """Until each of them has written again."""
        counts, limit = [len(each) for each in self.written], time.monotonic() + 60
        while any(len(each) <= count for each, count in zip(self.written, counts, strict=True)):
            assert time.monotonic() < limit
            time.sleep(0.01)

    def _write(self, number: int) -> None:
        turn = 0
        while not self._done.is_set():
            with suppress(psycopg.Error), self._server.session(self._name) as session:
                while not self._done.is_set():
                    turn += 1
                    session.execute("INSERT INTO log VALUES (%s)", (f"{number}-{turn}",))
                    self.written[number].add(f"{number}-{turn}")
            self.thrown_out += 1


def rows_of(server: PostgresServer, *names: str) -> set[str]:
    return {str(row[0]) for name in names for row in server.execute("TABLE log", database=name)}


def test_nothing_is_lost_while_an_application_writes(
    postgres: PostgresServer, postgres_database: ServerDatabase, tmp_path: Path
) -> None:
    postgres_database.execute("CREATE TABLE log (line text)")
    file = filled(postgres_database, tmp_path)
    copies = copies_of(address_of(postgres_database))
    kept = []
    with Writers(postgres, postgres_database.name, 8) as writers:
        for _ in range(3):
            kept.append(copies.exchange(copies.take(file))[0])
            writers.wait_for_more()
    assert writers.thrown_out >= 3 * 8
    found = rows_of(postgres, postgres_database.name, *kept)
    assert set().union(*writers.written) <= found
    assert postgres_database.execute("TABLE t") == [("old",)]


EXCHANGER = """
import sys
from migrations_ops.databases.address import Address
from migrations_ops.databases.postgresql.copies import Copies
address = Address.of(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
Copies(address, address).exchange(sys.argv[2])
print("done", flush=True)
"""


@pytest.mark.slow
def test_whoever_is_killed_in_the_exchange_leaves_one_whole_database(
    postgres: PostgresServer, postgres_database: ServerDatabase, tmp_path: Path
) -> None:
    postgres_database.execute("CREATE TABLE log (line text)")
    address, name = address_of(postgres_database), postgres_database.name
    copies, moment = copies_of(address), random.Random(4)
    files = tmp_path / "dump"
    postgres_database.execute("CREATE TABLE generation AS SELECT 0 AS number")
    dumped(address, files)
    generation, killed, written = 0, 0, set()
    with Writers(postgres, name, 2) as writers:
        for _ in range(10):
            new = copies.clone(files).database
            postgres.execute(f"UPDATE generation SET number = {generation + 1}", database=new)
            before = postgres.databases()
            argv = [sys.executable, "-c", EXCHANGER, postgres_database.url(), new]
            with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
                assert process.stdout is not None
                assert process.stdin is not None
                process.stdout.readline()
                process.stdin.write(b"go\n")
                process.stdin.flush()
                time.sleep(moment.uniform(0, 0.15))
                process.kill()
                killed += not process.stdout.read()
            writers.wait_for_more()
            [(number,)] = postgres_database.execute("SELECT number FROM generation")
            now = postgres.databases()
            if number == generation:
                assert now == before, number
                copies.drop(address.of_database(new))
            else:
                # The old one is there, under another name, with all that was written to it.
                assert number == generation + 1
                [kept] = now - before
                assert before - now == {new}
                old = postgres.execute("SELECT number FROM generation", database=kept)
                assert old == [(generation,)]
                written |= rows_of(postgres, kept)
                generation += 1
    written |= rows_of(postgres, name)
    assert set().union(*writers.written) <= written
    assert killed, "nobody was killed before he was done"


@pytest.mark.slow
def test_sessions_that_may_not_be_ended_keep_all_as_it_was(
    postgres: PostgresServer, postgres_database: ServerDatabase, tmp_path: Path
) -> None:
    postgres.create_role("app", "x")
    with plain_role(postgres_database) as address:
        with connect(address) as connection:
            connection.execute("CREATE TABLE t AS SELECT 'old' AS a")
        file = dumped(address, tmp_path / "dump")
        copies = copies_of(address)
        new = copies.take(file)
        before, name = postgres.databases(), postgres_database.name
        with postgres.session(name, user="app", password="x"):
            with postgres.session(name) as of_superuser:
                with pytest.raises(StepFailed) as raised:
                    copies.exchange(new)
                assert of_superuser.execute("TABLE t").fetchall() == [("old",)]
            assert raised.value.what == (
                f"The sessions of app, postgres in {name} could not be ended, so that no backup"
                " can take its place."
            )
            assert raised.value.untouched == f"{address.label} is unchanged."
            assert postgres.databases() == before
            # What is named helps against all but a superuser's.
            postgres.execute(raised.value.next.partition("execute: ")[2])
            copies.exchange(new)
    assert postgres_database.execute("TABLE t") == [("old",)]


def test_prepared_transactions_keep_all_as_it_was(
    postgres: PostgresServer, postgres_database: ServerDatabase, tmp_path: Path
) -> None:
    file = filled(postgres_database, tmp_path)
    with postgres.session(postgres_database.name, autocommit=False) as session:
        session.execute("INSERT INTO t VALUES ('prepared')")
        session.execute("PREPARE TRANSACTION 'mine'")
    copies = copies_of(address_of(postgres_database))
    try:
        with pytest.raises(StepFailed, match="prepared there are open, 'mine'") as raised:
            copies.exchange(copies.take(file))
        # Whoever waits for its locks, and doctor, name it, too.
        engine = PostgreSQL.from_url(postgres_database.url())
        assert engine.find_blocking_sessions() == [
            "the prepared transaction 'mine' of postgres"
            " (which ends by: ROLLBACK PREPARED 'mine', on t)"
        ]
        [found] = engine.find_obstacles()
        assert (found.code, found.where) == ("prepared-transaction", "'mine'")
        assert found.message.endswith("run there: ROLLBACK PREPARED 'mine'")
    finally:
        postgres_database.execute("ROLLBACK PREPARED 'mine'")
    assert raised.value.untouched.endswith("is unchanged.")
    assert raised.value.next == "Run there: ROLLBACK PREPARED 'mine'; and try again."
    assert postgres_database.execute("SELECT count(*) FROM t") == [(1,)]
    assert engine.find_obstacles() == []


def test_an_exchange_is_done_though_only_the_word_of_it_was_lost(
    postgres_database: ServerDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = filled(postgres_database, tmp_path)
    copies = copies_of(address_of(postgres_database))
    real = postgresql_copies._rename

    def rename(connection: Any, old: str, new: str) -> None:
        real(connection, old, new)
        if new == postgres_database.name:
            # As when the network breaks between the commit and the answer.
            connection.execute("COMMIT")
            raise psycopg.OperationalError("the connection is lost")

    monkeypatch.setattr(postgresql_copies, "_rename", rename)
    kept, _ = copies.exchange(copies.take(file))
    assert postgres_database.execute("TABLE t") == [("old",)]
    assert postgres_database.server.execute("TABLE t", database=kept) == [("new",)]


def test_a_server_that_dies_in_the_exchange_leaves_one_whole_database(
    postgres: PostgresServer,
    postgres_database: ServerDatabase,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = filled(postgres_database, tmp_path)
    copies = copies_of(address_of(postgres_database))
    new = copies.take(file)
    before = postgres.databases()
    real = postgresql_copies._rename

    def rename(connection: Any, old: str, new: str) -> None:
        real(connection, old, new)
        if new == postgres_database.name:
            postgres.kill()

    monkeypatch.setattr(postgresql_copies, "_rename", rename)
    with pytest.raises(StepFailed, match="No backup can take the place of"):
        copies.exchange(new)
    postgres.start()
    assert postgres.databases() == before
    assert postgres_database.execute("TABLE t") == [("new",)]
    assert postgres.execute("TABLE t", database=new) == [("old",)]
