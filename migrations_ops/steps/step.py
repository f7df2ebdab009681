"""One step: a process that runs Alembic commands, guarded from inside and controlled from here."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from migrations_ops.child.protocol.events import Event, Failed, Finished, PartlyCommitted, decode
from migrations_ops.child.protocol.instructions import GO_ON, Instructions
from migrations_ops.project.child_process import start_child
from migrations_ops.project.environments import Environment
from migrations_ops.steps.command_run import CommandRun, run_of
from migrations_ops.system import process
from migrations_ops.system.files import nearest_folder, now

if TYPE_CHECKING:
    from migrations_ops.project.project import Project

_TOO_LITTLE = 100_000
Listener = Callable[[Event], None]


class Step:
    """A child that was started ahead and waits; ``run`` lets it run its next command."""

    def __init__(self, child: process.Child, environment: Environment) -> None:
        self._child = child
        self.environment = environment
        self._lines = child.lines()
        # The events of the command that ran last, or is running; and when that began.
        self._events: list[Event] = []
        self._started = ""
        # The revisions of which a part was committed before their end: that the rest was rolled
        # back does not mean that nothing has changed.
        self.partly_committed: set[str] = set()

    @property
    def argv(self) -> tuple[str, ...]:
        return self._child.argv

    @property
    def log(self) -> Path:
        return self._child.log

    @property
    def has_committed(self) -> bool:
        """Whether a part of the run was committed before its end."""
        return bool(self.partly_committed)

    @property
    def latest(self) -> CommandRun | None:
        """The last known state of the command that runs, or ran last."""
        return run_of(self._events, self._started) if self._started else None

    def run(
        self, instructions: Instructions, listener: Listener | None = None, *, last: bool = True
    ) -> CommandRun:
        """Let the child run its next command, and follow it to the end.

        :param instructions: those of the first command apply to all commands of a child.
        :param last: no further command follows: wait until the process has ended.
        """
        self._events, self._started = [], now()
        begun = time.monotonic()
        self._child.say(instructions.to_json())
        timeout, code = self.environment.timeout, None
        timer = None if timeout is None else self._child.kill_after(timeout)
        try:
            finished = self._follow(listener, last=last)
            if last or not finished:
                code = self._child.stop()
        finally:
            if timer is not None:
                timer.cancel()
        seconds = round(time.monotonic() - begun, 3)
        done = replace(run_of(self._events, self._started), seconds=seconds, exit=code)
        if done.finished or done.failure or done.refused:
            return done
        failure = _ended_silently(code, timeout, seconds) + _full_disk(self.log.parent)
        return replace(done, failure=failure, failed_revision=done.at_work)

    def close(self) -> None:
        """End the child: gracefully if it has run a command, at once if it got no instructions."""
        if self._started:
            self._child.stop(self._keep_last)
        else:
            self._child.dismiss()

    def _follow(self, listener: Listener | None, *, last: bool) -> bool:
        """Read the events of a command; returns whether it has finished."""
        finished = False
        for line in self._lines:
            event = self._read(line)
            if event is None:
                continue
            self._events.append(event)
            if listener is not None:
                self._tell(listener, event)
            if isinstance(event, PartlyCommitted):
                self._child.say(GO_ON)  # it waits until this is recorded
            finished |= isinstance(event, Finished)
            if finished and not last:
                break
        return finished

    def _tell(self, listener: Listener, event: Event) -> None:
        """Tell the listener; without its consent nothing is committed before the end."""
        try:
            listener(event)
        except BaseException:
            if isinstance(event, PartlyCommitted):
                self._events.remove(event)
                self.partly_committed.discard(event.revision)
            raise

    def _keep_last(self, line: bytes) -> None:
        """Keep what the child still reports when it has to stop, or has failed."""
        event = self._read(line)
        if event is not None and not isinstance(event, Failed):
            self._events.append(event)

    def _read(self, line: bytes) -> Event | None:
        """The event of a line; None for one that was cut short, by a kill or an interrupt here."""
        event = decode(line)
        if isinstance(event, PartlyCommitted):
            self.partly_committed.add(event.revision)
        return event


def _ended_silently(code: int | None, timeout: float | None, seconds: float) -> str:
    if timeout is not None and seconds >= timeout:
        return f"it took longer than the {timeout:g} seconds that timeout allows, and was killed"
    if code is not None and code < 0:
        return f"the process was killed by signal {-code}"
    return f"the process ended by itself with exit code {code}, before Alembic had finished"


def _full_disk(folder: Path) -> str:
    """Python exits with 120 if it cannot flush its output; nothing else reports a full disk."""
    import shutil

    with suppress(OSError):
        if shutil.disk_usage(nearest_folder(folder)).free < _TOO_LITTLE:
            return f": no space is left on the disk of {folder}"
    return ""


def start_step(
    project: Project, environment: Environment, commands: Sequence[Sequence[str]], log: Path
) -> Step:
    """Start a child for Alembic commands, ahead of time: it imports Alembic and waits.

    :raises ConfigurationError: the interpreter cannot be started.
    """
    return Step(start_child(project, environment, commands, log), environment)
