"""Whatever commits in the middle of a revision is reported, and what does not is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.child.server_steps import (
    FAILS,
    R1,
    R2,
    ROWS,
    ServerProject,
    installed,
    make_project,
)
from tests.servers.databases import ServerDatabase


@pytest.fixture
def project(mariadb_database: ServerDatabase, tmp_path: Path) -> ServerProject:
    return make_project(tmp_path / "project", mariadb_database, "pymysql")


@pytest.mark.parametrize(
    "statement",
    ["commit()", "cursor().execute('ALTER TABLE shops ADD more int')"],
    ids=["commit", "DDL"],
)
def test_what_the_driver_commits_by_itself_is_reported_after_a_failure(
    project: ServerProject, statement: str
) -> None:
    project.add_revision(
        R2, R1, f"{ROWS}    op.get_bind().connection.driver_connection.{statement}\n{FAILS}"
    )
    ran = project.run(ledger={})
    assert ran.committed
    assert project.ledger()[-1]["event"] == "begun"


# How a revision commits what it has written, past every statement's text.
COMMITTING = {
    "autocommit of the driver": (
        "    driver.cursor().execute(sql)\n"
        "    driver.autocommit(True)\n    driver.autocommit(False)\n"
    ),
    "autocommit before it": "    driver.autocommit(True)\n    driver.cursor().execute(sql)\n",
    "autocommit before SQLAlchemy": "    driver.autocommit(True)\n    op.execute(sql)\n",
    "begin of the driver": "    driver.cursor().execute(sql)\n    driver.begin()\n",
    "an engine in AUTOCOMMIT": (
        "    engine = sa.create_engine(op.get_bind().engine.url, isolation_level='AUTOCOMMIT')\n"
        "    with engine.connect() as other:\n        other.execute(sa.text(sql))\n"
    ),
    "another's commit": (
        "    with op.get_bind().engine.begin() as other:\n        other.execute(sa.text(sql))\n"
    ),
    "another of the pool": (
        "    other = op.get_bind().engine.raw_connection()\n"
        "    other.cursor().execute(sql)\n    other.commit()\n"
    ),
    "DDL of another": (
        "    other = op.get_bind().engine.raw_connection()\n"
        "    other.cursor().execute('CREATE TABLE another (id int)')\n"
    ),
}


@pytest.mark.parametrize("driver", ["pymysql", "mysqldb"])
@pytest.mark.parametrize("way", COMMITTING)
def test_commit_past_every_statement_counts_as_done(
    mariadb_database: ServerDatabase, tmp_path: Path, driver: str, way: str
) -> None:
    project = make_project(tmp_path / "project", mariadb_database, installed(driver))
    top = (
        "    sql = \"UPDATE shops SET name = 'changed' WHERE id = 2\"\n"
        "    driver = op.get_bind().connection.driver_connection\n"
    )
    before = project.everything()
    project.add_revision(R2, R1, top + COMMITTING[way] + FAILS)
    ran = project.run(ledger={})
    assert project.everything() != before
    assert ran.committed
    assert project.ledger()[-1]["event"] == "begun"


# What commits nothing, though it looks like it.
READING = {
    "another that reads": (
        "    other = op.get_bind().engine.raw_connection()\n"
        "    other.cursor().execute('SELECT * FROM shops')\n    other.commit()\n"
    ),
    "autocommit that was off": "    driver.autocommit(False)\n",
    "another in AUTOCOMMIT that reads": (
        "    engine = sa.create_engine(op.get_bind().engine.url, isolation_level='AUTOCOMMIT')\n"
        "    with engine.connect() as other:\n        other.execute(sa.text('SELECT 1'))\n"
    ),
}


@pytest.mark.parametrize("driver", ["pymysql", "mysqldb"])
@pytest.mark.parametrize("way", READING)
def test_what_commits_nothing_does_not_count_as_done(
    mariadb_database: ServerDatabase, tmp_path: Path, driver: str, way: str
) -> None:
    project = make_project(tmp_path / "project", mariadb_database, installed(driver))
    top = "    driver = op.get_bind().connection.driver_connection\n"
    before = project.everything()
    project.add_revision(R2, R1, top + ROWS + READING[way] + FAILS)
    assert not project.run(ledger={}).committed
    assert project.everything() == before


def test_temporary_table_is_nothing_that_is_committed(project: ServerProject) -> None:
    temporary = "    op.execute('CREATE TEMPORARY TABLE passing (id int)')\n"
    project.add_revision(R2, R1, ROWS + temporary + FAILS)
    before = project.everything()
    assert not project.run(ledger={}).committed
    assert project.everything() == before
