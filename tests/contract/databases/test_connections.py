"""A connection goes where the URL says and nowhere else, and what fails is said in sentences."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg
import pymysql
import pytest

from migrations_ops.databases.address import Address
from migrations_ops.databases.mariadb import connect as mariadb_connect
from migrations_ops.databases.mariadb import dump as mariadb_dump
from migrations_ops.databases.mariadb import errors as mariadb_errors
from migrations_ops.databases.open import open_database
from migrations_ops.databases.postgresql import connect as postgresql_connect
from migrations_ops.databases.postgresql import dump as postgresql_dump
from migrations_ops.databases.postgresql import errors as postgresql_errors
from migrations_ops.model.errors import StepFailed
from tests.contract.databases.conftest import search_clients_anew
from tests.contract.databases.engines import SERVERS, VERSION, Live
from tests.servers.certificates import make_certificate
from tests.servers.databases import ServerDatabase, swept
from tests.servers.fixtures import started
from tests.servers.mariadb import MariaServer
from tests.servers.postgres import PASSWORD, PostgresServer, debian_bin
from tests.servers.process import free_port, own_folder, write_private
from tests.servers.proxy import Proxy
from tests.servers.shops import fresh_shop
from tests.support import R3, wait_for


@dataclass(frozen=True)
class Driver:
    """How an engine connects, and what it says of what goes wrong."""

    connect: Callable[..., Any]
    promptly: Callable[..., Any]
    in_words: Callable[[Exception, str], str]
    advice: Callable[[Exception], str]
    errors: type[Exception]
    sleep: str

    def ask(self, connection: Any, sql: str) -> list[tuple[Any, ...]]:
        if isinstance(connection, psycopg.Connection):
            return connection.execute(sql.encode()).fetchall()
        return mariadb_connect.ask(connection, sql)

    def failing(self, act: Callable[[], object], label: str = "LABEL") -> tuple[str, str]:
        """What is said of a failure, and what to do: in sentences, without the password."""
        with pytest.raises(self.errors) as caught:
            act()
        words, advice = self.in_words(caught.value, label), self.advice(caught.value)
        assert label in words
        assert "\n" not in words
        assert not words.endswith(".")
        assert advice.endswith((".", ";", "docs/servers.md"))
        for text in (words, advice):
            assert PASSWORD not in text
            assert "hidden" not in text
        return words, advice


DRIVERS = {
    "postgresql": Driver(
        postgresql_connect.connect, postgresql_connect.promptly, postgresql_errors.in_words,
        postgresql_errors.advice_on, psycopg.Error, "SELECT pg_sleep({})",
    ),
    "mariadb": Driver(
        mariadb_connect.connect, mariadb_connect.promptly, mariadb_errors.in_words,
        mariadb_errors.advice_on, pymysql.MySQLError, "SELECT SLEEP({})",
    ),
}  # fmt: skip


@pytest.fixture
def driver(served: Live) -> Driver:
    return DRIVERS[served.engine]


@contextmanager
def connected(served: Live, url: str = "") -> Iterator[Any]:
    with closing(DRIVERS[served.engine].connect(Address.of(url or served.url))) as connection:
        yield connection


def test_a_wrong_password_is_reported(served: Live, driver: Driver) -> None:
    url = served.url_of(password="hidden")
    words, advice = driver.failing(lambda: driver.connect(Address.of(url)))
    known = {"postgresql": "LABEL cannot be reached: password authentication failed for user",
             "mariadb": "does not let this user in"}  # fmt: skip
    assert known[served.engine] in words
    assert "password" in advice


def test_a_missing_database_is_known_as_missing(served: Live, driver: Driver) -> None:
    words, _ = driver.failing(lambda: driver.connect(Address.of(served.missing_url)))
    assert words.endswith("does not exist")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_refused_port_is_reported(served: Live, driver: Driver, host: str) -> None:
    url = f"{served.url.partition('://')[0]}://u:hidden@{host}:{free_port()}/shop"
    words, advice = driver.failing(lambda: driver.connect(Address.of(url)))
    assert "cannot be reached" in words
    assert "server is running" in advice
    assert served.open(url).inspect(VERSION).exists


@pytest.mark.parametrize("number", range(3))
def test_the_url_of_every_driver_is_one_of_its_engine(served: Live, number: int) -> None:
    drivers = {"postgresql": ("postgresql", "postgresql+psycopg2", "postgresql+asyncpg"),
               "mariadb": ("mysql", "mariadb+pymysql", "mysql+asyncmy")}  # fmt: skip
    database = served.open(served.on.url(drivers[served.engine][number]))
    assert database.inspect(VERSION).exists
    assert database.same_as(served.open())


def test_an_unknown_host_is_reported(served: Live, driver: Driver) -> None:
    url = f"{served.url.partition('://')[0]}://u:hidden@no-such-host.invalid/shop"
    words, _ = driver.failing(lambda: driver.connect(Address.of(url)))
    assert "no-such-host.invalid" in words


def test_a_network_that_hangs_is_given_up(
    served: Live, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = served.on.server
    with Proxy(server.host, server.port) as proxy:
        address = Address.of(proxy.through(served.url))
        with closing(driver.connect(address)) as connection:
            proxy.hang()
            with driver.promptly(connection, 0.3):
                driver.failing(lambda: driver.ask(connection, "SELECT 1"))
        # Nor is it waited for before it lets us in.
        monkeypatch.setattr(postgresql_connect, "ANSWER_SECONDS", 2)
        more = {"timeout": 0.5} if served.engine == "mariadb" else {}
        driver.failing(lambda: driver.connect(address, **more))


def test_what_is_asked_in_time_is_not_cut(served: Live, driver: Driver) -> None:
    with connected(served) as connection:
        with driver.promptly(connection, 0.5):
            driver.ask(connection, "SELECT 1")
        driver.ask(connection, driver.sleep.format(0.6))
        assert driver.ask(connection, "SELECT 2") == [(2,)]


def test_a_server_that_is_killed_in_the_middle_is_reported(served: Live, driver: Driver) -> None:
    at_work = {"postgresql": "SELECT 1 FROM pg_stat_activity WHERE query ~ 'pg_sleep.60'",
               "mariadb": "SELECT 1 FROM information_schema.PROCESSLIST"
               " WHERE INFO LIKE '%SLEEP(60%'"}  # fmt: skip
    with connected(served) as connection, ThreadPoolExecutor() as pool:
        asked = pool.submit(driver.ask, connection, driver.sleep.format(60))
        sql = at_work[served.engine].replace("60%", "60)%")
        wait_for(lambda: served.on.server.execute(sql))
        served.on.server.kill()
        driver.failing(lambda: asked.result(60))
        driver.failing(lambda: driver.ask(connection, "SELECT 1"))
    served.on.server.start()


def test_a_session_that_was_ended_is_reported(served: Live, driver: Driver) -> None:
    with connected(served) as connection:
        number = {"postgresql": "pg_backend_pid()", "mariadb": "CONNECTION_ID()"}[served.engine]
        served.end_session(driver.ask(connection, f"SELECT {number}")[0][0])
        driver.failing(lambda: driver.ask(connection, "SELECT 1"))


def test_what_a_role_may_not_do_is_reported(served: Live, driver: Driver) -> None:
    served.fill().on.server.create_role("plain", "hidden-too")
    if served.engine == "mariadb":
        served.execute(f"GRANT INSERT ON {served.on.name}.* TO plain@'%'")
    url = served.url_of(user="plain", password="hidden-too")
    with connected(served, url) as connection:
        words, _ = driver.failing(lambda: driver.ask(connection, "SELECT * FROM parents"))
    assert "does not allow that" in words
    inspection = served.open(url).inspect(VERSION)
    assert inspection.exists
    assert inspection.trouble


HOSTILE = {
    "PGHOST": "192.0.2.1", "PGHOSTADDR": "192.0.2.1", "PGPORT": "1", "PGDATABASE": "postgres",
    "PGUSER": "nobody", "PGPASSWORD": "wrong", "PGPASSFILE": "/nonexistent",
    "PGSERVICE": "elsewhere", "PGOPTIONS": "-c search_path=elsewhere -c statement_timeout=1",
    "PGSSLMODE": "verify-full", "PGREQUIREAUTH": "none", "PGCHANNELBINDING": "require",
    "PGTARGETSESSIONATTRS": "standby", "PGCONNECT_TIMEOUT": "1", "PGTZ": "Asia/Tokyo",
    "PGDATESTYLE": "German", "PGCLIENTENCODING": "LATIN1", "PGAPPNAME": "elsewhere",
    "PGLOADBALANCEHOSTS": "random", "MYSQL_HOST": "nowhere.invalid", "MYSQL_TCP_PORT": "1",
    "MYSQL_PWD": "wrong", "MYSQL_UNIX_PORT": "1",
}  # fmt: skip
# What a session is given, whatever the shell says.
GIVEN = {
    "postgresql": (
        "SELECT current_database(), current_user, current_setting('search_path'),"
        " current_setting('TimeZone'), current_setting('DateStyle'),"
        " current_setting('application_name'), current_setting('client_encoding'),"
        " current_setting('statement_timeout')",
        ("postgres", '"$user", public', "UTC", "ISO, MDY", "migrations_ops test", "UTF8", "0"),
    ),
    "mariadb": ("SELECT DATABASE(), SUBSTRING_INDEX(CURRENT_USER(), '@', 1)", ("root",)),
}


@contextmanager
def hostile_shell(folder: Path) -> Iterator[None]:
    """The variables of a shell that leads elsewhere; nobody changes them."""
    (folder / "services").write_text("[elsewhere]\nhost=192.0.2.1\nport=1\ndbname=postgres\n")
    (folder / ".my.cnf").write_text("[client]\nhost=nowhere.invalid\nuser=nobody\n")
    more = {"PGSERVICEFILE": str(folder / "services"), "HOME": str(folder)}
    with patch.dict(os.environ, HOSTILE | more):
        before = dict(os.environ)
        yield
        assert dict(os.environ) == before


def test_nothing_in_the_shell_decides_however_many_connect(served: Live, driver: Driver) -> None:
    together = threading.Barrier(8)
    sql, given = GIVEN[served.engine]

    def ask(number: int) -> set[tuple[Any, ...]]:
        together.wait(30)
        found = set()
        for _ in range(3):
            with closing(driver.connect(Address.of(served.url), "test")) as connection:
                found |= set(driver.ask(connection, sql))
        return found

    nobody = Address.of(served.url.replace(str(served.on.server.port), str(free_port())))
    with hostile_shell(served.root), ThreadPoolExecutor(8) as pool:
        assert set().union(*pool.map(ask, range(8))) == {(served.on.name, *given)}
        driver.failing(lambda: driver.connect(nobody))


# -- TLS ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Secured:
    """A server that speaks TLS, with the certificate ``server`` of the folder."""

    engine: str
    server: PostgresServer | MariaServer
    folder: Path

    def proving(self, name: str = "server") -> str:
        """The end of a URL that wants the server to prove who it is."""
        file = self.folder / f"{name}.pem"
        if self.engine == "mariadb":
            return f"?ssl_ca={file}"
        return f"?sslmode=verify-full&sslrootcert={file}"


@pytest.fixture(scope="module", params=SERVERS)
def secured(request: pytest.FixtureRequest) -> Iterator[Secured]:
    folder = own_folder("tls")
    certificate = make_certificate(folder, "server")
    key = str(certificate.with_suffix(".key"))
    server: PostgresServer | MariaServer
    if request.param == "postgresql":
        # It lets nobody in without TLS. (The wheel's is built without it.)
        rules = write_private(folder / "hba.conf", "hostssl all all 127.0.0.1/32 scram-sha-256\n")
        server = started(
            lambda: PostgresServer(
                debian_bin(15), ssl="on", ssl_cert_file=str(certificate), ssl_key_file=key,
                hba_file=str(rules),
            )
        )  # fmt: skip
        search_clients_anew()
    else:
        server = started(lambda: MariaServer(ssl_cert=str(certificate), ssl_key=key))
    yield Secured(request.param, server, folder)
    server.close()
    shutil.rmtree(folder)


@pytest.fixture
def private(secured: Secured, tmp_path: Path) -> Iterator[Live]:
    """A database on that server."""
    with swept(secured.server):
        database = ServerDatabase(secured.server, secured.server.create_database())
        yield Live.on_server(database, tmp_path).fill()


def test_a_server_that_proves_who_it_is_is_believed(secured: Secured, private: Live) -> None:
    driver, url = DRIVERS[secured.engine], f"{private.url}{secured.proving()}"
    encrypted = {
        "postgresql": "SELECT CASE WHEN ssl THEN 'on' END FROM pg_stat_ssl"
        " WHERE pid = pg_backend_pid()",
        "mariadb": "SELECT VARIABLE_VALUE FROM information_schema.SESSION_STATUS"
        " WHERE VARIABLE_NAME = 'Ssl_cipher'",
    }
    for each in (url, private.url):
        with closing(driver.connect(Address.of(each))) as connection:
            [(answer,)] = driver.ask(connection, encrypted[secured.engine])
        assert answer
    file, taken = private.back_up(url=url)
    private.execute("DELETE FROM children")
    assert private.restore(file, url).now == taken


def test_a_server_that_is_another_one_is_not_sent_the_password(
    secured: Secured, private: Live
) -> None:
    driver = DRIVERS[secured.engine]
    make_certificate(secured.folder, "other")
    # Had it been told the wrong one, it would have said so.
    url = f"{private.url_of(password='wrong')}{secured.proving('other')}"
    words, advice = driver.failing(lambda: driver.connect(Address.of(url)))
    assert "certificate verify failed" in words
    assert secured.engine == "mariadb" or "sslrootcert" in advice


def test_a_name_that_is_not_the_certificates_is_refused(secured: Secured, private: Live) -> None:
    driver = DRIVERS[secured.engine]
    url = f"{private.url}{secured.proving()}".replace("127.0.0.1", "localhost")
    driver.failing(lambda: driver.connect(Address.of(url)))
    if secured.engine == "mariadb":  # whose URL may allow it
        private.back_up(url=f"{url}&ssl_check_hostname=false")


def test_the_clients_ask_for_the_same_proof(
    secured: Secured, private: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_certificate(secured.folder, "stranger")
    trusted = Address.of(f"{private.url}{secured.proving()}")
    doubted = Address.of(f"{private.url}{secured.proving('stranger')}")
    file = private.root / "b"

    def on_mariadb() -> None:
        # Of its own connection the tool thinks well.
        believed = mariadb_connect.connect(trusted)
        monkeypatch.setattr(mariadb_dump, "connect", lambda *_: believed)
        mariadb_dump.dump(doubted, file, None)

    def on_postgresql() -> None:
        tools = postgresql_dump.require_tools(15)
        postgresql_dump.dump(doubted, file, tools=tools, snapshot="x", sizes={}, progress=None)

    with pytest.raises(StepFailed) as caught:
        on_mariadb() if secured.engine == "mariadb" else on_postgresql()
    assert "certificate" in caught.value.what.lower()


@pytest.mark.parametrize("secured", ["postgresql"], indirect=True)
def test_a_url_that_forbids_what_the_server_wants_is_reported(private: Live) -> None:
    database = open_database(f"{private.url}?sslmode=disable", private.root)
    inspection = database.inspect(VERSION)
    assert "no encryption" in inspection.trouble
    assert "wants TLS" in inspection.advice
    assert PASSWORD not in inspection.trouble


@pytest.mark.slow
@pytest.mark.parametrize("secured", ["postgresql"], indirect=True)
def test_a_whole_release_goes_over_tls(secured: Secured, tmp_path: Path) -> None:
    with swept(secured.server):
        shop = fresh_shop(tmp_path / "shop", secured.server)
        each = {"dev": shop.dev_database, "prod": shop.prod_database}
        shop.point({name: f"{one.url()}{secured.proving()}" for name, one in each.items()})
        ran = shop.invoke("release-migration")
        assert ran.code == 0, ran.err
        assert shop.prod_database.execute(f"SELECT * FROM {VERSION}") == [(R3,)]
        again = shop.invoke("restore", "--env", "prod", "--backup", "latest", "--yes")
        assert again.code == 0, again.err
