"""Fixtures of the servers: one of each kind a test process, started when a test asks for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

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


# -- the project `shop` on each of them, in its three states ---------------------------------------


def _shop_of(kind: str) -> Any:
    @pytest.fixture(name=f"{kind}_shop")
    def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServerShop]:
        """The project `shop` over two empty databases."""
        server = request.getfixturevalue(kind)
        with swept(server):
            yield fresh_shop(tmp_path / "shop", server)

    return empty


def _model_of(kind: str, state: str) -> Any:
    @pytest.fixture(scope="session", name=f"_{kind}_{state}")
    def model(
        request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
    ) -> ServerShop:
        """What the shops of the tests are copied from."""
        folder = tmp_path_factory.mktemp(f"{state}-{kind}") / "shop"
        if state == "filled":
            made = fresh_shop(folder, request.getfixturevalue(kind))
            made.fill()
        else:
            made = filled_copy(request.getfixturevalue(f"_{kind}_filled"), folder)
            made.upgrade("head")
        return made

    return model


def _copy_of(kind: str, state: str) -> Any:
    @pytest.fixture(name=f"{kind}_{state}")
    def copy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServerShop]:
        """`shop` with rows, both databases at the second of its three revisions, or at the last."""
        model: ServerShop = request.getfixturevalue(f"_{kind}_{state}")
        with swept(model.dev_database.server):
            yield filled_copy(model, tmp_path / "shop")

    return copy


postgres_shop, mariadb_shop = _shop_of("postgres"), _shop_of("mariadb")
_postgres_filled, _mariadb_filled = _model_of("postgres", "filled"), _model_of("mariadb", "filled")
_postgres_at_head = _model_of("postgres", "at_head")
_mariadb_at_head = _model_of("mariadb", "at_head")
postgres_filled, mariadb_filled = _copy_of("postgres", "filled"), _copy_of("mariadb", "filled")
postgres_at_head, mariadb_at_head = _copy_of("postgres", "at_head"), _copy_of("mariadb", "at_head")
