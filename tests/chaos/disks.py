"""A disk that is really full: a small one in memory, under the databases and their backups."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_SIZE = "64m"
_BALLAST = "ballast"


@functools.cache
def can_mount() -> bool:
    """Whether this user may mount a disk here; few may, and none on some platforms."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as folder:
        mounted = _mount(Path(folder))
        if mounted:
            unmount(Path(folder))
        return mounted


def put_on_small_disk(folder: Path, free: int) -> None:
    """Move a folder's content to a disk with so many bytes left."""
    aside = folder.with_name(f"{folder.name}-aside")
    folder.rename(aside)
    folder.mkdir()
    if not _mount(folder):
        raise AssertionError(f"{folder} could not be mounted")
    try:
        shutil.copytree(aside, folder, dirs_exist_ok=True)
        shutil.rmtree(aside)
        with (folder / _BALLAST).open("wb") as ballast:
            ballast.write(bytes(max(0, shutil.disk_usage(folder).free - free)))
    except BaseException:
        unmount(folder)
        raise


def make_room(folder: Path) -> None:
    """What a person does when a disk is full."""
    (folder / _BALLAST).unlink(missing_ok=True)


def take_from_small_disk(folder: Path) -> None:
    """Put the content back where it was, and give the disk up."""
    aside = folder.with_name(f"{folder.name}-aside")
    shutil.copytree(folder, aside)
    unmount(folder)
    folder.rmdir()
    aside.rename(folder)


def unmount(folder: Path) -> None:
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _mount(folder: Path) -> bool:
    argv = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "none", str(folder)]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0
