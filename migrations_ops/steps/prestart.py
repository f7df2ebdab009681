"""Starts children early, so that they have imported Alembic when they are needed.

Nine tenths of an Alembic command is import. A child that is not needed after all leaves without
having opened anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from migrations_ops.model.errors import OpsError
from migrations_ops.model.plan import Commands
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.steps.commands import CommandsStep
from migrations_ops.steps.step import Step, start_step

CORES = os.cpu_count() or 1


@dataclass(frozen=True)
class _Request:
    environment: Environment
    commands: Commands


@dataclass
class Prestart:
    """The children of one task that wait for their turn; at most one for each core waits.

    A child is named after its environment and its step. ``log`` gives the file for what the child
    of that name prints.
    """

    project: Project
    log: Callable[[str], Path]
    _waiting: dict[str, tuple[_Request, Step]] = field(default_factory=dict)
    _queue: dict[str, _Request] = field(default_factory=dict)

    def request(self, name: str, environment: Environment, commands: Commands) -> None:
        """Start a child now, or as soon as a core is free."""
        if name in self._waiting:
            return
        request = _Request(environment, commands)
        if len(self._waiting) < CORES:
            self._waiting[name] = (request, self._start(name, request))
        else:
            self._queue[name] = request

    def start_next(self) -> None:
        """Start the children that are next in the queue.

        Called when the child at work has done its imports: until then the cores are busy.
        """
        while self._queue and len(self._waiting) < CORES:
            name = next(iter(self._queue))
            request = self._queue.pop(name)
            # Another step is running: a child that cannot start says so when its turn comes.
            with suppress(OpsError, OSError):
                self._waiting[name] = (request, self._start(name, request))

    def take(self, name: str, environment: Environment, commands: Commands) -> Step:
        """The child of that name, started ahead or now.

        :raises ConfigurationError: its interpreter cannot be started.
        """
        self._queue.pop(name, None)
        request = _Request(environment, commands)
        if name in self._waiting:
            started, step = self._waiting.pop(name)
            if started == request:
                return step
            step.close()
        return self._start(name, request)

    def close(self) -> None:
        """Dismiss the children that were not needed."""
        self._queue.clear()
        for _, step in self._waiting.values():
            step.close()
        self._waiting.clear()

    def _start(self, name: str, request: _Request) -> Step:
        environment, (first, *_) = request.environment, request.commands
        if environment.commands and first[0] == "upgrade" and "--sql" not in first:
            return CommandsStep(self.project, environment, self.log(name))
        return start_step(self.project, environment, request.commands, self.log(name))
