"""Whoever is in the way of a revision is named."""

from __future__ import annotations

from contextlib import AbstractContextManager

import pytest

from migrations_ops.databases.address import Address
from migrations_ops.databases.postgresql.connect import Connection, connect
from migrations_ops.databases.postgresql.database import PostgreSQL
from tests.servers.databases import ServerDatabase


@pytest.fixture(autouse=True)
def tables(postgres_database: ServerDatabase) -> None:
    with opened(postgres_database, "maker") as connection:
        connection.execute("CREATE TABLE parents (id int); CREATE TABLE children (id int)")


def opened(database: ServerDatabase, name: str) -> AbstractContextManager[Connection]:
    return connect(Address.of(database.url()), name)


def holders(database: ServerDatabase, url: str = "") -> list[str]:
    return PostgreSQL.from_url(url or database.url()).find_blocking_sessions()


def test_who_holds_locks_on_tables_is_named_with_them_the_oldest_first(
    postgres_database: ServerDatabase,
) -> None:
    assert holders(postgres_database) == []
    with opened(postgres_database, "first") as first, opened(postgres_database, "second") as second:
        first.autocommit = second.autocommit = False
        first.execute("SELECT * FROM parents")
        second.execute("LOCK TABLE children, parents IN ROW SHARE MODE")
        one, two = holders(postgres_database)
        assert one.startswith(f"session {first.info.backend_pid} of ")
        assert "first, in a transaction for " in one
        assert one.endswith(", on parents)")
        assert two.startswith(f"session {second.info.backend_pid} of ")
        assert two.endswith(", on children, parents)")


def test_a_role_that_sees_little_learns_who_it_is_all_the_same(
    postgres_database: ServerDatabase,
) -> None:
    address = Address.of(postgres_database.url())
    with opened(postgres_database, "owner") as owner, opened(postgres_database, "other") as other:
        owner.execute("CREATE ROLE sees_little LOGIN PASSWORD 'little'")
        owned = f"{address.user}:{address.password}@"
        url = postgres_database.url().replace(owned, "sees_little:little@")
        assert url != postgres_database.url()
        other.autocommit = False
        other.execute("LOCK TABLE parents")
        [told] = holders(postgres_database, url)
        assert told.startswith(f"session {other.info.backend_pid} of {address.user} (")
        assert told.endswith("on parents)")


def test_a_server_that_cannot_be_asked_names_nobody() -> None:
    assert PostgreSQL.from_url("postgresql://me:x@127.0.0.1:1/none").find_blocking_sessions() == []
