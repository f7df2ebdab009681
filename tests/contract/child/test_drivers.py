"""Connections that a revision makes by itself, by every way that its driver has."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.contract.child.engines import (
    ENGINES,
    MARIADB,
    SERVERS,
    Database,
    arguments,
    cases,
    installed,
)
from tests.contract.child.project import FAILS, R1, R2, ChildProject

ROW = "UPDATE shops SET name = 'changed' WHERE id = 2"
THREE, CHANGED = ["one", "two", "three"], ["one", "changed", "three"]


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


# The driver migrates as usual: by the first one of its engine.
every_way = cases(
    "way",
    {
        engine: {name: way for name, way in WAYS.items() if way.driver in ENGINES[engine].drivers}
        for engine in SERVERS
    },
)


def connecting(way: Way, database: Database, sql: str = ROW) -> str:
    """A revision that connects to a database, changes a row there, and commits."""
    connects = way.connects.replace("ARGS", arguments(database, installed(way.driver)))
    return f"    sql = {sql!r}\n    {connects}\n    {way.acts}\n"


@every_way
def test_no_way_leads_to_another_environment(project: ChildProject, way: Way) -> None:
    prod = project.beside()
    project.add_revision(R2, R1, connecting(way, prod.database))
    ran = project.run(others={"prod": prod.identity})
    assert ran.refused == "env.py opened the database of prod, but dev is the shop"
    assert prod.names() == THREE
    assert project.revision() == R1


@pytest.mark.slow
@every_way
def test_no_way_leads_a_rehearsal_to_the_real_database(project: ChildProject, way: Way) -> None:
    scratch = project.beside()
    project.add_revision(R2, R1, connecting(way, project.database))
    ran = project.rehearse(scratch)
    assert project.names() == THREE
    assert (ran.refused, ran.failure) == ("", "")
    assert scratch.names() == CHANGED


@pytest.mark.slow
@every_way
def test_what_is_committed_beside_the_revision_counts_as_done(
    project: ChildProject, way: Way
) -> None:
    project.add_revision(R2, R1, connecting(way, project.database) + FAILS)
    ran = project.run(ledger={})
    assert "nowhere" in ran.failure
    assert ran.committed
    assert project.names() == CHANGED


@cases(
    "way",
    {
        "postgresql": {name: WAYS[name] for name in ("psycopg", "asyncpg")},
        "mariadb": {name: WAYS[name] for name in ("pymysql.Connect", "asyncmy")},
    },
)
def test_database_that_has_no_part_in_this_may_be_written(project: ChildProject, way: Way) -> None:
    other = project.beside()
    project.add_revision(R2, R1, connecting(way, other.database) + FAILS)
    ran = project.run(ledger={})
    assert ("nowhere" in ran.failure, ran.committed) == (True, False)
    assert other.names() == CHANGED


@cases(
    "way",
    {"mariadb": {name: way for name, way in WAYS.items() if way.driver in MARIADB.drivers}},
)
def test_no_way_leads_to_another_environment_by_its_name(project: ChildProject, way: Way) -> None:
    prod, other = project.beside(), project.beside()
    sql = f"UPDATE {prod.database.name}.shops SET name = 'changed'"
    project.add_revision(R2, R1, connecting(way, other.database, sql))
    ran = project.run(others={"prod": prod.identity})
    named = f"a statement names the database of prod, {prod.database.name}"
    assert ran.failure.startswith(named)
    assert prod.names() == THREE
