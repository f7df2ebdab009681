"""Removes the partial files that killed backups left."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from pathlib import Path

from migrations_ops.backups.naming import BackupNames
from migrations_ops.system.files import PART, this_host
from migrations_ops.system.removal import remove_file

# No running backup goes so long without a write: an older file belongs to a dead process.
_OLD_SECONDS = 3600


def sweep(folder: Path, names: BackupNames) -> None:
    """Remove what killed backups left, even if there were many in the last minute."""
    ours = re.compile(
        rf"{names.pattern}(?:\.(?P<host>\w+)-(?P<process>[0-9]+))?{re.escape(PART)}(?:[-.]\w+)*"
    )
    for leftover in names.files(folder, f"{PART}*"):
        named = ours.fullmatch(leftover.name)
        if named is None:
            continue  # it only looks like one
        with suppress(OSError):
            dead = named["host"] == this_host() and not _is_alive(int(named["process"]))
            # Of another host, or without one: only its age can tell.
            if dead or time.time() - leftover.stat().st_mtime > _OLD_SECONDS:
                remove_file(leftover)


def _is_alive(process: int) -> bool:
    """Whether a process of this host runs, or may run."""
    if os.name == "nt":
        return True  # os.kill, as used here, would end it there
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
