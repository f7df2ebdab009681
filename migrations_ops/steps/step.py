"""One step: a subprocess that runs Alembic commands, guarded from inside and driven from here."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migrations_ops.child.protocol.instructions import (
    DIALECT,
    GO_ON,
    SCRIPTS,
    THEN,
    Instructions,
)
from migrations_ops.model.errors import ConfigurationError, Refused
from migrations_ops.model.results import RevisionRun
from migrations_ops.project.environments import Environment
from migrations_ops.project.settings import running_python
from migrations_ops.steps.instructions import instructions_for
from migrations_ops.system import process
from migrations_ops.system.files import nearest_folder, now

if TYPE_CHECKING:
    from migrations_ops.project.project import Project
    from migrations_ops.revisions.history import History

_TOO_LITTLE = 100_000
CHILD = Path(__file__).parent.parent / "child"
Listener = Callable[[dict[str, Any]], None]


@dataclass
class CommandRun:
    """What one Alembic command of a step did, as the child told it."""

    started: str
    seconds: float = 0.0
    finished: bool = False
    refused: str = ""
    failure: str = ""
    where: str = ""
    failed_revision: str = ""
    # The revision that has begun and not come to its end, also if nobody could say that it failed.
    at_work: str = ""
    # Those of which a part was, or was about to be, committed before their end.
    torn: list[str] = field(default_factory=list)
    # Those that have changed rows, or may have, in what was committed then.
    wrote: list[str] = field(default_factory=list)
    # Statements that commit by themselves, told before they begin: the last one may have done
    # its work, though nobody heard of its end.
    apart: list[dict[str, Any]] = field(default_factory=list)
    # The server's own code of the error, where it was the server's.
    sqlstate: str = ""
    # How often it was tried, since a lock was in the way.
    attempts: int = 1
    # Who had locks there when it failed, in words.
    holders: list[str] = field(default_factory=list)
    misused: bool = False
    exit: int | None = None
    revisions: list[RevisionRun] = field(default_factory=list)
    # Operations and statements, in the order in which they happened.
    told: list[dict[str, Any]] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    # Between which stamps of the database's content nobody else can have written.
    alone: list[tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=list)
    opened: bool = False
    begun: bool = False
    # How many of the project's own commands have run in the place of Alembic's.
    commands: int = 0

    @property
    def operations(self) -> list[dict[str, Any]]:
        return [event for event in self.told if event["event"] == "operation"]

    @property
    def statements(self) -> list[dict[str, Any]]:
        return [event for event in self.told if event["event"] == "statement"]


class Step:
    """A child that has been started ahead and waits; ``run`` lets it do its next command."""

    def __init__(self, child: process.Child, environment: Environment) -> None:
        self._child = child
        self.environment = environment
        self._events = child.lines()
        self._told = False
        # Part of the run was committed before its end, by an autocommit_block(): that the
        # rest was rolled back does not mean that nothing has changed.
        self.committed = False
        # The revisions of which that was told.
        self.in_part: set[str] = set()
        # What is known of the command that ran last, or is running.
        self.latest: CommandRun | None = None

    @property
    def argv(self) -> tuple[str, ...]:
        return self._child.argv

    @property
    def log(self) -> Path:
        return self._child.log

    def run(
        self, instructions: Instructions, listener: Listener | None = None, *, last: bool = True
    ) -> CommandRun:
        """Let the child run its next command, and follow it to the end.

        :param instructions: those of the first command count for all of its child.
        :param last: no further command follows: wait until the process has ended.
        """
        self.latest = done = CommandRun(started=now())
        begun = time.monotonic()
        self._told = True
        self._child.say(instructions.to_json())
        timeout = self.environment.timeout
        timer = None if timeout is None else self._child.kill_after(timeout)
        try:
            for line in self._events:
                event = self._read(line)
                _note(done, event)
                if listener is not None:
                    listener(event)
                if event["event"] == "committed":
                    self._child.say(GO_ON)  # it waits until this is written down
                if done.finished and not last:
                    break
            if last or not done.finished:
                done.exit = self._child.stop()
        finally:
            if timer is not None:
                timer.cancel()
        done.seconds = round(time.monotonic() - begun, 3)
        if not done.finished and not done.failure and not done.refused:
            done.failure = _ended_silently(done.exit, self.environment.timeout, done.seconds)
            done.failure += _full_disk(self.log.parent)
            done.failed_revision = done.at_work
        return done

    def close(self) -> None:
        """Let the child go: in order if it has worked, at once if it never got orders."""
        if self._told:
            self._child.stop(self._hear)
        else:
            self._child.dismiss()

    def _hear(self, line: bytes) -> None:
        """What it still says when it was told to stop, or has failed."""
        event = self._read(line)
        if self.latest is not None and event["event"] != "failed":
            _note(self.latest, event)

    def _read(self, line: bytes) -> dict[str, Any]:
        try:
            event: dict[str, Any] = json.loads(line)
        except ValueError:
            return {"event": "cut short"}  # killed while it wrote, or interrupted while we read
        if event["event"] == "committed":
            self.committed = True
            self.in_part.add(str(event.get("revision")))
        return event


def _note(done: CommandRun, event: dict[str, Any]) -> None:
    match event["event"]:
        case "opened":
            done.opened, done.begun = True, event["begun"]
        case "started":
            done.at_work = event["revision"]
        case "committed":
            done.torn.append(event["revision"])
        case "wrote":
            done.wrote.append(event["revision"])
        case "apart":
            done.apart.append(event)
        case "done":
            done.at_work = ""
            done.revisions.append(
                RevisionRun(event["revision"], event["seconds"], event["statements"])
            )
        case "operation" | "statement":
            done.told.append(event)
        case "alone":
            done.alone.append((event["since"], event["until"]))
        case "drift":
            done.differences.extend(event["differences"])
        case "finished":
            done.finished = True
        case "failed" if event["kind"] == "refused":
            done.refused = event["message"]
        case "failed" if not done.refused:
            done.failure = _failure(event).removesuffix(".")  # it goes into a sentence
            done.misused = event["kind"] == "usage"
            done.where = event.get("where") or ""
            done.failed_revision = event.get("revision") or ""
            done.sqlstate = event.get("sqlstate") or ""


def _failure(event: dict[str, Any]) -> str:
    if event["kind"] in ("exit", "guard") or event["type"] == "CommandError":
        return str(event["message"])
    if "database is locked" in event["message"]:
        return "the database is locked by another process"
    # SQLAlchemy repeats in brackets which of the driver's errors it stands for.
    message = re.sub(r"^\([\w.]+\) ", "", event["message"])
    return f"{event['type']}: {message}"


def _ended_silently(code: int | None, timeout: float | None, seconds: float) -> str:
    if timeout is not None and seconds >= timeout:
        return f"it took longer than the {timeout:g} seconds that timeout allows, and was killed"
    if code is not None and code < 0:
        return f"the process was killed by signal {-code}"
    return f"the process ended by itself with exit code {code}, before Alembic was done"


def _full_disk(folder: Path) -> str:
    """Python ends with 120 if it cannot write what it has to say; nothing else tells why."""
    import shutil

    with suppress(OSError):
        if shutil.disk_usage(nearest_folder(folder)).free < _TOO_LITTLE:
            return f": there is no room left on the disk of {folder}"
    return ""


def start_step(
    project: Project, environment: Environment, commands: Sequence[Sequence[str]], log: Path
) -> Step:
    """Start a child for Alembic commands, ahead of time: it imports Alembic and waits.

    :raises ConfigurationError: the interpreter cannot be started.
    """
    settings = project.settings
    python = environment.python or running_python()
    argv = [str(python), str(CHILD), *_dialect(project.url(environment))]
    for number, command in enumerate(commands):
        argv += [THEN] if number else []
        argv += [*global_options(settings.alembic, environment), *command]
    try:
        child = process.start(argv, project.variables(environment), environment.directory, log)
    except OSError as error:
        raise ConfigurationError(
            f"The interpreter {python} cannot be started in {environment.directory}:"
            f" {error.strerror}.",
            next=f"Check python and directory of environments.{environment.name}.",
        ) from None
    return Step(child, environment)


def _dialect(url: str) -> list[str]:
    """What the child imports ahead of time, if it is not SQLite's."""
    scheme = url.partition("://")[0]
    return [] if scheme.startswith("sqlite") else [f"{DIALECT}{scheme}"]


