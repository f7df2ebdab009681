"""Room on the disk that a task keeps for the end of its record.

A disk that has become full meanwhile must not make later tasks forget what is left to a person.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from migrations_ops.journal.scratch import RESERVE
from migrations_ops.system.files import open_own
from migrations_ops.system.removal import remove_file

# Records are a few kilobytes; one of a thousand revisions has a hundred.
_SIZE = 256 * 1024


class Reserve:
    """A file that only takes up room, in the folder of a record."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / RESERVE

    def take(self) -> None:
        """Take up the room; where there is none, nothing is kept."""
        with suppress(OSError):
            descriptor = open_own(self._file, os.O_WRONLY | os.O_EXCL)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(bytes(_SIZE))

    def release(self) -> bool:
        """Give the room back; whether there was any."""
        try:
            remove_file(self._file)
        except OSError:
            return False
        return True
