"""Where each driver connects: the one place that all of its ways pass, a revision's own as well.

Names such as ``connect``, ``Connect`` and ``Connection`` are many, and a class of the project's own
may inherit; what is wrapped here is what stands behind all of them. What a driver has in C, such
as ``psycopg2.extensions.connection``, cannot be wrapped.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec
from types import MethodType
from typing import Any, Protocol

from ..driver import MARIADB, POSTGRESQL

# Functions that connect, by the module in which others look them up.
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
# What an instance was made with.
_ADDRESS = "_migrations_ops_address"
_OF_MARIADB = frozenset({"pymysql", "MySQLdb", "aiomysql", "asyncmy"})

Connect = Callable[..., Any]


class Porter(Protocol):
    """Whoever looks at each connection before it is used."""

    def connect_directly(
        self,
        plain: Connect,
        family: str,
        driver: str,
        cargs: tuple[Any, ...],
        cparams: dict[str, Any],
        another: Connect | None = None,
    ) -> Any: ...

    async def connect_async(
        self,
        plain: Connect,
        family: str,
        driver: str,
        cargs: tuple[Any, ...],
        cparams: dict[str, Any],
    ) -> Any: ...


def watch_doors(porter: Porter) -> None:
    """Have every connection of these drivers looked at, those that are imported later as well."""

    def imported(module: Any) -> None:
        _watch(module, porter)

    for name in _ALL:
        if name in sys.modules:
            imported(sys.modules[name])
    sys.meta_path.insert(0, _Finder(imported))


def _watch(module: Any, porter: Porter) -> None:
    name = module.__name__
    package = name.partition(".")[0]
    family = MARIADB if package in _OF_MARIADB else POSTGRESQL
    # Another version of the driver may have it elsewhere.
    found = getattr(module, _ALL[name], None)
    if found is None:
        return
    if name in _FUNCTIONS:
        _replace(module, found, _function(found, family, package, porter))
    elif name in _COROUTINES:
        _replace(module, found, _coroutine(found, family, package, porter))
    elif name in _METHODS:
        _watch_method(module, found, lambda plain: _function(plain, family, package, porter))
    elif name in _ASYNC_METHODS:
        _watch_method(module, found, lambda plain: _coroutine(plain, family, package, porter))
    else:
        _watch_class(found, family, package, porter)


def _function(plain: Connect, family: str, package: str, porter: Porter) -> Connect:
    @wraps(plain)
    def connect(*cargs: Any, **cparams: Any) -> Any:
        return porter.connect_directly(plain, family, package, cargs, cparams)

    return connect


def _coroutine(plain: Connect, family: str, package: str, porter: Porter) -> Connect:
    @wraps(plain)
    async def connect(*cargs: Any, **cparams: Any) -> Any:
        return await porter.connect_async(plain, family, package, cargs, cparams)

    return connect


def _watch_method(module: Any, owner: Any, watched: Callable[[Connect], Connect]) -> None:
    """A class method that connects; the package has it, bound, as a function as well."""
    original = owner.__dict__["connect"].__func__

    @wraps(original)
    def connect(cls: Any, *cargs: Any, **cparams: Any) -> Any:
        return watched(MethodType(original, cls))(*cargs, **cparams)

    owner.connect = classmethod(connect)
    package = sys.modules.get(module.__name__.partition(".")[0])
    if getattr(getattr(package, "connect", None), "__func__", None) is original:
        package.connect = owner.connect  # type: ignore[union-attr]


def _watch_class(owner: Any, family: str, package: str, porter: Porter) -> None:
    original = owner.__init__

    @wraps(original)
    def init(made: Any, *cargs: Any, **cparams: Any) -> None:
        def plain(*cargs: Any, **cparams: Any) -> Any:
            original(made, *cargs, **cparams)
            return made

        if cparams.get("defer_connect"):  # PyMySQL's; connect() comes later
            plain(*cargs, **cparams)
        else:
            porter.connect_directly(plain, family, package, cargs, cparams, owner)

    owner.__init__ = init
    if package == "pymysql":
        _watch_deferred(owner, original, family, package, porter)


def _watch_deferred(
    owner: Any, original_init: Connect, family: str, package: str, porter: Porter
) -> None:
    """What connects later than it is made, or again."""
    original, init = owner.connect, owner.__init__

    @wraps(init)
    def noting_init(made: Any, *cargs: Any, **cparams: Any) -> None:
        made.__dict__[_ADDRESS] = cargs, cparams
        init(made, *cargs, **cparams)

    @wraps(original)
    def connect(made: Any, *socket: Any, **named: Any) -> None:
        connected: list[bool] = []

        def plain(*cargs: Any, **cparams: Any) -> Any:
            if connected:  # it led to the wrong database
                original_init(made, *cargs, **cparams, defer_connect=True)
                original(made)
            else:
                connected.append(True)
                original(made, *socket, **named)
            return made

        cargs, cparams = made.__dict__[_ADDRESS]
        cparams = {word: value for word, value in cparams.items() if word != "defer_connect"}
        porter.connect_directly(plain, family, package, cargs, cparams, owner)

    owner.__init__, owner.connect = noting_init, connect


def _replace(module: Any, old: Any, new: Any) -> None:
    """Also where other modules of the package have taken it already."""
    package = module.__name__.partition(".")[0]
    for name, each in list(sys.modules.items()):
        if name == package or name.startswith(f"{package}."):
            for word, value in list(vars(each).items()):
                if value is old:
                    setattr(each, word, new)


class _Finder:
    """Hands a driver's module to somebody as soon as it has been imported."""

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
