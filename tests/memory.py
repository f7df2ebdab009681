"""Where the tests keep what does not have to last: in memory, where there is plenty of it."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress

MEMORY = "/dev/shm"
# Two workers with three servers each, and the folders of their tests, come to a third of it.
ROOM = 4 * 1024**3


def temporary_root() -> str | None:
    """A folder in memory, half of the time of a test on a disk being spent on flushing.

    None where there is none, or little room, or where no program may be started from it.
    """
    with suppress(OSError, AttributeError):
        executable = not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC
        roomy = shutil.disk_usage(MEMORY).free >= ROOM
        if executable and roomy and os.access(MEMORY, os.W_OK):
            return MEMORY
    return None
