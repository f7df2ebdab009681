"""Two states of one database, made anew for each comparison of their rows."""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from migrations_ops.databases.interface import Progress
from migrations_ops.databases.mariadb.connect import Connection, ask
from migrations_ops.databases.mariadb.rows import comparison as mariadb_rows
from migrations_ops.databases.postgresql.rows import comparison as postgresql_rows
from migrations_ops.databases.row_changes import ContentChange, Pair, RowQuery
from tests.contract.databases.engines import spelled, statements
from tests.contract.databases.mariadb.support import session
from tests.contract.databases.support import sqlite
from tests.servers.databases import ServerDatabase, swept
from tests.servers.mariadb import MariaServer
from tests.servers.postgres import PostgresServer

SAME = Pair("t", "t")


class Bench(ABC):
    """An engine on which states are compared."""

    def __init__(self, engine: str) -> None:
        self.engine = engine

    def compared(
        self, before: str, changes: str = "", *pairs: Pair, orphans: bool = True
    ) -> ContentChange:
        """What is found after these changes, on a copy of what the first statements make."""
        done = [(0, 0)]
        change = self._compare(
            before, changes, list(pairs or [SAME]), lambda *told: done.append(told), orphans
        )
        assert all(part <= total for part, total in done)
        return change

    def alike(self, before: str, changes: str, *pairs: Pair) -> ContentChange:
        """As ``compared``, of SQL that is alike on all engines."""
        return self.compared(spelled(self.engine, before), spelled(self.engine, changes), *pairs)

    @abstractmethod
    def _compare(
        self, before: str, changes: str, pairs: list[Pair], progress: Progress, orphans: bool
    ) -> ContentChange: ...


class SqliteBench(Bench):
    """Two files."""

    def __init__(self, folder: Path) -> None:
        super().__init__("sqlite")
        self.folder, self._numbers = folder, count()

    def _compare(
        self, before: str, changes: str, pairs: list[Pair], progress: Progress, orphans: bool
    ) -> ContentChange:
        number = next(self._numbers)
        earlier, now = self.folder / f"before{number}", self.folder / f"now{number}"
        make(earlier, before)
        now.write_bytes(earlier.read_bytes())
        make(now, changes)
        return sqlite(now).compare_content(earlier, RowQuery(pairs, orphans), progress)


def make(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        for statement in statements(sql):
            connection.execute(statement)


class PostgresBench(Bench):
    """Two schemas of one database: schemas are made in no time."""

    def __init__(self, one: psycopg.Connection[Any], other: psycopg.Connection[Any]) -> None:
        super().__init__("postgresql")
        self.one, self.other = one, other
        for connection, schema in ((one, "one"), (other, "other")):
            settings = f"SET search_path = {schema}; SET client_min_messages = warning"
            connection.execute(settings.encode())

    def _compare(
        self, before: str, changes: str, pairs: list[Pair], progress: Progress, orphans: bool
    ) -> ContentChange:
        self.make(f"{before}; {changes}", before)
        return postgresql_rows.compare(self.one, self.other, RowQuery(pairs, orphans), progress)

    def make(self, other: str = "", one: str = "") -> None:
        """Both anew, with what these statements make."""
        for connection, schema, sql in ((self.one, "one", one), (self.other, "other", other)):
            anew = f"DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}"
            connection.execute(f"{anew}; {sql}".encode())


class MariaBench(Bench):
    """Two databases of one server."""

    def __init__(self, connection: Connection) -> None:
        super().__init__("mariadb")
        self.connection = connection

    def _compare(
        self, before: str, changes: str, pairs: list[Pair], progress: Progress, orphans: bool
    ) -> ContentChange:
        ask(self.connection, "SET foreign_key_checks = 0")
        for name, sql in (("before", before), ("after", f"{before};{changes}")):
            self.anew(name)
            for statement in statements(sql):
                ask(self.connection, statement)
        ask(self.connection, "USE `before`")
        return mariadb_rows.compare(
            self.connection, "before", "after", RowQuery(pairs, orphans), progress
        )

    def anew(self, name: str) -> None:
        """An empty database, which is the one in use then."""
        ask(self.connection, f"DROP DATABASE IF EXISTS `{name}`")
        ask(self.connection, f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
        ask(self.connection, f"USE `{name}`")


@contextmanager
def postgres_bench(server: PostgresServer) -> Iterator[PostgresBench]:
    with swept(server):
        name = server.create_database()
        with server.session(name) as one, server.session(name) as other:
            yield PostgresBench(one, other)


@contextmanager
def maria_bench(server: MariaServer) -> Iterator[MariaBench]:
    with swept(server), session(ServerDatabase(server, server.create_database())) as connection:
        yield MariaBench(connection)


def summary(change: ContentChange) -> dict[str, Any]:
    """Each changed column with its count, the rows that are gone, and new row numbers."""
    found: dict[str, Any] = {}
    for table in change.tables:
        found |= {column.column: (column.rows, column.lossy) for column in table.columns}
        if table.gone:
            found["gone"] = table.gone
        if table.renumbered:
            found["renumbered"] = True
    return found


def orphans_in(change: ContentChange) -> dict[tuple[str, str], int]:
    """On PostgreSQL those of the second state alone: the first one's tables are there, too."""
    return {key: rows for key, rows in change.orphans.items() if not key[0].startswith("one.")}
