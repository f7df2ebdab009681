"""One database for a test on any engine: how it is reached, and what its SQL has of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migrations_ops.databases.interface import Database, Restored
from migrations_ops.databases.open import open_database
from migrations_ops.model.fingerprint import Fingerprint
from tests.servers.databases import ServerDatabase

VERSION = "alembic_version"
SERVERS = ("postgresql", "mariadb")
ENGINES = ("sqlite", *SERVERS)


def statements(sql: str) -> list[str]:
    """The statements of a text in which no semicolon is part of one."""
    return [each.strip() for each in sql.split(";") if each.strip()]


def spelled(engine: str, sql: str) -> str:
    """SQL that is alike on all engines, as one of them writes names and bytes."""
    if engine == "mariadb":
        return sql.replace('"', "`")
    return sql.replace(" BLOB", " bytea").replace("X'", r"'\x") if engine == "postgresql" else sql


@dataclass(frozen=True)
class Session:
    """A session of an application, on a server."""

    number: int
    ask: Callable[[str], list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Live:
    """A database of a test.

    ``server`` is None for a file.
    """

    engine: str
    url: str
    root: Path
    server: ServerDatabase | None = None

    @classmethod
    def in_file(cls, folder: Path) -> Live:
        return cls("sqlite", "sqlite:///shop.db", folder)

    @classmethod
    def on_server(cls, database: ServerDatabase, folder: Path) -> Live:
        url = database.url()
        return cls("mariadb" if url.startswith("mysql") else "postgresql", url, folder, database)

    @property
    def missing_url(self) -> str:
        """The URL of a database beside it that does not exist."""
        if self.server is None:
            return "sqlite:///no such folder/shop.db"
        return self.url_of(f"{self.server.name}_missing")

    def open(self, url: str | None = None) -> Database:
        """Another object for it each time, as another process has one."""
        return open_database(url or self.url, self.root)

    def execute(self, *texts: str) -> list[tuple[Any, ...]]:
        """Run SQL, one statement a text; returns what the last one found."""
        found: list[tuple[Any, ...]] = []
        with self.server.in_one_session() if self.server else nullcontext():
            for sql in texts:
                text = spelled(self.engine, sql)
                found = self.server.execute(text) if self.server else self._in_file(text)
        return found

    def _in_file(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.root / "shop.db", isolation_level=None)) as connection:
            return connection.execute(sql).fetchall()

    def fill(self) -> Live:
        """It, with a version, two tables and four rows."""
        self.execute(
            f"CREATE TABLE {VERSION} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)",
            f"INSERT INTO {VERSION} VALUES ('r1')",
            "CREATE TABLE parents (id INTEGER PRIMARY KEY, name VARCHAR(20))",
            "CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER)",
            "INSERT INTO parents VALUES (1, 'a'), (2, 'b')",
            "INSERT INTO children VALUES (1, 1), (2, 2)",
        )
        return self

    def back_up(self, name: str = "copy", url: str = "") -> tuple[Path, Fingerprint]:
        database = self.open(url or None)
        file = self.root / f"{name}{database.suffix}"
        with database.locked("backup", 30):  # until the server knows that the last one has gone
            return file, database.back_up(file, VERSION, None)

    def restore(self, file: Path, url: str = "") -> Restored:
        database = self.open(url or None)
        with database.locked("restore", 30):
            return database.restore_from(file, VERSION, None)

    # -- on servers alone -------------------------------------------------------------------

    @property
    def on(self) -> ServerDatabase:
        assert self.server is not None
        return self.server

    def url_of(self, name: str = "", **role: str) -> str:
        """Its URL for another role, or that of another database of its server.

        :param role: ``user`` and ``password``.
        """
        return self.on.server.url(name or self.on.name, **role)

    def named(self, name: str) -> Live:
        """Another database of its server, which is made."""
        database = ServerDatabase(self.on.server, self.on.server.create_database(name))
        return Live.on_server(database, self.root)

    def plain_url(self, password: str = "x") -> str:
        """Its URL for a role that has all rights in it, and owns its tables where that counts."""
        server = self.on.server
        if self.engine == "postgresql":
            server.create_role("plain", password, "CREATEDB")
            self.on.execute(f'ALTER DATABASE "{self.on.name}" OWNER TO plain')
            mine = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            for (table,) in self.on.execute(mine):
                self.on.execute(f'ALTER TABLE "{table}" OWNER TO plain')
        else:
            server.create_role("plain", password)
            for what in (f"`{self.on.name}`", r"`migrations\_ops\_%`"):
                server.execute(f"GRANT ALL ON {what}.* TO plain@'%'")
        return self.url_of(user="plain", password=password)

    @contextmanager
    def session(self) -> Iterator[Session]:
        with self.on.server.session(self.on.name) as connection:
            if self.engine == "postgresql":
                execute = connection.execute

                def ask(sql: str) -> list[tuple[Any, ...]]:
                    done = execute(sql)
                    return list(done.fetchall()) if done.description else []

                yield Session(connection.info.backend_pid, ask)
            else:
                cursor = connection.cursor()

                def ask_maria(sql: str) -> list[tuple[Any, ...]]:
                    cursor.execute(sql)
                    return list(cursor.fetchall())

                yield Session(connection.thread_id(), ask_maria)

    def end_session(self, number: int) -> None:
        killing = (
            "SELECT pg_terminate_backend({}, 5000)" if self.engine == "postgresql" else "KILL {}"
        )
        self.on.execute(killing.format(number))

    # -- the lock ---------------------------------------------------------------------------

    @contextmanager
    def locked(self, purpose: str = "release", wait: float = 30) -> Iterator[Database]:
        """It, locked by this process."""
        database = self.open()
        with database.locked(purpose, wait):
            yield database
