"""``wait``: until a database is at head, for what starts before its migration has ended."""

from __future__ import annotations

import time
from collections.abc import Sequence

from migrations_ops.databases.answers import answered_until
from migrations_ops.journal.record import TaskRecord
from migrations_ops.journal.unfinished import find_unfinished
from migrations_ops.model.errors import Refused
from migrations_ops.model.status import EnvironmentStatus, StatusReport
from migrations_ops.operations.status import read_status
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project

# How long, in seconds, between two inspections: at first, and at most.
_FIRST, _MOST = 0.1, 2.0
# Recorded tasks that read a database, or a copy of it.
_CHANGE_NOTHING = frozenset({"backup", "plan"})


def wait_until_at_head(
    project: Project, environment: Environment, timeout: float, *, is_behind_ok: bool = False
) -> StatusReport:
    """Inspect a database again and again, until it is at its target. Nothing is changed.

    A database that cannot be reached, or is not there yet, may come up.

    :param timeout: in seconds; 0 inspects it once.
    :param is_behind_ok: whether revisions may be pending, for code that runs before them.
    :raises Refused: it is not at head when the time is over.
    :raises OpsError: the configuration or the scripts cannot be read, which no waiting changes.
    """
    enough = ("at head", "behind") if is_behind_ok else ("at head",)
    until, pause = time.monotonic() + timeout, _FIRST
    while True:
        with answered_until(until):
            report = read_status(project, [environment])
        [row] = report.environments
        is_changing = is_being_changed(project, environment)
        if row.state in enough and not is_changing:
            return report
        if time.monotonic() >= until:
            raise _not_there(row, timeout, enough, is_changing=is_changing)
        time.sleep(min(pause, max(0.0, until - time.monotonic())))
        pause = min(pause * 2, _MOST)


def is_being_changed(project: Project, environment: Environment) -> bool:
    """Whether a task that changes the environment has not ended: it may yet take that back.

    Only the tasks that are recorded here are known, not those of another machine. One that changes
    nothing has nothing to take back, even if it was killed.
    """
    unfinished = (each.record for each in find_unfinished(project.settings.releases))
    return any(
        isinstance(record, TaskRecord)
        and record.task not in _CHANGE_NOTHING
        and environment.name in record.left_open
        for record in unfinished
    )


def _not_there(
    row: EnvironmentStatus, timeout: float, enough: Sequence[str], *, is_changing: bool
) -> Refused:
    why = f": {row.trouble.removesuffix('.')}" if row.trouble else ""
    if row.state in enough and is_changing:
        state = f"{row.state}, but a task that changes it has not ended"
    else:
        state = f"{row.state}, not {' or '.join(enough)}{why}"
    return Refused(
        f"After {timeout:g} s, {row.name} ({row.database}) is {state}.",
        untouched="Nothing was changed.",
        next=f"To see more: invoke status --env {row.name}",
    )
