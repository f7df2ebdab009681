"""``upgrade-NAME --or-wait``: of several replicas that start at once, one releases, and the others
wait for the lock. Who gets it next finds nothing to do; or takes over, where that one was killed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from migrations_ops.journal.evidence import Evidence
from migrations_ops.journal.ids import ids_in
from migrations_ops.journal.record import TaskRecord, read_record
from migrations_ops.journal.unfinished import find_unfinished
from migrations_ops.model.errors import Refused
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import DatabaseState, read_state
from migrations_ops.project.environments import Environment

_FAILED = frozenset({"failed, unchanged", "failed, restored", "refused"})


@dataclass(frozen=True)
class TasksBefore:
    """The tasks that a replica finds recorded here before it waits: all, and those running."""

    known: frozenset[str]
    running: frozenset[str]

    @classmethod
    def read(cls, releases: Path) -> TasksBefore:
        unfinished = [each.record for each in find_unfinished(releases) if each.running]
        running = (each.id for each in unfinished if isinstance(each, TaskRecord))
        return cls(frozenset(ids_in(releases)), frozenset(running))

    def ended_since(self, releases: Path) -> Iterable[TaskRecord]:
        """The records of those that have ended meanwhile, newest first."""
        for name in reversed(ids_in(releases)):
            if name in self.running or name not in self.known:
                record = read_record(releases / name)
                if isinstance(record, TaskRecord) and record.outcome is not None:
                    yield record


def is_released(
    session: Session, environment: Environment, to: str | None, before: TasksBefore
) -> bool:
    """Whether nothing is left to do, once the lock is there and nothing had to be recovered.

    :raises Refused: another replica has tried it meanwhile, and failed: it would fail again.
    """
    state, releases = (
        read_state(session.project, environment, to),
        session.project.settings.releases,
    )
    if state.kind == "at head" and not Evidence(releases).unverified(environment):
        session.record.update(from_=state.inspection.revisions, to=state.target.revisions)
        return True
    for record in before.ended_since(releases):
        if failed_at(record, environment.name):
            raise _refused(record, state)
    return False


def failed_at(record: TaskRecord, environment: str) -> bool:
    """Whether a task has tried to upgrade an environment, and failed. One that found it locked has
    not begun, and one that was interrupted would have gone on."""
    return record.outcome in _FAILED and any(
        step.environment in (environment, "all") for step in record.steps
    )


def _refused(record: TaskRecord, state: DatabaseState) -> Refused:
    name = state.environment.name
    return Refused(
        f"{record.title} has not released {name} ({record.outcome}): it is {state.kind}.",
        untouched=f"This task has not touched {name}.",
        next=f"See what stopped it: invoke releases --show {record.id}",
    )
