"""The lock of a release on PostgreSQL: one holder, who is known, and freed when he dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
import pytest

from migrations_ops.child.protocol.identity import STEP_KEY
from migrations_ops.databases.address import Address
from migrations_ops.databases.postgresql.connect import connect, promptly
from migrations_ops.databases.postgresql.lock import Lock, locked
from migrations_ops.model.errors import Locked, Refused, StepFailed
from tests.servers.databases import ServerDatabase
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgres import PostgresServer
from tests.servers.proxy import Proxy

# A release in a process of its own; told "busy", it waits for a statement that takes long.
HOLDER = """
import sys
from migrations_ops.databases.address import Address
from migrations_ops.databases.postgresql.lock import locked
with locked(Address.of(sys.argv[1]), "release-migration", 0) as lock:
    print("held", flush=True)
    if sys.argv[2] == "busy":
        lock.inside.execute("SELECT pg_sleep(600)")
    sys.stdin.read()
"""


def address_of(database: ServerDatabase) -> Address:
    return Address.of(database.url())


@contextmanager
def holder(database: ServerDatabase, state: str = "idle") -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock; it is killed in the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, database.url(), state],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def refused_as_locked(address: Address, wait: float = 0) -> Iterator[list[Locked]]:
    caught: list[Locked] = []
    with pytest.raises(Locked) as raised, locked(address, "backup", wait):
        pass
    caught.append(raised.value)
    yield caught


def take(address: Address, wait: float = 0) -> None:
    """Take the lock and give it up again."""
    with locked(address, "backup", wait):
        pass


def wait_until(told: Any) -> None:
    limit = time.monotonic() + 60
    while not told():
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_another_process_is_kept_away_and_named(postgres_database: ServerDatabase) -> None:
    address = address_of(postgres_database)
    with holder(postgres_database) as process, refused_as_locked(address) as caught:
        assert process.poll() is None
    what = caught[0].what
    assert what.startswith("release-migration of ")
    assert f"works on {address.label}." in what
    assert "server process " in what
    assert ", since 20" in what
    take(address)


def test_a_role_that_sees_little_is_told_who_holds_the_lock(
    postgres: PostgresServer, postgres_database: ServerDatabase
) -> None:
    postgres.create_role("plain", "x")
    url = postgres.url(postgres_database.name, user="plain", password="x")
    with holder(postgres_database), refused_as_locked(Address.of(url)) as caught:
        assert "release-migration of " in caught[0].what


@pytest.mark.parametrize("state", ["idle", "busy"])
def test_a_holder_that_is_killed_holds_it_no_more(
    state: str, postgres_database: ServerDatabase
) -> None:
    address = address_of(postgres_database)
    with holder(postgres_database, state) as process:
        with refused_as_locked(address):
            pass
        process.kill()
        process.wait()
        # The server looks every half a second for whoever waits for an answer.
        take(address, wait=30)


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no SIGSTOP here")
def test_a_holder_that_is_stopped_holds_it_still(postgres_database: ServerDatabase) -> None:
    address = address_of(postgres_database)
    with holder(postgres_database) as process:
        os.kill(process.pid, signal.SIGSTOP)
        with refused_as_locked(address, wait=0.3):
            pass
        os.kill(process.pid, signal.SIGCONT)


def test_databases_are_locked_one_by_one(
    postgres: PostgresServer, postgres_database: ServerDatabase
) -> None:
    other = Address.of(postgres.url(postgres.create_database()))
    capital = Address.of(postgres.url(postgres.create_database("Test_Capital")))
    small = Address.of(postgres.url(postgres.create_database("test_capital")))
    with ExitStack() as stack:
        for address in (address_of(postgres_database), other, capital, small):
            stack.enter_context(locked(address, "release", 0))


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
            wait_until(lambda: postgres.execute(asked) == [(2,)])
            with connect(address) as connection:
                connection.execute("SET statement_timeout = '20s'")
                connection.execute("CREATE INDEX CONCURRENTLY ix ON t (g)")
            assert not waiting.done()
        waiting.result(60)


def test_whoever_waits_gets_it_when_it_is_free(postgres_database: ServerDatabase) -> None:
    address = address_of(postgres_database)
    with ThreadPoolExecutor() as pool:
        with locked(address, "release", 0):
            waiting = pool.submit(take, address, 60)
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


def test_a_server_that_is_not_up_yet_is_waited_for(
    postgres: PostgresServer, postgres_database: ServerDatabase
) -> None:
    address = address_of(postgres_database)
    postgres.kill()
    with pytest.raises(Refused, match="refused") as raised, locked(address, "release", 0.3):
        pass
    assert raised.value.untouched == "Nothing was started."
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(take, address, 60)
        postgres.start()
        waiting.result(60)


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


def orphan(database: ServerDatabase) -> psycopg.Connection[Any]:
    """What a step holds whose release is dead."""
    session = connect(address_of(database), "step of prod")
    session.execute("SELECT pg_advisory_lock(%s)", (STEP_KEY,))
    return session


def test_a_step_that_outlived_its_release_is_waited_for(
    postgres_database: ServerDatabase,
) -> None:
    address = address_of(postgres_database)
    with orphan(postgres_database) as step, ThreadPoolExecutor() as pool:
        with refused_as_locked(address, wait=0.2) as caught:
            assert "A step of an earlier release is still at work" in caught[0].what
            assert "step of prod (server process " in caught[0].what
        waiting = pool.submit(take, address, 60)
        step.close()
        waiting.result(60)


def test_a_step_in_the_database_beside_it_is_nobody_s(
    postgres: PostgresServer, postgres_database: ServerDatabase
) -> None:
    with orphan(ServerDatabase(postgres, "postgres")):
        take(address_of(postgres_database))


@pytest.mark.parametrize("where", ["inside", "beside"])
def test_a_lock_that_was_lost_is_noticed(
    where: str, postgres: PostgresServer, postgres_database: ServerDatabase
) -> None:
    address = address_of(postgres_database)
    with locked(address, "release", 0) as lock:
        lock.require_lock()
        pid = getattr(lock, where).info.backend_pid
        postgres.execute("SELECT pg_terminate_backend(%s, 5000)", pid)
        with pytest.raises(StepFailed) as raised:
            lock.require_lock()
        assert raised.value.what == f"The lock on {address.label} was lost: its connection broke."
        # Whoever comes to tidy up afterwards has nothing to fall over.
        lock.let_go()


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
        wait_until(lambda: not sessions_in(postgres, postgres_database.name))
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
        quicker._take_inside(time.monotonic())
        with pytest.raises(Locked, match="release-migration of somebody"):
            lock.take_again(0)
        quicker.close()
        lock.let_go()
        lock.take_again(10)
