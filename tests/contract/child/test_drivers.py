"""Connections that a revision makes by itself, by every way that its driver has."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import indent

from tests.contract.child.engines import (
    ENGINE_OF,
    ENGINES,
    SERVERS,
    Database,
    arguments,
    cases,
    installed,
    is_installed,
    on,
    on_each_server,
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
    "a pool of asyncpg": Way(
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
    "a pool of aiomysql": Way(
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


def each_way(
    project: ChildProject, database: Database, table: str = "shops"
) -> tuple[str, list[str]]:
    """A revision that adds a row by each way in turn, and goes on where it is refused.

    Also returns the names of these rows.
    """
    ways = OF_SERVERS[project.engine.name]
    names = [name for name, way in ways.items() if is_installed(way.driver)]
    text = "    refused = []\n"
    for number, name in enumerate(names, 4):
        sql = f"INSERT INTO {table} VALUES ({number}, '{name}')"
        text += f"    try:\n{indent(revision(ways[name], database, sql), '    ')}"
        text += "    except Exception as error:\n        refused.append(error)\n"
    text += "    print('refused:', *refused, sep='\\n')\n"
    return f"{text}    if refused:\n        raise refused[-1]", names


@on_each_server
def test_no_way_leads_to_another_environment(project: ChildProject) -> None:
    prod = project.beside()
    text, ways = each_way(project, prod.database)
    project.add_revision(R2, R1, text)
    ran = project.run(others={"prod": prod.identity})
    assert prod.names() == THREE
    assert ran.refused == "env.py opened the database of prod, but dev is the shop"
    assert project.log.count(f"\n{ran.refused}") == len(ways)
    assert project.revision() == R1


@on_each_server
def test_no_way_leads_a_rehearsal_to_the_real_database(project: ChildProject) -> None:
    scratch = project.beside()
    text, ways = each_way(project, project.database)
    project.add_revision(R2, R1, text)
    ran = project.rehearse(scratch)
    assert project.names() == THREE
    assert (ran.refused, ran.failure) == ("", "")
    assert scratch.names() == [*THREE, *ways]


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


@on("mariadb")
def test_no_way_leads_to_another_environment_by_its_name(project: ChildProject) -> None:
    prod, other = project.beside(), project.beside()
    text, ways = each_way(project, other.database, f"{prod.database.name}.shops")
    project.add_revision(R2, R1, text)
    ran = project.run(others={"prod": prod.identity})
    named = f"a statement names the database of prod, {prod.database.name}"
    assert prod.names() == THREE
    assert project.log.count(f"\n{named}") == len(ways)
    assert ran.failure.startswith(named)
