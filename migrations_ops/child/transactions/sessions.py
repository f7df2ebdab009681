"""What each session of a step on a server gets before its first use: timeouts, and the lock.

One step at a time works in a server's database: also an orphan of a dead release is waited for. The
server frees the lock when the connection that has it ends, whatever became of its process.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from ..driver import ask, close_quietly, is_idle, is_pooled
from ..families import Server, family_of, load, server_of
from ..protocol.identity import STEP_KEY, lock_name
from ..protocol.instructions import Instructions

# How often, in seconds, it is asked for again. Never waited for inside of the server: a CREATE
# INDEX CONCURRENTLY of the other step would wait for us.
POLL = 0.1
# PostgreSQL keeps a key of 64 bits as two halves.
_HOLDER = f"""
SELECT pid, coalesce(nullif(application_name, ''), 'no name') || coalesce(' at ' || client_addr, '')
FROM pg_locks LEFT JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND objsubid = 1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND classid = {(STEP_KEY >> 32) & 0xFFFFFFFF} AND objid = {STEP_KEY & 0xFFFFFFFF}
"""

# SQL that takes the lock, that names who has it, and that tells the session's own number.
Questions = Callable[[Any], tuple[str, str, str]]


class Follower(Protocol):
    """Must know the sessions, to end what they are doing."""

    changes: bool

    def opened(self, driver: Any, again: Callable[[], Any] | None) -> None: ...

    def opened_unseen(self) -> None: ...


class ServerSessions:
    """Those of this process to the destination.

    :param refuse: raises; takes what was opened, and what is wrong with it.
    """

    def __init__(
        self, instructions: Instructions, follower: Follower, refuse: Callable[[str, str], None]
    ) -> None:
        self._instructions = instructions
        self._follower = follower
        self._refuse = refuse
        self._lock = StepLock(instructions)
        self._known: list[Any] = []

    def opened(self, driver: Any, family: str, again: Callable[[], Any] | None) -> None:
        """A new one was made; another one like it is made by ``again``."""
        if is_pooled(driver):
            close_quietly(driver)
            self._refuse(
                f"{self._instructions.name} through a pooler such as PgBouncer",
                "timeouts and locks would then be left to other clients' transactions: give env.py"
                " the address of the server itself",
            )
        self._known.append(driver)
        server = server_of(family)
        assert server is not None
        load(server.timeouts)(driver, self._instructions)
        self._follower.opened(driver, again)

    def opened_unseen(self) -> None:
        """One was made whose statements are not seen."""
        self._follower.opened_unseen()

    def proved(self, connection: Any) -> None:
        """Alembic is about to use this one, which a function of env.py's may have made.

        :raises StepLocked: another step is still running.
        """
        family = family_of(connection.dialect)
        server = server_of(family)
        assert server is not None  # it was proved to be the destination
        driver = connection.connection.dbapi_connection
        known = any(driver is each for each in self._known)
        if not known and (not server.tells_idle or _is_idle(connection)):
            self.opened(driver, family, None)
        if self._follower.changes:
            self._lock.take(connection, server)


class StepLocked(Exception):
    """Another step is still at work in the database; nothing was begun."""


class StepLock:
    """The lock of a step, acquired by Alembic's connection before its first statement."""

    def __init__(self, instructions: Instructions) -> None:
        self._instructions = instructions
        # Sessions of this process: a pool may still hold the one of an earlier command.
        self._own: set[int] = set()

    def take(self, connection: Any, server: Server) -> None:
        """:raises StepLocked: another session had it for the whole time of waiting."""
        if not self._instructions.step_lock:
            return
        driver = connection.connection.dbapi_connection
        idle = server.tells_idle and _is_idle(connection)
        try:
            self._poll(driver, load(server.step_lock))
        finally:
            if idle:
                driver.rollback()  # the lock is the session's, and stays

    def _poll(self, driver: Any, questions: Questions) -> None:
        until = time.monotonic() + self._instructions.step_wait
        while True:
            holder = self._try(driver, questions)
            if holder is None:
                return
            if time.monotonic() >= until:
                raise StepLocked(
                    f"another step is still at work in {self._instructions.name}: session {holder}"
                    " of the server; wait until it has ended, or end that session there"
                )
            time.sleep(POLL)

    def _try(self, driver: Any, questions: Questions) -> str | None:
        """Take the lock; returns who has it, if another session does."""
        take, holder, session = questions(driver)
        self._own.add(int(ask(driver, session)[0][0]))
        if ask(driver, take)[0][0]:
            return None
        for number, name in ask(driver, holder):
            return None if int(number) in self._own else f"{number} ({name})"
        return "(gone by now)"


def _is_idle(connection: Any) -> bool:
    return is_idle(connection.connection.driver_connection)


def postgresql_lock(driver: Any) -> tuple[str, str, str]:
    return f"SELECT pg_try_advisory_lock({STEP_KEY})", _HOLDER, "SELECT pg_backend_pid()"


def mariadb_lock(driver: Any) -> tuple[str, str, str]:
    name = lock_name("step", str(ask(driver, "SELECT DATABASE()")[0][0]))
    text = "X'" + name.encode().hex() + "'"
    lock = f"CONVERT({text} USING utf8mb4)"
    holder = (
        "SELECT id, CONCAT(user, ' at ', host) FROM information_schema.processlist"
        f" WHERE id = IS_USED_LOCK({lock})"
    )
    return f"SELECT GET_LOCK({lock}, 0)", holder, "SELECT CONNECTION_ID()"
