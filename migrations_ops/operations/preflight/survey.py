"""The preflight: everything is looked at before anything is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from migrations_ops.model.plan import StepName
from migrations_ops.model.text import counted
from migrations_ops.operations.preflight.disk_space import require_disk_space
from migrations_ops.operations.preflight.edited import require_unedited
from migrations_ops.operations.preflight.missing import require_present
from migrations_ops.operations.preflight.obstacles import require_no_obstacles
from migrations_ops.operations.preflight.recordable import require_recordable
from migrations_ops.operations.preflight.runnable import require_readable_scripts, require_runnable
from migrations_ops.operations.preflight.state import require_upgradable
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import DatabaseState, read_state
from migrations_ops.project.environments import Environment

# What has to hold of each environment, in the order in which it is asked.
_CHECKS: tuple[Callable[[Session, DatabaseState], None], ...] = (
    require_runnable,
    require_upgradable,
    require_present,
    require_readable_scripts,
    require_unedited,
    require_no_obstacles,
)


def preflight(
    session: Session, environments: Iterable[Environment], to: str | None
) -> list[DatabaseState]:
    """Read the state of each environment, and refuse what cannot be released from there.

    :param to: the target instead of the configured one.
    :raises OpsError: the scripts, or a database, are in no state to be released; or a variable
        that a step needs is missing.
    """
    path = list(environments)
    about = path[0].name if len(path) == 1 else "all"
    with session.record.step(StepName.PREFLIGHT, about) as step:
        states = [read_state(session.project, environment, to) for environment in path]
        for state in states:
            for check in _CHECKS:
                check(session, state)
        require_recordable(session, states)
        require_disk_space(session.project.settings, states)
        session.record.update(from_=states[-1].look.revisions, to=states[-1].target)
        step.note = "; ".join(f"{each.environment.name}: {_pending(each)}" for each in states)
        return states


def _pending(state: DatabaseState) -> str:
    return (
        f"{counted(len(state.pending), 'revision')} pending" if state.pending else "nothing pending"
    )
