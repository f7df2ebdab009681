"""The servers of the tests keep their promises, or no test that stands on them says anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pymysql
import pytest

from tests.servers import guard
from tests.servers.databases import ServerDatabase, swept
from tests.servers.fixtures import started
from tests.servers.mariadb import MariaServer, program
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgres import PostgresServer, debian_bin, wheel_bin
from tests.servers.process import MissingServerError
from tests.servers.proxy import Proxy
from tests.servers.shops import ServerShop, fresh_shop
from tests.support import REPOSITORY

# What the tests stand on; it seldom changes.
pytestmark = pytest.mark.slow

Either = PostgresServer | MariaServer
KINDS = ("postgres", "mariadb")
FAILURES = (psycopg.OperationalError, pymysql.OperationalError)


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[Either]:
    """Each server in turn; what a test leaves on it goes."""
    found: Either = request.getfixturevalue(request.param)
    with swept(found):
        yield found


@contextmanager
def own(kind: str) -> Iterator[Either]:
    """A server beside that of the tests."""
    make: Callable[[], Either] = PostgresServer if kind == "postgres" else MariaServer
    made = started(make)
    try:
        yield made
    finally:
        made.close()


def connect(server: Either, port: int, password: str, user: str = "") -> None:
    """Log in, and give up after two seconds; the default is the administrator."""
    if isinstance(server, PostgresServer):
        psycopg.connect(
            host=server.host,
            port=port,
            user=user or "postgres",
            password=password,
            dbname="postgres",
            connect_timeout=2,
        ).close()
    else:
        pymysql.connect(
            host=server.host,
            port=port,
            user=user or "root",
            password=password,
            connect_timeout=2,
            read_timeout=2,
        ).close()


ORPHAN = """
import sys, time
from tests.servers.mariadb import MariaServer
from tests.servers.postgres import PostgresServer
server = (PostgresServer if sys.argv[1] == "postgres" else MariaServer)()
if sys.argv[2] == "paused":
    server.pause()
