"""Asks every new connection to a server which database it reached, before anything uses it.

The connection of a rehearsal is redirected to the scratch database; one to the database of another
environment is closed and refused. A connection to an unrelated database, such as a cache, is
allowed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, Protocol

from ..driver import (
    close_quietly,
    identity_of,
    plain_cursor,
)
from ..families import MARIADB, family_of, server_of
from ..protocol.instructions import Instructions
from ..protocol.redaction import keep_secret
from .cross_database import SESSION, CrossDatabase
from .drivers import guard_drivers
from .redirect import ConnectCall

# Whether this tool itself connects, per thread and task, since other code may connect at the same
# time.
_ASKING = ContextVar("migrations_ops_asking", default=False)


class Listener(Protocol):
    """Is notified of connections to the destination."""

    def opened(self, driver: Any, family: str, again: Callable[[], Any] | None) -> None:
        """A connection was made; ``again`` makes another one like it."""

    def opened_unseen(self) -> None:
        """A revision made a connection whose statements cannot be seen."""


class Connections:
    """Asks and redirects.

    :param refuse: raises; takes what was opened, and what was intended if that is not the usual
        database.
    :param cross_database: guards each connection to MariaDB, where statements can name every
        database of the server.
    """

    def __init__(
        self,
        instructions: Instructions,
        refuse: Callable[..., None],
        listener: Listener,
        cross_database: CrossDatabase,
    ) -> None:
        self._instructions = instructions
        self._refuse = refuse
        self._listener = listener
        self._cross_database = cross_database

    def install(self) -> None:
        """Ask every connection from now on."""
        from sqlalchemy.engine.default import DefaultDialect

        original = DefaultDialect.connect

        def connect(dialect: Any, *arguments: Any, **options: Any) -> Any:
            def plain(*arguments: Any, **options: Any) -> Any:
                return original(dialect, *arguments, **options)

            package = _package_of(dialect)
            return self.connect(ConnectCall(plain, family_of(dialect), package, arguments, options))

        # Not the event do_connect: its listeners of a class run before those of an engine, which
        # put the password of the hour into the arguments.
        DefaultDialect.connect = connect  # type: ignore[method-assign,assignment]
        guard_drivers(self)

    def connect(self, call: ConnectCall) -> Any:
        """A connection as it was asked for, if it may be used."""
        if _ASKING.get() or server_of(call.family) is None:
            return call.make()
        keep_secret(call.options)
        with _asking():
            made = call.make()
            identity = self._identity(made, call.family)
            if self._is_real_in_rehearsal(identity):
                close_quietly(made)
                call = call.redirected(self._instructions.redirect or {})
                made = call.make()
                identity = self._identity(made, call.family)
            refusal = self._refusal(identity)
            if refusal:
                close_quietly(made)
                self._refuse(*refusal)
            self._cross_database.guard(made, identity)
        if self._is_destination(identity) and not _is_native(made):

            def again() -> Any:
                with _asking():
                    return call.make_another()

            self._listener.opened(made, call.family, again)
        return made

    def connect_directly(self, call: ConnectCall) -> Any:
        """The same for code without SQLAlchemy, which reports its own commits."""
        server = server_of(call.family)
        if _ASKING.get():
            return call.make()
        made = self.connect(call)
        if server is not None and not server.sees_every_connection:
            with _asking():
                if self._is_destination(self._identity(made, call.family)):
                    self._listener.opened_unseen()
        return made

    async def connect_async(self, call: ConnectCall) -> Any:
        """The same for a driver that is asynchronous."""
        if _ASKING.get():
            return await call.make()
        keep_secret(call.options)
        with _asking():
            made = await call.make()
            identity = await _identity_async(made, call.family)
            if self._is_real_in_rehearsal(identity):
                await _close_async(made)
                call = call.redirected(self._instructions.redirect or {})
                made = await call.make()
                identity = await _identity_async(made, call.family)
            refusal = self._refusal(identity)
            if refusal:
                await _close_async(made)
                self._refuse(*refusal)
            if call.family == MARIADB and identity is not None:
                session = (await _ask_async(made, SESSION))[0]
                self._cross_database.guard(made, identity, session)
                await _roll_back_async(made)
        if self._is_destination(identity):
            self._listener.opened_unseen()
        return made

    def _is_real_in_rehearsal(self, identity: str | None) -> bool:
        """Whether the connection reaches the real database and must be redirected to the copy."""
        return self._instructions.scratch is not None and identity == self._instructions.real

    def _is_destination(self, identity: str | None) -> bool:
        return identity is not None and identity == self._instructions.destination

    def _refusal(self, identity: str | None) -> tuple[str, ...]:
        """Why this run must not use a connection; empty if it may."""
        for name, other in self._instructions.others.items():
            if identity == other and identity != self._instructions.destination:
                return (f"the database of {name}",)
        if self._is_real_in_rehearsal(identity):
            meant = "this is the rehearsal, which has a database of its own"
            return f"the real database, {self._instructions.name}", meant
        return ()

    def _identity(self, driver: Any, family: str) -> str | None:
        """The identity of what a new connection reached; it is left outside of any transaction."""
        try:
            identity = identity_of(driver, family)
            _roll_back(driver)
        except Exception:
            # Another kind of server behind the same protocol; the later proof fails there.
            _roll_back(driver)
            return None
        return identity


@contextmanager
def _asking() -> Iterator[None]:
    before = _ASKING.set(True)
    try:
        yield
    finally:
        _ASKING.reset(before)


def _roll_back(driver: Any) -> None:
    if not _is_native(driver):
        driver.rollback()


def _is_native(driver: Any) -> bool:
    """Whether this is pg8000's native connection, not its DB-API one: it starts no implicit
    transactions."""
    return not hasattr(driver, "cursor")


def _package_of(dialect: Any) -> str:
    """The package of the driver that a dialect uses."""
    module = getattr(dialect.loaded_dbapi, "driver", None) or dialect.loaded_dbapi
    return str(getattr(module, "__name__", "")).partition(".")[0]


# -- below SQLAlchemy's adapter of an asynchronous driver ---------------------------------------


async def _identity_async(driver: Any, family: str) -> str | None:
    identity, server = None, server_of(family)
    assert server is not None  # its driver is one of those that are guarded
    with suppress(Exception):
        identity = str((await _ask_async(driver, server.identity))[0][0])
    await _roll_back_async(driver)
    return identity


async def _ask_async(driver: Any, sql: str) -> list[tuple[Any, ...]]:
    if hasattr(driver, "fetch"):  # asyncpg
        return [tuple(row.values()) for row in await driver.fetch(sql)]
    async with plain_cursor(driver) as cursor:
        await cursor.execute(sql)
        return [tuple(row) for row in await cursor.fetchall()]


async def _roll_back_async(driver: Any) -> None:
    """Leave no transaction open; asyncpg starts none implicitly."""
    if hasattr(driver, "rollback"):
        await driver.rollback()


async def _close_async(driver: Any) -> None:
    with suppress(Exception):
        closing = driver.close()
        if inspect.isawaitable(closing):
            await closing
