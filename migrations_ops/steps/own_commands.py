"""A step that runs the project's own commands instead of Alembic's upgrade.

Such a step has no child: it is not one transaction, and its destination is not proved. Instead, the
database is compared with its backup, and restored from it on a failure; the rehearsal gives the
command the URL of the copy, and checks that the real database did not change.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migrations_ops.child.protocol.instructions import Instructions
from migrations_ops.databases.url import with_sqlite_path
from migrations_ops.model.errors import ConfigurationError
from migrations_ops.project.environments import Command, Environment
from migrations_ops.project.interpreters import running_python
from migrations_ops.steps.command_run import CommandRun
from migrations_ops.steps.step import Listener, Step
from migrations_ops.steps.watched_command import ended, run_watched
from migrations_ops.system.files import now

if TYPE_CHECKING:
    from migrations_ops.project.project import Project


class OwnCommandsStep(Step):
    """Replaces an Alembic step: ``run`` runs all commands, in order."""

    def __init__(self, project: Project, environment: Environment, log: Path) -> None:
        self._project = project
        self.environment = environment
        self._log = log
        self._changed = False
        # Its revisions report nothing while it runs.
        self.partly_committed: set[str] = set()

    @property
    def argv(self) -> tuple[str, ...]:
        first, *others = self.environment.commands
        return (*first.argv, *(part for each in others for part in ("&&", *each.argv)))

    @property
    def log(self) -> Path:
        return self._log

    @property
    def has_committed(self) -> bool:
        """Whether the database has changed: a command may commit at any time, then fail."""
        return self._changed

    @property
    def latest(self) -> CommandRun | None:
        """The project's own commands report nothing."""
        return None

    def run(
        self, instructions: Instructions, listener: Listener | None = None, *, last: bool = True
    ) -> CommandRun:
        """Run all commands, or up to the first that fails.

        :param instructions: only ``scratch`` is used: the copy whose URL the commands get.
        """
        started, begun = now(), time.monotonic()
        variables = self._variables(instructions.scratch, instructions.redirect)
        database = self._project.database(self.environment)
        before = database.stamp_of_content()
        code, failure, ran = None, "", 0
        try:
            for command in self.environment.commands:
                ran += 1
                code, failure = self._run(command, variables)
                if failure:
                    break
        finally:
            self._changed = database.stamp_of_content() != before
        return CommandRun(
            started=started,
            seconds=round(time.monotonic() - begun, 3),
            finished=not failure,
            failure=failure,
            where=str(self._log) if failure else "",
            exit=code,
            own_commands=ran,
        )

    def close(self) -> None:
        """Nothing to close: each command is started on demand."""

    def _variables(self, scratch: str | None, redirect: Mapping[str, Any] | None) -> dict[str, str]:
        variables = self._project.variables(self.environment)
        if scratch is not None:
            copy = url_of_copy(self._project.url(self.environment), scratch, redirect)
            variables = variables_of_copy(self._project, self.environment, copy)
        path, python = variables.get("PATH", os.defpath), self.environment.python
        # As in an activated virtual environment: its own scripts come first. Those beside our own
        # interpreter, which may be another one's, come last.
        folders = [str(python.parent), path] if python else [path, str(running_python().parent)]
        variables["PATH"] = os.pathsep.join(folders)
        return variables

    def _run(self, command: Command, variables: dict[str, str]) -> tuple[int | None, str]:
        """Run one command; returns its exit code, and why it failed, if it did."""
        code, reason = run_watched(
            command.argv,
            variables,
            self.environment.directory,
            self._log,
            timeout=self.environment.timeout,
        )
        if reason:
            return code, f"{command.argv[0]}: {reason}"
        if code not in command.success:
            return code, f"{command.argv[0]} {ended(code)}"
        return 0, ""  # a configured success code is recorded as 0


def require_rehearsable(project: Project, environment: Environment) -> None:
    """:raises ConfigurationError: its commands would reach the real database in a rehearsal."""
    if not environment.commands:
        return
    real = project.variables(environment)
    if variables_of_copy(project, environment, f"{project.url(environment)}-copy") == real:
        raise ConfigurationError(
            f"No variable passes the URL of {environment.name} to its commands, so a rehearsal"
            " could not redirect them to a copy.",
            next=f'Add to environments.{environment.name}: variables = {{ NAME = "{{url}}" }}',
        )


def variables_of_copy(project: Project, environment: Environment, copied: str) -> dict[str, str]:
    """The variables of a step, with the URL of the database replaced by that of a copy."""
    url = project.url(environment)
    variables = project.variables(environment)
    for name in (*environment.variables, *environment.passed_variables):
        variables[name] = variables[name].replace(url, copied)
        if isinstance(environment.url, str):
            variables[name] = variables[name].replace(environment.url, copied)
    return variables


def url_of_copy(url: str, scratch: str, redirect: Mapping[str, Any] | None) -> str:
    """The URL of a scratch copy, with driver and options of the real database.

    :param scratch: the path of its file, if it is one.
    :param redirect: the parts of a server's URL that differ for the copy.
    """
    if redirect is not None:
        from migrations_ops.databases.address import redirected

        return redirected(url, redirect)
    return with_sqlite_path(url, Path(scratch).absolute().as_posix())
