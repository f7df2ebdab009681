"""Every new connection to a server is asked which database it has reached, whoever makes it.

It is asked before anybody else can use it. A rehearsal's is turned to the scratch database; one to
another environment's database is closed again, and refused. A connection to a database that has
no part in this is let through: a cache, a second product's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from .driver import MARIADB, POSTGRESQL, close_quietly, family_of, identity_of
from .orders import Orders
from .redaction import keep_secret
from .redirect import redirected

# Drivers that a revision may use on its own, beside SQLAlchemy. The asynchronous ones are left
# out: a revision is no coroutine.
_DIRECT = {
    "psycopg": POSTGRESQL,
    "psycopg2": POSTGRESQL,
    "pg8000": POSTGRESQL,
    "pymysql": MARIADB,
    "MySQLdb": MARIADB,
}

Connect = Callable[..., Any]


class Connections:
    """Asks and redirects.

    :param refuse: raises; told what was opened, and what was meant unless it is the usual.
    :param opened: called with each connection to the destination, its family, and how to make
        a second one like it.
    :param keep_in: called with each connection to a MariaDB server, and what it reaches: all of
        that server's databases can be named there.
    """

    def __init__(
        self,
        orders: Orders,
        refuse: Callable[..., None],
        opened: Callable[[Any, str, Callable[[], Any]], None],
        keep_in: Callable[[Any, str | None], None],
    ) -> None:
        self._orders = orders
        self._refuse = refuse
        self._opened = opened
        self._keep_in = keep_in
        self._inside = False

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
        self._watch_drivers()

    def connect(
        self,
        plain: Connect,
        family: str,
        driver: str,
        cargs: tuple[Any, ...],
        cparams: dict[str, Any],
    ) -> Any:
        """A connection as it was asked for, if it may be used.

        :param plain: makes one, and asks nothing.
        """
        if self._inside or family not in (POSTGRESQL, MARIADB):
            return plain(*cargs, **cparams)
        keep_secret(cparams)
        with self._asking():
            made = plain(*cargs, **cparams)
            identity = self._identity(made, family)
            if self._orders.instead is not None and identity == self._orders.intended:
                close_quietly(made)
                cargs, cparams = redirected(driver, cargs, cparams, self._orders.redirect or {})
                made = plain(*cargs, **cparams)
                identity = self._identity(made, family)
            self.require_allowed(made, identity)
            if family == MARIADB:
                self._keep_in(made, identity)
        if identity is not None and identity == self._orders.destination:

            def again() -> Any:
                with self._asking():
                    return plain(*cargs, **cparams)

            self._opened(made, family, again)
        return made

    def require_allowed(self, driver: Any, identity: str | None) -> None:
        """Close a connection to a database that this run must not reach, and refuse it."""
        for name, other in self._orders.others.items():
            if identity == other and identity != self._orders.destination:
                close_quietly(driver)
                self._refuse(f"the database of {name}")
        if self._orders.instead is not None and identity == self._orders.intended:
            close_quietly(driver)
            meant = "this is the rehearsal, which has a database of its own"
            self._refuse(f"the real database, {self._orders.name}", meant)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        before, self._inside = self._inside, True
        try:
            yield
        finally:
            self._inside = before

    def _identity(self, driver: Any, family: str) -> str | None:
        """What a fresh connection reaches; it is left outside of any transaction."""
        try:
            identity = identity_of(driver, family)
            driver.rollback()
        except Exception:
            # Another kind of server behind the same protocol. What is proved later fails there.
            driver.rollback()
            return None
        return identity

    # -- drivers that are used without SQLAlchemy ------------------------------------------------

    def _watch_drivers(self) -> None:
        for name in _DIRECT:
            if name in sys.modules:
                self._guard(sys.modules[name])
        sys.meta_path.insert(0, _Finder(self._guard))

    def _guard(self, module: Any) -> None:
        """Put ourselves before a driver's ``connect``."""
        name, original = module.__name__, module.connect
        family = _DIRECT[name]

        def connect(*cargs: Any, **cparams: Any) -> Any:
            return self.connect(original, family, name, cargs, cparams)

        if name == "psycopg":
            # psycopg.connect is this method, bound; a class of the project's own may inherit it.
            method = module.Connection.connect.__func__

            def connect_class(cls: Any, *cargs: Any, **cparams: Any) -> Any:
                def plain(*cargs: Any, **cparams: Any) -> Any:
                    return method(cls, *cargs, **cparams)

                return self.connect(plain, family, name, cargs, cparams)

            module.Connection.connect = classmethod(connect_class)
        module.connect = connect


class _Finder:
    """Hands a driver's module to somebody as soon as it has been imported."""

    def __init__(self, imported: Callable[[Any], None]) -> None:
        self._imported = imported
        self._looking = False

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name not in _DIRECT or self._looking:
            return None
        self._looking = True
        try:
            spec = find_spec(name)
        finally:
            self._looking = False
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module: Any) -> None:
            execute(module)
            self._imported(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _package_of(dialect: Any) -> str:
    """The package of the driver that a dialect uses."""
    module = getattr(dialect.loaded_dbapi, "driver", None) or dialect.loaded_dbapi
    return str(getattr(module, "__name__", "")).partition(".")[0]
