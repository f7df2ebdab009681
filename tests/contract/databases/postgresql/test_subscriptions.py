"""What feeds a database from another server is in no copy, and no restore cuts it off unsaid."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from migrations_ops.databases.address import Address
from migrations_ops.databases.postgresql.copies import Copies
from migrations_ops.databases.postgresql.database import PostgreSQL
from migrations_ops.model.errors import Refused
from tests.servers.databases import ServerDatabase
from tests.servers.fixtures import started
from tests.servers.postgres import PostgresServer
from tests.servers.shops import ServerShop
from tests.support import wait_for

pytestmark = pytest.mark.usefixtures("postgres_clients")
SECRET = "hidden-word-of-the-publisher"
MAKE = (
    f"CREATE SUBSCRIPTION fed CONNECTION 'host=127.0.0.1 port=1 password={SECRET}'"
    " PUBLICATION p WITH (connect = false, slot_name = 'fed')"
)
FORGET = (
    "ALTER SUBSCRIPTION fed DISABLE",
    "ALTER SUBSCRIPTION fed SET (slot_name = NONE)",
    "DROP SUBSCRIPTION fed",
)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    made = started(lambda: PostgresServer(wal_level="logical", max_replication_slots="4"))
    yield made
    made.close()


def fed_database(server: PostgresServer) -> tuple[ServerDatabase, ServerDatabase]:
    """A database, and the one whose rows come into it."""
    source, fed = (ServerDatabase(server, server.create_database()) for _ in range(2))
    for each in (source, fed):
        each.execute("CREATE TABLE t (a integer PRIMARY KEY)")
    source.execute("CREATE PUBLICATION p FOR TABLE t")
    source.execute("SELECT pg_create_logical_replication_slot('fed', 'pgoutput')")
    where = f"host={server.host} port={server.port} user=postgres dbname={source.name}"
    fed.execute(
        f"CREATE SUBSCRIPTION fed CONNECTION '{where} password={server.password}' PUBLICATION p"
        " WITH (create_slot = false, slot_name = 'fed', copy_data = false)"
    )
    source.execute("INSERT INTO t VALUES (1)")
    wait_for(lambda: fed.execute("TABLE t") == [(1,)])
    return source, fed


def test_a_database_that_is_fed_is_not_replaced_until_that_is_stopped(
    server: PostgresServer, tmp_path: Path
) -> None:
    source, fed = fed_database(server)
    engine, file = PostgreSQL.from_url(fed.url()), tmp_path / "dump"
    [found] = engine.find_obstacles()
    assert (found.code, found.severity, found.where) == ("subscription", "warning", "fed")
    engine.back_up(file, "alembic_version", None)
    before = server.databases()
    with engine.locked("restore", 0), pytest.raises(Refused) as caught:
        engine.restore_from(file, "alembic_version", None)
    source.execute("INSERT INTO t VALUES (2)")
    wait_for(lambda: fed.execute("SELECT * FROM t ORDER BY a") == [(1,), (2,)])
    assert server.databases() == before

    [typed] = re.findall(r"ALTER SUBSCRIPTION [^;]*", caught.value.next)
    fed.execute(typed)
    with engine.locked("restore", 30):
        restored = engine.restore_from(file, "alembic_version", None)
    assert "the subscriptions fed stayed with it" in restored.previous
    assert fed.execute("TABLE t") == [(1,)]
    [kept] = server.databases() - before
    assert kept in restored.previous
    assert server.execute(
        "SELECT datname, subname FROM pg_subscription JOIN pg_database d ON d.oid = subdbid"
    ) == [(kept, "fed")]
    for statement in FORGET[1:]:
        server.execute(statement, database=kept)


def test_neither_a_backup_nor_a_copy_holds_a_subscription(
    postgres_filled: ServerShop,
) -> None:
    shop = postgres_filled
    shop.prod_database.execute(MAKE)
    try:
        ran = shop.invoke("release-migration")
        assert ran.code == 0, ran.err
        assert "[subscription]" in ran.err
        assert not any("_copy_" in name for name in shop.prod_database.server.databases())
        files = [file for file in (shop.folder / "data").rglob("*") if file.is_file()]
        assert not any(SECRET.encode() in file.read_bytes() for file in files)
    finally:
        for statement in FORGET:
            shop.prod_database.execute(statement)


def test_a_copy_of_an_earlier_release_with_a_subscription_is_swept(
    postgres: PostgresServer, postgres_database: ServerDatabase
) -> None:
    address = Address.of(postgres_database.url())
    copies = Copies(address, address)
    left = copies.make().database
    postgres.execute(MAKE, database=left)
    copies.sweep()
    assert left not in postgres.databases()
    assert copies.find_stuck() == []


@contextmanager
def stuck_copy(database: ServerDatabase) -> Iterator[str]:
    """A copy of a database that is fed, by whomever, so that it cannot be dropped."""
    address = Address.of(database.url())
    name = Copies(address, address).make().database
    database.server.execute(MAKE, database=name)
    database.server.execute("ALTER SUBSCRIPTION fed ENABLE", database=name)
    try:
        yield name
    finally:
        for statement in FORGET:
            database.server.execute(statement, database=name)


def test_a_copy_that_cannot_be_dropped_is_named(postgres_filled: ServerShop) -> None:
    with stuck_copy(postgres_filled.prod_database) as name:
        ran = postgres_filled.invoke("backup", "--env", "prod")
        assert ran.code == 0, ran.err
        assert f"the copy {name} of " in ran.err
        assert "could not be dropped" in ran.err
        assert "[copy-left]" in ran.err
    assert "[copy-left]" not in postgres_filled.invoke("backup", "--env", "prod").err
    assert name not in postgres_filled.prod_database.server.databases()


def test_what_sends_the_rows_of_a_table_is_known(postgres_database: ServerDatabase) -> None:
    postgres_database.execute(
        "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE other (id int); CREATE SCHEMA log;"
        "CREATE TABLE log.t (id int); CREATE PUBLICATION one FOR TABLE t;"
        'CREATE PUBLICATION "Two" FOR TABLE t, log.t'
    )
    engine = PostgreSQL.from_url(postgres_database.url())
    assert engine.published_tables() == {
        "t": 'the publication "Two", one', "log.t": 'the publication "Two"'
    }  # fmt: skip
