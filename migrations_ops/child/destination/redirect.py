"""A call of a driver's ``connect``, and how to repeat it for another database of a server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

# Each driver's names for the parts of an address; the first one is used if none is given.
_DATABASE = {
    "psycopg": ("dbname", "database"),
    "psycopg2": ("dbname", "database"),
    "aiomysql": ("db", "database"),
    "asyncmy": ("db", "database"),
}
_OTHERWISE = ("database", "db", "dbname")
_WORDS = {"user": ("user", "username"), "password": ("password", "passwd")}
# Other options that determine the destination and would take precedence.
_ROUTES = ("hostaddr", "unix_socket", "unix_sock")


Connect = Callable[..., Any]


@dataclass(frozen=True)
class ConnectCall:
    """A call of what connects: a function, a class or a coroutine function.

    :param plain: connects without any check.
    :param package: the name of the driver's package.
    :param options: the arguments that have names.
    :param another: makes a second connection; the default is ``plain``.
    """

    plain: Connect
    family: str
    package: str
    # Either may have the password in it.
    arguments: tuple[Any, ...] = field(repr=False)
    options: Mapping[str, Any] = field(repr=False)
    another: Connect | None = None

    def make(self) -> Any:
        return self.plain(*self.arguments, **self.options)

    def make_another(self) -> Any:
        return (self.another or self.plain)(*self.arguments, **self.options)

    def redirected(self, parts: Mapping[str, Any]) -> ConnectCall:
        """The same call to the other database.

        :param parts: the parts that differ there: host, port, user, password, database.
        """
        arguments, options = _without_string(self.package, self.arguments, dict(self.options))
        for part, value in parts.items():
            words = _words(self.package, part)
            given = [word for word in words if word in options]
            for word in given:
                del options[word]
            options[given[0] if given else words[0]] = value
        if "host" in parts or "port" in parts:
            for route in _ROUTES:
                options.pop(route, None)
        return replace(self, arguments=arguments, options=options)


def _words(package: str, part: str) -> tuple[str, ...]:
    if part == "database":
        return _DATABASE.get(package, _OTHERWISE)
    return _WORDS.get(part, (part,))


def _without_string(
    package: str, arguments: tuple[Any, ...], options: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Split a connection string of libpq into options, since some may have to be replaced."""
    name = {"psycopg": "conninfo", "psycopg2": "dsn"}.get(package)
    if name is None:
        return arguments, options
    text = str((arguments[0] if arguments else options.get(name)) or "")
    rest = {each: value for each, value in options.items() if each != name}
    # Named arguments take precedence, and None there means: not given.
    given = {each: value for each, value in rest.items() if value is not None}
    return arguments[1:], _parsed(package, text) | given if text else rest


def _parsed(package: str, text: str) -> dict[str, Any]:
    if package == "psycopg":
        from psycopg.conninfo import conninfo_to_dict

        return dict(conninfo_to_dict(text))
    from psycopg2.extensions import parse_dsn  # type: ignore[import-untyped,unused-ignore]

    return dict(parse_dsn(text))
