"""On which file system a folder is, as Linux tells: some end with their container or machine.

https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from migrations_ops.system.files import nearest_folder
from migrations_ops.system.reading import read_bytes

_MOUNTS = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True)
class Mount:
    """A mounted file system: where, and of which type."""

    point: str
    type: str

    @property
    def ends_with(self) -> str:
        """What it ends with; empty where it stays, or where that cannot be known.

        A container's own files are in an overlay that is its root; a volume is mounted below it.
        """
        if self.type in ("overlay", "fuse.fuse-overlayfs") and self.point == "/":
            return "this container"
        return "this machine or container" if self.type in ("tmpfs", "ramfs") else ""


def mount_of(folder: Path, mounts: list[Mount] | None = None) -> Mount | None:
    """The file system that a folder is on, or would be; None where it is unknown.

    :param mounts: those of this machine, unless they are given.
    """
    where = os.path.realpath(nearest_folder(folder))
    found: Mount | None = None
    for each in read_mounts() if mounts is None else mounts:
        is_above = where == each.point or where.startswith(each.point.rstrip("/") + "/")
        # Of two at one point, the later one covers the other.
        if is_above and (found is None or len(each.point) >= len(found.point)):
            found = each
    return found


def read_mounts(file: Path = _MOUNTS) -> list[Mount]:
    """The file systems of this machine, in the order of their mounting; [] where there is no such
    file."""
    found = []
    with suppress(OSError):
        for line in read_bytes(file).splitlines():
            about, _, of_type = line.partition(b" - ")
            fields = about.split(b" ")
            if len(fields) > 4 and of_type:
                point = _ESCAPED.sub(lambda match: bytes([int(match[1], 8)]), fields[4])
                found.append(Mount(os.fsdecode(point), os.fsdecode(of_type.split(b" ")[0])))
    return found
