"""A synchronous standby that does not answer is named, and nothing that is thrown away waits."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from migrations_ops.databases.postgresql.database import PostgreSQL
from migrations_ops.model.errors import Refused
from migrations_ops.model.ledger import LedgerEntry
from tests.contract.databases.postgresql.engines import TABLE, back_up, filled
from tests.servers.databases import ServerDatabase
from tests.servers.postgres import PostgresServer
from tests.support import wait_for

pytestmark = pytest.mark.usefixtures("postgres_clients")
# Until then it hangs; the server then gets its standby back, so that the test ends.
SECONDS = 60


@pytest.fixture
def silent(postgres: PostgresServer, postgres_database: ServerDatabase) -> Iterator[PostgreSQL]:
    """A database each commit of which waits for a standby that is not there."""
    engine = filled(postgres_database)
    _wait_for(postgres, "ghost")
    yield engine
    _wait_for(postgres, "")


def _wait_for(postgres: PostgresServer, standby: str) -> None:
    postgres.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{standby}'")
    postgres.execute("SELECT pg_reload_conf()")
    wait_for(lambda: postgres.execute("SHOW synchronous_standby_names") == [(standby,)])


def test_it_is_named_and_no_copy_waits_for_it(
    silent: PostgreSQL, postgres: PostgresServer, tmp_path: Path
) -> None:
    before = postgres.databases()

    def work() -> None:
        [found] = silent.find_obstacles()
        assert (found.code, found.severity, found.where) == ("standby-silent", "error", "ghost")
        with silent.locked("test", 30):
            file, taken = back_up(silent, tmp_path)
            with silent.opened_copy(file) as copy:
                assert copy.fingerprint(TABLE) == taken
            scratch = silent.make_scratch(tmp_path / "none", file)
            scratch.add_to_ledger(LedgerEntry("prod", TABLE))
            scratch.remove()
            with pytest.raises(Refused, match="the synchronous standby ghost"):
                silent.restore_from(file, TABLE, None)

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(work)
        try:
            done.result(SECONDS)
        finally:
            _wait_for(postgres, "")
    assert postgres.databases() == before


def test_what_takes_the_place_of_a_database_waits_as_that_did(
    postgres_database: ServerDatabase, tmp_path: Path
) -> None:
    engine = filled(postgres_database)
    file, _ = back_up(engine, tmp_path)
    engine.restore_from(file, TABLE, None)
    assert postgres_database.execute("SHOW synchronous_commit") == [("on",)]
