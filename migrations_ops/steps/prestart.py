"""Starts children early, so that they have imported Alembic when they are needed.

Nine tenths of an Alembic command is import. A child that is not needed after all exits without
having opened anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from migrations_ops.model.errors import OpsError
from migrations_ops.model.plan import AlembicCommands, StepName
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.steps.own_commands import OwnCommandsStep
from migrations_ops.steps.step import Step, start_step

CORES = os.cpu_count() or 1


class _Request(NamedTuple):
    """A child that runs these commands for one step of an environment."""

    environment: Environment
    step: StepName
    commands: AlembicCommands

    @property
    def name(self) -> str:
        return f"{self.environment.name}.{self.step}"


@dataclass
class Prestart:
    """The waiting children of one task, at most one per core.

    There is one for each step of an environment. ``log`` returns the log file of that name.
    """

    project: Project
    log: Callable[[str], Path]
    _waiting: dict[str, tuple[_Request, Step]] = field(default_factory=dict)
    _queue: dict[str, _Request] = field(default_factory=dict)

    def request(self, environment: Environment, step: StepName, commands: AlembicCommands) -> None:
        """Start a child now, or as soon as a core is free."""
        request = _Request(environment, step, commands)
        if request.name in self._waiting:
            return
        if len(self._waiting) < CORES:
            self._waiting[request.name] = (request, self._start(request))
        else:
            self._queue[request.name] = request

    def start_next(self) -> None:
        """Start the children that are next in the queue.

        Called when the running child has finished its imports: until then the cores are busy.
        """
        while self._queue and len(self._waiting) < CORES:
            name = next(iter(self._queue))
            request = self._queue.pop(name)
            # Another step is running: a child that cannot start says so when its turn comes.
            with suppress(OpsError, OSError):
                self._waiting[name] = (request, self._start(request))

    def take(self, environment: Environment, step: StepName, commands: AlembicCommands) -> Step:
        """The child of a step, started ahead or now.

        :raises ConfigurationError: its interpreter cannot be started.
        """
        request = _Request(environment, step, commands)
        self._queue.pop(request.name, None)
        if request.name in self._waiting:
            started, child = self._waiting.pop(request.name)
            if started == request:
                return child
            child.close()
        return self._start(request)

    def close(self) -> None:
        """Dismiss the children that were not needed."""
        self._queue.clear()
        for _, child in self._waiting.values():
            child.close()
        self._waiting.clear()

    def _start(self, request: _Request) -> Step:
        environment, (first, *_) = request.environment, request.commands
        log = self.log(request.name)
        if environment.commands and first[0] == "upgrade" and "--sql" not in first:
            return OwnCommandsStep(self.project, environment, log)
        return start_step(self.project, environment, request.commands, log)
