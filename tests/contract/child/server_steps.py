"""What the tests of the child on servers share: a project over one database, and its steps.

The instructions are made here, by hand: these tests are about the child alone.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from migrations_ops.child.protocol.events import Event
from migrations_ops.child.protocol.identity import MARIADB_IDENTITY, POSTGRESQL_IDENTITY
from migrations_ops.child.protocol.instructions import Instructions
from migrations_ops.child.protocol.ledger import NAME
from migrations_ops.project.child import CHILD
from migrations_ops.project.environments import Environment
from migrations_ops.steps.command_run import CommandRun
from migrations_ops.steps.step import Step
from migrations_ops.system import process
from migrations_ops.system.variables import base_variables
from tests.contract.child.steps import wait_for
from tests.servers.databases import ServerDatabase
from tests.servers.postgres import PostgresServer

_Event = TypeVar("_Event", bound=tuple[Any, ...])
R1, R2, R3 = "r1aaaaaaaaaa", "r2bbbbbbbbbb", "r3cccccccccc"
# The drivers of each server, and how to import what SQLAlchemy needs for it.
POSTGRESQL_DRIVERS = {
    "psycopg": "psycopg",
    "psycopg2": "psycopg2",
    "asyncpg": "asyncpg",
    "pg8000": "pg8000",
    "psycopg_async": "psycopg",
}
MARIADB_DRIVERS = {
    "pymysql": "pymysql",
    "mysqldb": "MySQLdb",
    "aiomysql": "aiomysql",
    "asyncmy": "asyncmy",
}
DRIVERS = POSTGRESQL_DRIVERS | MARIADB_DRIVERS
ASYNC = frozenset({"asyncpg", "psycopg_async", "aiomysql", "asyncmy"})

_TOP = """\
import os
import sys

from alembic import context
from sqlalchemy import create_engine, event, pool, text

url = os.environ["DATABASE_URL"]

def migrate(connection, **options):
    context.configure(connection=connection, **options)
    with context.begin_transaction():
        context.run_migrations()

"""
USUAL = """
with create_engine(url, poolclass=pool.NullPool).connect() as connection:
    migrate(connection)
"""
ASYNCHRONOUS = """
import asyncio
from sqlalchemy.ext.asyncio import create_async_engine

