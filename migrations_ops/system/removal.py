"""Removes our own files: a regular file, by a plain name, in the folder that was looked at.

A folder is opened once. What is read and removed through its handle lies in it, whatever its path
leads to by then, and nothing is removed once the path leads elsewhere. Windows has no such handles:
there the same is checked by path, right before the removal.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migrations_ops.system.reading import read_json

_HANDLES = os.unlink in os.supports_dir_fd


@dataclass(frozen=True)
class OpenFolder:
    """A folder that stays the same while it is open."""

    path: Path
    _handle: int | None
    _opened: os.stat_result

    def names(self) -> list[str]:
        return os.listdir(self.path if self._handle is None else self._handle)

    def is_regular(self, name: str) -> bool:
        """Whether a regular file has this name; one that leads out of the folder is none."""
        if name in ("", os.curdir, os.pardir) or os.path.basename(name) != name:
            return False
        try:
            found = os.lstat(self._file(name), dir_fd=self._handle)
        except (OSError, ValueError):
            return False
        return stat.S_ISREG(found.st_mode)

    def read_json(self, name: str) -> Any:
        """The document of one of our files; None if it is none."""
        return read_json(self._file(name), self._handle) if self.is_regular(name) else None

    def remove(self, name: str) -> None:
        """Remove a file.

        :raises FileNotFoundError: it is gone.
        :raises OSError: it is not a regular file of this folder, or cannot be removed.
        """
        if not self.is_regular(name):
            if not os.path.lexists(self.path / name):
                raise FileNotFoundError(errno.ENOENT, "it is gone", name)
            raise OSError(errno.EINVAL, "it is not a regular file", name)
        if not os.path.samestat(os.stat(self.path), self._opened):
            raise OSError(errno.ESTALE, "another folder has taken the place of its own", name)
        os.unlink(self._file(name), dir_fd=self._handle)

    def _file(self, name: str) -> str:
        return name if self._handle is not None else os.path.join(self.path, name)


@contextmanager
def open_folder(path: Path, *, follow: bool = True) -> Iterator[OpenFolder]:
    """Open a folder.

    :param follow: whether a link stands for the folder that it leads to: one that the configuration
        names may be a link, one that the tool makes is none.
    :raises OSError: it is not a folder.
    """
    found = os.stat(path, follow_symlinks=follow)
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "it is not a folder", str(path))
    if not _HANDLES:
        yield OpenFolder(path, None, found)
        return
    flags = os.O_RDONLY | os.O_DIRECTORY | (0 if follow else os.O_NOFOLLOW)
    handle = os.open(path, flags)
    try:
        yield OpenFolder(path, handle, os.fstat(handle))
    finally:
        os.close(handle)


def remove_file(file: Path) -> None:
    """Remove a regular file; the errors are those of :meth:`OpenFolder.remove`."""
    with open_folder(file.parent) as folder:
        folder.remove(file.name)
