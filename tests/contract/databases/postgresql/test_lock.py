"""What the lock of a release has to see to on PostgreSQL alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from migrations_ops.child.protocol.identity import STEP_KEY
from migrations_ops.databases.address import Address
from migrations_ops.databases.postgresql.connect import connect, promptly
from migrations_ops.databases.postgresql.lock import Lock, locked
from migrations_ops.model.errors import Locked, Refused, StepFailed
from tests.contract.databases.support import running
from tests.servers.databases import ServerDatabase
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgres import PostgresServer
from tests.servers.proxy import Proxy
from tests.support import wait_for

# A release in a process of its own, which waits for a statement that takes long.
BUSY = """
import sys
from migrations_ops.child.protocol.identity import STEP_KEY
from migrations_ops.databases.address import Address
from migrations_ops.databases.postgresql.lock import locked
with locked(Address.of(sys.argv[1]), "release-migration", 0) as lock:
    print("held", flush=True)
    lock.inside.execute("SELECT pg_sleep(600)")
"""


def address_of(database: ServerDatabase) -> Address:
    return Address.of(database.url())


@contextmanager
def refused_as_locked(address: Address, wait: float = 0) -> Iterator[list[Locked]]:
    caught: list[Locked] = []
    with pytest.raises(Locked) as raised, locked(address, "backup", wait):
        pass
    caught.append(raised.value)
    yield caught


def take(address: Address, wait: float = 30) -> None:
    """Take the lock and give it up again; the server may yet have to notice who has gone."""
    with locked(address, "backup", wait):
        pass


def test_whoever_is_killed_while_the_server_works_for_him_frees_the_lock(
    postgres_database: ServerDatabase,
) -> None:
    address = address_of(postgres_database)
    with running(BUSY, postgres_database.url()) as process:
        with refused_as_locked(address):
            pass
        process.kill()
        process.wait()
        # The server looks every half a second for whoever waits for an answer.
        take(address)


def test_an_index_is_made_concurrently_while_another_release_waits(
    postgres: PostgresServer, postgres_database: ServerDatabase
) -> None:
    address = address_of(postgres_database)
    postgres_database.execute("CREATE TABLE t AS SELECT g FROM generate_series(1, 1000) g")
    asked = "SELECT count(*) FROM pg_stat_activity WHERE application_name ~ 'backup of'"
    with ThreadPoolExecutor() as pool:
        with locked(address, "release", 0) as lock:
            # Whoever waits is in the database itself, too, where he could be waited for.
            session, lock.beside = lock.beside, None
            assert session is not None
            session.close()
            waiting = pool.submit(take, address, 60)
            wait_for(lambda: postgres.execute(asked) == [(2,)])
            with connect(address) as connection:
                connection.execute("SET statement_timeout = '20s'")
                connection.execute("CREATE INDEX CONCURRENTLY ix ON t (g)")
            assert not waiting.done()
        waiting.result(60)


def test_two_releases_of_a_database_that_is_missing_exclude_each_other(
    postgres: PostgresServer, postgres_database: ServerDatabase
) -> None:
    address = address_of(postgres_database).of_database("not yet")
    with locked(address, "release", 0):
        with refused_as_locked(address):
            pass
        # And still, when the first one has made it.
        postgres.create_database("not yet")
        with refused_as_locked(address):
            pass


def test_many_releases_that_start_at_once_hold_it_one_after_the_other(
    postgres_database: ServerDatabase,
) -> None:
    address = address_of(postgres_database).of_database("not yet")
    together, inside, seen = threading.Barrier(6), [], []

    def release(number: int) -> None:
        together.wait(30)
        with locked(address, "release", 60):
            inside.append(number)
            time.sleep(0.05)
            seen.append(tuple(inside))
            inside.remove(number)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(release, range(6)))
    assert sorted(seen) == [(number,) for number in range(6)]


def test_without_any_place_for_a_lock_nothing_starts(
    postgres: PostgresServer, postgres_database: ServerDatabase
) -> None:
    postgres.create_role("plain", "x")
    postgres.execute("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC")
    try:
        missing = Address.of(postgres.url("not yet", user="plain", password="x"))
        with pytest.raises(Refused, match="keep others away"), locked(missing, "release", 0):
            pass
        # One that is there is locked in itself.
        there = Address.of(postgres.url(postgres_database.name, user="plain", password="x"))
        with locked(there, "release", 0), refused_as_locked(there):
            pass
        with locked(there, "release", 0), refused_as_locked(address_of(postgres_database)):
            pass
    finally:
        postgres.execute("GRANT CONNECT ON DATABASE postgres TO PUBLIC")


@pytest.mark.parametrize("name", ["test_usual", "postgres"])
def test_others_may_make_databases_while_it_is_held(
    name: str, postgres: PostgresServer, postgres_database: ServerDatabase
) -> None:
    if name not in postgres.databases():
        postgres.create_database(name)
    with locked(address_of(postgres_database).of_database(name), "release", 0):
        with refused_as_locked(address_of(postgres_database).of_database(name)):
            pass
        postgres.create_database()


@pytest.mark.parametrize("mode", ["transaction", "session", "statement"])
def test_a_pooler_is_refused_with_the_reason(
    mode: str, postgres: PostgresServer, postgres_database: ServerDatabase
) -> None:
    from tests.servers.fixtures import started

    bouncer = started(lambda: PgBouncer(postgres, pool_mode=mode))
    try:
        address = Address.of(bouncer.url(postgres_database.name))
        with pytest.raises(Refused) as raised, locked(address, "release", 0):
            pass
    finally:
        bouncer.close()
    assert "PgBouncer" in raised.value.what
    assert "both hold the same lock" in raised.value.what
    assert "server itself" in raised.value.next


def test_a_server_without_a_free_place_is_waited_for(
    postgres: PostgresServer, postgres_database: ServerDatabase
) -> None:
    postgres.create_role("plain", "x")
    postgres.execute("ALTER ROLE plain CONNECTION LIMIT 2")
    postgres.execute(f"ALTER DATABASE {postgres_database.name} CONNECTION LIMIT 0")
    address = Address.of(postgres.url(postgres_database.name, user="plain", password="x"))
    with pytest.raises(Refused, match="too many connections") as raised, locked(address, "x", 0):
        pass
    assert raised.value.next


def test_a_step_in_the_database_beside_it_is_nobody_s(
    postgres: PostgresServer, postgres_database: ServerDatabase
) -> None:
    with connect(Address.of(postgres.url("postgres")), "step of prod") as step:
        step.execute("SELECT pg_advisory_lock(%s)", (STEP_KEY,))
        take(address_of(postgres_database))


def test_a_lock_is_lost_with_its_server(
    postgres: PostgresServer, postgres_database: ServerDatabase
) -> None:
    with locked(address_of(postgres_database), "release", 0) as lock:
        postgres.kill()
        with pytest.raises(StepFailed, match="was lost"):
            lock.require_lock()
        lock.let_go()
        with pytest.raises(Refused, match="refused"):
            lock.take_again(0)
    postgres.start()


def test_a_lock_behind_a_network_that_hangs_counts_as_lost(
    postgres_database: ServerDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = postgres_database.server
    with Proxy(server.host, server.port) as proxy:
        address = Address.of(proxy.through(postgres_database.url()))
        with locked(address, "release", 0) as lock:
            proxy.hang()
            monkeypatch.setattr(
                "migrations_ops.databases.postgresql.lock.promptly",
                lambda connection: promptly(connection, 0.3),
            )
            with pytest.raises(StepFailed, match="was lost"):
                lock.require_lock()


def sessions_in(postgres: PostgresServer, name: str) -> int:
    [(count,)] = postgres.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", name)
    assert isinstance(count, int)
    return count


def test_whoever_lets_go_of_the_database_keeps_others_away(
    postgres: PostgresServer, postgres_database: ServerDatabase
) -> None:
    address = address_of(postgres_database)
    with locked(address, "release", 0) as lock:
        lock.let_go()
        wait_for(lambda: not sessions_in(postgres, postgres_database.name))
        with refused_as_locked(address):
            pass
        postgres.execute(f"ALTER DATABASE {postgres_database.name} RENAME TO test_renamed")
        postgres.create_database(postgres_database.name)
        lock.take_again(0)
        assert sessions_in(postgres, postgres_database.name) == 1
        lock.require_lock()
        # A second time changes nothing.
        lock.take_again(0)
        assert sessions_in(postgres, postgres_database.name) == 1
    take(address)


def test_whoever_was_quicker_keeps_it(postgres_database: ServerDatabase) -> None:
    address = address_of(postgres_database)
    with locked(address, "release", 0) as lock:
        lock.let_go()
        # One that cannot go where the lock beside it is.
        quicker = Lock(address, "release-migration of somebody")
        quicker._take_inside(time.monotonic() + 30)
        with pytest.raises(Locked, match="release-migration of somebody"):
            lock.take_again(0)
        quicker.close()
        lock.let_go()
        lock.take_again(10)
