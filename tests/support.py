"""What the tests share: a copied project in a temporary folder, driven from outside."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any, TypeVar

from tests.forked import Program

REPOSITORY = Path(__file__).resolve().parent.parent
PROJECTS = Path(__file__).parent / "projects"
T = TypeVar("T")
# How long, in seconds, a command may take.
TIMEOUT = 120.0
R1, R2, R3 = "r1aaaaaaaaaa", "r2bbbbbbbbbb", "r3cccccccccc"


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as one JSON document."""
        return json.loads(self.out)


def clean_environment(**more: str) -> dict[str, str]:
    """Variables for a command as a fresh shell would have them."""
    names = ("PATH", "HOME", "TMPDIR", "SYSTEMROOT", "TEMP", "TMP", "USERPROFILE")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return kept | {"PYTHONUTF8": "1"} | more


def unlimited() -> bool:
    """Whether a test has left alone how large the files of what it starts may get."""
    import resource

    return resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


# What Sandbox.invoke and Sandbox.alembic are forked from.
INVOKE = Program(
    "invoke",
    clean_environment(),
    "invoke.main",
    "migrations_ops.cli.release",
    "migrations_ops.cli.status",
    "migrations_ops.databases.sqlite.integrity",
    "migrations_ops.databases.sqlite.lock",
    "migrations_ops.revisions.parser",
    "migrations_ops.tasks",
    "configparser",
    "filelock",
)
ALEMBIC = Program("alembic", clean_environment(), "alembic.config", "sqlalchemy.orm")


@dataclass(frozen=True)
class Sandbox:
    """A project in a folder of its own."""

    folder: Path

    @property
    def dev(self) -> Path:
        return self.folder / "data/repom/db.dev.sqlite3"

    @property
    def prod(self) -> Path:
        return self.folder / "data/repom/db.sqlite3"

    def environment(self, **variables: str) -> dict[str, str]:
        """The variables of a command in this project."""
        return clean_environment(**variables)

    def run(self, *argv: str, cwd: Path | None = None, **variables: str) -> Ran:
        """Run a command to its end in the project's folder, in a fresh environment."""
        done = subprocess.run(
            argv,
            cwd=cwd or self.folder,
            env=self.environment(**variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=TIMEOUT,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def invoke(self, *arguments: str, cwd: Path | None = None, **variables: str) -> Ran:
        """Run tasks as a user does."""
        return self._forked(INVOKE, "invoke", arguments, cwd, variables)

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start tasks and go on; the caller ends the process."""
        return self.start_python("-m", "invoke", *arguments, **variables)

    def start_python(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start Python and go on; the caller ends the process."""
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def alembic(self, *arguments: str, **variables: str) -> Ran:
        """Run Alembic by hand, as the guide does."""
        return self._forked(ALEMBIC, "alembic", arguments, None, variables)

    def _forked(
        self,
        program: Program,
        module: str,
        arguments: tuple[str, ...],
        cwd: Path | None,
        variables: dict[str, str],
    ) -> Ran:
        """Run a module to its end, in a fork of a process that has imported it where that can
        show nothing else: Python reads its variables at its start."""
        simple = os.name == "posix" and variables.keys() <= {"EXEC_ENV"} and unlimited()
        if not simple or not program.free.acquire(blocking=False):
            return self.run(sys.executable, "-m", module, *arguments, cwd=cwd, **variables)
        try:
            where, env = cwd or self.folder, self.environment(**variables)
            return Ran(*program.run(arguments, where, env, TIMEOUT))
        finally:
            program.free.release()

    def write(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        if file.suffix == ".py":
            # Python tells two versions of one size apart by whole seconds.
            Path(cache_from_source(str(file))).unlink(missing_ok=True)
        return file

    def configure(self, text: str) -> None:
        """Replace the configuration."""
        self.write("pyproject.toml", text)

    def add_revision(self, revision: str, down: str, body: str) -> Path:
        """A further revision whose upgrade is this code (indented by four)."""
        return self.write(
            f"alembic/versions/{revision}.py",
            f'"""{revision}"""\nimport sqlalchemy as sa\nfrom alembic import op\n\n'
            f'revision = "{revision}"\ndown_revision = "{down}"\n\n\n'
            f"def upgrade() -> None:\n{body}\n\n\ndef downgrade() -> None:\n    pass\n",
        )


def wait_for(condition: Callable[[], T], seconds: float = 120, pause: float = 0.01) -> T:
    """Ask until the answer is true, and return it; the limit is for what never comes."""
    limit = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < limit, f"it has not come to that within {seconds:.0f} s"
        time.sleep(pause)
    return answer


def query(file: Path, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run one statement on a database file, committed."""
    with closing(sqlite3.connect(file)) as connection, connection:
        return connection.execute(sql, values).fetchall()


def dump(file: Path) -> list[str] | None:
    """Everything in a database, as text; None where there is no file."""
    if not file.exists():
        return None
    # Read-write, so that what a killed process left half done is rolled back.
    with closing(sqlite3.connect(f"file:{file}?mode=rw", uri=True)) as connection:
        return list(connection.iterdump())


def copy_project(name: str, into: Path) -> Sandbox:
    """A copy of one of the tiny projects."""
    shutil.copytree(PROJECTS / name, into, ignore=shutil.ignore_patterns("__pycache__"))
    (into / "data/repom").mkdir(parents=True, exist_ok=True)
    return Sandbox(into)
