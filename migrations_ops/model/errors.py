"""The errors of all tasks: what a refusal or failure prints, and its exit code."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum, auto
from typing import ClassVar


class ExitCode(IntEnum):
    """The exit codes of every task; other programs read them."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    FAILED = 3
    NEEDS_A_PERSON = 4
    LOCKED = 5
    INTERRUPTED = 130


class OpsError(Exception):
    """What happened, what is untouched, and what to type next: a sentence each.

    :param what: what happened, as a sentence.
    :param untouched: what this did not change, as a sentence; may be empty.
    :param next: what to type or do next; may be empty.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.REFUSED

    def __init__(self, what: str, *, untouched: str = "", next: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.untouched = untouched
        self.next = next

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.untouched, self.next) if part)


class ConfigurationError(OpsError):
    """The configuration or the command line is invalid; nothing was started."""

    exit_code = ExitCode.USAGE

    def __init__(self, what: str, *, untouched: str = "", next: str = "") -> None:
        super().__init__(what, untouched=untouched or "Nothing was started.", next=next)


class Refused(OpsError):
    """A check failed or a gate is closed. What it is about was not touched; only the first
    environment of the path may fail verify after an upgrade, and stays upgraded for inspection."""


class StepFailed(OpsError):
    """A step failed, and every database is as it was before the step."""

    exit_code = ExitCode.FAILED


class Memory(Enum):
    """What reminds the tasks that follow of a database that needs a person."""

    RECORD = auto()
    """The record of the task: each later one is refused until a person has resolved it."""
    NEXT_TASK = auto()
    """The record, too: the next task inspects the database, as after a kill, and decides."""
    DATABASE = auto()
    """The database itself: its ledger, or a version that a release continues from."""
    EVIDENCE = auto()
    """The evidence: each release verifies the database before anything else."""


@dataclass(frozen=True, slots=True)
class Unresolved:
    """An environment that a task left to a person.

    ``backup`` brings its content from before back; empty where there is none.
    """

    environment: str
    backup: str = ""


class NeedsAPerson(OpsError):
    """A step failed and left a database in a state that only a person can judge.

    :param memory: where that is remembered.
    :param unresolved: what is, in the record.
    """

    exit_code = ExitCode.NEEDS_A_PERSON

    def __init__(
        self,
        what: str,
        *,
        untouched: str = "",
        next: str = "",
        memory: Memory | None = None,
        unresolved: tuple[Unresolved, ...] = (),
    ) -> None:
        super().__init__(what, untouched=untouched, next=next)
        self.memory = memory
        self.unresolved = unresolved

    def remember(self, memory: Memory, *unresolved: Unresolved) -> NeedsAPerson:
        """Say where this is remembered, unless that is known."""
        if self.memory is None:
            self.memory, self.unresolved = memory, unresolved
        return self


class Locked(OpsError):
    """Another task has locked the database."""

    exit_code = ExitCode.LOCKED


class Interrupted(OpsError):
    """The user pressed Ctrl-C; unfinished work was undone."""

    exit_code = ExitCode.INTERRUPTED
