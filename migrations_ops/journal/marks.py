"""Marks which tasks are running and which were killed.

Each task has a mark, an empty file that exists from before the first line of its record until after
the last. Its owner keeps it locked, so that a mark without a lock means that its owner is dead. The
folder of the marks is nearly always empty, so finding them costs one listing, however many records
there are.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from migrations_ops.journal.ids import ids_in
from migrations_ops.system.files import flush_folder, make_folder, open_own
from migrations_ops.system.reading import open_regular
from migrations_ops.system.removal import remove_file

_MARKS = ".unfinished"


class Mark:
    """The mark of one task."""

    def __init__(self, releases: Path, name: str) -> None:
        self._file = releases / _MARKS / name
        self._descriptor: int | None = None

    def create_mark(self) -> None:
        """:raises FileExistsError: another task has this name.
        :raises OSError: the mark cannot be created.
        """
        if self._descriptor is not None:
            return
        make_folder(self._file.parent)
        while True:
            descriptor = open_own(self._file, os.O_RDWR | os.O_EXCL)
            _lock(descriptor)
            if self._is_that(descriptor):
                break
            os.close(descriptor)  # another process has just taken it for that of a killed task
        self._descriptor = descriptor
        flush_folder(self._file.parent)

    def _is_that(self, descriptor: int) -> bool:
        """Whether the file that is open has the name of the mark."""
        try:
            return os.path.samestat(os.fstat(descriptor), self._file.lstat())
        except OSError:
            return False

    def close_mark(self, *, finished: bool) -> None:
        """Remove the mark of a task that has ended; it stays if the record could not be
        finished."""
        if self._descriptor is None:
            return
        if finished:
            _remove(self._file)
        os.close(self._descriptor)
        self._descriptor = None
        if finished:
            _remove(self._file)  # Windows removes no file that is open


def _lock(descriptor: int) -> None:
    """Lock a new mark. Another process that looks locks it for an instant.

    Where no file can be locked at all, the task counts as killed while it works; a task that would
    finish or undo it waits for its database.
    """
    for _ in range(50):
        if _try_lock(descriptor):
            break
        time.sleep(0.002)


def marked(releases: Path) -> list[str]:
    """The names of the tasks that have a mark, oldest first."""
    return ids_in(releases / _MARKS)


def mark_of(releases: Path, name: str) -> Path:
    return releases / _MARKS / name


def is_running(releases: Path, name: str) -> bool:
    """Whether the owner of a mark is alive."""
    try:
        with open_regular(mark_of(releases, name), follow=False) as mark:
            # Closing it gives the lock back, too.
            return not _try_lock(mark.fileno(), shared=True)
    except OSError:
        return False


def find_running(releases: Path) -> list[str]:
    """The names of the tasks whose owners are alive, oldest first."""
    return [name for name in marked(releases) if is_running(releases, name)]


def remove_dead_mark(releases: Path, name: str) -> None:
    """Remove a mark whose owner is dead, though it had not written its record yet.

    An owner that is alive either has locked it, or finds out that it is gone when it does.
    """
    file, is_dead = mark_of(releases, name), False
    with suppress(OSError), open_regular(file, follow=False) as mark:
        is_dead = _try_lock(mark.fileno())
        if is_dead:
            _remove(file)
    if is_dead and os.name == "nt":
        _remove(file)  # Windows removes no file that is open


def remove_mark(releases: Path, name: str) -> None:
    """Remove the mark of a killed task that needs no recovery any longer."""
    _remove(mark_of(releases, name))


def _remove(mark: Path) -> None:
    """Remove a mark; a file with content is not a mark, and stays."""
    with suppress(OSError):
        if not mark.lstat().st_size:
            remove_file(mark)


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int, *, shared: bool = False) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _try_lock(descriptor: int, *, shared: bool = False) -> bool:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
