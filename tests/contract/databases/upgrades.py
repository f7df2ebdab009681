"""One upgrade on an engine: what is there before, what revisions run, and what is found of it."""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from migrations_ops.analysis.destroyed import columns_to_count, find_destroyed, with_dropped
from migrations_ops.analysis.losses import find_losses
from migrations_ops.analysis.reader import read_declared
from migrations_ops.analysis.row_changes import find_changes, rows_gone, surviving
from migrations_ops.child.protocol.events import OperationAsked, StatementRan, Traced
from migrations_ops.child.protocol.sql import Syntax
from migrations_ops.databases.mariadb.connect import Connection, ask
from migrations_ops.databases.mariadb.rows import comparison as mariadb_rows
from migrations_ops.databases.mariadb.schema import reading as mariadb_schema
from migrations_ops.databases.postgresql.rows import comparison as postgresql_rows
from migrations_ops.databases.postgresql.schema import reading as postgresql_schema
from migrations_ops.databases.row_changes import ContentChange, RowQuery
from migrations_ops.databases.sqlite.inspection import read_fingerprint
from migrations_ops.model.findings import Finding
from migrations_ops.model.fingerprint import Fingerprint
from tests.contract.databases.engines import VERSION
from tests.contract.databases.mariadb.support import session
from tests.contract.databases.support import sqlite
from tests.servers.databases import ServerDatabase, swept
from tests.servers.mariadb import MariaServer
from tests.servers.postgres import PostgresServer

# A statement, which runs; or an operation that asks for the statements after it.
Act = str | OperationAsked


class Upgrades(ABC):
    """An engine on which upgrades are run."""

    syntax: Syntax

    def findings(self, before: Sequence[str], upgrade: Sequence[Act]) -> list[Finding]:
        """What is found of an upgrade of what the first statements make."""
        statements = [act for act in upgrade if isinstance(act, str)]
        was, now = self._states(before, statements)
        events: list[Traced] = [
            StatementRan(act) if isinstance(act, str) else act for act in upgrade
        ]
        declared = read_declared(events, was.schema, now.schema, self.syntax)
        pairs = surviving(was, now, declared)
        counted = columns_to_count(was, now, declared)
        change = self._compare(RowQuery(pairs, True, declared.types, counted))
        found = [
            *find_losses(was, now, declared, "prod", rows_gone(change)),
            *find_changes(change, declared, "prod"),
        ]
        destroyed = find_destroyed(was, now, declared, change)
        return with_dropped(found, destroyed, "prod")

    @abstractmethod
    def _states(
        self, before: Sequence[str], upgrade: Sequence[str]
    ) -> tuple[Fingerprint, Fingerprint]: ...

    @abstractmethod
    def _compare(self, query: RowQuery) -> ContentChange: ...


class SqliteUpgrades(Upgrades):
    """Two files."""

    syntax: Syntax = "sqlite"

    def __init__(self, folder: Path) -> None:
        self._earlier, self._now = folder / "before.db", folder / "now.db"

    def _states(
        self, before: Sequence[str], upgrade: Sequence[str]
    ) -> tuple[Fingerprint, Fingerprint]:
        for path, done in ((self._earlier, before), (self._now, (*before, *upgrade))):
            path.unlink(missing_ok=True)
            with closing(sqlite3.connect(path, isolation_level=None)) as connection:
                connection.execute("PRAGMA synchronous=OFF")
                for statement in done:
                    connection.execute(statement)
        return self._read(self._earlier), self._read(self._now)

    def _read(self, path: Path) -> Fingerprint:
        with closing(sqlite3.connect(path)) as connection:
            return read_fingerprint(connection, VERSION)

    def _compare(self, query: RowQuery) -> ContentChange:
        return sqlite(self._now).compare_content(self._earlier, query, None)


class PostgresUpgrades(Upgrades):
    """Two databases of one server."""

    syntax: Syntax = "postgresql"

    def __init__(self, one: psycopg.Connection[Any], other: psycopg.Connection[Any]) -> None:
        self._one, self._other = one, other

    def _states(
        self, before: Sequence[str], upgrade: Sequence[str]
    ) -> tuple[Fingerprint, Fingerprint]:
        found = []
        for connection, done in ((self._one, before), (self._other, (*before, *upgrade))):
            connection.execute("SET client_min_messages = warning")
            connection.execute("DROP SCHEMA IF EXISTS public CASCADE")
            connection.execute("CREATE SCHEMA public")
            for statement in done:
                connection.execute(statement.encode())
            schema = postgresql_schema.read_schema(connection, VERSION)
            rows = {}
            for table in postgresql_schema.read_tables(connection, VERSION):
                counted = connection.execute(f'SELECT count(*) FROM "{table}"'.encode()).fetchone()
                rows[table] = int(counted[0]) if counted else 0
            found.append(Fingerprint((), schema, rows))
        return found[0], found[1]

    def _compare(self, query: RowQuery) -> ContentChange:
        return postgresql_rows.compare(self._one, self._other, query, None)


class MariaUpgrades(Upgrades):
    """Two databases of one server."""

    syntax: Syntax = "mariadb"

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _states(
        self, before: Sequence[str], upgrade: Sequence[str]
    ) -> tuple[Fingerprint, Fingerprint]:
        found = []
        for name, done in (("before", before), ("after", (*before, *upgrade))):
            self._ask(f"DROP DATABASE IF EXISTS `{name}`")
            self._ask(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
            self._ask(f"USE `{name}`")
            for statement in done:
                self._ask(statement)
            self._ask("SET foreign_key_checks = 1, sql_mode = DEFAULT")
            schema = mariadb_schema.read_schema(self._connection, VERSION)
            tables = mariadb_schema.read_tables(self._connection)
            rows = mariadb_rows.count(self._connection, tables)
            found.append(Fingerprint((), schema, rows))
        return found[0], found[1]

    def _ask(self, sql: str) -> None:
        ask(self._connection, sql)

    def _compare(self, query: RowQuery) -> ContentChange:
        self._ask("USE `before`")
        return mariadb_rows.compare(self._connection, "before", "after", query, None)


@contextmanager
def postgres_upgrades(server: PostgresServer) -> Iterator[PostgresUpgrades]:
    with swept(server):
        server.create_role("app", "x")
        names = server.create_database(), server.create_database()
        with server.session(names[0]) as one, server.session(names[1]) as other:
            yield PostgresUpgrades(one, other)


@contextmanager
def maria_upgrades(server: MariaServer) -> Iterator[MariaUpgrades]:
    with swept(server), session(ServerDatabase(server, server.create_database())) as connection:
        yield MariaUpgrades(connection)
