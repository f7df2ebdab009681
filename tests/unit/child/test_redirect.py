"""A call of any driver leads to the other database, whatever its arguments are called."""

from __future__ import annotations

from typing import Any

import pytest

from migrations_ops.child.destination.redirect import ConnectCall

DATABASE = {"database": "scratch"}
SERVER = {"host": "h", "port": 1, "user": "u", "password": "p", "database": "scratch"}
Arguments = tuple[tuple[Any, ...], dict[str, Any]]


def redirected(package: str, arguments: Arguments, parts: dict[str, Any]) -> Arguments:
    call = ConnectCall(dict, "", package, *arguments).redirected(parts)
    return call.arguments, dict(call.options)


@pytest.mark.parametrize(
    ("package", "options", "parts", "after"),
    [
        ("pymysql", {"db": "shop", "user": "x"}, DATABASE, {"db": "scratch", "user": "x"}),
        ("pymysql", {"user": "x"}, DATABASE, {"database": "scratch", "user": "x"}),
        ("pymysql", {"db": "a", "database": "b"}, DATABASE, {"database": "scratch"}),
        ("aiomysql", {}, DATABASE, {"db": "scratch"}),
        ("MySQLdb", {"passwd": "x", "username": "y"}, SERVER,
         {"passwd": "p", "username": "u", "host": "h", "port": 1, "database": "scratch"}),
        ("pymysql", {"unix_socket": "s", "connect_timeout": 2}, SERVER,
         {"connect_timeout": 2, **SERVER}),
        ("asyncpg", {"unix_socket": "s"}, DATABASE, {"unix_socket": "s", "database": "scratch"}),
        ("psycopg", {"dbname": "shop", "hostaddr": "1"}, SERVER,
         {"host": "h", "port": 1, "user": "u", "password": "p", "dbname": "scratch"}),
    ],
)  # fmt: skip
def test_each_part_is_replaced_under_its_own_name(
    package: str, options: dict[str, Any], parts: dict[str, Any], after: dict[str, Any]
) -> None:
    assert redirected(package, ((), options), parts) == ((), after)


@pytest.mark.parametrize(("package", "name"), [("psycopg", "conninfo"), ("psycopg2", "dsn")])
@pytest.mark.parametrize(
    "text", ["postgresql://x:y@a/shop", "host=a dbname=shop user=x password=y"]
)
def test_a_connection_string_of_libpq_leads_there_too(package: str, name: str, text: str) -> None:
    pytest.importorskip(package)
    after = {"host": "a", "user": "x", "password": "y", "dbname": "scratch"}
    assert redirected(package, ((text,), {}), DATABASE) == ((), after)
    assert redirected(package, ((), {name: text}), DATABASE) == ((), after)
    assert redirected(package, ((text,), {"host": None}), DATABASE) == ((), after)


def test_the_call_itself_stays_as_it_was_and_shows_no_password() -> None:
    call = ConnectCall(dict, "mariadb", "pymysql", (), {"db": "shop", "password": "hidden"})
    assert call.redirected(DATABASE).make() == {"db": "scratch", "password": "hidden"}
    assert call.make() == {"db": "shop", "password": "hidden"}
    assert "hidden" not in repr(call)
