"""The projects that are measured, made in a temporary folder.

The commands typed by hand run in a copy without any configuration of this tool: there our plugin
does nothing, and plain Alembic is as fast as it is.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from benchmarks.measure import Command

REPOSITORY = Path(__file__).resolve().parent.parent
BEFORE_THE_RELEASE = "5402b13a1056"
ROWS = "5000"
FILES = {"dev": "data/repom/db.dev.sqlite3", "prod": "data/repom/db.sqlite3"}

_NAMES = (
    "PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR",
    "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "TEMP", "TMP", "USERPROFILE",
    "APPDATA", "LOCALAPPDATA",
)  # fmt: skip
_OURS = ("pyproject.toml", "tasks.py", "invoke.yaml")
_CONFIGURATION = """\
[tool.migrations_ops.environments.dev]
url = "sqlite:///data/repom/db.dev.sqlite3"

[tool.migrations_ops.environments.prod]
url = "sqlite:///data/repom/db.sqlite3"
"""
ALEMBIC = "from alembic.config import main; main(prog='alembic')"
_TASKS = "from migrations_ops.tasks import namespace\n\nns = namespace(__file__)\n"
_INI = "[alembic]\nscript_location = %(here)s/alembic\npath_separator = os\n"
_ENV = """\
import os
from pathlib import Path

from alembic import context
from sqlalchemy import create_engine, pool

name = os.environ.get("EXEC_ENV", "prod")
file = "db.sqlite3" if name == "prod" else f"db.{name}.sqlite3"
folder = Path(__file__).resolve().parent.parent / "data" / "repom"
engine = create_engine(f"sqlite:///{(folder / file).as_posix()}", poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


def variables(**more: str) -> dict[str, str]:
    """What a fresh shell holds. A setting that forbids bytecode files must not come in."""
    return {name: os.environ[name] for name in _NAMES if name in os.environ} | more


def python(folder: Path, *arguments: str, shows: str = "", **more: str) -> Command:
    """A command of this very interpreter, past any version manager's shim."""
    return Command((sys.executable, *arguments), folder, variables(**more), shows)


def alembic(folder: Path, *arguments: str, **more: str) -> Command:
    """What the script ``alembic`` does; ``-m alembic`` came with a later version only."""
    return python(folder, "-c", ALEMBIC, *arguments, **more)


def own_project(folder: Path) -> None:
    """This repository's history, three revisions before its head, both databases filled."""
    folder.mkdir()
    for name in ("alembic.ini", *_OURS):
        shutil.copy2(REPOSITORY / name, folder / name)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "alembic", folder / "alembic", ignore=ignored)
    (folder / "data/repom/backups").mkdir(parents=True)
    for name in FILES:
        alembic(folder, "upgrade", BEFORE_THE_RELEASE, EXEC_ENV=name).run()
    python(folder, "alembic/fill.py", "--rows", ROWS).run()
    # A third database goes all the way, so that every revision has its bytecode: each run works
    # on a copy, and neither side is to compile in it.
    alembic(folder, "upgrade", "head", EXEC_ENV="warming").run()
    (folder / "data/repom/db.warming.sqlite3").unlink()


def release(folder: Path) -> None:
    """Let a project reach its head, with the backups and the record that this leaves."""
    python(folder, "-m", "invoke", "release-migration").run()


def plain_copy(template: Path, folder: Path) -> None:
    """The same project as somebody has it who types Alembic's commands."""
    copy(template, folder)
    for name in _OURS:
        (folder / name).unlink(missing_ok=True)


def copy(template: Path, folder: Path) -> None:
    """A fresh copy, times of the files included: bytecode is valid by them."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template, folder)


def long_project(folder: Path, revisions: int) -> None:
    """Two databases at the head of a history of so many revisions."""
    versions = folder / "alembic/versions"
    versions.mkdir(parents=True)
    (folder / "data/repom").mkdir(parents=True)
    (folder / "pyproject.toml").write_text(_CONFIGURATION, encoding="utf-8")
    (folder / "tasks.py").write_text(_TASKS, encoding="utf-8")
    (folder / "alembic.ini").write_text(_INI, encoding="utf-8")
    (folder / "alembic/env.py").write_text(_ENV, encoding="utf-8")
    down = None
    for number in range(1, revisions + 1):
        name = f"{number:012x}"
        source = _revision(name, down, number)
        (versions / f"{name}_step_{number}.py").write_text(source, encoding="utf-8")
        down = name
    for file in FILES.values():
        with closing(sqlite3.connect(folder / file)) as connection, connection:
            connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
            connection.execute("INSERT INTO alembic_version VALUES (?)", (down,))


def _revision(name: str, down: str | None, number: int) -> str:
    return f'''\
"""Step {number}

Revision ID: {name}
Revises: {down or ""}
Create Date: 2026-01-01 12:00:00

"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = {name!r}
down_revision: str | None = {down!r}
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table("t{number}", sa.Column("id", sa.Integer, primary_key=True))


def downgrade() -> None:
    op.drop_table("t{number}")
'''


def empty_tasks(folder: Path) -> None:
    """What the start of Invoke itself is measured with."""
    folder.mkdir()
    source = "from invoke import task\n\n\n@task\ndef nothing(c):\n    pass\n"
    (folder / "tasks.py").write_text(source, encoding="utf-8")
