"""Small file systems of the tests' own."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A file system of that size at a folder, where root may mount one; else the test is skipped.

    :param size: as ``mount`` understands it: ``4k``, ``1m``.
    """
    mount = shutil.which("mount")
    folder.mkdir(parents=True, exist_ok=True)
    options = [mount or "", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    if mount is None or subprocess.run(options, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
