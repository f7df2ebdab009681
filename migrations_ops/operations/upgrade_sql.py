"""``upgrade-NAME --sql``: the SQL of the pending upgrade, without running it."""

from __future__ import annotations

from migrations_ops.journal.recorder import Reporter
from migrations_ops.model.errors import StepFailed
from migrations_ops.operations.manual.alembic_command import print_alembic
from migrations_ops.operations.run import Finished, run_recorded
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import read_state
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project


def write_sql(
    project: Project, environment: Environment, to: str | None, reporter: Reporter
) -> tuple[Finished, str]:
    """The SQL of the pending upgrade, without running it."""
    printed: list[str] = []

    def body(session: Session) -> None:
        state = read_state(project, environment, to)
        session.record.update(from_=state.inspection.revisions, to=state.target.revisions)
        if not state.pending:
            return
        current = ",".join(state.inspection.revisions) or "base"
        target = ",".join(state.target.revisions)
        span = f"{current}:{target}"
        try:
            printed.append(print_alembic(session, environment, ["upgrade", span, "--sql"]))
        except StepFailed as failed:
            plan = f"invoke plan --env {environment.name} --sql"
            raise StepFailed(
                failed.what,
                untouched=failed.untouched,
                next=f"Alembic asks no database here. For what runs on a copy, type: {plan}",
            ) from failed

    finished = run_recorded(
        project, f"upgrade-{environment.name}", environment.name, reporter, body
    )
    return finished, "".join(printed)
