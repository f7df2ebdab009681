"""The world of one round: a populated project, those who use its database, and its templates."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from migrations_ops.databases.sqlite.database import SQLite
from migrations_ops.model.fingerprint import Fingerprint
from tests.chaos.history import FIRST, LAST, REVISIONS, ROWS
from tests.support import Sandbox, clean_environment, copy_project, query

HERE = Path(__file__).parent
TEMPLATES = ("behind", "halfway", "released", "unstamped")


class Folders:
    """Where a world keeps what its commands and its applications write."""

    sandbox: Sandbox

    @property
    def repom(self) -> Path:
        return self.sandbox.folder / "data/repom"

    @property
    def tokens(self) -> Path:
        """Where the writer notes what it was told is committed."""
        return self.sandbox.folder / "tokens.txt"

    @property
    def seen(self) -> Path:
        """Where the reader notes what it should never have seen."""
        return self.sandbox.folder / "seen.txt"


def without_revisions(sandbox: Sandbox) -> None:
    """Take the project's own revisions away, and the models that they would be compared with."""
    for old in (sandbox.folder / "alembic/versions").glob("*.py"):
        old.unlink()
    env = sandbox.folder / "alembic/env.py"
    env.write_text(env.read_text().replace("=target_metadata", "=None"))


@dataclass
class World(Folders):
    """One project with both databases filled, and the schema that each revision builds."""

    sandbox: Sandbox
    schemas: dict[str, Fingerprint]

    @property
    def files(self) -> tuple[Path, Path]:
        return self.sandbox.dev, self.sandbox.prod

    def start_writer(self) -> subprocess.Popen[bytes]:
        """A process that writes into production without pause, and notes each commit."""
        return _start("writer.py", str(self.sandbox.prod), str(self.tokens))

    def start_reader(self) -> subprocess.Popen[bytes]:
        """A process that reads production without pause, and notes what is torn."""
        return _start("reader.py", str(self.sandbox.prod), str(self.seen), str(ROWS))

    def start_spy(self) -> subprocess.Popen[bytes]:
        """Another user, who reads all that is open to others."""
        return start_spy(self)

    def start_holder(self, file: Path, how: str, seconds: float) -> subprocess.Popen[bytes]:
        """A process that keeps a transaction open for a while."""
        holder = _start("holder.py", str(file), how, str(seconds), pipe=True)
        assert holder.stdout is not None
        holder.stdout.readline()
        return holder


def can_spy() -> bool:
    """Whether another user can be had here."""
    return hasattr(os, "setuid") and os.geteuid() == 0


def start_spy(world: Folders) -> subprocess.Popen[bytes]:
    """Another user of the host, who tries to read what tasks keep besides databases."""
    folders = [str(world.repom / each) for each in ("backups", "releases")]
    return _start("spy.py", str(world.seen), *folders)


def _start(script: str, *arguments: str, pipe: bool = False) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(HERE / script), *arguments],
        env=clean_environment(),
        stdout=subprocess.PIPE if pipe else None,
    )


def make_templates(folder: Path) -> dict[str, World]:
    """The projects that rounds begin with: before a release, in its middle, and after it."""
    behind = _make_behind(folder / "behind")
    halfway = _copy(behind, folder / "halfway")
    _must(halfway, "upgrade-dev", "verify")
    released = _copy(halfway, folder / "released")
    _must(released, "upgrade-prod")
    unstamped = _copy(released, folder / "unstamped")
    query(unstamped.sandbox.prod, "DROP TABLE alembic_version")
    return dict(zip(TEMPLATES, (behind, halfway, released, unstamped), strict=True))


def _must(world: World, *tasks: str) -> None:
    ran = world.sandbox.invoke(*tasks)
    assert ran.code == 0, ran.err


def _make_behind(folder: Path) -> World:
    sandbox = copy_project("shop", folder)
    without_revisions(sandbox)
    schemas = {}
    for revision, source in REVISIONS.items():
        sandbox.write(f"alembic/versions/{revision}.py", source.text(revision))
        ran = sandbox.alembic("upgrade", revision, EXEC_ENV="model")
        assert ran.code == 0, ran.err
        model = folder / "data/repom/db.model.sqlite3"
        schemas[revision] = SQLite(model, "model").fingerprint("alembic_version")
    model.unlink()
    for name, file in (("dev", sandbox.dev), ("prod", sandbox.prod)):
        assert sandbox.alembic("upgrade", FIRST, EXEC_ENV=name).code == 0
        _fill(file)
    return World(sandbox, schemas)


def _fill(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        numbers = range(1, ROWS + 1)
        rows = [(number, f"parent {number}") for number in numbers]
        connection.executemany("INSERT INTO parents VALUES (?, ?)", rows)
        pairs = [(number, number) for number in numbers]
        connection.executemany("INSERT INTO children VALUES (?, ?)", pairs)


def _copy(world: World, folder: Path) -> World:
    shutil.copytree(world.sandbox.folder, folder)
    return World(Sandbox(folder), world.schemas)


def make_world(template: World, folder: Path, *, mode: str, committing: bool) -> World:
    """A copy of a template, with its journal mode and the manner of its revisions."""
    world = _copy(template, folder)
    for file in world.files:
        query(file, f"PRAGMA journal_mode={mode}")
    if committing:
        (folder / "alembic/committing").touch()
    return world


def name_of(revision: str, number: int) -> str:
    """What a parent is called at a revision."""
    return f"parent {number} ({number})" if revision == LAST else f"parent {number}"