print(server.pid, server.folder, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("state", ["running", "paused"])
@pytest.mark.parametrize("kind", KINDS)
def test_killed_test_process_leaves_no_server_behind(kind: str, state: str) -> None:
    started(wheel_bin if kind == "postgres" else lambda: program("mariadbd"))
    with subprocess.Popen(
        [sys.executable, "-c", ORPHAN, kind, state],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    ) as tests:
        assert tests.stdout is not None
        pid, folder = tests.stdout.readline().split()
        members = guard.family(int(pid))
        assert members
        tests.kill()
    assert guard.wait_for_end(members, 30)
    limit = 300
    while Path(folder).exists() and limit:
        limit -= 1
        time.sleep(0.1)
    assert not Path(folder).exists()


@pytest.mark.parametrize("kind", KINDS)
def test_closed_server_leaves_nothing_behind(kind: str) -> None:
    with own(kind) as made:
        members = guard.family(made.pid)
        assert made.folder.exists()
    assert guard.wait_for_end(members, 0)
    assert not made.folder.exists()


def test_committed_rows_survive_a_crash_of_the_server(server: Either) -> None:
    database = ServerDatabase(server, server.create_database())
    database.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
    database.execute("INSERT INTO t VALUES (1)")
    members = guard.family(server.pid)
    server.kill()
    assert guard.wait_for_end(members, 0)
    with pytest.raises(FAILURES):
        database.execute("SELECT a FROM t")
    server.start()
    assert database.execute("SELECT a FROM t") == [(1,)]


def test_stopped_server_starts_again_at_the_same_place(server: Either) -> None:
    name = server.create_database()
    server.stop()
    with pytest.raises(FAILURES):
        server.execute("SELECT 1")
    server.start()
    assert name in server.databases()


def test_paused_server_answers_nobody_until_it_goes_on(server: Either) -> None:
    server.pause()
    with pytest.raises(FAILURES):
        connect(server, server.port, server.password)
    server.resume()
    connect(server, server.port, server.password)


@pytest.mark.parametrize("password", ["", "wrong"])
@pytest.mark.parametrize("user", ["", "anybody"])
def test_nobody_gets_in_without_the_password(server: Either, user: str, password: str) -> None:
    with pytest.raises(FAILURES):
        connect(server, server.port, password, user)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can tell")
@pytest.mark.skipif(not guard.PROC.exists(), reason="reads /proc")
def test_server_of_root_does_not_run_as_root(server: Either) -> None:
    users = {member: guard.user(member) for member in guard.family(server.pid)}
    assert guard.user(os.getpid()) == 0, "nobody could be found to be root"
    # A process that the server has started may end while we look; the server itself does not.
    assert users[server.pid] is not None
    assert 0 not in users.values()


def test_what_a_test_makes_goes_with_it(server: Either) -> None:
    databases, roles = server.databases(), server.roles()
    with swept(server):
        name = server.create_database()
        server.create_role("some'one", "pass'w\\ord%/@")
        assert name in server.databases()
        connect(server, server.port, "pass'w\\ord%/@", "some'one")
        server.pause()
    assert (server.databases(), server.roles()) == (databases, roles)


def test_database_goes_though_somebody_is_connected(server: Either) -> None:
    name = server.create_database()
    server.execute("CREATE TABLE t (a INTEGER)", database=name)
    with server.session(name, autocommit=False) as session:
        session.cursor().execute("SELECT * FROM t")
        server.drop_database(name)
    assert name not in server.databases()


def test_copied_database_holds_the_same(server: Either) -> None:
    name = server.create_database()
    server.execute("CREATE TABLE t (a INTEGER)", database=name)
    server.execute("INSERT INTO t VALUES (1), (2)", database=name)
    server.execute("CREATE VIEW v AS SELECT sum(a) AS s FROM t", database=name)
    copy = server.copy_database(name)
    server.execute("INSERT INTO t VALUES (3)", database=name)
    assert server.execute("SELECT s FROM v", database=copy) == [(3,)]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root has others")
def test_programs_in_a_private_folder_are_copied_out(tmp_path: Path) -> None:
    source = started(wheel_bin)
    package, private = source.parents[1], tmp_path / "private"
    private.mkdir(mode=0o700)
    for folder in (package, package.with_name(f"{package.name}.libs")):
        if folder.is_dir():
            shutil.copytree(folder, private / folder.name, symlinks=True)
    made = PostgresServer(private / source.relative_to(package.parent))
    assert private not in made.bin.parents
    made.close()


def test_server_of_debian_is_started_too() -> None:
    try:
        bin = debian_bin(15)
    except MissingServerError as missing:
        pytest.skip(str(missing))
    made = PostgresServer(bin)
    assert made.execute("SHOW server_version_num")[0][0].startswith("15")
    assert made.bin == bin
    made.close()


def test_missing_program_says_what_to_install() -> None:
    with pytest.raises(MissingServerError, match=r"apt-get install .*mariadb-server"):
        program("no-such-program")
    with pytest.raises(MissingServerError, match="apt-get install postgresql-3"):
        debian_bin(3)


def test_missing_server_skips_for_a_newcomer_and_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing() -> None:
        raise MissingServerError("install it")

    monkeypatch.delenv("MIGRATIONS_OPS_REQUIRE_SERVERS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="install it"):
        started(missing)
    monkeypatch.setenv("MIGRATIONS_OPS_REQUIRE_SERVERS", "1")
    with pytest.raises(pytest.fail.Exception, match="install it"):
        started(missing)


def test_pgbouncer_gives_a_client_another_session_for_each_transaction(
    pgbouncer: PgBouncer,
) -> None:
    def sessions(connection: psycopg.Connection) -> int:
        [(pid,)] = connection.execute("SELECT pg_backend_pid()").fetchall()
        assert isinstance(pid, int)
        return pid

    with (
        pgbouncer.server.session(port=pgbouncer.port) as one,
        pgbouncer.server.session(port=pgbouncer.port, autocommit=False) as other,
    ):
        before = sessions(one)
        # The other one takes the session that is free, and keeps it with its transaction.
        assert sessions(other) == before
        assert sessions(one) != before
        # What shows it from outside: the number in the greeting is not that of the session.
        assert one.info.backend_pid != before


def test_pgbouncer_asks_for_the_password(pgbouncer: PgBouncer) -> None:
    with pytest.raises(psycopg.OperationalError):
        connect(pgbouncer.server, pgbouncer.port, "wrong")


def test_hanging_proxy_holds_back_everything_until_it_goes_on(server: Either) -> None:
    with (
        Proxy(server.host, server.port) as proxy,
        server.session(port=proxy.port) as session,
        ThreadPoolExecutor() as pool,
    ):
        cursor = session.cursor()
        cursor.execute("SELECT 1")
        proxy.hang()
        asked = pool.submit(cursor.execute, "SELECT 2")
        with pytest.raises(FAILURES):
            connect(server, proxy.port, server.password)
        # The server has been asked nothing; the connection stands.
        with pytest.raises(FutureTimeoutError):
            asked.result(0.2)
        assert proxy.connections >= 1
        proxy.resume()
        asked.result(30)
        assert cursor.fetchall()[0][0] == 2


def test_cut_proxy_breaks_connections_off_and_serves_new_ones(server: Either) -> None:
    with Proxy(server.host, server.port) as proxy, server.session(port=proxy.port) as session:
        proxy.cut()
        assert proxy.connections == 0
        with pytest.raises(FAILURES):
            session.cursor().execute("SELECT 1")
        connect(server, proxy.port, server.password)


def test_hanging_proxy_can_be_cut(server: Either) -> None:
    with Proxy(server.host, server.port) as proxy, server.session(port=proxy.port) as session:
        proxy.hang()
        with ThreadPoolExecutor() as pool:
            asked = pool.submit(session.cursor().execute, "SELECT 1")
            proxy.cut()
            with pytest.raises(FAILURES):
                asked.result(30)


def test_closed_proxy_refuses(server: Either) -> None:
    with Proxy(server.host, server.port) as proxy:
        port = proxy.port
    with pytest.raises(FAILURES):
        connect(server, port, server.password)


def test_proxy_leads_a_url_through_itself(server: Either) -> None:
    with Proxy(server.host, server.port, delay=0.01) as proxy:
        assert proxy.through(server.url("shop")) == server.url("shop").replace(
            f":{server.port}/", f":{proxy.port}/"
        )
        connect(server, proxy.port, server.password)


DRIVERS = {
    "postgres": ["postgresql+psycopg", "postgresql+psycopg2", "postgresql+asyncpg"],
    "mariadb": ["mysql+pymysql", "mariadb+pymysql", "mysql+aiomysql"],
}


@pytest.mark.parametrize(
    ("kind", "driver"), [(kind, driver) for kind in KINDS for driver in DRIVERS[kind]]
)
def test_shop_goes_up_and_down_with_each_driver(
    kind: str, driver: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    server: Either = request.getfixturevalue(kind)
    with swept(server):
        shop = fresh_shop(tmp_path / "shop", server, driver)
        up = shop.alembic("upgrade", "head", EXEC_ENV="dev")
        assert up.code == 0, up.err
        assert shop.dev_database.execute("SELECT id, name, note FROM parents") == []
        with pytest.raises((psycopg.errors.UndefinedTable, pymysql.ProgrammingError)):
            shop.prod_database.execute("SELECT 1 FROM parents")
        down = shop.alembic("downgrade", "base", EXEC_ENV="dev")
        assert down.code == 0, down.err


@pytest.mark.parametrize("name", ["postgres_filled", "mariadb_filled"])
def test_filled_shop_has_rows_at_the_second_revision(
    name: str, request: pytest.FixtureRequest
) -> None:
    shop: ServerShop = request.getfixturevalue(name)
    for database in (shop.dev_database, shop.prod_database):
        assert database.execute("SELECT version_num FROM alembic_version") == [("r2bbbbbbbbbb",)]
        for table in ("parents", "children"):
            assert database.execute(f"SELECT count(*) FROM {table}") == [(20,)]


def test_commands_of_a_shop_find_the_clients_of_its_server(postgres_shop: ServerShop) -> None:
    [(version,)] = postgres_shop.dev_database.execute("SHOW server_version")
    assert f" {version}" in postgres_shop.run("pg_dump", "--version").out
