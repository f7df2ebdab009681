"""Copies of this repository's own Alembic history, with a data folder of their own."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.support import REPOSITORY, Ran, Sandbox

REVISIONS = (
    "374877b9cd32",
    "778af1fde598",
    "aad5b64aea63",
    "3b9f8cce1200",
    "5402b13a1056",
    "2f83208ee6a6",
    "04896a126852",
    "f296be3724ea",
)
FIRST, MIDDLE, HEAD = REVISIONS[0], REVISIONS[2], REVISIONS[-1]
"""MIDDLE has the full name of a member beside the split ones; the next revision rebuilds."""


class OwnProject(Sandbox):
    """A copy of `alembic.ini` and `alembic/`: the data folder is left for env.py to make."""

    @classmethod
    def at(cls, root: Path) -> OwnProject:
        shutil.copy(REPOSITORY / "alembic.ini", root)
        unwanted = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / "alembic", root / "alembic", ignore=unwanted)
        return cls(root)

    def databases(self) -> set[str]:
        """The names of all files in the data folder."""
        return {file.name for file in (self.folder / "data/repom").glob("*")}

    def upgrade(self, revision: str, name: str = "dev") -> None:
        succeed(self.alembic("upgrade", revision, EXEC_ENV=name))

    def downgrade(self, revision: str, name: str = "dev") -> None:
        succeed(self.alembic("downgrade", revision, EXEC_ENV=name))

    def fill(self, *arguments: str, cwd: Path | None = None) -> Ran:
        """Run the script that fills the databases."""
        return self.run(sys.executable, str(self.folder / "alembic/fill.py"), *arguments, cwd=cwd)


class EmptyDatabases:
    """An empty database at each revision, made when it is first asked for."""

    def __init__(self, project: OwnProject) -> None:
        self._project = project

    def __getitem__(self, revision: str) -> Path:
        ready = self._project.folder / f"{revision}.sqlite3"
        if not ready.exists():
            self._project.dev.unlink(missing_ok=True)
            self._project.upgrade(revision)
            shutil.copy(self._project.dev, ready)
        return ready

    def place(self, revision: str, *databases: Path) -> None:
        """Put copies where a project looks for them."""
        for database in databases:
            database.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self[revision], database)


def succeed(ran: Ran) -> str:
    """The standard output of a command that must have exited with 0."""
    assert ran.code == 0, ran.out + ran.err
    return ran.out


@contextmanager
def opened(file: Path) -> Iterator[sqlite3.Connection]:
    """An existing database, with foreign keys enforced."""
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True)) as connection:
        connection.execute("PRAGMA foreign_keys=ON")
        with connection:
            yield connection


def query(file: Path, sql: str) -> list[tuple[object, ...]]:
    with opened(file) as connection:
        return connection.execute(sql).fetchall()


def tables(file: Path) -> list[str]:
    rows = query(file, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [str(name) for (name,) in rows]


def row_counts(file: Path) -> dict[str, int]:
    """Rows of each table but Alembic's own."""
    names = [name for name in tables(file) if name != "alembic_version"]
    with opened(file) as connection:
        return {
            name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names
        }
