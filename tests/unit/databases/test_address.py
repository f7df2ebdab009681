"""The URL of a server means what SQLAlchemy takes it for, and never tells its password."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import create_engine
from sqlalchemy.engine import URL, make_url

from migrations_ops.databases.address import Address, redirected, with_hosts_in_query
from migrations_ops.model.errors import ConfigurationError

# A NUL ends a text in the drivers' libraries, and half a surrogate pair is no character.
WORDS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12
)
HOSTS = st.one_of(
    st.none(), st.from_regex(r"[a-z0-9][a-z0-9.-]{0,10}", fullmatch=True), st.just("::1")
)
QUERIES = st.dictionaries(
    st.sampled_from(["sslmode", "options", "application_name", "x y"]), WORDS, max_size=3
)


@st.composite
def urls(draw: st.DrawFn) -> URL:
    user = draw(st.none() | WORDS)
    return URL.create(
        draw(st.sampled_from(["postgresql", "postgresql+psycopg", "mysql+pymysql"])),
        username=user,
        password=draw(st.none() | WORDS) if user else None,
        host=draw(HOSTS),
        port=draw(st.none() | st.integers(1, 65535)),
        database=draw(WORDS),
        query=draw(QUERIES),
    )


@pytest.mark.parametrize(
    ("url", "host", "ports"),
    [
        ("postgresql://u:p@a:1,b:2/d", "a,b", "1,2"),
        ("postgresql+psycopg://a:1,b/d?target_session_attrs=read-write", "a,b", "1,"),
        ("postgresql://u:p,x@[::1]:1,b.c:2/d?sslmode=disable", "::1,b.c", "1,2"),
        # As SQLAlchemy reads them.
        ("postgresql://a,b:2/d", "a,b", ""),
        ("postgresql://u:a,b:1@h:2/d", "h", ""),
    ],
)
def test_several_hosts_are_read_as_libpq_reads_them(url: str, host: str, ports: str) -> None:
    address = Address.of(url)
    assert (address.host, address.options.get("port", ""), address.database) == (host, ports, "d")
    # What a project is given is what SQLAlchemy reads as the same.
    told = with_hosts_in_query(url)
    made, query = make_url(told), make_url(told).query
    assert query.get("host", made.host) == host
    assert query.get("port", "") == ports
    other = Address.of(redirected(url, {"database": "copy", "host": "b", "port": 7}))
    assert (other.host, other.port, other.database) == ("b", 7, "copy")


def facts(url: URL) -> tuple[object, ...]:
    """What a URL means to SQLAlchemy."""
    parts = (url.username, url.password, url.host, url.port, url.database)
    return (url.get_backend_name(), *(part or "" for part in parts), dict(url.query))


@given(urls())
@example(URL.create("postgresql", database="0 "))  # a blank is part of a name
def test_an_address_is_what_sqlalchemy_reads(url: URL) -> None:
    text = url.render_as_string(hide_password=False)
    address = Address.of(text)
    parts = (address.user, address.password, address.host, address.port or "", address.database)
    assert (address.dialect, *parts, dict(address.options)) == facts(make_url(text))


@given(urls(), WORDS, WORDS, WORDS, HOSTS, st.none() | st.integers(1, 65535))
@example(
    make_url("postgresql+psycopg2://u:p@h/d?host=/run&port=7&user=x&password=y&dbname=z&sslmode=no"),
    "user", "password", "database", "other", 9,
)  # fmt: skip
def test_a_redirected_url_leads_there_and_keeps_its_driver_and_options(
    url: URL, user: str, password: str, database: str, host: str | None, port: int | None
) -> None:
    parts: dict[str, str | int | None] = {"host": host or "", "port": port}
    parts |= {"user": user, "password": password, "database": database}
    led = redirected(url.render_as_string(hide_password=False), parts)
    found, again = make_url(led), Address.of(led)
    assert (found.username, found.password, found.database) == (user, password, database)
    assert (found.host or "", found.port) == (host or "", port)
    assert found.drivername == url.drivername
    won_over = {"host", "port", "user", "password", "dbname"}
    assert dict(found.query) == {k: v for k, v in url.query.items() if k not in won_over}
    assert (again.user, again.host, again.database) == (user, host or "", database)


@given(urls(), WORDS)
def test_another_database_changes_the_database_alone(url: URL, name: str) -> None:
    text = url.render_as_string(hide_password=False)
    assert make_url(redirected(text, {"database": name})) == make_url(text).set(database=name)
    assert Address.of(redirected(text, {"database": name})) == Address.of(text).of_database(name)


def test_a_socket_is_redirected_to_in_the_query() -> None:
    led = redirected("postgresql://u:p@far:5433/shop", {"host": "/run/pg", "port": 1})
    assert make_url(led).host is None
    assert make_url(led).query == {"host": "/run/pg"}
    assert Address.of(led).host == "/run/pg"


@pytest.mark.parametrize(
    ("query", "host", "port"),
    [
        ("host=/run/postgresql", "/run/postgresql", 5433),
        ("host=near&port=6000", "near", 6000),
        ("host=near:6000", "near", 6000),
        ("host=a,b&port=1,2", "a,b", None),
        ("host=a:1&host=b:2", "a,b", None),
    ],
)
def test_what_the_query_says_wins_as_it_does_in_sqlalchemy(
    query: str, host: str, port: int | None
) -> None:
    url = f"postgresql+psycopg2://u:p@far:5433/shop?{query}"
    address = Address.of(url)
    assert (address.host, address.port) == (host, port)
    made: Any = create_engine(url).dialect
    _, told = made.create_connect_args(make_url(url))
    assert told["host"] == host
    ports = str(address.port) if address.port else address.options["port"]
    assert str(told["port"]) == ports


def test_user_password_and_database_may_stand_in_the_query() -> None:
    address = Address.of("postgresql+psycopg:///?user=me&password=s%40cret&dbname=shop&host=h")
    assert (address.user, address.password, address.database) == ("me", "s@cret", "shop")
    assert address.host == "h"


@given(urls(), WORDS)
@example(make_url("postgresql://u@h/d?password=hidden-word"), "x")
def test_the_password_is_in_no_text_that_is_shown(url: URL, password: str) -> None:
    hidden = url.set(username="me", password=f"hidden-word{password}")
    address = Address.of(hidden.render_as_string(hide_password=False))
    shown = f"{address!r} {address} {address.label} {address.of_database('x').label}"
    assert "hidden-word" not in shown


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hidden-word@h",
        "postgresql://me:hidden-word@h/",
        "postgresql://me:hidden-word@h:port/shop",
        "postgresql://me:p@hidden-word@h/shop",
        "postgresql://m/e:hidden-word@h/shop",
        "postgresql:me:hidden-word@h/shop",
        "postgresql://me:hidden-word%00@h/shop",
        "postgresql://me:hidden-word@h/shop%00",
        "postgresql",
    ],
)
def test_an_unreadable_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Address.of(url)
    told = f"{raised.value.what} {raised.value.untouched} {raised.value.next}"
    assert "hidden-word" not in told
    assert raised.value.what.startswith("The postgresql URL ")
    assert "%XX" in raised.value.next


@pytest.mark.parametrize("password", ["hunter2@Xk9/Zq7secret", "a@b/c@d", "x@y/z:w"])
def test_password_with_signs_that_were_not_escaped_is_never_shown(password: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Address.of(f"postgresql://release:{password}@db.example:5432/shop")
    assert not any(part in str(raised.value) for part in ("Zq7secret", "c@d", "z:w"))
    assert "%XX" in str(raised.value)
