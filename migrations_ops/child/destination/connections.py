"""Every new connection to a server is asked which database it has reached, whoever makes it.

It is asked before anybody else can use it. A rehearsal's is turned to the scratch database; one to
another environment's database is closed again, and refused. A connection to a database that has
no part in this is let through: a cache, a second product's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from ..driver import IDENTITIES, MARIADB, POSTGRESQL, close_quietly, family_of, identity_of
from ..protocol.instructions import Instructions
from ..redaction import keep_secret
from .asynchronous import ask_async, close_async, roll_back_async
from .cross_database import HERE
from .drivers import Connect, watch_doors
from .redirect import redirected

# Whether it is we who connect: of this thread, and of this task, for others connect meanwhile.
_ASKING = ContextVar("migrations_ops_asking", default=False)


class Connections:
    """Asks and redirects.

    :param refuse: raises; told what was opened, and what was meant unless it is the usual.
    :param opened: called with each connection to the destination, its family, and how to make
        a second one like it.
    :param opened_apart: called after a revision has made a connection to the destination whose
        statements nobody sees.
    :param keep_in: called with each connection to a MariaDB server, what it reaches, and what it
        says to HERE if that was asked: all of that server's databases can be named there.
    """

    def __init__(
        self,
        instructions: Instructions,
        refuse: Callable[..., None],
        opened: Callable[[Any, str, Callable[[], Any]], None],
        opened_apart: Callable[[], None],
        keep_in: Callable[..., None],
    ) -> None:
        self._instructions = instructions
        self._refuse = refuse
        self._opened = opened
        self._opened_apart = opened_apart
        self._keep_in = keep_in

    def install(self) -> None:
        """Ask every connection from now on."""
        from sqlalchemy.engine.default import DefaultDialect

        original = DefaultDialect.connect

        def connect(dialect: Any, *cargs: Any, **cparams: Any) -> Any:
            def plain(*cargs: Any, **cparams: Any) -> Any:
                return original(dialect, *cargs, **cparams)

            driver = _package_of(dialect)
            return self.connect(plain, family_of(dialect), driver, cargs, cparams)

        # Not the event do_connect: its listeners of a class run before those of an engine, which
        # put the password of the hour into the arguments.
        DefaultDialect.connect = connect  # type: ignore[method-assign,assignment]
        watch_doors(self)

    def connect(
        self,
        plain: Connect,
        family: str,
        driver: str,
        cargs: tuple[Any, ...],
        cparams: dict[str, Any],
        another: Connect | None = None,
    ) -> Any:
        """A connection as it was asked for, if it may be used.

        :param plain: makes one, and asks nothing.
        :param another: makes a second one; without it, ``plain`` does.
        """
        if _ASKING.get() or family not in (POSTGRESQL, MARIADB):
            return plain(*cargs, **cparams)
        keep_secret(cparams)
        with _asking():
            made = plain(*cargs, **cparams)
            identity = self._identity(made, family)
            if self._is_led_away(identity):
                close_quietly(made)
                cargs, cparams = redirected(
                    driver, cargs, cparams, self._instructions.redirect or {}
                )
                made = plain(*cargs, **cparams)
                identity = self._identity(made, family)
            wrong = self._wrong(identity)
            if wrong:
                close_quietly(made)
                self._refuse(*wrong)
            if family == MARIADB:
                self._keep_in(made, identity)
        if self._is_destination(identity) and not _is_native(made):

            def again() -> Any:
                with _asking():
                    return (another or plain)(*cargs, **cparams)

            self._opened(made, family, again)
        return made

    def connect_directly(
        self,
        plain: Connect,
        family: str,
        driver: str,
        cargs: tuple[Any, ...],
        cparams: dict[str, Any],
        another: Connect | None = None,
    ) -> Any:
        """The same for somebody who does without SQLAlchemy, which tells of its own commits."""
        if _ASKING.get():
            return plain(*cargs, **cparams)
        made = self.connect(plain, family, driver, cargs, cparams, another)
        if family == POSTGRESQL:
            with _asking():
                if self._is_destination(self._identity(made, family)):
                    self._opened_apart()
        return made

    async def connect_async(
        self,
        plain: Connect,
        family: str,
        driver: str,
        cargs: tuple[Any, ...],
        cparams: dict[str, Any],
    ) -> Any:
        """The same for a driver that is asynchronous."""
        if _ASKING.get():
            return await plain(*cargs, **cparams)
        keep_secret(cparams)
        with _asking():
            made = await plain(*cargs, **cparams)
            identity = await self._identity_async(made, family)
            if self._is_led_away(identity):
                await close_async(made)
                cargs, cparams = redirected(
                    driver, cargs, cparams, self._instructions.redirect or {}
                )
                made = await plain(*cargs, **cparams)
                identity = await self._identity_async(made, family)
            wrong = self._wrong(identity)
            if wrong:
                await close_async(made)
                self._refuse(*wrong)
            if family == MARIADB and identity is not None:
                self._keep_in(made, identity, (await ask_async(made, HERE))[0])
                await roll_back_async(made)
        if self._is_destination(identity):
            self._opened_apart()
        return made

    def _is_led_away(self, identity: str | None) -> bool:
        """Whether a connection has to lead to the scratch database in place of the real one."""
        return self._instructions.scratch is not None and identity == self._instructions.real

    def _is_destination(self, identity: str | None) -> bool:
        return identity is not None and identity == self._instructions.destination

    def _wrong(self, identity: str | None) -> tuple[str, ...]:
        """What to refuse a connection with that this run must not have; empty if it may."""
        for name, other in self._instructions.others.items():
            if identity == other and identity != self._instructions.destination:
                return (f"the database of {name}",)
        if self._is_led_away(identity):
            meant = "this is the rehearsal, which has a database of its own"
            return f"the real database, {self._instructions.name}", meant
        return ()

    def _identity(self, driver: Any, family: str) -> str | None:
        """What a fresh connection reaches; it is left outside of any transaction."""
        try:
            identity = identity_of(driver, family)
            roll_back(driver)
        except Exception:
            # Another kind of server behind the same protocol. What is proved later fails there.
            roll_back(driver)
            return None
        return identity

    async def _identity_async(self, driver: Any, family: str) -> str | None:
        identity = None
        with suppress(Exception):
            identity = str((await ask_async(driver, IDENTITIES[family]))[0][0])
        await roll_back_async(driver)
        return identity


@contextmanager
def _asking() -> Iterator[None]:
    before = _ASKING.set(True)
    try:
        yield
    finally:
        _ASKING.reset(before)


def roll_back(driver: Any) -> None:
    if not _is_native(driver):
        driver.rollback()


def _is_native(driver: Any) -> bool:
    """Whether a connection is no DB-API one: pg8000's other one begins no transactions unasked."""
    return not hasattr(driver, "cursor")


def _package_of(dialect: Any) -> str:
    """The package of the driver that a dialect uses."""
    module = getattr(dialect.loaded_dbapi, "driver", None) or dialect.loaded_dbapi
    return str(getattr(module, "__name__", "")).partition(".")[0]
