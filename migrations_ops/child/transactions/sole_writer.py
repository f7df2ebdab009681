"""Reports between which two moments no process but the upgrade can have written.

What differs from the backup afterwards is then the upgrade's doing, and not an application's.
"""

from __future__ import annotations

import time
from typing import Any

from ..channel import Events
from ..driver import ask_driver
from ..protocol.events import SoleWriter
from ..protocol.stamp import Stamp, stamp_of

# A file system's clock ticks every few milliseconds, here in seconds: a write within the same tick
# as ours would leave the same time stamp.
TICK = 0.015


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