def global_options(ini: Path, environment: Environment) -> list[str]:
    """What stands before the command: the ini, its section, and env.py's own arguments."""
    options = ["-c", str(ini)]
    if environment.section != "alembic":
        options += ["-n", environment.section]
    for argument in environment.x:
        options += ["-x", argument]
    return options


def ask_for_history(project: Project, environment: Environment) -> History:
    """The revisions as Alembic itself knows them, for scripts that must be executed to be read.

    :raises OpsError: Alembic cannot load them.
    """
    from migrations_ops.revisions.history import History, Revision

    found: list[Revision] = []

    def listen(event: dict[str, Any]) -> None:
        if event["event"] == "scripts":
            found.extend(
                Revision(
                    each["revision"], tuple(each["down"]), tuple(each["depends_on"]),
                    tuple(each["labels"]), each["file"], each["message"],
                )
                for each in event["revisions"]
            )  # fmt: skip

    log = project.settings.releases / "scripts.log"
    step = start_step(project, environment, [[SCRIPTS]], log)
    run = step.run(instructions_for(project, environment), listen)
    if run.failure:
        raise Refused(
            f"Alembic cannot load the revision scripts: {run.failure}.",
            untouched="No database was touched.",
            next=f"Mend {run.where}" if run.where else f"The log says more: {log}",
        )
    return History.of(found)
