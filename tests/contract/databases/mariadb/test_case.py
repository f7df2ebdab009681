"""Databases whose names differ in case alone, and servers that make no difference of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from migrations_ops.model.ledger import LedgerEntry
from tests.contract.databases.mariadb.support import (
    EVERYTHING,
    back_up,
    engine,
    require_restored,
    restore,
    run,
)
from tests.servers.databases import ServerDatabase
from tests.servers.fixtures import started
from tests.servers.mariadb import MariaServer


@pytest.fixture(scope="module")
def folding() -> Iterator[MariaServer]:
    """A server on which `Shop` and `shop` are the same, as on Windows."""
    server = started(lambda: MariaServer(lower_case_table_names="1"))
    yield server
    server.close()


def test_nothing_of_a_database_whose_name_differs_in_case_is_taken_for_its_own(
    mariadb_database: ServerDatabase, tmp_path: Path
) -> None:
    server = mariadb_database.server
    other, own = (ServerDatabase(server, server.create_database(name)) for name in ("shop", "Shop"))
    run(other, *EVERYTHING)
    run(own, "CREATE TABLE t (id INT)")
    before = engine(own).fingerprint("")
    assert sorted(before.schema) == ["column t.id", 'schema "character set"', "table t"]
    assert back_up(own, tmp_path / "b") == before
    assert restore(own, tmp_path / "b") == before
    assert engine(own).fingerprint("") == before
    assert engine(own).find_obstacles() == []


def test_the_ledger_of_a_database_whose_name_differs_in_case_is_not_read(
    mariadb_database: ServerDatabase,
) -> None:
    from sqlalchemy import create_engine

    from migrations_ops.child.recording.server_ledger import MARIADB

    server = mariadb_database.server
    other, own = (ServerDatabase(server, server.create_database(name)) for name in ("shop", "Shop"))
    engine(other).add_to_ledger(LedgerEntry("dev", "alembic_version"))
    reaching = create_engine(own.url("mysql+pymysql"))
    with reaching.connect() as connection:
        for schema in (None, "Shop"):
            assert MARIADB.find(connection, schema) is None
            assert not MARIADB.is_taken(connection, schema)
        MARIADB.write(connection, None, [{"event": "identity", "environment": "prod"}])
        assert MARIADB.find(connection, None) == [{"event": "identity", "environment": "prod"}]
    reaching.dispose()
    assert engine(other).ledger("alembic_version").environment == "dev"


@pytest.mark.slow
def test_a_name_in_capitals_is_backed_up_and_restored_where_case_makes_no_difference(
    folding: MariaServer, tmp_path: Path
) -> None:
    folding.create_database("Shop")
    shop = ServerDatabase(folding, "Shop")
    run(shop, *EVERYTHING)
    require_restored(shop, tmp_path / "b", "DROP VIEW a_view", "DROP TABLE numbered")
