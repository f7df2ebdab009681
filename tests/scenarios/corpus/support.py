"""Databases that old releases of real projects filled, and the projects that upgrade them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from contextlib import closing, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest
from filelock import FileLock

from tests.support import REPOSITORY, Ran, Sandbox, dump

HERE = Path(__file__).parent
# The whole of what a project's tasks.py holds.
TASKS = "from migrations_ops.tasks import namespace\n\nns = namespace(__file__)\n"
# As the configurations in projects/ name the project's own interpreter.
PYTHON = ".venv/bin/python"
BUILD_SECONDS = 900


@dataclass(frozen=True)
class RealProject(Sandbox):
    """A project folder that holds nothing but configuration, and its two databases.

    ``python`` is the interpreter in which the real project is installed, and this package is not.
    """

    python: Path
    files: tuple[str, str] = ("data/dev.db", "data/prod.db")

    @property
    def dev(self) -> Path:
        return self.folder / self.files[0]

    @property
    def prod(self) -> Path:
        return self.folder / self.files[1]

    def invoke(self, *arguments: str, cwd: Path | None = None, **variables: str) -> Ran:
        """Run tasks as a user does, one whose home is empty."""
        variables.setdefault("HOME", str(self.folder))
        return super().invoke(*arguments, cwd=cwd, **variables)

    def plain_alembic(self, *arguments: str, **variables: str) -> Ran:
        """Run the project's own Alembic, as without this tool."""
        variables.setdefault("HOME", str(self.folder))
        argv = [str(self.python), "-m", "alembic", *arguments]
        return self.run(*argv, cwd=None, **variables)

    def fill(self, dev: str | None, prod: str) -> None:
        """Put copies of old databases in the places of both environments."""
        for file, old in ((self.dev, dev), (self.prod, prod)):
            file.parent.mkdir(parents=True, exist_ok=True)
            if old is not None:
                shutil.copyfile(HERE / old, file)

    def replace(self, file: str, old: str, new: str) -> None:
        """Change one place of a configuration file."""
        text = (self.folder / file).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        self.write(file, text.replace(old, new))

    def databases(self) -> set[str]:
        """Every SQLite file that is no backup, wherever it lies."""
        found = set()
        for file in self.folder.rglob("*"):
            with suppress(OSError):
                if file.is_file() and file.open("rb").read(15) == b"SQLite format 3":
                    found.add(file.relative_to(self.folder).as_posix())
        return {name for name in found if not name.startswith("data/backups/")}


def set_up(
    name: str, python: Path, folder: Path, files: tuple[str, str] = ("data/dev.db", "data/prod.db")
) -> RealProject:
    """A copy of one of the configurations, with the interpreter that this machine has."""
    shutil.copytree(HERE / "projects" / name, folder)
    project = RealProject(folder, python, files)
    project.write("tasks.py", TASKS)
    configuration = folder / "migrations_ops.toml"
    text = configuration.read_text(encoding="utf-8")
    assert PYTHON in text
    project.write(configuration.name, text.replace(PYTHON, python.as_posix()))
    return project


def interpreter(name: str) -> Path:
    """The interpreter of a virtual environment with the newer release of a real project.

    It is built once, in the folder that MIGRATIONS_OPS_CORPUS names. A newcomer who only wants to
    run the tests does not have to wait for some hundred megabytes of it.
    """
    place = os.environ.get("MIGRATIONS_OPS_CORPUS")
    if not place and os.environ.get("CI", "").lower() not in ("true", "1"):
        pytest.skip(f"set MIGRATIONS_OPS_CORPUS to a folder for the virtual environment of {name}")
    folder = Path(place).absolute() if place else REPOSITORY / ".corpus"
    folder.mkdir(parents=True, exist_ok=True)
    environment = folder / name
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    requirements = HERE / f"{name}.requirements.txt"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    ready = folder / f"{name}.ready"
    # A pip of its own for each would take as long as many a project.
    has_pip = find_spec("pip") is not None
    pip = [sys.executable, "-m", "pip", "--python"] if has_pip else []
    pip += [str(python), *([] if has_pip else ["-m", "pip"]), "install", "--quiet"]
    with FileLock(folder / f"{name}.lock"):
        if not python.exists() or not ready.exists() or ready.read_text() != wanted:
            if not python.exists():
                if sys.version_info >= (3, 14):
                    pytest.skip("the pins of the real projects are for Python 3.11 to 3.13")
                without = ["--without-pip"] if has_pip else []
                _build([sys.executable, "-m", "venv", *without, str(environment)])
            # What is imported is compiled then; most of it never is.
            _build([*pip, "--no-deps", "--no-compile", "--disable-pip-version-check", "-r",
                    str(requirements)])  # fmt: skip
            if name == "quetz" and sys.version_info >= (3, 12):
                # It imports distutils, which left Python with 3.12.
                _build([*pip, "setuptools>=75,<81"])
            ready.write_text(wanted)
    return python


def _build(argv: list[str]) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    output = f"{done.stdout[-2000:]}{done.stderr[-4000:]}"
    assert done.returncode == 0, f"{' '.join(argv)} failed:\n{output}"


def content(file: Path) -> list[list[str]]:
    """Everything in a database, without the order in which a rebuild happens to write it.

    Alembic reflects the constraints of a table as a set: their order differs from run to run.
    Our own ledger is left out.
    """
    statements = [each for each in dump(file) or [] if "migrations_ops_ledger" not in each]
    return sorted(sorted(line.strip("\t ,") for line in each.splitlines()) for each in statements)


def pragma(file: Path, name: str) -> list[tuple[object, ...]]:
    """What SQLite itself answers to a question about a file."""
    import sqlite3

    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(f"PRAGMA {name}").fetchall()


def rows(file: Path) -> dict[str, int]:
    """How many rows each table has."""
    import sqlite3

    with closing(sqlite3.connect(file)) as connection:
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        )
        return {
            name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
            for (name,) in tables.fetchall()
        }
