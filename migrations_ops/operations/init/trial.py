"""Tries an env.py with a throw-away database: whether it opens the one that it is handed."""

from __future__ import annotations

import tempfile
from pathlib import Path

from migrations_ops.model.errors import OpsError
from migrations_ops.operations.init.facts import Facts, Tried, Way
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.project.settings import Settings
from migrations_ops.steps.instructions import instructions_for
from migrations_ops.steps.step import start_step

# An application that waits for something at its import must not keep init waiting.
_SECONDS = 60.0


def try_way(folder: Path, facts: Facts, way: Way, name: str) -> Tried:
    """Let env.py open a database that does not exist yet, handed over in this way.

    Whatever else it opens is refused before its first statement, as in every step.

    :param name: the environment, for an env.py that asks for it.
    """
    with tempfile.TemporaryDirectory(prefix="migrations_ops.") as scratch:
        project, environment = _project(folder, Path(scratch), facts, way, name)
        try:
            child = start_step(project, environment, [["current"]], Path(scratch) / "trial.log")
        except OpsError as error:
            return Tried(way, works=False, reason=error.what.removesuffix("."))
        try:
            run = child.run(instructions_for(project, environment))
        finally:
            child.close()
    reason = run.refused or run.failure
    # An env.py may end without opening anything.
    works = run.finished and run.opened and not reason
    why = reason or ("" if works else "it opened no database")
    return Tried(way, works, why, elsewhere=bool(run.refused))


def _project(
    folder: Path, scratch: Path, facts: Facts, way: Way, name: str
) -> tuple[Project, Environment]:
    driver = "sqlite+aiosqlite" if facts.env_py.is_async else "sqlite"
    url = f"{driver}:///{(scratch / 'trial.sqlite3').as_posix()}"
    environment = Environment(
        name=name,
        url=url,
        directory=folder / facts.directory,
        section=facts.sections[0].name,
        variables={way.variable: "{url}"} if way.variable else {},
        ini_url=way.ini_url,
        x=(f"{way.x}={url}",) if way.x else (),
        flask=way.flask or None,
        python=folder / way.python if way.python else None,
        version_table=facts.sections[0].version_table or "alembic_version",
        timeout=_SECONDS,
    )
    settings = Settings(
        file=folder / "pyproject.toml",
        alembic=folder / facts.alembic,
        selector=way.selector,
        backups=scratch / "backups",
        releases=scratch / "releases",
        keep=1,
        keep_days=0,
        wait=0.0,
        path=(environment,),
    )
    return Project(settings), environment
