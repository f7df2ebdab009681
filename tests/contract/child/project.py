"""A project over one database of any engine, and its steps.

The instructions are made here, by hand: these tests are about the child alone.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from migrations_ops.child.protocol.events import Event
from migrations_ops.child.protocol.instructions import Instructions
from migrations_ops.child.protocol.ledger import NAME
from migrations_ops.project.child_process import CHILD
from migrations_ops.project.environments import Environment
from migrations_ops.steps.command_run import CommandRun
from migrations_ops.steps.step import Step
from migrations_ops.system import process
from migrations_ops.system.variables import base_variables
from tests.contract.child.engines import ENGINE_OF, HALF_DONE, Database, Engine, beside
from tests.contract.child.env_ways import asynchronous
from tests.servers.databases import Server, ServerDatabase
from tests.support import wait_for

_Event = TypeVar("_Event", bound=tuple[Any, ...])
R1, R2, R3, R4 = "r1aaaaaaaaaa", "r2bbbbbbbbbb", "r3cccccccccc", "r4dddddddddd"

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
# What fails on every engine, and names itself.
FAILS = "    op.execute('SELECT * FROM nowhere')"
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


@dataclass(frozen=True)
class ChildProject:
    """An Alembic project over one database, at the first of its revisions."""

    folder: Path
    database: Database
    driver: str

    @property
    def engine(self) -> Engine:
        return ENGINE_OF[self.driver]

    @property
    def url(self) -> str:
        return self.url_of(self.database)

    def url_of(self, database: Database) -> str:
        return database.url(f"{self.engine.dialect}+{self.driver}")

    def over(self, database: Database) -> ChildProject:
        """The same project, asked about another database."""
        return replace(self, database=database)

    def beside(self) -> ChildProject:
        """The same project, asked about a copy of its database."""
        return self.over(beside(self.database))

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

    def write_ini(self) -> Path:
        ini = self.folder / "alembic.ini"
        ini.write_text("[alembic]\nscript_location = %(here)s/alembic\n", encoding="utf-8")
        return ini

    def start(self, *commands: Sequence[str], **variables: str) -> Step:
        ini = self.write_ini()
        argv = [sys.executable, str(CHILD)]
        for number, command in enumerate(commands or (("upgrade", "head"),)):
            argv += ["--then"] if number else []
            argv += ["-c", str(ini), *command]
        known = {"DATABASE_URL": self.url, "PYTHONDONTWRITEBYTECODE": "1"}
        child = process.start(
            argv, base_variables() | known | variables, self.folder, self.folder / "child.log"
        )
        return Step(child, Environment("dev", self.url, self.folder))

    @property
    def identity(self) -> str:
        return self.engine.identity_of(self.database)

    def instructions(self, **more: Any) -> Instructions:
        usual = {"environment": "dev", "label": "the shop", "real": self.identity}
        return Instructions(**usual | more)

    def run(
        self, *command: str, variables: dict[str, str] | None = None, **instructions: Any
    ) -> Ran:
        """Run one Alembic command in a child; ``instructions`` are those beside the usual ones."""
        step = self.start(command or ("upgrade", "head"), **(variables or {}))
        return follow(step, self.instructions(**instructions))

    def rehearse(self, scratch: ChildProject, **instructions: Any) -> Ran:
        """Upgrade a copy in the place of the database."""
        redirect = {"database": scratch.database.name} if self.engine.is_server else None
        return self.run(scratch=scratch.identity, redirect=redirect, **instructions)

    def plain_user(self, rights: str) -> dict[str, str]:
        """The variable that makes env.py connect as a user with these rights alone.

        :param rights: as in GRANT; on PostgreSQL, the whole statement but for its TO.
        """
        server = self.server
        server.create_role("plain", "hidden-word-of-plain")
        on_mariadb = f"GRANT {rights} ON {self.database.name}.* TO plain@'%'"
        self.database.execute(
            f"GRANT {rights} TO plain" if self.engine.is_transactional else on_mariadb
        )
        url = server.url(self.database.name, user="plain", password="hidden-word-of-plain")
        return {"DATABASE_URL": url}

    @property
    def server(self) -> Server:
        assert isinstance(self.database, ServerDatabase)
        return self.database.server

    def session(self, **more: Any) -> AbstractContextManager[Any]:
        """Another session of the server, as an application has one."""
        return self.server.session(self.database.name, **more)

    @contextmanager
    def upgrades(self, *targets: str, **instructions: Any) -> Iterator[Callable[[], Ran]]:
        """One child that upgrades to each of these, one whenever what is yielded is called."""
        step = self.start(*(("upgrade", target) for target in targets))
        given = self.instructions(**instructions)

        def run() -> Ran:
            events: list[Event] = []
            done = step.run(given, events.append, last=False)
            return Ran(done, bool(done.partly_committed), events)

        try:
            yield run
        finally:
            step.close()

    @property
    def log(self) -> str:
        return (self.folder / "child.log").read_text(encoding="utf-8")

    def revision(self) -> str:
        rows = self.database.execute("SELECT version_num FROM alembic_version")
        return ", ".join(str(row[0]) for row in rows)

    def everything(self) -> list[tuple[Any, ...]]:
        """Tables, columns and rows, without the ledger."""
        return self.engine.content_of(self.database)

    def names(self) -> list[str]:
        """What the three shops are called."""
        return [str(row[0]) for row in self.database.execute("SELECT name FROM shops ORDER BY id")]

    @property
    def has_ledger(self) -> bool:
        return any(row[0] == NAME for row in self.database.execute(self.engine.columns))

    def events(self) -> list[str]:
        """The kinds of the entries of the ledger."""
        return [str(run["event"]) for run in self.ledger()]

    def ledger(self) -> list[dict[str, Any]]:
        [[text]] = self.database.execute(f"SELECT ledger FROM {NAME}")
        runs: list[dict[str, Any]] = json.loads(text)["runs"]
        # What was there before the ledger began has tests of its own.
        return [run for run in runs if run["event"] != "found"]

    def wait_for_pause(self) -> None:
        wait_for((self.folder / "paused").exists)


class Background:
    """A step that runs in a thread, so that the test can act meanwhile."""

    def __init__(self, project: ChildProject, **instructions: Any) -> None:
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
    return Ran(run, step.has_committed, events)


def make_project(folder: Path, database: Database, driver: str) -> ChildProject:
    made = ChildProject(folder, database, driver)
    made.write_env(asynchronous() if driver in made.engine.asynchronous else USUAL)
    made.add_revision(R1, None, "    raise RuntimeError('it ran before')")
    fill(database, made.engine.references)
    return made


def fill(database: Database, references: str = "") -> None:
    """A version, three shops, and their orders."""
    with database.in_one_session():
        for sql in (
            "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)",
            f"INSERT INTO alembic_version VALUES ('{R1}')",
            "CREATE TABLE shops (id int PRIMARY KEY, name varchar(50))",
            "INSERT INTO shops VALUES (1, 'one'), (2, 'two'), (3, 'three')",
            f"CREATE TABLE orders (id int PRIMARY KEY, shop int{references})",
            "INSERT INTO orders VALUES (7, 1), (8, 2), (9, 2)",
        ):
            database.execute(sql)
