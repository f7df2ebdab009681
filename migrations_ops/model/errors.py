"""The errors of all tasks: what a refusal or failure prints, and its exit code."""

from __future__ import annotations

from enum import IntEnum


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
    :param exit_code: the code that the task ends with.
    """

    def __init__(
        self,
        what: str,
        *,
        untouched: str = "",
        next: str = "",
        exit_code: int = ExitCode.REFUSED,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.untouched = untouched
        self.next = next
        self.exit_code = exit_code

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.untouched, self.next) if part)


class ConfigurationError(OpsError):
    """The configuration or the command line is invalid; nothing was started."""

    def __init__(self, what: str, *, untouched: str = "", next: str = "") -> None:
        super().__init__(
            what,
            untouched=untouched or "Nothing was started.",
            next=next,
            exit_code=ExitCode.USAGE,
        )


class Refused(OpsError):
    """A check failed or a gate is closed. What it is about was not touched; only the first
    environment of the path may fail verify after an upgrade, and stays upgraded for inspection."""


class StepFailed(OpsError):
    """A step failed, and every database is as it was before the step."""

    def __init__(self, what: str, *, untouched: str = "", next: str = "") -> None:
        super().__init__(what, untouched=untouched, next=next, exit_code=ExitCode.FAILED)


class NeedsAPerson(OpsError):
    """A step failed and left a database in a state that only a person can judge."""

    def __init__(self, what: str, *, untouched: str = "", next: str = "") -> None:
        super().__init__(what, untouched=untouched, next=next, exit_code=ExitCode.NEEDS_A_PERSON)


class Locked(OpsError):
    """Another task has locked the database."""

    def __init__(self, what: str, *, untouched: str = "", next: str = "") -> None:
        super().__init__(what, untouched=untouched, next=next, exit_code=ExitCode.LOCKED)


class Interrupted(OpsError):
    """The user pressed Ctrl-C; unfinished work was undone."""

    def __init__(self, what: str, *, untouched: str = "", next: str = "") -> None:
        super().__init__(what, untouched=untouched, next=next, exit_code=ExitCode.INTERRUPTED)
