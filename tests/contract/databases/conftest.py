"""A database of a test, on each engine; and servers of both ends of the versions supported."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrations_ops.databases.postgresql import dump as postgresql_tools
from tests.contract.databases.engines import ENGINES, SERVERS, Live
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


@pytest.fixture(params=ENGINES)
def live(request: pytest.FixtureRequest, tmp_path: Path) -> Live:
    """An empty database, on every engine."""
    return _live(request, tmp_path)


@pytest.fixture(params=SERVERS)
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Live:
    """An empty database, on every server."""
    return _live(request, tmp_path)


def _live(request: pytest.FixtureRequest, folder: Path) -> Live:
    if request.param == "sqlite":
        return Live.in_file(folder)
    if request.param == "mariadb":
        return Live.on_server(request.getfixturevalue("mariadb_database"), folder)
    request.getfixturevalue("postgres_clients")
    return Live.on_server(request.getfixturevalue("postgres_database"), folder)


def search_clients_anew() -> None:
    """Forget which clients of PostgreSQL are here."""
    for each in (
        postgresql_tools.find_tools,
        postgresql_tools._version,
        postgresql_tools._compression,
    ):
        each.cache_clear()
