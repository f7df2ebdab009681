"""Restores a backup on request, after a safety backup, and proves the result."""

from __future__ import annotations

from dataclasses import replace

from migrations_ops.backups.store import BackupStore
from migrations_ops.journal.recorder import Reporter
from migrations_ops.model.backup import Backup
from migrations_ops.model.errors import NeedsAPerson, OpsError
from migrations_ops.model.plan import EnvironmentPlan, StepName
from migrations_ops.operations.failure.reconcile import undo_failed_restore
from migrations_ops.operations.failure.recovery import close_interrupted, report_resumed_restores
from migrations_ops.operations.plan.steps import list_steps
from migrations_ops.operations.restore import restore_and_prove
from migrations_ops.operations.run import Finished, run_recorded
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import locate
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project


def plan_restore(project: Project, environment: Environment, backup: Backup) -> EnvironmentPlan:
    """What a restore of this backup would do."""
    plan = list_steps(project, environment, [(StepName.BACK_UP, ()), (StepName.RESTORE, ())])
    return replace(plan, to=backup.revisions, backup=backup.name)


def restore_environment(
    project: Project, environment: Environment, name: str, reporter: Reporter
) -> Finished:
    """Restore a backup, after a safety backup, and prove it."""

    def body(session: Session) -> None:
        project.other_identities(environment)
        with session.locked([environment]):
            report_resumed_restores(session, environment)
            backup = BackupStore.of(project.settings, environment).find(name)
            located = locate(project, environment)
            session.record.update(from_=located.inspection.revisions, to=backup.revisions)
            try:
                restore_and_prove(session, environment, backup)
            except NeedsAPerson:
                raise
            except (OpsError, OSError, KeyboardInterrupt) as error:
                raise undo_failed_restore(session, located, backup, error) from error
            close_interrupted(session, environment, backup)
            session.record.update(outcome="restored")

    return run_recorded(project, "restore", environment.name, reporter, body)
