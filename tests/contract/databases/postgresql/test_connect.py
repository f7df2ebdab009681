"""A connection goes where the URL says and nowhere else, and what fails is said in sentences."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from migrations_ops.databases.address import Address
from migrations_ops.databases.postgresql.connect import connect, is_behind_a_pooler, parameters
from migrations_ops.databases.postgresql.database import PostgreSQL
from tests.contract.databases.test_connections import hostile_shell
from tests.servers.databases import ServerDatabase
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgres import PASSWORD, PostgresServer
from tests.servers.process import free_port


def address_of(database: ServerDatabase, **changes: str) -> Address:
    return Address.of(database.url() + "".join(changes.values()))


def test_of_several_hosts_the_one_that_answered_is_asked_first(
    postgres: PostgresServer, postgres_database: ServerDatabase
) -> None:
    """What was made there may not have come to the others yet."""
    dead = free_port()
    login = f"postgres:{postgres.password}@"
    hosts = f"localhost:{dead},{postgres.host}:{postgres.port}"
    address = Address.of(f"postgresql://{login}{hosts}/{postgres_database.name}")
    assert parameters(address)["port"] == f"{dead},{postgres.port}"
    connect(address).close()
    copy = address.of_database("copy")
    assert parameters(copy)["host"] == f"{postgres.host},localhost"
    assert parameters(copy)["port"] == f"{postgres.port},{dead}"
    # A step is led to that host alone.
    database = PostgreSQL.from_url(f"postgresql://{login}{hosts}/{postgres_database.name}")
    scratch = replace(database, is_copy=True)
    assert scratch.redirect() == {
        "database": postgres_database.name, "host": postgres.host, "port": postgres.port
    }  # fmt: skip


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
    with pytest.raises(psycopg.Error, match=r"SSL|root\.crt"):
        connect(address)


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
