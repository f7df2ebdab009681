"""Checks that the file of a backup matches its sidecar."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from migrations_ops.databases.interface import Progress
from migrations_ops.model.backup import Backup
from migrations_ops.model.errors import Refused
from migrations_ops.system.reading import open_regular

BLOCK = 256 * 1024


def file_digest(file: Path, progress: Progress | None = None) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits."""
    digest, done = hashlib.sha256(), 0
    with open_regular(file, follow=False) as stream:
        total = os.fstat(stream.fileno()).st_size
        while block := stream.read(BLOCK):
            digest.update(block)
            done += len(block)
            if progress is not None:
                progress(done, total)
    return digest.hexdigest()


def find_damage(file: Path, size: int) -> str:
    """Why a file is not the one that was verified, as far as its size shows; empty if it may be."""
    try:
        found = file.lstat().st_size
    except OSError as error:
        return f"{error.strerror}"
    return "" if found == size else f"it has {found} bytes instead of {size}"


def is_intact(backup: Backup) -> bool:
    """Whether the backup's file can be read and matches its sidecar."""
    try:
        return file_digest(Path(backup.file)) == backup.sha256
    except OSError:
        return False


def require_intact(backup: Backup) -> None:
    """:raises Refused: the backup's file is gone, or does not match its sidecar."""
    file = Path(backup.file)
    if not os.path.lexists(file):
        raise Refused(
            f"The backup {backup.name} is no longer in {file.parent}.",
            untouched="Nothing was changed.",
            next=f"Bring {backup.name} and its sidecar back to {file.parent}.",
        )
    if file_digest(file) != backup.sha256:
        raise Refused(
            f"The backup {backup.name} is damaged: its SHA-256 is not the one in its sidecar.",
            untouched="Nothing was changed.",
            next=f"Choose another one: invoke backups --env {backup.environment}",
        )
