"""Messages about a child's run: how it ended, and what to do about its failure."""

from __future__ import annotations

import re

from migrations_ops.model.errors import Interrupted, OpsError, Refused, StepFailed
from migrations_ops.model.text import counted
from migrations_ops.steps.command_run import CommandRun

# Error texts of SQLite, the system and this tool for a full disk or an I/O error.
_NO_ROOM = ("disk is full", "disk I/O error", "No space left", "no room left")
# SQLite's error if its ALTER TABLE does not support what a revision asks for.
_NEEDS_BATCH = tuple(f'near "{word}": syntax error' for word in ("ALTER", "CONSTRAINT", "MODIFY"))
_BATCH = (
    "SQLite cannot alter a column or a constraint in place: write it with op.batch_alter_table();"
    " render_as_batch=True in env.py makes autogenerate do so."
)

# SQLite checks every view when a table is renamed, as a batch does at its end.
_VIEW = re.compile(r"error in view ([^\s:]+)")

AGAIN = "Run the same command again."
# The maximum number of blocking sessions to name.
MOST_HOLDERS = 2


def in_revision(run: CommandRun) -> str:
    return f" in revision {run.failed_revision}" if run.failed_revision else ""


def how_it_failed(run: CommandRun | None, failure: str) -> str:
    """:param run: None where the user interrupted it."""
    if run is None:
        return "was interrupted"
    return f"failed{in_revision(run)}: {failure.removesuffix('.')}"


def advice_on_run(run: CommandRun) -> str:
    """What to do after a failure: wait where another process is in the way, else fix it."""
    if "locked by another process" in run.failure:
        return "Try again when the other process has finished."
    if run.locked:
        tried = f", and it was tried {run.attempts} times" if run.attempts > 1 else ""
        return (
            f"Another session held a lock for the whole time{tried}: nothing needs to be fixed."
            f"{_holders(run)} Run the same command again when it has {_finished(run)}."
        )
    if any(sign in run.failure for sign in _NO_ROOM):
        return "Make sure that the disk has free space and works, and try again."
    batch = f" {_BATCH}" if any(sign in run.failure for sign in _NEEDS_BATCH) else ""
    view = _advice_on_view(run.failure)
    return f"Fix it and try again{_place(run)}.{batch}{view}{f' {run.next}' if run.next else ''}"


def _advice_on_view(failure: str) -> str:
    """A batch drops the table that it rebuilds, and a view that reads it has nothing to read."""
    found = _VIEW.search(failure)
    if not found:
        return ""
    return (
        f" In the revision, drop the view {found[1]} before the table is changed, and create it"
        " again after."
    )


def _holders(run: CommandRun) -> str:
    """The blocking sessions, as far as the server reports; probably those that started first."""
    if not run.holders:
        return ""
    more = (
        f"; and {len(run.holders) - MOST_HOLDERS} more" if len(run.holders) > MOST_HOLDERS else ""
    )
    return f" Last blocked by: {'; '.join(run.holders[:MOST_HOLDERS])}{more}."


def _finished(run: CommandRun) -> str:
    """What was prepared for a commit in two phases does not finish by itself."""
    return "been ended" if any("ROLLBACK" in each for each in run.holders) else "finished"


def _place(run: CommandRun) -> str:
    return f": {run.where}" if run.where else ""


def finished_in_words(run: CommandRun) -> str:
    return "the commands finished" if run.own_commands else "env.py finished"


def revisions_in_words(run: CommandRun) -> str:
    if run.own_commands:
        return f"{counted(run.own_commands, 'command')} of its own; the way back is the backup"
    statements = sum(revision.statements for revision in run.revisions)
    return f"{counted(len(run.revisions), 'revision')}, {counted(statements, 'statement')}"


def run_stopped(
    subject: str, run: CommandRun | None, why: str, *, untouched: str, next: str
) -> OpsError:
    """The error for a child's run that was interrupted, refused, or failed.

    :param subject: ``the upgrade of prod``.
    :param why: empty where the user interrupted it.
    """
    begin = f"{subject[0].upper()}{subject[1:]}"
    if run is None or not why:
        return Interrupted(f"{begin} was interrupted.", untouched=untouched, next=AGAIN)
    if run.refused:
        return Refused(f"{begin} was refused: {run.refused}.", untouched=untouched, next=next)
    what = f"{begin} failed{in_revision(run)}: {why.removesuffix('.')}."
    return StepFailed(what, untouched=untouched, next=next)
