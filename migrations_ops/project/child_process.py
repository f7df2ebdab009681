"""Starts the process in which Alembic runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from migrations_ops.child.protocol.instructions import DIALECT, THEN
from migrations_ops.databases.url import dialect_of, scheme_of
from migrations_ops.model.errors import ConfigurationError
from migrations_ops.project.environments import Environment
from migrations_ops.project.interpreters import running_python
from migrations_ops.system import process

if TYPE_CHECKING:
    from migrations_ops.project.project import Project

CHILD = Path(__file__).parent.parent / "child"


def start_child(
    project: Project, environment: Environment, commands: Sequence[Sequence[str]], log: Path
) -> process.Child:
    """Start a child for Alembic commands, ahead of time: it imports Alembic and waits.

    :raises ConfigurationError: the interpreter cannot be started.
    """
    argv = child_argv(project, environment, commands)
    try:
        return process.start(argv, project.variables(environment), environment.directory, log)
    except OSError as error:
        raise ConfigurationError(
            f"The interpreter {argv[0]} cannot be started in {environment.directory}:"
            f" {error.strerror}.",
            next=f"Check python and directory of environments.{environment.name}.",
        ) from None


def child_argv(
    project: Project, environment: Environment, commands: Sequence[Sequence[str]]
) -> list[str]:
    """The argv of a child that runs these Alembic commands in turn."""
    python = environment.python or running_python()
    argv = [str(python), str(CHILD), *_dialect(project.url(environment))]
    options = _global_options(project.settings.alembic, environment)
    for number, command in enumerate(commands):
        argv += [*([THEN] if number else []), *options, *command]
    return argv


def _dialect(url: str) -> list[str]:
    """The dialect that the child imports ahead of time, unless it is SQLite's."""
    return [] if scheme_of(url) == "sqlite" else [f"{DIALECT}{dialect_of(url)}"]


def _global_options(ini: Path, environment: Environment) -> list[str]:
    """The options before the command: the ini, its section, and env.py's own arguments."""
    options = ["-c", str(ini)]
    if environment.section != "alembic":
        options += ["-n", environment.section]
    for argument in environment.x:
        options += ["-x", argument]
    return options
