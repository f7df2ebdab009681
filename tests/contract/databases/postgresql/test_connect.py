"""A connection goes where the URL says and nowhere else, and what fails is said in sentences."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from unittest.mock import patch
from urllib.parse import quote

import psycopg
import pytest

from migrations_ops.databases.address import Address
from migrations_ops.databases.postgresql.connect import connect, is_behind_a_pooler, promptly
from migrations_ops.databases.postgresql.database import PostgreSQL
from migrations_ops.databases.postgresql.errors import in_words, remedy
from tests.servers.databases import ServerDatabase
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgres import PASSWORD, PostgresServer
from tests.servers.process import free_port
from tests.servers.proxy import Proxy

HOSTILE = {
    "PGHOST": "192.0.2.1",
    "PGHOSTADDR": "192.0.2.1",
    "PGPORT": "1",
    "PGDATABASE": "postgres",
    "PGUSER": "nobody",
    "PGPASSWORD": "wrong",
    "PGPASSFILE": "/nonexistent",
    "PGSERVICE": "elsewhere",
    "PGOPTIONS": "-c search_path=elsewhere -c statement_timeout=1",
    "PGSSLMODE": "verify-full",
    "PGREQUIREAUTH": "none",
    "PGCHANNELBINDING": "require",
    "PGTARGETSESSIONATTRS": "standby",
    "PGCONNECT_TIMEOUT": "1",
    "PGTZ": "Asia/Tokyo",
    "PGDATESTYLE": "German",
    "PGCLIENTENCODING": "LATIN1",
    "PGAPPNAME": "elsewhere",
    "PGLOADBALANCEHOSTS": "random",
}


@contextmanager
def hostile_shell(folder: Path) -> Iterator[dict[str, str]]:
    """The variables of a shell that leads elsewhere, as they are within; they stay like that."""
    service = folder / "services"
    service.write_text("[elsewhere]\nhost=192.0.2.1\nport=1\ndbname=postgres\n")
    with patch.dict(os.environ, {**HOSTILE, "PGSERVICEFILE": str(service)}):
        before = dict(os.environ)
        yield before
        assert dict(os.environ) == before


def address_of(database: ServerDatabase, **changes: str) -> Address:
    return Address.of(database.url() + "".join(changes.values()))


@contextmanager
def failing(address: Address) -> Iterator[list[psycopg.Error]]:
    """What is caught inside is said in sentences, and without the password."""
    caught: list[psycopg.Error] = []
    with pytest.raises(psycopg.Error) as raised:
        yield caught
    caught.append(raised.value)
    words, cure = in_words(raised.value, address.label), remedy(raised.value)
    assert words.startswith(address.label)
    assert "\n" not in words
    assert not words.endswith(".")
    assert cure.endswith((".", "docs/servers.md"))
    for text in (words, cure, str(raised.value)):
        assert PASSWORD not in text
        assert "hidden" not in text


def test_nothing_in_the_shell_decides(postgres_database: ServerDatabase, tmp_path: Path) -> None:
    address = address_of(postgres_database)
    with hostile_shell(tmp_path), connect(address, "test") as connection:
        [row] = connection.execute(
            "SELECT current_database(), current_user, current_setting('search_path'),"
            " current_setting('TimeZone'), current_setting('DateStyle'),"
            " current_setting('application_name'), current_setting('client_encoding'),"
            " current_setting('statement_timeout')"
        ).fetchall()
    name, user, path, zone, style, application, encoding, timeout = row
    assert (name, user) == (postgres_database.name, "postgres")
    assert (path, zone, style) == ('"$user", public', "UTC", "ISO, MDY")
    assert (application, encoding, timeout) == ("migrations_ops test", "UTF8", "0")


def test_the_shell_is_as_before_when_many_threads_connect(
    postgres_database: ServerDatabase, tmp_path: Path
) -> None:
    address = address_of(postgres_database)
    together = threading.Barrier(8)

    def ask(number: int) -> str:
        together.wait(30)
        found = []
        for _ in range(5):
            with connect(address, str(number)) as connection:
                found += connection.execute("SELECT current_database()").fetchall()
        [name] = {str(row[0]) for row in found}
        return name

    with hostile_shell(tmp_path), ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {postgres_database.name}


def test_the_shell_is_as_before_when_nobody_answers(tmp_path: Path) -> None:
    address = Address.of(f"postgresql://u:hidden@127.0.0.1:{free_port()}/shop")
    with hostile_shell(tmp_path), failing(address):
        connect(address)


def test_a_wrong_password_is_said(postgres_database: ServerDatabase) -> None:
    address = Address.of(postgres_database.server.url(postgres_database.name, password="hidden"))
    with failing(address) as caught:
        connect(address)
    assert in_words(caught[0], "prod") == (
        'prod cannot be reached: password authentication failed for user "postgres"'
    )
    assert "password" in remedy(caught[0])


def test_a_missing_database_is_known_as_missing(postgres_database: ServerDatabase) -> None:
    address = address_of(postgres_database).of_database("no such")
    with failing(address) as caught:
        connect(address)
    assert (
        in_words(caught[0], "prod") == 'prod cannot be reached: database "no such" does not exist'
    )
    assert "url" in remedy(caught[0])
    assert not PostgreSQL.from_url(postgres_database.server.url("no such")).look("v").exists


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_refused_port_is_said(host: str) -> None:
    address = Address.of(f"postgresql://u:hidden@{host}:{free_port()}/shop")
    with failing(address) as caught:
        connect(address)
    assert "refused" in in_words(caught[0], "prod")
    assert "server runs" in remedy(caught[0])
    assert PostgreSQL.from_url(f"postgresql://u@{host}:1/shop").look("v").exists


def test_an_unknown_host_is_said() -> None:
    address = Address.of("postgresql://u:hidden@no-such-host.invalid/shop")
    with failing(address) as caught:
        connect(address)
    assert "no-such-host.invalid" in in_words(caught[0], "prod")


def test_an_answer_that_does_not_come_is_not_waited_for(
    postgres_database: ServerDatabase,
) -> None:
    with Proxy(postgres_database.server.host, postgres_database.server.port) as proxy:
        address = Address.of(proxy.through(postgres_database.url()))
        with connect(address) as connection:
            proxy.hang()
            with failing(address), promptly(connection, 0.3):
                connection.execute("SELECT 1")
            assert connection.broken


def test_an_answer_in_time_is_not_cut(postgres_database: ServerDatabase) -> None:
    with connect(address_of(postgres_database)) as connection:
        with promptly(connection, 0.05):
            connection.execute("SELECT 1")
        connection.execute("SELECT pg_sleep(0.2)")


def test_a_server_that_hangs_before_it_lets_us_in_is_given_up(
    postgres_database: ServerDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("migrations_ops.databases.postgresql.connect.ANSWER_SECONDS", 2)
    with Proxy(postgres_database.server.host, postgres_database.server.port) as proxy:
        proxy.hang()
        address = Address.of(proxy.through(postgres_database.url()))
        with failing(address) as caught:
            connect(address)
    assert "timeout" in in_words(caught[0], "prod")


def test_a_server_killed_in_the_middle_is_said(
    postgres: PostgresServer, postgres_database: ServerDatabase
) -> None:
    address = address_of(postgres_database)
    with connect(address) as connection, ThreadPoolExecutor() as pool:
        asked = pool.submit(connection.execute, "SELECT pg_sleep(60)")
        while not postgres.execute("SELECT 1 FROM pg_stat_activity WHERE query ~ 'pg_sleep.60'"):
            pass
        postgres.kill()
        with failing(address) as caught:
            asked.result(60)
        assert "closed the connection" in in_words(caught[0], "prod")
        with failing(address) as caught:
            connection.execute("SELECT 1")
    postgres.start()


def test_a_session_that_was_ended_is_said(
    postgres: PostgresServer, postgres_database: ServerDatabase
) -> None:
    address = address_of(postgres_database)
    with connect(address) as connection:
        pid = connection.info.backend_pid
        postgres.execute("SELECT pg_terminate_backend(%s, 5000)", pid)
        with failing(address) as caught:
            connection.execute("SELECT 1")
    assert "administrator" in in_words(caught[0], "prod")


def test_what_a_role_may_not_do_is_said(
    postgres: PostgresServer, postgres_database: ServerDatabase
) -> None:
    postgres.create_role("plain", "hidden-too")
    postgres_database.execute("CREATE TABLE t (a integer)")
    address = Address.of(postgres.url(postgres_database.name, user="plain", password="hidden-too"))
    with connect(address) as connection, failing(address) as caught:
        connection.execute("SELECT * FROM t")
    assert "does not allow that: permission denied for table t" in in_words(caught[0], "prod")


def test_what_a_database_sets_for_applications_is_not_meant_for_us(
    any_postgres: ServerDatabase,
) -> None:
    ours = {"statement_timeout": "0", "idle_session_timeout": "0", "lock_timeout": "5s",
            "idle_in_transaction_session_timeout": "0", "client_encoding": "UTF8",
            "client_connection_check_interval": "500ms", "tcp_keepalives_idle": "10"}  # fmt: skip
    for name in ours:
        value = "LATIN1" if name == "client_encoding" else "7777"
        any_postgres.server.execute(f"ALTER DATABASE {any_postgres.name} SET {name} = {value}")
    with connect(address_of(any_postgres)) as connection:
        for name, value in ours.items():
            assert connection.execute(f"SHOW {name}").fetchall() == [(value,)]


@pytest.mark.parametrize("word", ["ssl=disable", "ssl=false", "sslmode=disable", "ssl=prefer"])
def test_asyncpg_s_word_for_tls_is_understood(word: str, postgres_database: ServerDatabase) -> None:
    with connect(Address.of(f"{postgres_database.url('postgresql+asyncpg')}?{word}")):
        pass


@pytest.mark.parametrize("word", ["ssl=require", "ssl=true", "sslmode=verify-full"])
def test_tls_that_was_asked_for_is_not_left_out(
    word: str, postgres_database: ServerDatabase
) -> None:
    address = Address.of(f"{postgres_database.url('postgresql+asyncpg')}?{word}")
    with failing(address) as caught:
        connect(address)
    assert "SSL" in str(caught[0]) or "root.crt" in str(caught[0])


def test_a_socket_is_reached_by_its_folder(
    postgres: PostgresServer, postgres_database: ServerDatabase, tmp_path: Path
) -> None:
    folder = quote(str(postgres.folder), safe="")
    url = f"postgresql://postgres:{PASSWORD}@/{postgres_database.name}?host={folder}"
    address = Address.of(f"{url}&port={postgres.port}")
    with hostile_shell(tmp_path), connect(address) as connection:
        assert connection.execute("SELECT inet_server_port()").fetchall() == [(None,)]
    address = Address.of(f"postgresql://postgres:{PASSWORD}@:{postgres.port}/x?host={folder}")
    assert str(postgres.folder) in address.label
    assert address.host == str(postgres.folder)


def test_without_a_host_the_server_of_this_machine_is_meant(
    postgres: PostgresServer, postgres_database: ServerDatabase, tmp_path: Path
) -> None:
    socket = Path(f"/tmp/.s.PGSQL.{postgres.port}")
    url = f"postgresql://postgres:{PASSWORD}@:{postgres.port}/{postgres_database.name}"
    with hostile_shell(tmp_path), closing(connect(Address.of(url))) as connection:
        assert connection.execute("SELECT inet_server_port()").fetchall() == [(postgres.port,)]
    socket.symlink_to(postgres.folder / socket.name)
    try:
        with closing(connect(Address.of(url))) as connection:
            assert connection.execute("SELECT inet_server_port()").fetchall() == [(None,)]
    finally:
        socket.unlink()


def test_the_search_path_of_the_url_is_ours_too(postgres_database: ServerDatabase) -> None:
    url = f"{postgres_database.url()}?options={quote('-c search_path=tenant')}"
    with connect(Address.of(url)) as connection:
        assert connection.execute("SHOW search_path").fetchall() == [("tenant",)]


def test_the_first_of_several_hosts_that_answers_is_taken(
    postgres: PostgresServer, postgres_database: ServerDatabase
) -> None:
    hosts = f"host=127.0.0.1:{free_port()}&host=127.0.0.1:{postgres.port}"
    url = f"postgresql+psycopg://postgres:{PASSWORD}@/{postgres_database.name}?{hosts}"
    with connect(Address.of(url)) as connection:
        assert connection.info.port == postgres.port


def test_behind_a_pooler_nothing_is_left_for_the_next_one(
    pgbouncer: PgBouncer, postgres_database: ServerDatabase
) -> None:
    before = "SELECT current_setting('lock_timeout'), current_setting('statement_timeout')"
    address = Address.of(pgbouncer.url(postgres_database.name))
    with closing(connect(address)) as connection:
        assert is_behind_a_pooler(connection)
        assert connection.execute(before).fetchall() == [("0", "0")]
    with pgbouncer.server.session(postgres_database.name, port=pgbouncer.port) as session:
        for _ in range(4):
            assert session.execute(before).fetchall() == [("0", "0")]


def test_a_server_without_a_pooler_is_known_as_such(postgres_database: ServerDatabase) -> None:
    with connect(address_of(postgres_database)) as connection:
        assert not is_behind_a_pooler(connection)
