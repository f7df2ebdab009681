"""Reports between which two moments no process but the upgrade can have written.

What differs from the backup afterwards is then the upgrade's doing, and not an application's.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import Any

from ..channel import Events
from ..driver import ask_driver
from ..protocol.events import SoleWriter

# A file system's clock ticks every few milliseconds, here in seconds: a write within the same tick
# as ours would leave the same time stamp.
TICK = 0.015

Stamp = dict[str, int]


class SoleWriterTransaction:
    """Follows one transaction, from its write lock to its commit."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._since: Stamp | None = None
        self._file = ""

    def begins(self, file: str) -> None:
        """The transaction has got the write lock: from now on no other process commits."""
        self._file, self._since = file, stamp_of(file)

    def commit(self, connection: Any) -> None:
        """Commit, and report it, unless another process has written right afterwards."""
        # It changes whenever another connection commits: https://www.sqlite.org/pragma.html
        version = ask_driver(connection, "PRAGMA data_version")
        ask_driver(connection, "COMMIT")
        until = stamp_of(self._file)
        time.sleep(TICK)
        if ask_driver(connection, "PRAGMA data_version") == version:
            self._events.emit(SoleWriter(self._since, until))


def stamp_of(file: str) -> Stamp:
    """A cheap sign of a SQLite file's content, by the same names as the parent's."""
    stamp: Stamp = {}
    for ending in ("", "-wal"):
        with suppress(OSError):
            found = os.stat(f"{os.path.realpath(file)}{ending}")
            if not ending or found.st_size:
                stamp |= {
                    f"size{ending}": found.st_size,
                    f"changed{ending}": found.st_mtime_ns,
                    f"file{ending}": found.st_ino,
                }
            if not ending:
                stamp["changed status"] = found.st_ctime_ns
    return stamp
