"""Starts the process in which Alembic runs, also to read scripts that must be executed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from migrations_ops.child.protocol.instructions import DIALECT, SCRIPTS, THEN, Instructions
from migrations_ops.model.errors import ConfigurationError, Refused
from migrations_ops.project.environments import Environment
from migrations_ops.project.interpreters import running_python
from migrations_ops.system import process

if TYPE_CHECKING:
    from migrations_ops.child.protocol.events import Event, ScriptFound
    from migrations_ops.project.project import Project
    from migrations_ops.revisions.history import History, Revision

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
    scheme = url.partition("://")[0]
    return [] if scheme.startswith("sqlite") else [f"{DIALECT}{scheme}"]


def _global_options(ini: Path, environment: Environment) -> list[str]:
    """The options before the command: the ini, its section, and env.py's own arguments."""
    options = ["-c", str(ini)]
    if environment.section != "alembic":
        options += ["-n", environment.section]
    for argument in environment.x:
        options += ["-x", argument]
    return options


def ask_for_history(project: Project, environment: Environment) -> History:
    """The revisions as Alembic itself loads them, for scripts that must be executed to be read.

    :raises OpsError: Alembic cannot load them.
    """
    from migrations_ops.child.protocol.events import Failed, Finished, ScriptFound
    from migrations_ops.revisions.history import History

    log = project.settings.releases / "scripts.log"
    events = _ask(project, environment, log)
    if any(isinstance(each, Finished) for each in events):
        return History.of(_revision(each) for each in events if isinstance(each, ScriptFound))
    failed = next((each for each in events if isinstance(each, Failed)), None)
    why = (
        failed.sentence.removesuffix(".")
        if failed
        else "its process ended before Alembic had finished"
    )
    where = failed.where if failed else None
    raise Refused(
        f"Alembic cannot load the revision scripts: {why}.",
        untouched="No database was touched.",
        next=f"Fix {where}" if where else f"See the log: {log}",
    )


def _revision(script: ScriptFound) -> Revision:
    from migrations_ops.revisions.history import Revision

    return Revision(
        revision=script.revision,
        down=script.down,
        depends_on=script.depends_on,
        labels=script.labels,
        file=script.file,
        message=script.doc,
    )


def _ask(project: Project, environment: Environment, log: Path) -> list[Event]:
    """The events of a child that lists the scripts; it is guarded like any other."""
    from migrations_ops.child.protocol.events import decode

    database = project.database(environment)
    instructions = Instructions(
        environment=environment.name,
        label=database.label,
        real=database.identity(),
        others=project.others(environment),
        ini_url=project.url(environment) if environment.ini_url else None,
    )
    child = start_child(project, environment, [[SCRIPTS]], log)
    timeout = environment.timeout
    timer = None if timeout is None else child.kill_after(timeout)
    try:
        child.say(instructions.to_json())
        return [event for line in child.lines() if (event := decode(line)) is not None]
    finally:
        if timer is not None:
            timer.cancel()
        child.stop()
