"""The engines that the suite over the child runs on: what differs between them is in these tables.

The tests name an engine or a driver; the fixture ``project`` (conftest.py) makes the database.
"""

from __future__ import annotations

import importlib.util
import shutil
import sqlite3
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import pytest

from migrations_ops.child.protocol.identity import MARIADB_IDENTITY, POSTGRESQL_IDENTITY
from migrations_ops.child.protocol.ledger import NAME
from tests.servers.databases import ServerDatabase
from tests.servers.running import RunningServer

_numbers = count(1)


class Database(Protocol):
    """One database, of whatever engine."""

    @property
    def name(self) -> str: ...

    def url(self, driver: str | None = None) -> str: ...

    def execute(self, sql: str, *values: Any) -> list[tuple[Any, ...]]: ...

    def in_one_session(self) -> AbstractContextManager[None]: ...


@dataclass(frozen=True)
class FileDatabase:
    """A database of SQLite."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    def url(self, driver: str | None = None) -> str:
        return f"{driver or 'sqlite'}:///{self.path.as_posix()}"

    def execute(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run one statement, committed."""
        with closing(sqlite3.connect(self.path)) as connection, connection:
            return connection.execute(sql, values).fetchall()

    def in_one_session(self) -> AbstractContextManager[None]:
        """Opening a file costs nothing."""
        return nullcontext()


@dataclass(frozen=True)
class Engine:
    """What the tests have to know of an engine.

    :param dialect: as SQLAlchemy calls it, and ``drivers`` as well, with the module of each; the
        first one is used where a test is not about drivers.
    :param identity: and ``columns`` are SQL: the identity, and the columns of all tables.
    :param work: a revision's code that a failure after it undoes.
    :param references: what makes the orders children of their shops.
    :param sleeps: a statement without end, and ``asleep`` SQL that finds it at work; without that
        it has to be taken for granted.
    """

    name: str
    dialect: str
    drivers: Mapping[str, str]
    fixture: str
    identity: str
    columns: str
    work: str
    sleeps: str
    references: str = ""
    asleep: str = ""
    is_transactional: bool = True
    asynchronous: frozenset[str] = field(default=frozenset())

    @property
    def is_server(self) -> bool:
        return bool(self.fixture)

    @property
    def usual(self) -> str:
        return next(iter(self.drivers))

    def identity_of(self, database: Database) -> str:
        [[found]] = database.execute(self.identity)
        return str(found)

    def content_of(self, database: Database) -> list[tuple[Any, ...]]:
        """Tables, columns and rows, without the ledger."""
        with database.in_one_session():
            columns = [row for row in database.execute(self.columns) if row[0] != NAME]
            for table in sorted({row[0] for row in columns}):
                columns += [(table, *row) for row in database.execute(f"SELECT * FROM {table}")]
        return sorted(columns, key=str)


# What a transaction has to keep together, and what is undone without DDL.
HALF_DONE = """\
    op.create_table("half", sa.Column("id", sa.Integer, primary_key=True))
    op.execute("INSERT INTO half VALUES (1)")
    op.execute("UPDATE shops SET name = 'changed' WHERE id = 2")
"""
ROWS = "    op.execute(\"UPDATE shops SET name = 'changed' WHERE id = 2\")\n"
_OF_SERVER = "SELECT table_name, column_name, data_type FROM information_schema.columns"

