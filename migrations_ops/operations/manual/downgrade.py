"""Downgrade: takes revisions back, after a backup."""

from __future__ import annotations

from migrations_ops.journal.recorder import Reporter
from migrations_ops.model.plan import StepName
from migrations_ops.operations.failure.recovery import recover
from migrations_ops.operations.manual.change import change
from migrations_ops.operations.preflight.state import (
    require_changeable,
    require_readable,
)
from migrations_ops.operations.run import Finished, run_recorded
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import DatabaseState, read_state_without_target
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project


def downgrade_environment(
    project: Project, environment: Environment, to: str, reporter: Reporter
) -> Finished:
    """Back up, then take revisions back."""

    def body(session: Session) -> None:
        project.require_startable(environment)
        with session.locked([environment]):
            recover(session, [environment])
            state = read_state_without_target(project, environment)
            require_readable(state)
            require_changeable(state, "downgraded")
            reverting = state.history.reverting(state.inspection.revisions, to)
            if not reverting:
                return
            wanted = _left_after(state, [revision.revision for revision in reverting])
            session.record.update(from_=state.inspection.revisions, to=wanted)
            change(session, state, ["downgrade", to], name=StepName.DOWNGRADE, wanted=wanted)
            session.record.update(outcome="downgraded")

    return run_recorded(project, "downgrade", environment.name, reporter, body)


def _left_after(state: DatabaseState, reverted: list[str]) -> tuple[str, ...]:
    """The content of the version table after these revisions are taken back."""
    history = state.history
    left = history.ancestors(state.inspection.revisions) - set(reverted)
    inner = {parent for name in left for parent in history.parents[name]}
    return tuple(sorted(left - inner))
