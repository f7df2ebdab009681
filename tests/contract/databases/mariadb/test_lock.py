"""One release at a time, across processes and hosts; the lock of a dead holder frees itself."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from migrations_ops.child.protocol.identity import lock_name
from migrations_ops.databases.address import Address
from migrations_ops.databases.mariadb.connect import ask
from migrations_ops.databases.mariadb.lock import locked
from migrations_ops.model.errors import Locked, Refused, StepFailed
from tests.contract.databases.mariadb.support import address_of, make_role, session
from tests.servers.databases import ServerDatabase
from tests.servers.mariadb import MariaServer
from tests.servers.process import free_port

_HOLDER = """
import sys
from migrations_ops.databases.address import Address
from migrations_ops.databases.mariadb.lock import locked
with locked(Address.of(sys.stdin.readline().strip()), "release-migration", 0):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(database: ServerDatabase) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(database.url().encode() + b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def kill_lock_session(database: ServerDatabase, what: str = "release") -> None:
    [(number,)] = database.execute("SELECT IS_USED_LOCK(%s)", lock_name(what, database.name))
    database.execute(f"KILL {number}")


def test_a_second_release_is_told_who_holds_the_lock(mariadb_database: ServerDatabase) -> None:
    address = address_of(mariadb_database)
    with holder(mariadb_database):
        with pytest.raises(Locked) as caught, locked(address, "upgrade", 0):
            pass
        assert "Another release (server session " in caught.value.what
        assert "of root from 127.0.0.1:" in caught.value.what
        assert caught.value.what.endswith(f"works on {address.label}.")
        assert caught.value.exit_code == 5
        assert mariadb_database.server.execute("SELECT 1") == [(1,)]


def test_a_role_that_sees_no_other_sessions_is_told_of_one_at_least(
    mariadb_database: ServerDatabase,
) -> None:
    plain = make_role(mariadb_database, "ALL")
    with (
        holder(mariadb_database),
        pytest.raises(Locked) as caught,
        locked(plain, "upgrade", 0),
    ):
        pass
    assert "Another release (server session " in caught.value.what


def test_a_killed_holder_frees_the_lock_for_whoever_waits(mariadb_database: ServerDatabase) -> None:
    with holder(mariadb_database) as process:
        process.kill()
        with locked(address_of(mariadb_database), "upgrade", 60) as lock:
            assert lock.is_locked()


def test_a_lock_is_free_again_when_it_was_left(mariadb_database: ServerDatabase) -> None:
    for _ in range(30):
        with locked(address_of(mariadb_database), "upgrade", 0) as lock:
            lock.require_lock()
    assert not lock.is_locked()


def test_other_databases_of_the_server_are_not_locked(mariadb_database: ServerDatabase) -> None:
    address = address_of(mariadb_database)
    with (
        locked(address, "upgrade", 0),
        locked(address.of_database("another"), "upgrade", 0) as other,
    ):
        assert other.is_locked()


@pytest.mark.parametrize("length", [5, 64])
def test_a_database_that_is_not_there_yet_can_be_locked(
    mariadb_database: ServerDatabase, length: int
) -> None:
    address = address_of(mariadb_database).of_database("n" * length)
    with (
        locked(address, "upgrade", 0),
        pytest.raises(Locked),
        locked(address, "upgrade", 0),
    ):
        pass


def test_an_orphaned_step_is_waited_for(mariadb_database: ServerDatabase) -> None:
    address = address_of(mariadb_database)
    with session(mariadb_database) as step:
        name = lock_name("step", mariadb_database.name)
        assert ask(step, "SELECT GET_LOCK(%s, 0)", name) == [(1,)]
        with pytest.raises(Locked) as caught, locked(address, "upgrade", 0.3):
            pass
        assert "A step of an earlier release is still at work" in caught.value.what
        assert f"server session {step.thread_id()}" in caught.value.what  # type: ignore[no-untyped-call]
        # Nobody holds the release's own lock meanwhile.
        release = lock_name("release", mariadb_database.name)
        patience = time.monotonic() + 30
        while ask(step, "SELECT IS_FREE_LOCK(%s)", release) != [(1,)]:
            assert time.monotonic() < patience
        kill_lock_session(mariadb_database, "step")
        with locked(address, "upgrade", 60) as lock:
            assert lock.is_locked()


def test_a_lock_whose_session_was_ended_is_known_to_be_lost(
    mariadb_database: ServerDatabase,
) -> None:
    with locked(address_of(mariadb_database), "upgrade", 0) as lock:
        lock.require_lock()
        kill_lock_session(mariadb_database)
        assert not lock.is_locked()
        with pytest.raises(StepFailed, match="was lost"):
            lock.require_lock()


def test_a_lock_is_lost_with_its_server(
    mariadb: MariaServer, mariadb_database: ServerDatabase
) -> None:
    with locked(address_of(mariadb_database), "upgrade", 0) as lock:
        mariadb.kill()
        assert not lock.is_locked()


def test_the_server_does_not_end_a_session_that_says_nothing_for_hours(
    mariadb_database: ServerDatabase,
) -> None:
    with locked(address_of(mariadb_database), "upgrade", 0) as lock:
        [(seconds,)] = ask(lock.session, "SELECT @@wait_timeout")
        assert seconds > 7 * 24 * 3600


def test_a_server_that_is_not_up_is_waited_for(
    mariadb: MariaServer, mariadb_database: ServerDatabase
) -> None:
    address = address_of(mariadb_database)
    mariadb.stop()
    with pytest.raises(Refused, match="cannot be reached"), locked(address, "u", 0.3):
        pass
    coming = threading.Timer(1, mariadb.start)
    coming.start()
    try:
        with locked(address, "upgrade", 60) as lock:
            assert lock.is_locked()
    finally:
        coming.join()


def test_nobody_waits_for_a_server_that_does_not_let_him_in(
    mariadb_database: ServerDatabase,
) -> None:
    address = address_of(mariadb_database, password="hidden-and-wrong")
    with pytest.raises(Refused) as caught, locked(address, "upgrade", 600):
        pass
    assert "hidden" not in str(caught.value)
    nobody = Address.of(f"mysql://root@127.0.0.1:{free_port()}/db")
    with pytest.raises(Refused, match="See whether the server runs"):  # noqa: SIM117
        with locked(nobody, "upgrade", 0):
            pass
