"""Arguments of a driver's ``connect``, turned from one database of a server to another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# What the parts of an address are called by each driver; the first word where there is none yet.
_DATABASE = {
    "psycopg": ("dbname", "database"),
    "psycopg2": ("dbname", "database"),
    "aiomysql": ("db", "database"),
    "asyncmy": ("db", "database"),
}
_OTHERWISE = ("database", "db", "dbname")
_WORDS = {"user": ("user", "username"), "password": ("password", "passwd")}
# What else says where to go, and would win.
_ROUTES = ("hostaddr", "unix_socket", "unix_sock")


def redirected(
    driver: str, cargs: tuple[Any, ...], cparams: Mapping[str, Any], parts: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments that lead to the other database.

    :param driver: the name of the driver's package.
    :param parts: what differs there: host, port, user, password, database.
    """
    cargs, changed = _without_string(driver, cargs, dict(cparams))
    for part, value in parts.items():
        words = (
            _DATABASE.get(driver, _OTHERWISE) if part == "database" else _WORDS.get(part, (part,))
        )
        given = [word for word in words if word in changed]
        for word in given:
            del changed[word]
        changed[given[0] if given else words[0]] = value
    if "host" in parts or "port" in parts:
        for route in _ROUTES:
            changed.pop(route, None)
    return cargs, changed


def _without_string(
    driver: str, cargs: tuple[Any, ...], cparams: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A connection string of libpq, taken apart: what stands in it may have to go."""
    place = {"psycopg": "conninfo", "psycopg2": "dsn"}.get(driver)
    if place is None:
        return cargs, cparams
    text = str((cargs[0] if cargs else cparams.get(place)) or "")
    rest = {name: value for name, value in cparams.items() if name != place}
    # What is given by name counts, and None there means: not given.
    given = {name: value for name, value in rest.items() if value is not None}
    return cargs[1:], _parsed(driver, text) | given if text else rest


def _parsed(driver: str, text: str) -> dict[str, Any]:
    if driver == "psycopg":
        from psycopg.conninfo import conninfo_to_dict

        return dict(conninfo_to_dict(text))
    from psycopg2.extensions import parse_dsn  # type: ignore[import-untyped,unused-ignore]

    return dict(parse_dsn(text))
