"""The child on whatever server, under each driver: where it goes, and when it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.child.server_steps import (
    DRIVERS,
    HALF_DONE,
    MARIADB_DRIVERS,
    R1,
    R2,
    R3,
    Background,
    ServerProject,
    beside,
    identity,
    installed,
    make_project,
)
from tests.contract.child.steps import wait_for
from tests.servers.databases import ServerDatabase

# Every driver; the usual ones are tried in the other files.
pytestmark = pytest.mark.slow

ROWS = "    op.execute(\"UPDATE shops SET name = 'changed' WHERE id = 2\")\n"
# The function that sleeps, and how its sessions are found: on PostgreSQL, on MariaDB.
SLEEPING = (
    ("pg_sleep", "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"),
    ("SLEEP", "SELECT 1 FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'"),
)


@pytest.fixture(params=DRIVERS)
def any_driver(request: pytest.FixtureRequest, tmp_path: Path) -> ServerProject:
    """The project under each of the drivers."""
    driver = installed(request.param)
    server = "mariadb" if driver in MARIADB_DRIVERS else "postgres"
    database: ServerDatabase = request.getfixturevalue(f"{server}_database")
    return make_project(tmp_path / "project", database, driver)


def test_env_that_goes_to_another_environment_is_refused_under_any_driver(
    any_driver: ServerProject,
) -> None:
    other = beside(any_driver.database)
    any_driver.add_revision(R2, R1, HALF_DONE)
    given = {"DATABASE_URL": any_driver.url_of(other)}
    before = any_driver.everything()
    ran = any_driver.run(variables=given, others={"prod": identity(other)})
    assert ran.refused == "env.py opened the database of prod, but dev is the shop"
    unknown = any_driver.run(variables=given)
    assert f"/{other.name}, but dev is the shop" in unknown.refused
    assert "hidden-word" not in unknown.refused
    assert "half" not in str(
        ServerProject(any_driver.folder, other, any_driver.driver).everything()
    )
    assert any_driver.everything() == before


def test_rehearsal_is_led_to_the_scratch_database_under_any_driver(
    any_driver: ServerProject,
) -> None:
    scratch = beside(any_driver.database)
    any_driver.add_revision(R2, R1, HALF_DONE)
    before = any_driver.everything()
    ran = any_driver.run(scratch=identity(scratch), redirect={"database": scratch.name})
    assert (ran.refused, ran.failure) == ("", "")
    assert scratch.execute("SELECT id FROM half") == [(1,)]
    assert any_driver.everything() == before


def test_parent_that_goes_ends_a_long_statement_at_once_under_any_driver(
    any_driver: ServerProject,
) -> None:
    before = any_driver.everything()
    sleep, sleeping = SLEEPING[any_driver.driver in MARIADB_DRIVERS]
    any_driver.add_revision(R2, R1, f"{ROWS}    op.execute('SELECT {sleep}(600)')")
    work = Background(any_driver)
    wait_for(lambda: bool(any_driver.database.execute(sleeping)))
    work.leave()
    # It left in order, not killed after its time of grace.
    assert work.result().failure == "KeyboardInterrupt: interrupted"
    wait_for(lambda: not any_driver.database.execute(sleeping))
    assert any_driver.everything() == before


def test_copy_of_another_environment_is_recognised_by_its_ledger_under_any_driver(
    any_driver: ServerProject,
) -> None:
    any_driver.add_revision(R2, R1, HALF_DONE)
    assert any_driver.run(environment="prod", ledger={}).failure == ""
    before = any_driver.everything()
    any_driver.add_revision(R3, R2, "    op.execute('DELETE FROM shops')")
    refused = any_driver.run(ledger={}).refused
    assert refused == "env.py opened the shop, whose ledger says that it is prod, but dev was meant"
    assert any_driver.everything() == before
