"""Wraps, for each driver, the function that all of its ways to connect call in the end.

Drivers have several entry points (``connect``, ``Connect``, ``Connection``), and a project may
subclass them; the function below all of them is wrapped. C code, such as
``psycopg2.extensions.connection``, cannot be wrapped.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from importlib.util import find_spec
from types import MethodType
from typing import Any, Protocol

from ..families import FAMILIES
from .redirect import Connect, ConnectCall

# Functions that connect, by the module in which other code looks them up.
_FUNCTIONS = {"psycopg2": "connect"}
_COROUTINES = {
    "asyncpg.connection": "connect",
    "aiomysql.connection": "_connect",
    "asyncmy.connection": "_connect",
}
# Methods of a class that make one of its instances.
_METHODS = {"psycopg.connection": "Connection"}
_ASYNC_METHODS = {"psycopg.connection_async": "AsyncConnection"}
# Classes whose instances connect as soon as they are made.
_CLASSES = {
    "pymysql.connections": "Connection",
    "MySQLdb.connections": "Connection",
    "pg8000.legacy": "Connection",
    "pg8000.dbapi": "Connection",
    "pg8000.native": "Connection",
}
_ALL = _FUNCTIONS | _COROUTINES | _METHODS | _ASYNC_METHODS | _CLASSES
# The arguments of an instance.
_ADDRESS = "_migrations_ops_address"
_FAMILY_OF = {
    package: family.name
    for family in FAMILIES.values()
    if family.server is not None
    for package in family.server.drivers
}


class Guard(Protocol):
    """Checks each connection before it is used."""

    def connect_directly(self, call: ConnectCall) -> Any: ...

    async def connect_async(self, call: ConnectCall) -> Any: ...


def guard_drivers(guard: Guard) -> None:
    """Check every connection of these drivers, including drivers that are imported later."""

    def imported(module: Any) -> None:
        _guard_module(module, guard)

    for name in _ALL:
        if name in sys.modules:
            imported(sys.modules[name])
    sys.meta_path.insert(0, _Finder(imported))


def _guard_module(module: Any, guard: Guard) -> None:
    name = module.__name__
    # Another version of the driver may have it elsewhere.
    found = getattr(module, _ALL[name], None)
    if found is None:
        return
    package = name.partition(".")[0]
    driver = _Driver(package, _FAMILY_OF[package], guard)
    if name in _FUNCTIONS:
        _replace(module, found, driver.function(found))
    elif name in _COROUTINES:
        _replace(module, found, driver.coroutine(found))
    elif name in _METHODS:
        _guard_method(module, found, driver.function)
    elif name in _ASYNC_METHODS:
        _guard_method(module, found, driver.coroutine)
    else:
        _guard_class(found, driver)


@dataclass(frozen=True)
class _Driver:
    """A driver whose connections are guarded."""

    package: str
    family: str
    guard: Guard

    def function(self, plain: Connect) -> Connect:
        @wraps(plain)
        def connect(*arguments: Any, **options: Any) -> Any:
            return self.guard.connect_directly(self.call(plain, arguments, options))

        return connect

    def coroutine(self, plain: Connect) -> Connect:
        @wraps(plain)
        async def connect(*arguments: Any, **options: Any) -> Any:
            return await self.guard.connect_async(self.call(plain, arguments, options))

        return connect

    def call(
        self,
        plain: Connect,
        arguments: tuple[Any, ...],
        options: dict[str, Any],
        another: Connect | None = None,
    ) -> ConnectCall:
        return ConnectCall(plain, self.family, self.package, arguments, options, another)


def _guard_method(module: Any, owner: Any, guarded: Callable[[Connect], Connect]) -> None:
    """A class method that connects; the package also exports it, bound, as a function."""
    original = owner.__dict__["connect"].__func__

    @wraps(original)
    def connect(cls: Any, *arguments: Any, **options: Any) -> Any:
        return guarded(MethodType(original, cls))(*arguments, **options)

    owner.connect = classmethod(connect)
    package = sys.modules.get(module.__name__.partition(".")[0])
    if getattr(getattr(package, "connect", None), "__func__", None) is original:
        package.connect = owner.connect  # type: ignore[union-attr]


def _guard_class(owner: Any, driver: _Driver) -> None:
    original = owner.__init__

    @wraps(original)
    def init(made: Any, *arguments: Any, **options: Any) -> None:
        def plain(*arguments: Any, **options: Any) -> Any:
            original(made, *arguments, **options)
            return made

        if options.get("defer_connect"):  # PyMySQL's; connect() comes later
            plain(*arguments, **options)
        else:
            driver.guard.connect_directly(driver.call(plain, arguments, options, owner))

    owner.__init__ = init
    if driver.package == "pymysql":
        _guard_deferred(owner, original, driver)


def _guard_deferred(owner: Any, original_init: Connect, driver: _Driver) -> None:
    """Guard an object that connects later than it is created, or again."""
    original, init = owner.connect, owner.__init__

    @wraps(init)
    def noting_init(made: Any, *arguments: Any, **options: Any) -> None:
        made.__dict__[_ADDRESS] = arguments, options
        init(made, *arguments, **options)

    @wraps(original)
    def connect(made: Any, *socket: Any, **named: Any) -> None:
        connected: list[bool] = []

        def plain(*arguments: Any, **options: Any) -> Any:
            if connected:  # it led to the wrong database
                original_init(made, *arguments, **options, defer_connect=True)
                original(made)
            else:
                connected.append(True)
                original(made, *socket, **named)
            return made

        arguments, options = made.__dict__[_ADDRESS]
        options = {word: value for word, value in options.items() if word != "defer_connect"}
        driver.guard.connect_directly(driver.call(plain, arguments, options, owner))

    owner.__init__, owner.connect = noting_init, connect


def _replace(module: Any, old: Any, new: Any) -> None:
    """Replace it also in modules of the package that have imported it already."""
    package = module.__name__.partition(".")[0]
    for name, each in list(sys.modules.items()):
        if name == package or name.startswith(f"{package}."):
            for word, value in list(vars(each).items()):
                if value is old:
                    setattr(each, word, new)


class _Finder:
    """Reports a driver's module as soon as it has been imported."""

    def __init__(self, imported: Callable[[Any], None]) -> None:
        self._imported = imported
        self._looking = False

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name not in _ALL or self._looking:
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