async def main():
    engine = create_async_engine(url, poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()

asyncio.run(main())
"""
# A revision on MariaDB: what it changes, and how it fails.
ROWS = "    op.execute(\"UPDATE shops SET name = 'changed' WHERE id = 2\")\n"
FAILS = "    op.execute('SELECT * FROM nowhere')"
# Two statements that a transaction has to keep together, and a failure after both.
HALF_DONE = """\
    op.create_table("half", sa.Column("id", sa.Integer, primary_key=True))
    op.execute("INSERT INTO half VALUES (1)")
    op.execute("UPDATE shops SET name = 'changed' WHERE id = 2")
"""
FAILING = HALF_DONE + '    raise RuntimeError("in the middle")'
# Tells the test that it is in the middle of its work, and sleeps there.
PAUSING = (
    HALF_DONE
    + """\
    import time
    from pathlib import Path
    Path("paused").touch()
    time.sleep(600)
"""
)


@dataclass
class Ran:
    """What a step did, with all its events."""

    run: CommandRun
    committed: bool
    events: list[Event] = field(default_factory=list)

    @property
    def failure(self) -> str:
        return self.run.failure

    @property
    def refused(self) -> str:
        return self.run.refused

    def of(self, kind: type[_Event]) -> list[_Event]:
        return [each for each in self.events if isinstance(each, kind)]


def installed(driver: str) -> str:
    """The driver; the test is skipped where it is not installed."""
    for module in (DRIVERS[driver], "greenlet"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    return driver


@dataclass(frozen=True)
class ServerProject:
    """An Alembic project over one database of a server, at the first of its revisions."""

    folder: Path
    database: ServerDatabase
    driver: str

    @property
    def url(self) -> str:
        return self.url_of(self.database)

    def url_of(self, database: ServerDatabase) -> str:
        dialect = "postgresql" if isinstance(self.database.server, PostgresServer) else "mysql"
        return database.url(f"{dialect}+{self.driver}")

    def write_env(self, ending: str) -> None:
        (self.folder / "alembic").mkdir(exist_ok=True)
        (self.folder / "alembic/env.py").write_text(_TOP + ending, encoding="utf-8")

    def add_revision(
        self, revision: str, down: str | None, body: str, back: str = "    pass"
    ) -> None:
        """A further revision whose upgrade is this code (indented by four)."""
        place = self.folder / "alembic/versions"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{revision}.py").write_text(
            f'"""{revision}"""\nimport sqlalchemy as sa\nfrom alembic import op\n\n'
            f'revision = "{revision}"\ndown_revision = {down!r}\n\n\n'
            f"def upgrade() -> None:\n{body}\n\n\ndef downgrade() -> None:\n{back}\n",
            encoding="utf-8",
        )

    def start(self, *commands: Sequence[str], **variables: str) -> Step:
        ini = self.folder / "alembic.ini"
        ini.write_text("[alembic]\nscript_location = %(here)s/alembic\n", encoding="utf-8")
        argv = [sys.executable, str(CHILD)]
        for number, command in enumerate(commands or (("upgrade", "head"),)):
            argv += ["--then"] if number else []
            argv += ["-c", str(ini), *command]
        known = {"DATABASE_URL": self.url, "PYTHONDONTWRITEBYTECODE": "1"}
        child = process.start(
            argv, base_variables() | known | variables, self.folder, self.folder / "child.log"
        )
        return Step(child, Environment("dev", self.url, self.folder))

    def instructions(self, **more: Any) -> Instructions:
        usual = {"environment": "dev", "label": "the shop", "real": identity(self.database)}
        return Instructions(**usual | more)

    def run(
        self, *command: str, variables: dict[str, str] | None = None, **instructions: Any
    ) -> Ran:
        """Run one Alembic command in a child; ``instructions`` are those beside the usual ones."""
        step = self.start(command or ("upgrade", "head"), **(variables or {}))
        return follow(step, self.instructions(**instructions))

    @property
    def log(self) -> str:
        return (self.folder / "child.log").read_text(encoding="utf-8")

    def revision(self) -> str:
        rows = self.database.execute("SELECT version_num FROM alembic_version")
        return ", ".join(str(row[0]) for row in rows)

    def everything(self) -> list[tuple[Any, ...]]:
        """Tables, columns and rows, without the ledger."""
        found = self.database.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns"
            " WHERE table_schema IN ('public', DATABASE()) ORDER BY 1, ordinal_position"
            if self.driver in MARIADB_DRIVERS
            else "SELECT table_name, column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = 'public' ORDER BY 1, ordinal_position"
        )
        columns = [row for row in found if row[0] != NAME]
        for table in sorted({row[0] for row in columns}):
            columns += [(table, *row) for row in self.database.execute(f"SELECT * FROM {table}")]
        return sorted(columns, key=str)

    def ledger(self) -> list[dict[str, Any]]:
        [[text]] = self.database.execute(f"SELECT ledger FROM {NAME}")
        runs: list[dict[str, Any]] = json.loads(text)
        return runs

    def wait_for_pause(self) -> None:
        wait_for((self.folder / "paused").exists)


class Background:
    """A step that runs in a thread, so that the test can act meanwhile."""

    def __init__(self, project: ServerProject, **instructions: Any) -> None:
        self.step = project.start(("upgrade", "head"))
        given = project.instructions(**instructions)
        self._ran: list[Ran] = []
        self._thread = threading.Thread(target=lambda: self._ran.append(follow(self.step, given)))
        self._thread.start()

    @property
    def pid(self) -> int:
        return self.step._child.pid

    def leave(self) -> None:
        """What happens when the parent dies: its end of the channel is closed."""
        self.step._child._process.stdin.close()  # type: ignore[union-attr]

    def result(self) -> Ran:
        self._thread.join(60)
        return self._ran[0]


def follow(step: Step, instructions: Instructions) -> Ran:
    events: list[Event] = []
    try:
        run = step.run(instructions, events.append)
    finally:
        step.close()
    return Ran(run, step.committed, events)


def identity(database: ServerDatabase) -> str:
    postgresql = isinstance(database.server, PostgresServer)
    [[found]] = database.execute(POSTGRESQL_IDENTITY if postgresql else MARIADB_IDENTITY)
    return str(found)


def beside(database: ServerDatabase) -> ServerDatabase:
    """Another database of the same server, with the same content."""
    return ServerDatabase(database.server, database.server.copy_database(database.name))


def make_project(folder: Path, database: ServerDatabase, driver: str) -> ServerProject:
    folder.mkdir()
    made = ServerProject(folder, database, driver)
    made.write_env(ASYNCHRONOUS if driver in ASYNC else USUAL)
    made.add_revision(R1, None, "    raise RuntimeError('it ran before')")
    for sql in (
        "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)",
        f"INSERT INTO alembic_version VALUES ('{R1}')",
        "CREATE TABLE shops (id int PRIMARY KEY, name varchar(50))",
        "INSERT INTO shops VALUES (1, 'one'), (2, 'two'), (3, 'three')",
    ):
        database.execute(sql)
    return made


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
