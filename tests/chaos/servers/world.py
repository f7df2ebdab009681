"""The world of a round: a server of its worker's own, a proxy before it, and a filled project.

The two databases have the same names in every round, as the backups of the templates say; what the
templates hold is kept in databases of their own.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from migrations_ops.databases.interface import Database
from migrations_ops.databases.open import open_database
from migrations_ops.model.fingerprint import Fingerprint
from tests.chaos.history import FIRST, ROWS
from tests.chaos.servers.history import REVISIONS
from tests.chaos.world import Folders, without_revisions
from tests.servers.databases import ServerDatabase
from tests.servers.mariadb import MariaServer
from tests.servers.postgres import PostgresServer
from tests.servers.proxy import Proxy
from tests.servers.shops import ServerShop, server_shop
from tests.support import clean_environment

AnyServer = PostgresServer | MariaServer
ENGINES = ("postgresql", "mariadb")
NAMES = {"dev": "shop_dev", "prod": "shop_prod"}
VERSION_TABLE = "alembic_version"
SECRETS = ("hidden-word-of-postgres", "hidden-word-of-root")
APP, APP_WORD = "application", "word-of-the-application"
_SCRIPT = Path(__file__).with_name("application.py")


@dataclass(frozen=True)
class World(Folders):
    """One project over both databases, and the schema that each revision builds."""

    engine: str
    sandbox: ServerShop
    schemas: dict[str, dict[str, str]]
    proxy: Proxy

    @property
    def server(self) -> Any:
        return self.sandbox.prod_database.server

    def of(self, name: str) -> ServerDatabase:
        """The database of an environment, past the proxy."""
        return self.sandbox.dev_database if name == "dev" else self.sandbox.prod_database

    def opened(self, name: str) -> Database:
        """The same, as the tool reads it."""
        return open_database(self.of(name).url(), self.sandbox.folder)

    def start_application(self, role: str) -> subprocess.Popen[bytes]:
        """A process that writes into production, or reads it, without pause."""
        login = {"host": self.server.host, "port": self.server.port}
        login |= {"user": APP, "password": APP_WORD}
        address = {"engine": self.engine, "database": NAMES["prod"], "login": login}
        noted = self.tokens if role == "write" else self.seen
        words = [role, json.dumps(address), str(noted), str(self.seen)]
        return subprocess.Popen([sys.executable, str(_SCRIPT), *words], env=clean_environment())

    def sessions(self) -> list[tuple[Any, ...]]:
        """What is connected to these databases, but for the application."""
        names = "', '".join(NAMES.values())
        if self.engine == "postgresql":
            found: list[tuple[Any, ...]] = self.server.execute(
                "SELECT pid, state, query FROM pg_stat_activity WHERE backend_type ="
                f" 'client backend' AND datname IN ('{names}') AND usename <> '{APP}'"
            )
            return found
        rows: list[tuple[Any, ...]] = self.server.execute(
            "SELECT id, command, info FROM information_schema.processlist WHERE"
            f" db IN ('{names}') AND user <> '{APP}'"
        )
        return rows


# What each template is made of: another one, and tasks.
_MADE = {
    "halfway": ("behind", ("upgrade-dev", "verify")),
    "released": ("halfway", ("upgrade-prod",)),
}


@dataclass
class Arena:
    """What one worker has: a server, a proxy, and the templates that were asked for."""

    engine: str
    server: AnyServer
    proxy: Proxy
    folder: Path
    templates: dict[str, World]

    def close(self) -> None:
        self.proxy.close()
        self.server.close()

    def sweep(self) -> None:
        """Drop what a round has left on the server."""
        self.server.start()
        kept = {_kept(name, of) for name in self.templates for of in NAMES} | {"postgres"}
        for name in self.server.databases() - kept:
            self.server.drop_database(name)

    @contextmanager
    def world(self, template: str, folder: Path, *, committing: bool) -> Iterator[World]:
        """A copy of a template, which goes afterwards, but for its folder."""
        if template not in self.templates:
            before, tasks = _MADE[template]
            with self.world(before, self.folder / template, committing=False) as made:
                ran = made.sandbox.invoke(*tasks)
                assert ran.code == 0, ran.err
                _keep(self, template, made)
        self.sweep()
        model = self.templates[template]
        for of, name in NAMES.items():
            _copy(self.server, _kept(template, of), name)
        shutil.copytree(model.sandbox.folder, folder)
        if committing:
            (folder / "alembic/committing").touch()
        try:
            yield replace(model, sandbox=replace(model.sandbox, folder=folder))
        finally:
            self.proxy.resume()
            self.sweep()


def make_arena(engine: str, folder: Path) -> Arena:
    """Start a server, and make what rounds begin with; see ``_MADE`` for the rest."""
    server: AnyServer = PostgresServer() if engine == "postgresql" else MariaServer()
    proxy = Proxy(server.host, server.port)
    arena = Arena(engine, server, proxy, folder, {})
    try:
        if engine == "postgresql":
            server.create_role(APP, APP_WORD, "SUPERUSER")
        else:
            server.create_role(APP, APP_WORD)
            server.execute(f"GRANT ALL ON *.* TO {APP}@'%'")
        world = _make_behind(arena, folder / "behind")
        _keep(arena, "behind", world)
    except BaseException:
        arena.close()
        raise
    return arena


def _make_behind(arena: Arena, folder: Path) -> World:
    server = arena.server
    dev, prod = (ServerDatabase(server, server.create_database(name)) for name in NAMES.values())
    sandbox = server_shop(folder, dev, prod)
    urls = {"dev": arena.proxy.through(dev.url()), "prod": arena.proxy.through(prod.url())}
    sandbox.point(urls)
    without_revisions(sandbox)
    world = World(arena.engine, sandbox, {}, arena.proxy)
    for revision, source in REVISIONS.items():
        sandbox.write(f"alembic/versions/{revision}.py", source)
    for revision in REVISIONS:
        ran = sandbox.alembic("upgrade", revision, EXEC_ENV="dev")
        assert ran.code == 0, ran.err
        world.schemas[revision] = dict(fingerprint(world, "dev").schema)
    server.drop_database(dev.name)
    server.create_database(dev.name)
    for name in NAMES:
        ran = sandbox.alembic("upgrade", FIRST, EXEC_ENV=name)
        assert ran.code == 0, ran.err
        _fill(world.of(name))
    return world


def fingerprint(world: World, name: str) -> Fingerprint:
    return world.opened(name).fingerprint(VERSION_TABLE)


def _fill(database: ServerDatabase) -> None:
    parents = ", ".join(f"({number}, 'parent {number}')" for number in range(1, ROWS + 1))
    children = ", ".join(f"({number}, {number})" for number in range(1, ROWS + 1))
    database.execute(f"INSERT INTO parents VALUES {parents}")
    database.execute(f"INSERT INTO children VALUES {children}")


def _keep(arena: Arena, template: str, world: World) -> None:
    arena.templates[template] = world
    for of, name in NAMES.items():
        _copy(arena.server, name, _kept(template, of))


def _kept(template: str, of: str) -> str:
    return f"template_{template}_{of}"


def _copy(server: AnyServer, source: str, target: str) -> None:
    if isinstance(server, PostgresServer):
        server.create_database(target, options=f"TEMPLATE {source}")
    else:
        server.create_database(target)
        dump = server.client("mariadb-dump", "--routines", source)
        server.client("mariadb", target, given=dump)
