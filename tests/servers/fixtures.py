"""Fixtures of the servers: one of each kind a test process, started when a test asks for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from tests.servers.databases import ServerDatabase, swept
from tests.servers.mariadb import MariaServer
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgres import PostgresServer
from tests.servers.process import MissingServerError
from tests.servers.shops import ServerShop, filled_copy, fresh_shop

T = TypeVar("T")


def started(make: Callable[[], T]) -> T:
    """A server; where it is not installed, the test is skipped, or fails where it may not be."""
    try:
        return make()
    except MissingServerError as missing:
        if os.environ.get("MIGRATIONS_OPS_REQUIRE_SERVERS") == "1":
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server; whatever a test does to it, the next one finds it running."""
    server = started(PostgresServer)
    yield server
    server.close()


@pytest.fixture
def postgres_database(postgres: PostgresServer) -> Iterator[ServerDatabase]:
    """A fresh, empty database; it goes with all that the test made on the server."""
    with swept(postgres):
        yield ServerDatabase(postgres, postgres.create_database())


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaServer]:
    """A MariaDB server; whatever a test does to it, the next one finds it running."""
    server = started(MariaServer)
    yield server
    server.close()


@pytest.fixture
def mariadb_database(mariadb: MariaServer) -> Iterator[ServerDatabase]:
    """A fresh, empty database; it goes with all that the test made on the server."""
    with swept(mariadb):
        yield ServerDatabase(mariadb, mariadb.create_database())


@pytest.fixture
def pgbouncer(postgres: PostgresServer) -> Iterator[PgBouncer]:
    """PgBouncer in transaction mode before ``postgres``."""
    postgres.start()
    bouncer = started(lambda: PgBouncer(postgres))
    yield bouncer
    bouncer.close()


@pytest.fixture
def postgres_shop(postgres: PostgresServer, tmp_path: Path) -> Iterator[ServerShop]:
    """The project `shop` over two empty databases of PostgreSQL."""
    with swept(postgres):
        yield fresh_shop(tmp_path / "shop", postgres)


@pytest.fixture
def mariadb_shop(mariadb: MariaServer, tmp_path: Path) -> Iterator[ServerShop]:
    """The project `shop` over two empty databases of MariaDB."""
    with swept(mariadb):
        yield fresh_shop(tmp_path / "shop", mariadb)


@pytest.fixture(scope="session")
def _postgres_filled(
    postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> ServerShop:
    model = fresh_shop(tmp_path_factory.mktemp("filled-postgres") / "shop", postgres)
    model.fill()
    return model


@pytest.fixture
def postgres_filled(
    _postgres_filled: ServerShop, postgres: PostgresServer, tmp_path: Path
) -> Iterator[ServerShop]:
    """`shop` on PostgreSQL, both databases at the second of its three revisions, with rows."""
    with swept(postgres):
        yield filled_copy(_postgres_filled, tmp_path / "shop")


@pytest.fixture(scope="session")
def _mariadb_filled(mariadb: MariaServer, tmp_path_factory: pytest.TempPathFactory) -> ServerShop:
    model = fresh_shop(tmp_path_factory.mktemp("filled-mariadb") / "shop", mariadb)
    model.fill()
    return model


@pytest.fixture
def mariadb_filled(
    _mariadb_filled: ServerShop, mariadb: MariaServer, tmp_path: Path
) -> Iterator[ServerShop]:
    """`shop` on MariaDB, both databases at the second of its three revisions, with rows."""
    with swept(mariadb):
        yield filled_copy(_mariadb_filled, tmp_path / "shop")


@pytest.fixture(scope="session")
def _postgres_at_head(
    _postgres_filled: ServerShop, tmp_path_factory: pytest.TempPathFactory
) -> ServerShop:
    model = filled_copy(_postgres_filled, tmp_path_factory.mktemp("head-postgres") / "shop")
    model.upgrade("head")
    return model


@pytest.fixture
def postgres_at_head(
    _postgres_at_head: ServerShop, postgres: PostgresServer, tmp_path: Path
) -> Iterator[ServerShop]:
    """`shop` on PostgreSQL, both databases at the last of its revisions, with rows."""
    with swept(postgres):
        yield filled_copy(_postgres_at_head, tmp_path / "shop")


@pytest.fixture(scope="session")
def _mariadb_at_head(
    _mariadb_filled: ServerShop, tmp_path_factory: pytest.TempPathFactory
) -> ServerShop:
    model = filled_copy(_mariadb_filled, tmp_path_factory.mktemp("head-mariadb") / "shop")
    model.upgrade("head")
    return model


@pytest.fixture
def mariadb_at_head(
    _mariadb_at_head: ServerShop, mariadb: MariaServer, tmp_path: Path
) -> Iterator[ServerShop]:
    """`shop` on MariaDB, both databases at the last of its revisions, with rows."""
    with swept(mariadb):
        yield filled_copy(_mariadb_at_head, tmp_path / "shop")
