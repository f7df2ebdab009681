"""Reads revision scripts that must be executed to be read: a child asks Alembic for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from migrations_ops.child.protocol.events import Event, Failed, Finished, ScriptFound, decode
from migrations_ops.child.protocol.instructions import SCRIPTS, Instructions
from migrations_ops.model.errors import Refused
from migrations_ops.project.child_process import start_child
from migrations_ops.project.environments import Environment
from migrations_ops.revisions.history import History, Revision

if TYPE_CHECKING:
    from migrations_ops.project.project import Project


def read_executed_history(project: Project, environment: Environment) -> History:
    """The revisions as Alembic itself loads them, for scripts that must be executed to be read.

    :raises OpsError: Alembic cannot load them.
    """
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
    database = project.database(environment)
    instructions = Instructions(
        environment=environment.name,
        label=database.label,
        real=database.identity(),
        others=project.other_identities(environment),
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
