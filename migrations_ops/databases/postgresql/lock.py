"""The lock of a release on PostgreSQL: held by connections of its own, freed by the server.

It is asked for again and again, never waited for inside of the server: while a second release
waited in ``pg_advisory_lock()``, the CREATE INDEX CONCURRENTLY of the first one waited for it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg

from migrations_ops.child.protocol.identity import RELEASE_KEY, STEP_KEY
from migrations_ops.databases.address import Address
from migrations_ops.databases.postgresql.connect import (
    Connection,
    connect,
    is_behind_a_pooler,
    promptly,
)
from migrations_ops.databases.postgresql.errors import (
    advice_on,
    in_words,
    may_come_up,
    was_answered,
)
from migrations_ops.model.errors import Locked, Refused, StepFailed
from migrations_ops.system.provenance import account, host

# How often, in seconds, a lock is asked for again.
POLL = 0.1
# Where databases are created and renamed from: a session can do neither to its own database.
MAINTENANCE = ("postgres", "template1")
# Where the lock beside a database is. Not in template1: a session there prevents all others
# from creating databases.
_BESIDE = "postgres"


@dataclass
class Lock:
    """What holds the lock of one database: a session in it, and one beside it.

    The latter keeps others away while there is no database yet, or while it is exchanged. Either
    may be missing, never both.
    """

    address: Address
    purpose: str
    beside: Connection | None = None
    inside: Connection | None = None

    def take(self, wait: float) -> None:
        """:raises Locked: another release holds it, or a step of one is still running.
        :raises Refused: the server cannot be reached, or a proxy multiplexes its sessions.
        """
        until = time.monotonic() + wait
        if self.address.database != _BESIDE:
            beside = self.address.of_database(_BESIDE)
            self.beside = _session(beside, self.purpose, until, needed=False)
        if self.beside is not None:
            _take(self.beside, _key_of(self.address.database), self.address, until)
        self._take_inside(until)
        if self.beside is None and self.inside is None:
            raise Refused(
                f"No release can start: {self.address.label} does not exist yet, and there is no"
                f" database {_BESIDE!r} into which its role may go to keep others away.",
                untouched="Nothing was started.",
                next=f"Create {self.address.database}, or let the role connect to {_BESIDE}.",
            )

    def let_go(self) -> None:
        """Leave the database itself, which could not be renamed or dropped otherwise."""
        if self.inside is not None:
            _close(self.inside)
            self.inside = None

    def take_again(self, wait: float) -> None:
        """Hold the lock in the database too, which was made, or made again.

        :raises Locked: another release was quicker.
        """
        if self.inside is None:
            self._take_inside(time.monotonic() + wait)

    def _take_inside(self, until: float) -> None:
        self.inside = _session(self.address, self.purpose, until, needed=True)
        if self.inside is not None:
            _take(self.inside, RELEASE_KEY, self.address, until)
            _await_orphan(self.inside, self.address, until)

    def require_lock(self) -> None:
        """:raises StepFailed: a session is gone, and the lock with it."""
        for session in (self.beside, self.inside):
            if session is None:
                continue
            try:
                with promptly(session):
                    session.execute("SELECT 1")
            except psycopg.Error as error:
                raise StepFailed(
                    f"The lock on {self.address.label} was lost: its connection broke.",
                    untouched="The step that was about to begin was not begun.",
                    next="Check that the server is running, and run the same command again.",
                ) from error

    def close(self) -> None:
        """Give the lock up."""
        for session in (self.inside, self.beside):
            if session is not None:
                _close(session)
        self.inside = self.beside = None


@contextmanager
def locked(address: Address, purpose: str, wait: float) -> Iterator[Lock]:
    """Hold the lock of a database, which need not exist yet.

    :raises Locked: another release holds it, or a step that it left behind is still running.
    :raises Refused: the server cannot be reached, or a proxy multiplexes its sessions.
    """
    lock = Lock(address, f"{purpose} of {account()} on {host()}")
    try:
        lock.take(wait)
        yield lock
    finally:
        lock.close()


def _key_of(database: str) -> int:
    digest = hashlib.sha256(b"migrations_ops release " + database.encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _session(address: Address, purpose: str, until: float, *, needed: bool) -> Connection | None:
    while True:
        try:
            session = connect(address, purpose)
            break
        except psycopg.Error as error:
            if may_come_up(error) and time.monotonic() < until:
                time.sleep(POLL)
                continue
            if not needed or is_missing(address, error):
                return None
            raise _refused(address, error) from None
    with _in_words(address):
        if not is_behind_a_pooler(session):
            return session
    session.close()
    raise Refused(
        f"Between this machine and {address.label} is a pooler such as PgBouncer, which"
        " multiplexes the server's sessions: two releases could both hold the same lock.",
        untouched="Nothing was started.",
        next="Give the environment the address of the server itself.",
    )


@contextmanager
def _in_words(address: Address) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise _refused(address, error) from None


def _refused(address: Address, error: psycopg.Error) -> Refused:
    return Refused(
        f"No release can start: {in_words(error, address.label)}.",
        untouched="Nothing was started.",
        next=advice_on(error),
    )


def is_missing(address: Address, error: psycopg.Error) -> bool:
    """Whether a connection failed since there is no such database, whatever language says so."""
    if not was_answered(error):
        return False
    for name in MAINTENANCE:
        with suppress(psycopg.Error), connect(address.of_database(name)) as connection:
            sql = "SELECT count(*) FROM pg_database WHERE datname = %s"
            row = connection.execute(sql, (address.database,)).fetchone()
            return row == (0,)
    return False


def names_beside(address: Address) -> list[str]:
    """The databases of its server that this role may open."""
    for name in MAINTENANCE:
        with suppress(psycopg.Error), connect(address.of_database(name)) as connection:
            rows = connection.execute(
                "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate"
                " AND has_database_privilege(oid, 'CONNECT') ORDER BY 1"
            )
            return [str(name) for (name,) in rows]
    return []


def _take(session: Connection, key: int, address: Address, until: float) -> None:
    while True:
        with _in_words(address), promptly(session):
            row = session.execute("SELECT pg_try_advisory_lock(%s)", (key,)).fetchone()
        if row == (True,):
            return
        if time.monotonic() >= until:
            with _in_words(address), promptly(session):
                who, _ = _holder(session, key) or ("Another release", 0)
            raise Locked(
                f"{who} works on {address.label}.",
                untouched="Nothing was started.",
                next="Try again when it is done; invoke status-all works meanwhile.",
            )
        time.sleep(POLL)


def _await_orphan(session: Connection, address: Address, until: float) -> None:
    """A step outlives its release until the server notices: its statement ends first."""
    while True:
        with _in_words(address), promptly(session):
            holder = _holder(session, STEP_KEY)
        if holder is None:
            return
        who, number = holder
        if time.monotonic() >= until:
            raise Locked(
                f"A step of an earlier release is still at work on {address.label}: {who}.",
                untouched="Nothing was started.",
                next="Wait until it has ended, or end its session:"
                f" SELECT pg_terminate_backend({number}); and try again.",
            )
        time.sleep(POLL)


def _holder(session: Connection, key: int) -> tuple[str, int] | None:
    """Who holds a lock, in words, and the number of the session; None where no one does."""
    unsigned = key & 0xFFFF_FFFF_FFFF_FFFF
    row = session.execute(
        """
        SELECT a.application_name, a.pid, a.backend_start, l.pid
        FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
        WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND l.classid = %s::bigint::oid AND l.objid = %s::bigint::oid
        """,
        (unsigned >> 32, unsigned & 0xFFFF_FFFF),
    ).fetchone()
    if row is None:
        return None
    name, pid, since = (row[0] or "").removeprefix("migrations_ops "), row[3], row[2]
    when = "" if since is None else f", since {since:%Y-%m-%d %H:%M:%S %Z}"
    return f"{name or 'another session'} (server process {pid}{when})", int(pid)


def _close(session: Connection) -> None:
    with suppress(psycopg.Error):
        session.close()