SQLITE = Engine(
    "sqlite",
    dialect="sqlite",
    drivers={"pysqlite": "sqlite3", "aiosqlite": "aiosqlite"},
    fixture="",
    identity="SELECT file FROM pragma_database_list WHERE name = 'main'",
    columns="SELECT m.name, c.name, c.type FROM sqlite_master m, pragma_table_info(m.name) c",
    work=HALF_DONE,
    references=" REFERENCES shops (id) ON DELETE CASCADE",
    sleeps="WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
    asynchronous=frozenset({"aiosqlite"}),
)
POSTGRESQL = Engine(
    "postgresql",
    dialect="postgresql",
    drivers={
        "psycopg": "psycopg",
        "psycopg2": "psycopg2",
        "asyncpg": "asyncpg",
        "pg8000": "pg8000",
        "psycopg_async": "psycopg",
    },
    fixture="postgres_database",
    identity=POSTGRESQL_IDENTITY,
    columns=f"{_OF_SERVER} WHERE table_schema = 'public'",
    work=HALF_DONE,
    sleeps="SELECT pg_sleep(600)",
    asleep="SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'",
    asynchronous=frozenset({"asyncpg", "psycopg_async"}),
)
MARIADB = Engine(
    "mariadb",
    dialect="mysql",
    drivers={
        "pymysql": "pymysql",
        "mysqldb": "MySQLdb",
        "aiomysql": "aiomysql",
        "asyncmy": "asyncmy",
    },
    fixture="mariadb_database",
    identity=MARIADB_IDENTITY,
    columns=f"{_OF_SERVER} WHERE table_schema = DATABASE()",
    work=ROWS,
    sleeps="SELECT SLEEP(600)",
    asleep="SELECT 1 FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'",
    is_transactional=False,
    asynchronous=frozenset({"aiomysql", "asyncmy"}),
)
ENGINES = {each.name: each for each in (SQLITE, POSTGRESQL, MARIADB)}
SERVERS = ("postgresql", "mariadb")
ENGINE_OF = {driver: engine for engine in ENGINES.values() for driver in engine.drivers}
# What a driver calls the database, unless it is that.
_DATABASE = {"psycopg": "dbname", "psycopg_async": "dbname", "aiomysql": "db"}


def beside(database: Database) -> Database:
    """Another database of the same server, or another file, with the same content."""
    if isinstance(database, ServerDatabase):
        return ServerDatabase(database.server, database.server.copy_database(database.name))
    assert isinstance(database, FileDatabase)
    copy = database.path.with_name(f"beside{next(_numbers)}.db")
    return FileDatabase(Path(shutil.copyfile(database.path, copy)))


def arguments(database: Database, driver: str) -> str:
    """The arguments of the driver's own ``connect``, as code."""
    assert isinstance(database, ServerDatabase)
    server = database.server
    assert isinstance(server, RunningServer)
    return (
        f"host={server.host!r}, port={server.port}, user={server.administrator!r},"
        f" password={server.password!r}, {_DATABASE.get(driver, 'database')}={database.name!r}"
    )


def is_installed(driver: str) -> bool:
    engine = ENGINE_OF[driver]
    needed = [engine.drivers[driver], *(["greenlet"] if driver in engine.asynchronous else [])]
    return all(importlib.util.find_spec(module) for module in needed)


def installed(driver: str) -> str:
    """The driver; the test is skipped where it is not installed."""
    if not is_installed(driver):
        pytest.skip(f"{driver} is not installed")
    return driver


# -- which databases a test runs on ------------------------------------------------------------


def on(*names: str) -> pytest.MarkDecorator:
    """The test runs on each of these: engines, or drivers."""
    return pytest.mark.parametrize("project", names, indirect=True)


on_every_engine, on_each_server = on(*ENGINES), on(*SERVERS)
on_every_driver = on(*ENGINE_OF)
# Every driver before a change lands, and each time the usual one of each engine.
on_every_driver_slowly = pytest.mark.parametrize(
    "project",
    [
        pytest.param(driver, marks=() if driver == engine.usual else pytest.mark.slow)
        for driver, engine in ENGINE_OF.items()
    ],
    indirect=True,
)


def cases(
    name: str,
    tables: Mapping[str, Mapping[str, Any]],
    *,
    at_once: Collection[str] | None = None,
) -> pytest.MarkDecorator:
    """The test runs once for each entry of each table.

    :param name: the argument that gets the entry.
    :param tables: by the engine or the driver, or by several: ``pymysql mysqldb``.
    :param at_once: the keys of the entries that are not slow; None for all of them.
    """
    return pytest.mark.parametrize(
        ("project", name),
        [
            pytest.param(
                database,
                entry,
                id=f"{database}-{key}",
                marks=() if at_once is None or key in at_once else pytest.mark.slow,
            )
            for databases, table in tables.items()
            for database in databases.split()
            for key, entry in table.items()
        ],
        indirect=["project"],
    )
