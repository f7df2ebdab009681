"""Connections that a revision makes by itself, by every way that its driver has."""

from __future__ import annotations

from dataclasses import dataclass

from tests.contract.child.engines import (
    ENGINE_OF,
    ENGINES,
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
    """How a revision connects, and writes and commits there. ``ARGS`` stands for the address, and
    ``CONNINFO`` for it as one text."""

    driver: str
    imports: str
    connects: str
    acts: str = "c.cursor().execute(sql); c.commit(); c.close()"

    def code(self, database: Database) -> str:
        """A revision that connects to a database, changes a row there, and commits."""
        connects = self.connects.replace("ARGS", arguments(database, installed(self.driver)))
        engine = ENGINE_OF[self.driver]
        connects = connects.replace("CONNINFO", repr(database.url(engine.dialect)))
        if "await" in connects:
            body = f"async def go():\n        c = {connects}\n        {self.acts}"
            return f"    import asyncio, {self.imports}\n    {body}\n    asyncio.run(go())\n"
        imports = self.imports if " import " in self.imports else f"import {self.imports}"
        return f"    {imports}\n    c = {connects}\n    {self.acts}\n"


PLAIN = "await c.execute(sql)"
CURSOR = "async with c.cursor() as k: await k.execute(sql)\n        await c.commit()"
OWN = "type('Own', (pymysql.connections.Connection,), {})"
WAYS = {
    "pg8000": Way("pg8000", "pg8000", "pg8000.connect(ARGS)"),
    "pg8000.dbapi": Way("pg8000", "pg8000.dbapi", "pg8000.dbapi.connect(ARGS)"),
    "pg8000.native": Way("pg8000", "pg8000.native", "pg8000.native.Connection(ARGS)", "c.run(sql)"),
    "psycopg": Way("psycopg", "psycopg", "psycopg.connect(CONNINFO)"),
    "from psycopg": Way("psycopg", "from psycopg import connect", "connect(ARGS)"),
    "psycopg, other rows": Way(
        "psycopg",
        "psycopg.rows",
        "psycopg.Connection.connect(ARGS, row_factory=psycopg.rows.scalar_row)",
    ),
    "psycopg.AsyncConnection": Way(
        "psycopg_async",
        "psycopg",
        "await psycopg.AsyncConnection.connect(ARGS)",
        f"{PLAIN}; await c.commit(); await c.close()",
    ),
    "psycopg, an engine": Way(
        "psycopg",
        "psycopg",
        "sa.create_engine(CONNINFO.replace(':', '+psycopg:', 1)).raw_connection()",
    ),
    "psycopg, a creator": Way(
        "psycopg",
        "psycopg",
        "sa.create_engine('postgresql+psycopg://', creator=lambda: psycopg.connect(ARGS))"
        ".raw_connection()",
    ),
    "psycopg2": Way("psycopg2", "psycopg2", "psycopg2.connect(CONNINFO)"),
    "psycopg2, dictionaries": Way(
        "psycopg2",
        "psycopg2.extras",
        "psycopg2.connect(ARGS, cursor_factory=psycopg2.extras.RealDictCursor)",
    ),
    "psycopg2, a class that is made ready later": Way(
        "psycopg2",
        "sys, psycopg2.extras",
        "psycopg2.connect(ARGS, connection_factory=psycopg2.extras.LoggingConnection)\n"
        "    c.initialize(sys.stderr)",
    ),
    "asyncpg": Way("asyncpg", "asyncpg", "await asyncpg.connect(ARGS)", PLAIN),
    "asyncpg's pool": Way(
        "asyncpg",
        "asyncpg",
        "await asyncpg.create_pool(ARGS, min_size=1, max_size=1)",
        f"{PLAIN}; await c.close()",
    ),
    "pymysql.Connect": Way("pymysql", "pymysql", "pymysql.Connect(ARGS)"),
    "pymysql.connections": Way(
        "pymysql", "from pymysql.connections import Connection", "Connection(ARGS)"
    ),
    "pymysql, later": Way(
        "pymysql", "pymysql", "pymysql.connect(ARGS, defer_connect=True)\n    c.connect()"
    ),
    "pymysql, dictionaries": Way(
        "pymysql",
        "pymysql.cursors",
        "pymysql.connect(ARGS, cursorclass=pymysql.cursors.DictCursor)",
    ),
    "pymysql, a creator with a class": Way(
        "pymysql",
        "pymysql.connections",
        f"sa.create_engine('mysql+pymysql://', creator=lambda: {OWN}(ARGS)).raw_connection()",
    ),
    "MySQLdb.Connect": Way("mysqldb", "MySQLdb", "MySQLdb.Connect(ARGS)"),
    "MySQLdb.connections": Way(
        "mysqldb", "from MySQLdb.connections import Connection", "Connection(ARGS)"
    ),
    "MySQLdb, dictionaries": Way(
        "mysqldb",
        "MySQLdb.cursors",
        "MySQLdb.connect(ARGS, cursorclass=MySQLdb.cursors.DictCursor)",
    ),
    "aiomysql": Way("aiomysql", "aiomysql", "await aiomysql.connect(ARGS)", CURSOR),
    "aiomysql's pool": Way(
        "aiomysql",
        "aiomysql",
        "await (await aiomysql.create_pool(ARGS, minsize=1)).acquire()",
        CURSOR,
    ),
    "asyncmy": Way("asyncmy", "asyncmy", "await asyncmy.connect(ARGS)", CURSOR),
}
# The driver migrates as usual, by the first one of its engine.
OF_SERVERS = {
    server: {name: way for name, way in WAYS.items() if way.driver in ENGINES[server].drivers}
    for server in SERVERS
}
# What is tried each time, and not only before a change lands.
USUAL = ("psycopg", "psycopg2", "asyncpg", "pymysql.Connect", "MySQLdb.Connect", "asyncmy")


def revision(way: Way, database: Database, sql: str = ROW) -> str:
    return f"    sql = {sql!r}\n{way.code(database)}"


@cases("way", OF_SERVERS)
def test_no_way_leads_to_another_environment(project: ChildProject, way: Way) -> None:
    prod = project.beside()
    project.add_revision(R2, R1, revision(way, prod.database))
    ran = project.run(others={"prod": prod.identity})
    assert ran.refused == "env.py opened the database of prod, but dev is the shop"
    assert prod.names() == THREE
    assert project.revision() == R1


@cases("way", OF_SERVERS, at_once=USUAL)
def test_no_way_leads_a_rehearsal_to_the_real_database(project: ChildProject, way: Way) -> None:
    scratch = project.beside()
    project.add_revision(R2, R1, revision(way, project.database))
    ran = project.rehearse(scratch)
    assert project.names() == THREE
    assert (ran.refused, ran.failure) == ("", "")
    assert scratch.names() == CHANGED


@cases("way", OF_SERVERS, at_once=USUAL)
def test_what_is_committed_beside_the_revision_counts_as_done(
    project: ChildProject, way: Way
) -> None:
    project.add_revision(R2, R1, revision(way, project.database) + FAILS)
    ran = project.run(ledger_entry={})
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
    project.add_revision(R2, R1, revision(way, other.database) + FAILS)
    ran = project.run(ledger_entry={})
    assert ("nowhere" in ran.failure, ran.committed) == (True, False)
    assert other.names() == CHANGED


@cases("way", {"mariadb": OF_SERVERS["mariadb"]})
def test_no_way_leads_to_another_environment_by_its_name(project: ChildProject, way: Way) -> None:
    prod, other = project.beside(), project.beside()
    sql = f"UPDATE {prod.database.name}.shops SET name = 'changed'"
    project.add_revision(R2, R1, revision(way, other.database, sql))
    ran = project.run(others={"prod": prod.identity})
    named = f"a statement names the database of prod, {prod.database.name}"
    assert ran.failure.startswith(named)
    assert prod.names() == THREE
