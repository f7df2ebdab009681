"""Gives a database that was copied its new identity."""

from __future__ import annotations

from migrations_ops.journal.recorder import Reporter
from migrations_ops.model.ledger import LedgerEntry
from migrations_ops.model.plan import StepName
from migrations_ops.operations.backup import back_up
from migrations_ops.operations.failure.recovery import (
    recover,
)
from migrations_ops.operations.preflight.state import require_readable
from migrations_ops.operations.run import Finished, run_recorded
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import locate
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project


def adopt_environment(project: Project, environment: Environment, reporter: Reporter) -> Finished:
    """Give a database that was copied a new identity: from now on it is this environment."""

    def body(session: Session) -> None:
        with session.locked([environment]):
            recover(session, [environment])
            located = locate(project, environment)
            require_readable(located)
            was = located.inspection.environment
            if was == environment.name:
                return
            back_up(session, located)
            with session.record.step(StepName.ADOPT, environment.name) as step:
                entry = LedgerEntry(environment.name, environment.version_table, adopt=True)
                located.database.add_to_ledger(entry)
                step.summary = f"it was {was}" if was else "it had no ledger"
            session.record.update(outcome="adopted")

    return run_recorded(project, "adopt", environment.name, reporter, body)
