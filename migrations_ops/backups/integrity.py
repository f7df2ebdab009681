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


def is_intact(backup: Backup) -> bool:
    """Whether the backup's file can be read and matches its sidecar."""
    try:
        return file_digest(Path(backup.file)) == backup.sha256
    except OSError:
        return False


def require_intact(backup: Backup) -> None:
    """:raises Refused: the backup's file does not match its sidecar."""
    if file_digest(Path(backup.file)) != backup.sha256:
        raise Refused(
            f"The backup {backup.name} is damaged: its SHA-256 is not the one in its sidecar.",
            untouched="Nothing was changed.",
            next=f"Choose another one: invoke backups --env {backup.environment}",
        )
