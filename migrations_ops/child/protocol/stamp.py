"""A cheap sign of a SQLite file's content, by which parent and child see whether it was written."""

from __future__ import annotations

import os
from contextlib import suppress

Stamp = dict[str, int]


def stamp_of(file: str) -> Stamp:
    """A sign that changes with each write: sizes, times and numbers of the files."""
    stamp: Stamp = {}
    for ending in ("", "-wal"):
        with suppress(OSError):
            path = f"{os.path.realpath(file)}{ending}"
            found = os.stat(path)
            if not ending or found.st_size:
                stamp |= {
                    f"size{ending}": found.st_size,
                    f"changed{ending}": found.st_mtime_ns,
                    f"file{ending}": found.st_ino,
                }
            if not ending:
                stamp |= _no_tool_sets_back(path, found)
    return stamp


def _no_tool_sets_back(path: str, found: os.stat_result) -> Stamp:
    """What a tool cannot set back, as ``cp -p`` and ``touch`` do with the time of a change.

    That of the ``-wal`` changes whenever root opens it: SQLite then sets its owner.
    """
    if os.name != "nt":
        return {"changed status": found.st_ctime_ns}
    # There it is the time at which the file was made. SQLite counts its writes in the header
    # (https://www.sqlite.org/fileformat2.html#file_change_counter); elsewhere the file must not be
    # opened, since closing it gives up the locks that this process has on it.
    with open(path, "rb") as stream:
        stream.seek(24)
        return {"change counter": int.from_bytes(stream.read(4), "big")}
