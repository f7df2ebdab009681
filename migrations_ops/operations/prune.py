"""Removes the backups beyond what is kept, on demand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from migrations_ops.backups import retention
from migrations_ops.backups.store import BackupStore
from migrations_ops.journal.past import Past
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project


@dataclass(frozen=True, slots=True)
class Pruned:
    """The names of the backups that went. With ``unclear`` none could: the record of an
    interrupted task, which names the backups that it needs, cannot be read."""

    removed: tuple[str, ...]
    unclear: bool


def prune_backups(project: Project, environments: Iterable[Environment], *, dry: bool) -> Pruned:
    """Remove the oldest backups beyond what is kept.

    :param dry: whether only to tell which these are.
    :raises StepFailed: some could not be removed.
    """
    settings = project.settings
    past = Past.read(settings.releases)
    choose = retention.surplus if dry else retention.prune
    stores = [BackupStore.of(settings, environment) for environment in environments]
    removed = tuple(backup.name for store in stores for backup in choose(store, past))
    return Pruned(removed, past.unclear)
