"""The preflight: checks everything before anything is changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from migrations_ops.model.text import counted
from migrations_ops.operations.preflight.disk_space import require_disk_space
from migrations_ops.operations.preflight.long_ids import require_short_ids
from migrations_ops.operations.preflight.missing import require_present
from migrations_ops.operations.preflight.obstacles import require_no_obstacles
from migrations_ops.operations.preflight.recordable import require_recordable
from migrations_ops.operations.preflight.runnable import require_readable_scripts, require_runnable
from migrations_ops.operations.preflight.state import require_resolved, require_upgradable
from migrations_ops.operations.preflight.unedited import require_unedited
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import DatabaseState

# The checks of each environment, in order.
_CHECKS: tuple[Callable[[Session, DatabaseState], None], ...] = (
    require_runnable,
    require_resolved,
    require_upgradable,
    require_present,
    require_readable_scripts,
    require_unedited,
    require_short_ids,
    require_no_obstacles,
)


def require_releasable(session: Session, states: Sequence[DatabaseState]) -> str:
    """Refuse states that cannot be released.

    :returns: what is pending in each environment, as text.
    :raises OpsError: the scripts or a database cannot be released; or a variable that a step needs
        is missing.
    """
    for state in states:
        for check in _CHECKS:
            check(session, state)
    require_recordable(session, states)
    require_disk_space(session.project.settings, states)
    return "; ".join(f"{each.environment.name}: {_pending(each)}" for each in states)


def _pending(state: DatabaseState) -> str:
    return (
        f"{counted(len(state.pending), 'revision')} pending" if state.pending else "nothing pending"
    )
