"""Checks whether the folder can take another backup: its permissions and its free space."""

from __future__ import annotations

import os

from migrations_ops.backups.store import BackupStore
from migrations_ops.databases.interface import Database
from migrations_ops.model.text import human_size
from migrations_ops.system.files import nearest_folder
from migrations_ops.system.reading import what_else

ELSEWHERE = "Free disk space there, or set backups in the configuration to another folder."
OPEN_IT = (
    "Check what it is and its permissions, or set backups in the configuration to another folder."
)


def find_obstacle(store: BackupStore, database: Database) -> str:
    """Why a backup could not be taken now, as a sentence; empty if no reason is known."""
    import shutil

    closed = find_closed(store)
    if closed:
        return closed
    needed = size_of_next(store, database)
    free = shutil.disk_usage(nearest_folder(store.folder)).free
    if free < needed:
        return (
            f"The backup of {store.environment.name} needs {human_size(needed)} in"
            f" {store.folder}, and {human_size(free)} are free."
        )
    return ""


def find_closed(store: BackupStore) -> str:
    """Why nothing can be written into the folder, as a sentence; empty if it can."""
    folder = nearest_folder(store.folder)
    if not folder.is_dir():
        return (
            f"The folder for backups, {store.folder}, cannot be used:"
            f" {folder} is {what_else(folder) or 'a file'}."
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"The folder for backups, {store.folder}, may not be written."
    return ""


def size_of_next(store: BackupStore, database: Database) -> int:
    """The size of the next backup in bytes; for a server, an estimate.

    Its dump is compressed and has no indexes: a quarter of 1 GB, measured. Too low an estimate ends
    with a failed backup; too high a one would refuse a backup that fits.
    """
    size = database.size()
    if not database.is_server:
        return size
    newest = store.latest_sidecar()
    return max(newest.size * 3 // 2, size // 10) if newest else size // 2
