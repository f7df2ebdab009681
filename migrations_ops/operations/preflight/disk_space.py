"""Sums up the disk space that upgrades are about to need, for each file system."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from migrations_ops.backups.space import ELSEWHERE
from migrations_ops.backups.store import BackupStore
from migrations_ops.backups.taking import room_for
from migrations_ops.databases.interface import DatabaseFile
from migrations_ops.model.errors import Refused
from migrations_ops.model.text import human_size
from migrations_ops.operations.state import DatabaseState
from migrations_ops.project.settings import Settings
from migrations_ops.system.files import nearest_folder

# How much of its size a database may grow by, with its journal or -wal, while it is upgraded. One
# that rebuilds its largest table grows by more; the rehearsal then finds out on the copy.
GROWTH = 10


@dataclass(frozen=True)
class Need:
    """A number of bytes that is needed in a folder, and the purpose."""

    folder: Path
    size: int
    purpose: str


def require_disk_space(settings: Settings, states: Sequence[DatabaseState]) -> None:
    """Check, before anything is changed, that there is enough space.

    :raises Refused: a file system lacks the space for upgrading these environments.
    """
    for needed_at_once in phases(settings, states):
        shortage = find_shortage(needed_at_once)
        if shortage:
            raise Refused(shortage, untouched="No database was touched.", next=ELSEWHERE)


def phases(settings: Settings, states: Iterable[DatabaseState]) -> list[list[Need]]:
    """What is needed at once: the backups and what the upgrades add, with the largest copy for a
    rehearsal; and with the largest restore that undoes an upgrade. A copy is removed before the
    upgrade, and the first restore ends the release."""
    pending = [state for state in states if state.pending and state.exists]
    throughout: list[Need] = []
    rehearsals: list[Need] = []
    restores: list[list[Need]] = []
    for state in pending:
        name, size = state.environment.name, state.database.size()
        store = BackupStore.of(settings, state.environment)
        throughout.append(
            Need(store.folder, room_for(store, state.database), f"the backup of {name}")
        )
        if not isinstance(state.database, DatabaseFile):
            continue  # its disk is its server's
        growth = size // GROWTH
        throughout.append(Need(state.database.folder, growth, f"the journal of {name}"))
        restores.append(
            [
                Need(store.folder, size + growth, f"what a restore of {name} keeps"),
                # All of its pages are replaced in one transaction.
                Need(state.database.folder, size + growth, "its journal"),
            ]
        )
        if settings.is_rehearsed(state.environment):
            rehearsals.append(Need(settings.releases, size + growth, f"the rehearsal of {name}"))
    rehearsal = sorted(rehearsals, key=lambda need: need.size)[-1:]
    restore = max(restores, key=lambda needs: needs[0].size, default=[])
    return [[*throughout, *rehearsal], [*throughout, *restore]]


def find_shortage(wanted: Iterable[Need]) -> str:
    """Describe a file system that is too small; empty if none is."""
    import shutil

    by_device: dict[int, list[Need]] = {}
    for need in wanted:
        if need.size:
            device = os.stat(nearest_folder(need.folder)).st_dev
            by_device.setdefault(device, []).append(need)
    for together in by_device.values():
        folder = nearest_folder(together[0].folder)
        total, free = sum(need.size for need in together), shutil.disk_usage(folder).free
        if free < total:
            parts = ", ".join(f"{human_size(need.size)} for {need.purpose}" for need in together)
            return (
                f"There is not enough space on the disk of {folder}: {human_size(total)} are needed"
                f" ({parts}), and {human_size(free)} are free."
            )
    return ""
