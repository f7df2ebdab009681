"""Ends what a server is doing for us, from another thread: a signal does not reach into a driver
that waits in C, and would leave the server at work."""

from __future__ import annotations

import inspect
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from typing import Any

from ..driver import ask

# How long, in seconds, all of it may take.
TIME_LIMIT = 2.0


class ServerSession:
    """A connection, and what is needed to end from outside what the server does for it.

    :param again: makes a second one like it.
    """

    def __init__(self, driver: Any, again: Callable[[], Any] | None) -> None:
        # SQLAlchemy's adapters of asynchronous drivers keep the driver's own connection there.
        self.raw = getattr(driver, "_connection", driver)
        self.again = again
        # Asked now: mysqlclient refuses any question from another thread later.
        self.number = int(self.raw.thread_id()) if hasattr(self.raw, "thread_id") else None


def cancel_all(sessions: Iterable[ServerSession]) -> None:
    """Cancel the running statement of each session; a session that hangs delays no other."""
    threads = [
        threading.Thread(target=_cancel_quietly, args=[session], daemon=True)
        for session in sessions
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIME_LIMIT / len(threads))


def _cancel_quietly(session: ServerSession) -> None:
    with suppress(Exception):  # it may be closed by now
        _cancel(session)


def _cancel(session: ServerSession) -> None:
    raw = session.raw
    if session.number is not None:
        _kill(session)
    elif hasattr(raw, "cancel_safe") and not inspect.iscoroutinefunction(raw.cancel_safe):
        raw.cancel_safe(timeout=TIME_LIMIT)  # psycopg; over TLS, where the connection is
    elif hasattr(raw, "cancel"):
        raw.cancel()  # psycopg2, and psycopg's own asynchronous connection
    elif hasattr(raw, "terminate"):
        raw._loop.call_soon_threadsafe(raw.terminate)  # asyncpg
    else:
        # pg8000 cannot cancel. The server notices within CHECK_INTERVAL (see timeouts.py).
        getattr(raw, "_usock", None).shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]


def _kill(session: ServerSession) -> None:
    """MariaDB takes it only from a second connection."""
    again = None if hasattr(session.raw, "_loop") else session.again
    with closing(_like(session.raw) if again is None else again()) as other:
        ask(other, f"KILL QUERY {session.number}")


def _like(raw: Any) -> Any:
    """A connection to where one of aiomysql is: its own could not be used from another thread."""
    import pymysql

    return pymysql.connect(
        host=raw._host,
        port=raw._port,
        user=raw._user,
        password=raw._password,
        unix_socket=raw._unix_socket,
        ssl=raw._ssl_context,
        connect_timeout=int(TIME_LIMIT),
    )
