"""Atomic file writes, and timestamps as text."""

from __future__ import annotations

import json
import os
import re
import stat
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

# How the name of a file ends until it is complete.
PART = ".part"


def partial_name(name: str) -> str:
    """The name of a file until it is complete; host and process identify its owner."""
    return f"{name}.{this_host()}-{os.getpid()}{PART}"


def this_host() -> str:
    """The name of this host, as a part of file names."""
    import socket

    return re.sub(r"[^A-Za-z0-9]", "_", socket.gethostname())


def write_whole(file: Path, document: Any) -> None:
    """Write a JSON document under a partial name, flush it, and give it its name.

    After a crash at any moment either the old or the new document is there, never a part of one.
    """
    partial = file.with_name(partial_name(file.name))
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        # Half a surrogate pair, as in a file name that is no UTF-8, becomes \\udcXX: valid JSON.
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as stream:
            json.dump(document, stream, indent=2, ensure_ascii=False)
            stream.write("\n")
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, file)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


def read_json(file: Path) -> Any:
    """The JSON document of a file, None if it is missing or damaged."""
    try:
        # Opening a FIFO for reading waits for a writer, unless O_NONBLOCK is set.
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, encoding="utf-8") as stream:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return json.load(stream)
    except (OSError, ValueError, RecursionError):
        pass
    return None


def is_regular(file: Path) -> bool:
    """Whether it is a regular file: not a link, a folder, or anything that blocks its reader."""
    try:
        return stat.S_ISREG(file.lstat().st_mode)
    except OSError:
        return False


def copy_rights(source: Path, file: Path) -> None:
    """Give a file the owner and the mode of another one, as far as permitted."""
    with suppress(OSError):
        file.chmod(rights_of(source))
    if hasattr(os, "chown"):
        with suppress(OSError):
            found = source.stat()
            os.chown(file, found.st_uid, found.st_gid)


def rights_of(source: Path) -> int:
    """The read and write bits of a file or a folder, always including the owner's."""
    return stat.S_IMODE(source.stat().st_mode) & 0o666 | 0o600


def nearest_folder(folder: Path) -> Path:
    """The folder itself, or its nearest existing ancestor."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def now() -> str:
    """The current time in UTC, as ISO 8601 text with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def local_stamp() -> str:
    """This moment in local time as the guide writes it into file names: 20261122_160500."""
    return datetime.now().strftime("%Y%m%d_%H%M%S")


def flush(file: Path) -> None:
    """Force a file's content to the disk, before it gets its final name."""
    # Windows flushes only through a handle that may write.
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_folder(folder: Path) -> None:
    """Force a rename to the disk; Windows has no such call, its renames are journaled."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
