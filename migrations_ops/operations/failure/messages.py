"""How a run of Alembic ended, and what to do then, in words."""

from __future__ import annotations

from migrations_ops.model.text import counted
from migrations_ops.steps.command_run import CommandRun
from migrations_ops.steps.retry import LOCKED

# How SQLite, the system and we ourselves say that nothing could be written any more.
_NO_ROOM = ("disk is full", "disk I/O error", "No space left", "no room left")

# How many of those who were in the way are named.
_SHOWN = 2


def in_revision(run: CommandRun) -> str:
    return f" in revision {run.failed_revision}" if run.failed_revision else ""


def how_it_failed(run: CommandRun | None, failure: str) -> str:
    """:param run: None where somebody interrupted it."""
    if run is None:
        return "was interrupted"
    return f"failed{in_revision(run)}: {failure.removesuffix('.')}"


def what_next(run: CommandRun) -> str:
    """What to do after a failure: wait where another process is in the way, else mend it."""
    if "locked by another process" in run.failure:
        return "Try again when the other process has finished."
    if run.sqlstate in LOCKED:
        tried = f", and it was tried {run.attempts} times" if run.attempts > 1 else ""
        return (
            f"Another session held a lock for the whole time{tried}: nothing is to be mended."
            f"{_holders(run)} Type the same again when it has come to its end."
        )
    if any(sign in run.failure for sign in _NO_ROOM):
        return "See that the disk has room and is well, and try again."
    return f"Mend it and try again{place(run)}."


def _holders(run: CommandRun) -> str:
    """Who was in the way, as far as the server tells: whoever began first, most likely."""
    if not run.holders:
        return ""
    more = f"; and {len(run.holders) - _SHOWN} more" if len(run.holders) > _SHOWN else ""
    return f" In the way last: {'; '.join(run.holders[:_SHOWN])}{more}."


def place(run: CommandRun) -> str:
    return f": {run.where}" if run.where else ""


def ran_to_its_end(run: CommandRun) -> str:
    return "the commands ran to their end" if run.commands else "env.py ran to its end"


def revisions_in_words(run: CommandRun) -> str:
    if run.commands:
        return f"{counted(run.commands, 'command')} of its own; the way back is the backup"
    statements = sum(revision.statements for revision in run.revisions)
    return f"{counted(len(run.revisions), 'revision')}, {counted(statements, 'statement')}"
