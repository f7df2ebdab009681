"""Revisions as they were read the last time, so that files which did not change are not read again.

It is only a cache: a damaged file, one of another format, or one that cannot be written is the same
as none. Several processes may use it at once; the last writer wins.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeGuard

from migrations_ops.revisions.history import Revision
from migrations_ops.system.files import make_folder, open_own, rename_over, require_replaceable
from migrations_ops.system.reading import read_bytes

# Count it up whenever scripts would be read differently.
_FORMAT = 1
# A file that changed twice within one tick of its clock looks unchanged; two seconds are the
# coarsest clock in use (FAT).
_STABLE_NS = 2_000_000_000
# Text in a flat list loads three times as fast as lists in a list.
_SEPARATOR = "\n"

Identity = list[int]


def identity(status: os.stat_result) -> Identity:
    """What changes when a file is edited or replaced."""
    return [status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino]


class Cache:
    """The remembered revisions, by folder and file name.

    :param file: the JSON file that holds them; None remembers nothing.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._folders: dict[str, dict[str, list[Any]]] = _load(file) if file else {}
        self._seen: dict[str, dict[str, list[Any]]] = {}
        self._new = False

    def open_folder(self, folder: str) -> None:
        """Announce a folder, whose files are asked for next."""
        self._known = self._folders.get(folder, {})
        self._seen_here = self._seen.setdefault(folder, {})

    def find(self, name: str, now: Identity, file: str) -> Revision | None:
        """The revision of a file of the open folder, None unless it is remembered unchanged."""
        entry = self._known.get(name)
        if not _is_entry(entry) or entry[:4] != now:
            return None
        self._seen_here[name] = entry
        _, _, _, _, revision, down, depends_on, labels, message = entry
        return Revision(
            revision,
            _ids(down) if down else (),
            _ids(depends_on) if depends_on else (),
            _ids(labels) if labels else (),
            file,
            message,
        )

    def add(self, name: str, then: Identity, revision: Revision) -> None:
        """Remember what a file of the open folder held.

        :param then: the identity of the file, taken before it was read.
        """
        import time

        if max(then[:2]) > time.time_ns() - _STABLE_NS:
            return
        self._new = True
        ids = [
            _SEPARATOR.join(each) for each in (revision.down, revision.depends_on, revision.labels)
        ]
        self._seen_here[name] = [*then, revision.revision, *ids, revision.message]

    def save(self) -> None:
        """Write what is remembered, if it changed; files that are gone are forgotten."""
        before = self._folders
        gone = any(len(before.get(name, ())) > len(kept) for name, kept in self._seen.items())
        if self._file and (self._new or gone):
            others = {
                folder: entries
                for folder, entries in before.items()
                if folder not in self._seen and os.path.isdir(folder)
            }
            _write(self._file, {**others, **self._seen})


def _is_entry(entry: Any) -> TypeGuard[list[Any]]:
    """Whether it has the form of what :meth:`Cache.add` remembers."""
    return type(entry) is list and len(entry) == 9 and all(type(each) is str for each in entry[4:])


def _ids(joined: str) -> tuple[str, ...]:
    return tuple(joined.split(_SEPARATOR))


def _head(body: bytes) -> bytes:
    from zlib import crc32

    return b'{"format": %d, "crc32": "%08x", "folders": ' % (_FORMAT, crc32(body))


def _load(file: Path) -> dict[str, dict[str, list[Any]]]:
    """The folders of a cache file, {} unless every byte is as it was written."""
    try:
        data = read_bytes(file)
    except OSError:
        return {}
    length = len(_head(b""))
    body = data[length:-1]
    if data[:length] != _head(body) or data[-1:] != b"}":
        return {}
    import json

    try:
        folders = json.loads(body)
    except (ValueError, RecursionError, MemoryError):
        return {}
    sound = type(folders) is dict and all(type(entries) is dict for entries in folders.values())
    return folders if sound else {}


def _write(file: Path, folders: dict[str, dict[str, list[Any]]]) -> None:
    import json
    from contextlib import suppress

    body = json.dumps(folders, separators=(",", ":")).encode()
    # In the same folder, since a rename is atomic only within one file system.
    partial = f"{file}.{os.getpid()}.partial"
    try:
        make_folder(file.parent)
        require_replaceable(file)
        with os.fdopen(open_own(Path(partial), os.O_WRONLY | os.O_TRUNC), "wb") as stream:
            stream.write(_head(body) + body + b"}")
        rename_over(Path(partial), file)
    except OSError:
        with suppress(OSError):
            os.unlink(partial)
