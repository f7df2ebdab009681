"""Connections that a revision makes by itself, by every way that its driver has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.child.server_steps import (
    MARIADB_DRIVERS,
    R1,
    R2,
    ServerProject,
    beside,
    identity,
    installed,
    make_project,
)
from tests.servers.databases import ServerDatabase
from tests.servers.running import RunningServer

ROW = "UPDATE shops SET name = 'changed' WHERE id = 2"
FAILS = "    op.execute('SELECT * FROM nowhere')"


@dataclass(frozen=True)
class Way:
    """How a revision connects, and writes and commits there. ``ARGS`` stands for the address."""

    driver: str
    connects: str
    acts: str = "c.cursor().execute(sql); c.commit(); c.close()"


def sync(driver: str, connects: str) -> Way:
    return Way(driver, connects)


def running(driver: str, imports: str, connects: str, acts: str) -> Way:
    """Code that is asynchronous."""
    code = f"{imports}\n    async def go():\n        c = {connects}\n        {acts}\n"
    return Way(driver, code, "asyncio.run(go())")


ON_CURSOR = "async with c.cursor() as k: await k.execute(sql)\n        await c.commit()"
WAYS = {
    "pg8000": sync("pg8000", "import pg8000\n    c = pg8000.connect(ARGS)"),
    "pg8000.dbapi": sync("pg8000", "import pg8000.dbapi\n    c = pg8000.dbapi.connect(ARGS)"),
    "pg8000.native": Way(
        "pg8000", "import pg8000.native\n    c = pg8000.native.Connection(ARGS)", "c.run(sql)"
    ),
    "psycopg": sync("psycopg", "import psycopg\n    c = psycopg.connect(ARGS)"),
    "psycopg, other rows": sync(
        "psycopg",
        "import psycopg, psycopg.rows\n"
        "    c = psycopg.Connection.connect(ARGS, row_factory=psycopg.rows.scalar_row)",
    ),
    "psycopg.AsyncConnection": running(
        "psycopg_async",
        "import asyncio, psycopg",
        "await psycopg.AsyncConnection.connect(ARGS)",
        "await c.execute(sql); await c.commit(); await c.close()",
    ),
    "psycopg2": sync("psycopg2", "import psycopg2\n    c = psycopg2.connect(ARGS)"),
    "psycopg2, dictionaries": sync(
        "psycopg2",
        "import psycopg2, psycopg2.extras\n"
        "    c = psycopg2.connect(ARGS, cursor_factory=psycopg2.extras.RealDictCursor)",
    ),
    "psycopg2, a class that is made ready later": sync(
        "psycopg2",
        "import psycopg2, psycopg2.extras, sys\n    c = psycopg2.connect(ARGS,"
        " connection_factory=psycopg2.extras.LoggingConnection)\n    c.initialize(sys.stderr)",
    ),
    "asyncpg": running(
        "asyncpg", "import asyncio, asyncpg", "await asyncpg.connect(ARGS)", "await c.execute(sql)"
    ),
    "asyncpg's pool": running(
        "asyncpg",
        "import asyncio, asyncpg",
        "await asyncpg.create_pool(ARGS, min_size=1, max_size=1)",
        "await c.execute(sql); await c.close()",
    ),
    "pymysql.Connect": sync("pymysql", "import pymysql\n    c = pymysql.Connect(ARGS)"),
    "pymysql.connections": sync(
        "pymysql", "from pymysql.connections import Connection\n    c = Connection(ARGS)"
    ),
    "pymysql, later": sync(
        "pymysql",
        "import pymysql\n    c = pymysql.connect(ARGS, defer_connect=True)\n    c.connect()",
    ),
    "pymysql, dictionaries": sync(
        "pymysql",
        "import pymysql, pymysql.cursors\n"
        "    c = pymysql.connect(ARGS, cursorclass=pymysql.cursors.DictCursor)",
    ),
    "pymysql, a creator with a class": sync(
        "pymysql",
        "import pymysql.connections\n"
        "    class Own(pymysql.connections.Connection): pass\n"
        "    c = sa.create_engine('mysql+pymysql://', creator=lambda: Own(ARGS)).raw_connection()",
    ),
    "MySQLdb.Connect": sync("mysqldb", "import MySQLdb\n    c = MySQLdb.Connect(ARGS)"),
    "MySQLdb.connections": sync(
        "mysqldb", "from MySQLdb.connections import Connection\n    c = Connection(ARGS)"
    ),
    "MySQLdb, dictionaries": sync(
        "mysqldb",
        "import MySQLdb, MySQLdb.cursors\n"
        "    c = MySQLdb.connect(ARGS, cursorclass=MySQLdb.cursors.DictCursor)",
    ),
    "aiomysql": running(
        "aiomysql", "import asyncio, aiomysql", "await aiomysql.connect(ARGS)", ON_CURSOR
    ),
    "aiomysql's pool": running(
        "aiomysql",
        "import asyncio, aiomysql",
        "await (await aiomysql.create_pool(ARGS, minsize=1)).acquire()",
        ON_CURSOR,
    ),
    "asyncmy": running(
        "asyncmy", "import asyncio, asyncmy", "await asyncmy.connect(ARGS)", ON_CURSOR
    ),
}


@pytest.fixture
def way(request: pytest.FixtureRequest) -> Way:
    found = WAYS[request.param]
    installed(found.driver)
    return found


@pytest.fixture
def project(request: pytest.FixtureRequest, way: Way, tmp_path: Path) -> ServerProject:
    """On the server of the driver; it migrates by the usual driver, not by this one."""
    server = "mariadb" if way.driver in MARIADB_DRIVERS else "postgres"
    database: ServerDatabase = request.getfixturevalue(f"{server}_database")
    usual = "pymysql" if server == "mariadb" else "psycopg"
    return make_project(tmp_path / "project", database, usual)


every_way = pytest.mark.parametrize("way", WAYS, indirect=True)


def revision(way: Way, database: ServerDatabase, sql: str = ROW) -> str:
    """What connects to a database, changes a row there, and commits."""
    server = database.server
    assert isinstance(server, RunningServer)
    word = {"aiomysql": "db", "psycopg": "dbname", "psycopg_async": "dbname"}
    args = (
        f"host={server.host!r}, port={server.port}, user={server.administrator!r},"
        f" password={server.password!r}, {word.get(way.driver, 'database')}={database.name!r}"
    )
    return f"    sql = {sql!r}\n    {way.connects.replace('ARGS', args)}\n    {way.acts}\n"


def names(database: ServerDatabase) -> list[str]:
    return [str(row[0]) for row in database.execute("SELECT name FROM shops ORDER BY id")]


@every_way
def test_no_way_leads_to_another_environment(project: ServerProject, way: Way) -> None:
    prod = beside(project.database)
    project.add_revision(R2, R1, revision(way, prod))
    ran = project.run(others={"prod": identity(prod)})
    assert ran.refused == "env.py opened the database of prod, but dev is the shop"
    assert names(prod) == ["one", "two", "three"]
    assert project.revision() == R1


@pytest.mark.slow
@every_way
def test_no_way_leads_a_rehearsal_to_the_real_database(project: ServerProject, way: Way) -> None:
    scratch = beside(project.database)
    project.add_revision(R2, R1, revision(way, project.database))
    ran = project.run(scratch=identity(scratch), redirect={"database": scratch.name})
    assert names(project.database) == ["one", "two", "three"]
    assert (ran.refused, ran.failure) == ("", "")
    assert names(scratch) == ["one", "changed", "three"]


@pytest.mark.slow
@every_way
def test_what_is_committed_beside_the_revision_counts_as_done(
    project: ServerProject, way: Way
) -> None:
    project.add_revision(R2, R1, revision(way, project.database) + FAILS)
    ran = project.run(ledger={})
    assert "nowhere" in ran.failure
    assert ran.committed
    assert names(project.database) == ["one", "changed", "three"]


@pytest.mark.parametrize("way", ["psycopg", "asyncpg", "pymysql.Connect", "asyncmy"], indirect=True)
def test_database_that_has_no_part_in_this_may_be_written(project: ServerProject, way: Way) -> None:
    other = beside(project.database)
    project.add_revision(R2, R1, revision(way, other) + FAILS)
    assert not project.run(ledger={}).committed
    project.add_revision(R2, R1, revision(way, other))
    assert project.run(ledger={}).failure == ""
    assert names(other) == ["one", "changed", "three"]


@pytest.mark.parametrize(
    "way", [name for name, way in WAYS.items() if way.driver in MARIADB_DRIVERS], indirect=True
)
def test_no_way_leads_to_another_environment_by_its_name(project: ServerProject, way: Way) -> None:
    prod, other = beside(project.database), beside(project.database)
    sql = f"UPDATE {prod.name}.shops SET name = 'changed'"
    project.add_revision(R2, R1, revision(way, other, sql))
    ran = project.run(others={"prod": identity(prod)})
    assert ran.failure.startswith(f"a statement names the database of prod, {prod.name}")
    assert names(prod) == ["one", "two", "three"]
