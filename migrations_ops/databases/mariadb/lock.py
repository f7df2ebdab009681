"""The lock of a release on MariaDB: held by a connection of its own, freed by the server.

It is asked for again and again, never waited for inside of the server, so that the task
that waits can report who holds it, and can stop.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

import pymysql

from migrations_ops.child.protocol.identity import lock_name
from migrations_ops.databases.address import Address
from migrations_ops.databases.mariadb.cluster import (
    Claim,
    claim_name,
    drop_claim,
    read_claim,
    read_node,
    read_replication,
    take_claim,
    why_local,
)
from migrations_ops.databases.mariadb.connect import (
    Connection,
    ask,
    close,
    connect,
    database_of,
    promptly,
)
from migrations_ops.databases.mariadb.errors import advice_on, in_words, may_come_up
from migrations_ops.databases.mariadb.names import quoted
from migrations_ops.databases.mariadb.server import is_behind_a_proxy
from migrations_ops.model.errors import Locked, OpsError, Refused, StepFailed
from migrations_ops.model.text import local_time
from migrations_ops.system.files import now
from migrations_ops.system.provenance import account, host

# How often, in seconds, a lock is asked for again.
POLL = 0.1
# The session says nothing while a step runs: a server would end it after 8 hours, or less.
_IDLE_SECONDS = 30 * 24 * 3600
_MEANWHILE = "Try again when it is done; invoke status-all works meanwhile."


@dataclass(frozen=True)
class Lock:
    """The lock of one database, which a session on its server has."""

    address: Address
    name: str
    session: Connection

    def is_locked(self) -> bool:
        """Whether the server still says that this session has it."""
        with suppress(pymysql.MySQLError), promptly(self.session):
            sql = "SELECT IS_USED_LOCK(%s) = CONNECTION_ID()"
            return ask(self.session, sql, self.name) == [(1,)]
        return False

    def require_lock(self) -> None:
        """:raises StepFailed: the session is gone, and the lock with it."""
        if not self.is_locked():
            raise StepFailed(
                f"The lock on {self.address.label} was lost: its connection broke.",
                untouched="The step that was about to begin was not begun.",
                next="Check that the server is running, and run the same command again.",
            )


@contextmanager
def locked(address: Address, purpose: str, wait: float) -> Iterator[Lock]:
    """Hold the lock of a database, which need not exist yet.

    :param wait: how long, in seconds, to wait for it, and for a server that is not up yet.
    :raises Locked: another release has it, or a step that it left behind is still running.
    :raises Refused: the server cannot be reached, or a proxy multiplexes its sessions.
    """
    until = time.monotonic() + wait
    session = _session(address, f"{purpose} of {account()} on {host()}", until)
    try:
        try:
            lock = _take(session, address, until)
            claim = _claim(session, address, until, purpose)
        except pymysql.MySQLError as error:
            raise _refused(address, error) from None
        try:
            yield lock
        finally:
            if claim is not None:
                with suppress(pymysql.MySQLError), promptly(session):
                    drop_claim(session, *claim)
    finally:
        # The server notices the end of a session a little later: the next task may be quicker.
        with suppress(pymysql.MySQLError), promptly(session):
            ask(session, "DO RELEASE_ALL_LOCKS()")
        close(session)


def _session(address: Address, purpose: str, until: float) -> Connection:
    while True:
        try:
            session = connect(address, purpose, database=False)
            break
        except pymysql.MySQLError as error:
            if may_come_up(error) and time.monotonic() < until:
                time.sleep(POLL)
                continue
            raise _refused(address, error) from None
    try:
        with promptly(session):
            _require_own_sessions(session, address)
            _require_replication(session, address)
    except BaseException as error:
        close(session)
        if isinstance(error, pymysql.MySQLError):
            raise _refused(address, error) from None
        raise
    return session


def _require_own_sessions(session: Connection, address: Address) -> None:
    if is_behind_a_proxy(session):
        raise Refused(
            f"Between this machine and {address.label} is a proxy that multiplexes the server's"
            " sessions: two releases could both hold the same lock.",
            untouched="Nothing was started.",
            next="Give the environment the address of the server itself.",
        )


def _require_replication(session: Connection, address: Address) -> None:
    found = why_local(read_replication(session))
    if found is not None:
        raise Refused(
            f"{address.label} is on a node of a Galera cluster, and {found[0]}.",
            untouched="Nothing was started.",
            next=found[1],
        )


def _folded(session: Connection, database: str) -> str:
    """Where the case of names does not count, two ways to write one must meet."""
    [(folded,)] = ask(session, "SELECT @@lower_case_table_names")
    return database.lower() if folded else database


def _claim(
    session: Connection, address: Address, until: float, purpose: str
) -> tuple[str, Claim] | None:
    """Claim a database of a cluster, where the lock of a node says nothing to the others.

    :returns: the claim with its name; None where the server is no node of a cluster.
    """
    with promptly(session):
        node = read_node(session)
        name = claim_name(_folded(session, address.database))
    if not node:
        return None
    mine = Claim(node, f"{purpose} of {account()} on {host()}", now())
    while True:
        with promptly(session):
            other = take_claim(session, name, mine)
        if other is None:
            return name, mine
        _wait_or(until, partial(claimed, address, name, other))


def claimed(address: Address, name: str, other: Claim) -> Locked:
    """The refusal where another node of the cluster has the release."""
    return Locked(
        f"{_in_words(other)} works on {address.label}, or was killed there.",
        untouched="Nothing was started.",
        next=f"{_MEANWHILE} If it was killed, give the environment the address of that node, whose"
        " lock says so, and run the same command again; if that node is gone for good, look at"
        f" what was begun there, then DROP DATABASE {quoted(name)}; and try again.",
    )


def _in_words(claim: Claim) -> str:
    return f"{claim.who} (through the node {claim.node} since {local_time(claim.since)})"


def find_other(session: Connection) -> str:
    """Who has the lock of the database that a session is in, and so may be at work on it, in
    words; empty for nobody. A lock of this process's own counts, too.

    :raises pymysql.MySQLError: the server cannot be asked.
    """
    database = _folded(session, database_of(session))
    for what in ("release", "step"):
        who, _ = _holder(session, lock_name(what, database))
        if who:
            return who[:1].lower() + who[1:]
    node = read_node(session)
    other = read_claim(session, claim_name(database)) if node else None
    return "" if other is None or other.node == node else _in_words(other)


def _take(session: Connection, address: Address, until: float) -> Lock:
    with promptly(session):
        ask(session, f"SET SESSION wait_timeout = {_IDLE_SECONDS}")
        database = _folded(session, address.database)
    release, step = lock_name("release", database), lock_name("step", database)
    while True:
        with promptly(session):
            [(taken,)] = ask(session, "SELECT GET_LOCK(%s, 0)", release)
        if taken == 1:
            break
        _wait_or(until, lambda: _locked(session, address, release))
    while True:
        # A step outlives its release until the server notices: its statement ends first.
        with promptly(session):
            [(free,)] = ask(session, "SELECT IS_FREE_LOCK(%s)", step)
        if free == 1:
            return Lock(address, release, session)
        _wait_or(until, lambda: _orphan(session, address, step))


def _wait_or(until: float, refusal: Callable[[], OpsError]) -> None:
    if time.monotonic() >= until:
        raise refusal()
    time.sleep(POLL)


def _locked(session: Connection, address: Address, lock: str) -> Locked:
    return Locked(
        f"{_holder(session, lock)[0] or 'Another release'} works on {address.label}.",
        untouched="Nothing was started.",
        next=_MEANWHILE,
    )


def _orphan(session: Connection, address: Address, lock: str) -> Locked:
    who, number = _holder(session, lock)
    end = f", or end its session: KILL {number};" if number else ""
    return Locked(
        f"A step of an earlier release is still at work on {address.label}:"
        f" {who or 'its session is about to end'}.",
        untouched="Nothing was started.",
        next=f"Wait until it has ended{end} and try again.",
    )


def _holder(session: Connection, lock: str) -> tuple[str, int]:
    """Who has a lock, and the number of the session, as far as the server says; else empty."""
    with suppress(pymysql.MySQLError, IndexError), promptly(session):
        [(number,)] = ask(session, "SELECT IS_USED_LOCK(%s)", lock)
        if number is None:
            return "", 0
        purpose = _purpose(session, number) or "Another release"
        # Without the right PROCESS, only sessions of the same user are seen.
        rows = ask(
            session,
            "SELECT USER, HOST FROM information_schema.PROCESSLIST WHERE ID = %s",
            number,
        )
        where = f" of {rows[0][0]} from {rows[0][1]}" if rows else ""
        return f"{purpose} (server session {number}{where})", int(number)
    return "", 0


def _purpose(session: Connection, number: int) -> str:
    """The purpose that another session stated, where the server keeps that."""
    with suppress(pymysql.MySQLError):
        rows = ask(
            session,
            "SELECT ATTR_VALUE FROM performance_schema.session_account_connect_attrs"
            " WHERE PROCESSLIST_ID = %s AND ATTR_NAME = 'program_name'",
            number,
        )
        if rows:
            return str(rows[0][0]).removeprefix("migrations_ops ")
    return ""


def _refused(address: Address, error: pymysql.MySQLError) -> Refused:
    return Refused(
        f"No release can start: {in_words(error, address.label)}.",
        untouched="Nothing was started.",
        next=advice_on(error),
    )
