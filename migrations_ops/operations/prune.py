"""Retention: removes the backups beyond what is kept, on demand and at the end of a task."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from migrations_ops.backups import retention
from migrations_ops.backups.store import BackupStore
from migrations_ops.journal.backup_uses import BackupUses
from migrations_ops.journal.marks import find_running
from migrations_ops.journal.unfinished import find_lost
from migrations_ops.model.backup import Pruned
from migrations_ops.model.errors import OpsError, StepFailed
from migrations_ops.model.findings import BACKUPS_KEPT
from migrations_ops.model.outcome import LEFT_UNCHANGED, ReleaseResult
from migrations_ops.model.plan import StepName
from migrations_ops.operations.locks import lock_databases
from migrations_ops.operations.session import Session
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project


def prune_backups(project: Project, environments: Iterable[Environment], *, dry: bool) -> Pruned:
    """Remove the oldest backups beyond what is kept; none while a task is running, which may have
    chosen a backup that its record does not name yet, and prunes when it ends.

    :param dry: whether only to list them.
    :raises StepFailed: some could not be removed.
    """
    settings = project.settings
    obstacle = _find_obstacle(settings.releases)
    if obstacle:
        return Pruned((), obstacle)
    uses = BackupUses.read(settings.releases)
    choose = retention.surplus if dry else retention.prune
    stores = [BackupStore.of(settings, environment) for environment in environments]
    removed = tuple(backup.name for store in stores for backup in choose(store, uses))
    return Pruned(removed)


def _find_obstacle(releases: Path) -> str:
    if running := find_running(releases):
        return f"task {running[0]} is running, and may need any of them"
    if find_lost(releases):
        return "the record of a task that was interrupted cannot be read; see invoke releases"
    return ""


def prune(session: Session, environments: Iterable[Environment]) -> None:
    """Apply retention once everything new is safe. A failure here undoes nothing."""
    settings = session.project.settings
    uses = BackupUses.read(settings.releases, session.record.result.backups)
    for environment in environments:
        try:
            retention.prune(BackupStore.of(settings, environment), uses)
        except StepFailed as error:
            with session.record.step(StepName.PRUNE, environment.name) as step:
                step.summary = "old backups stay"
                kept = BACKUPS_KEPT.found(environment.name, reason=error.what)
                session.record.add_findings([kept])


def prune_after_failure(project: Project, result: ReleaseResult) -> None:
    """Prune the backups of failed attempts, so that releases that fail in a loop do not fill the
    disk.

    The backups of good releases stay, and nothing is removed while another task is running: that
    one prunes when it ends.
    """
    if result.outcome not in LEFT_UNCHANGED:
        return
    settings = project.settings
    taking = {
        step.environment
        for step in result.steps
        if step.name in (StepName.BACK_UP, StepName.RESTORE)
    }
    for environment in settings.path:
        if environment.name not in taking:
            continue
        with (
            suppress(OpsError, OSError),
            lock_databases([project.database(environment)], "prune", 0),
        ):
            uses = BackupUses.read(settings.releases, result.backups)
            store = BackupStore.of(settings, environment)
            retention.prune(store, uses, failed_only=True)
