"""Where a database did not end as its copy did in the rehearsal, and who has done it."""

from __future__ import annotations

from migrations_ops.model.findings import CHANGED_MEANWHILE, NOT_AS_REHEARSED, Finding
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.outcome import Rehearsed
from migrations_ops.operations.state import DatabaseState
from migrations_ops.steps.command_run import CommandRun


def find_unlike(
    state: DatabaseState, run: CommandRun, before: Fingerprint, rehearsed: Rehearsed
) -> list[Finding]:
    """What differs from the end of the rehearsal.

    On a server others may make a table, or grant a right, at any time. What the rehearsal left
    alone, though it ran the very same statements, is theirs.

    :param before: what the backup holds that the rehearsal began with.
    """
    has = state.database.fingerprint(state.environment.version_table).schema
    wanted = rehearsed.after.schema
    differing = dict.fromkeys(sorted(key for key, _ in has.items() ^ wanted.items()))
    may_be_theirs = state.database.is_server and _ran_the_same(run, rehearsed)
    return [
        CHANGED_MEANWHILE.found(key, environment=state.environment.name)
        if may_be_theirs and wanted.get(key) == before.schema.get(key)
        else NOT_AS_REHEARSED.found(key)
        for key in differing
    ]


def statements_of(run: CommandRun) -> tuple[str, ...]:
    """What it sent to the database, in that order."""
    return tuple(each.sql for each in run.statements)


def _ran_the_same(run: CommandRun, rehearsed: Rehearsed) -> bool:
    """A record without a statement proves nothing: a revision may use the driver itself."""
    return bool(rehearsed.statements) and statements_of(run) == rehearsed.statements
