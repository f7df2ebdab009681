"""A small project: an ini whose URL is ``sqlalchemy.url``, dev and prod, and revisions of one line
each."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.support import Sandbox, query

_ENV = """from alembic import context
from sqlalchemy import create_engine

config = context.config
engine = create_engine(config.get_main_option("sqlalchemy.url"))
with engine.connect() as connection:
    context.configure(connection=connection{more})
    with context.begin_transaction():
        context.run_migrations()
"""
_APPLICATION = """from alembic import command
from alembic.config import Config

config = Config("alembic.ini")
config.set_main_option("sqlalchemy.url", "sqlite:///{file}")
command.upgrade(config, "{to}")
"""
_ENVIRONMENT = """
[tool.migrations_ops.environments.{name}]
url = "sqlite:///{file}"
ini_url = true
{more}
"""


@dataclass(frozen=True)
class Scripts:
    """One folder of revision scripts."""

    project: Sandbox
    folder: str = "alembic"
    version_table: str = ""

    def write(self) -> None:
        more = f', version_table="{self.version_table}"' if self.version_table else ""
        self.project.write(f"{self.folder}/env.py", _ENV.format(more=more))
        self.project.write(f"{self.folder}/script.py.mako", "")
        (self.project.folder / self.folder / "versions").mkdir(exist_ok=True)

    def revision(
        self,
        name: str,
        down: str | tuple[str, ...] | None,
        upgrade: str = "pass",
        downgrade: str = "pass",
        **more: str,
    ) -> Path:
        """Write a revision; it replaces one of its name."""
        lines = [f"revision = {name!r}", f"down_revision = {down!r}"]
        lines += [f"{key} = {value!r}" for key, value in more.items()]
        return self.project.write(
            f"{self.folder}/versions/{name}.py",
            f'"""{name}"""\nfrom alembic import op\nimport sqlalchemy as sa\n\n'
            + "\n".join(lines)
            + f"\n\n\ndef upgrade():\n    {upgrade}\n\n\ndef downgrade():\n    {downgrade}\n",
        )

    def table(self, name: str, down: str | None, **more: str) -> Path:
        """A revision that makes a table of its own name."""
        return self.revision(
            name,
            down,
            f'op.create_table("t_{name}", sa.Column("id", sa.Integer, primary_key=True))',
            f'op.drop_table("t_{name}")',
            **more,
        )


def copy_small(project: Sandbox, into: Path) -> tuple[Sandbox, Scripts]:
    """A copy of the project as it is, with its databases and all that was recorded."""
    shutil.copytree(project.folder, into)
    copy = Sandbox(into)
    return copy, Scripts(copy)


def make_small(folder: Path, *, more: str = "") -> tuple[Sandbox, Scripts]:
    """The project, with its scripts still empty.

    :param more: further keys of both environments.
    """
    project = Sandbox(folder)
    folder.mkdir(parents=True)
    scripts = Scripts(project)
    project.write("alembic.ini", "[alembic]\nscript_location = %(here)s/alembic\n")
    scripts.write()
    project.write(
        "tasks.py", "from migrations_ops.tasks import namespace\n\nns = namespace(__file__)\n"
    )
    configure(project, (("dev", "dev.db", more), ("prod", "prod.db", more)))
    return project, scripts


def configure(project: Sandbox, environments: Iterable[tuple[str, str, str]]) -> None:
    """Write the configuration: the name of each environment, its file, and further keys."""
    project.configure(
        "[tool.migrations_ops]\n"
        + "".join(
            _ENVIRONMENT.format(name=name, file=file, more=more)
            for name, file, more in environments
        )
    )


def upgrade_by_application(project: Sandbox, file: str, to: str = "head") -> None:
    """An application upgrades its database by itself: nothing of ours is inside."""
    ran = project.run(sys.executable, "-c", _APPLICATION.format(file=file, to=to))
    assert ran.code == 0, ran.err


def tables(file: Path) -> set[str]:
    """The tables of a database, without what Alembic keeps there."""
    rows = query(file, "SELECT name FROM sqlite_master WHERE type = 'table'")
    return {name for (name,) in rows if "version" not in name}
