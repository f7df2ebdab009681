"""Servers of both ends of the versions that are supported."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from migrations_ops.databases.postgresql import dump as postgresql_tools
from tests.servers.databases import ServerDatabase, swept
from tests.servers.fixtures import started
from tests.servers.postgres import PostgresServer, debian_bin, wheel_bin


@pytest.fixture(scope="session")
def _old_postgres() -> Iterator[PostgresServer]:
    server = started(lambda: PostgresServer(debian_bin(15)))
    yield server
    server.close()


# What differs between the versions is worth a look before a change lands, not at each run.
@pytest.fixture(params=[pytest.param("oldest", marks=pytest.mark.slow), "newest"])
def any_postgres(request: pytest.FixtureRequest) -> Iterator[ServerDatabase]:
    """A fresh database of the oldest and of the newest PostgreSQL that is supported."""
    name = "_old_postgres" if request.param == "oldest" else "postgres"
    server: PostgresServer = request.getfixturevalue(name)
    with swept(server):
        yield ServerDatabase(server, server.create_database(options="TEMPLATE template0"))


@pytest.fixture
def postgres_clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Within, PATH leads to the clients of the newest server, and is searched anew."""
    found = started(wheel_bin)
    monkeypatch.setenv("PATH", f"{found}{os.pathsep}{os.environ['PATH']}")
    search_clients_anew()
    yield
    search_clients_anew()


def search_clients_anew() -> None:
    """Forget which clients of PostgreSQL are here."""
    for each in (
        postgresql_tools.find_tools,
        postgresql_tools._version,
        postgresql_tools._compression,
    ):
        each.cache_clear()
