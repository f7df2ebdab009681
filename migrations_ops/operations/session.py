"""What the steps of a task share: the project, the record, and the children started ahead."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from migrations_ops.child.protocol.events import Event, PartCommitted, Ready, RevisionStarted
from migrations_ops.journal.recorder import Recorder
from migrations_ops.model.errors import OpsError
from migrations_ops.model.findings import LEDGER_BEHIND
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.steps.commands import CommandsStep
from migrations_ops.steps.step import Listener, Step, start_step
from migrations_ops.system.provenance import account, git_commit, host

CORES = os.cpu_count() or 1


@dataclass
class Session:
    """One task at work. ``allow`` names the findings that this one run accepts."""

    project: Project
    record: Recorder
    allow: tuple[str, ...] = ()
    _ahead: dict[str, tuple[list[list[str]], Step]] = field(default_factory=dict)
    _wanted: dict[str, tuple[Environment, list[list[str]]]] = field(default_factory=dict)

    def allowed(self, environment: Environment) -> tuple[str, ...]:
        return (*environment.allow, *self.allow)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What each entry tells that this task adds to a ledger."""
        return {
            "git_commit": git_commit(self.project.settings.root),
            "account": account(),
            "host": host(),
            "release_id": self.record.result.id,
        }

    def warn_of_ledger(self, environment: Environment, failure: str) -> None:
        """Report why a ledger could not be written, if so: what is done stays done all the same."""
        if failure:
            reason = f"the ledger of {environment.name} could not be written: {failure}"
            self.record.add_findings([LEDGER_BEHIND.found(environment.name, reason=reason)])

    def start_ahead(self, name: str, environment: Environment, commands: list[list[str]]) -> None:
        """Let a child import Alembic while other work goes on, now or as soon as a core is free.

        Nine tenths of an Alembic command is import; a child that is not needed after all leaves
        without having opened anything.
        """
        if name in self._ahead:
            return
        if len(self._ahead) < CORES:
            self._ahead[name] = (commands, self._start(name, environment, commands))
        else:
            self._wanted[name] = (environment, commands)

    def start_wanted(self) -> None:
        """Start the children that are wanted next; at most one for each core waits.

        Called when the child at work has done its imports: until then the cores are busy.
        """
        while self._wanted and len(self._ahead) < CORES:
            name, (environment, commands) = next(iter(self._wanted.items()))
            del self._wanted[name]
            # Another step is at work: one that cannot start says so when its own turn comes.
            with suppress(OpsError, OSError):
                self._ahead[name] = (commands, self._start(name, environment, commands))

    def take_step(self, name: str, environment: Environment, commands: list[list[str]]) -> Step:
        """The child of that name, started ahead or now."""
        self._wanted.pop(name, None)
        if name in self._ahead:
            prepared, step = self._ahead.pop(name)
            if prepared == commands:
                return step
            step.close()
        return self._start(name, environment, commands)

    def close(self) -> None:
        """Send the children away that were not needed."""
        for _, step in self._ahead.values():
            step.close()
        self._ahead.clear()

    def scratch(self, name: str) -> Path:
        """A file for a throw-away copy."""
        self.record.folder.mkdir(parents=True, exist_ok=True)
        return self.record.folder / name

    def _start(self, name: str, environment: Environment, commands: list[list[str]]) -> Step:
        log = self.record.log(name)
        if environment.commands and commands[0][0] == "upgrade" and "--sql" not in commands[0]:
            return CommandsStep(self.project, environment, log)
        return start_step(self.project, environment, commands, log)


@contextmanager
def open_session(
    project: Project, record: Recorder, allow: tuple[str, ...] = ()
) -> Iterator[Session]:
    """A task's work; whatever happens, no child stays behind."""
    session = Session(project, record, allow)
    try:
        yield session
    finally:
        session.close()


def listener(session: Session, environment: Environment | None = None) -> Listener:
    """Shows each revision while it runs, and starts the next child when this one is ready.

    :param environment: whose real database is at work; None for a scratch copy.
    """

    def on_event(event: Event) -> None:
        match event:
            case PartCommitted() if environment is not None:
                session.record.note_commit(environment.name)
            case Ready():
                session.start_wanted()
            case RevisionStarted(revision):
                session.record.report.progress(f"revision {revision}")

    return on_event
