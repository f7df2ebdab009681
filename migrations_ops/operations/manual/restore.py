"""Puts a backup back by hand, after a safety backup, and proves the result."""

from __future__ import annotations

from dataclasses import replace

from migrations_ops.backups.store import BackupStore
from migrations_ops.journal.recorder import Report
from migrations_ops.model.backup import Backup
from migrations_ops.model.plan import EnvironmentPlan, StepName
from migrations_ops.operations.failure.recovery import (
    overrule,
    report_resumed_restores,
)
from migrations_ops.operations.locks import lock_databases
from migrations_ops.operations.plan import list_steps
from migrations_ops.operations.restore import restore_and_prove
from migrations_ops.operations.run import Finished, run_recorded
from migrations_ops.operations.session import Session
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project


def plan_restore(project: Project, environment: Environment, backup: Backup) -> EnvironmentPlan:
    """What a restore of this backup would do."""
    plan = list_steps(project, environment, [(StepName.BACK_UP, ()), (StepName.RESTORE, ())])
    return replace(plan, to=backup.revisions, backup=backup.name)


def restore_environment(
    project: Project, environment: Environment, name: str, report: Report
) -> Finished:
    """Put a backup back, after a safety backup, and prove it."""

    def body(session: Session) -> None:
        database = project.database(environment)
        project.others(environment)
        with lock_databases([database], "restore", project.settings.wait):
            report_resumed_restores(session, environment)
            backup = BackupStore.of(project.settings, environment).find(name)
            session.record.update(
                from_=database.look(environment.version_table).revisions, to=backup.revisions
            )
            restore_and_prove(session, environment, backup)
            overrule(session, environment)
            session.record.update(outcome="restored")

    return run_recorded(project, "restore", environment.name, report, body)
