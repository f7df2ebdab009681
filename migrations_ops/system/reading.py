"""Reads files that anyone may have written: regular ones only, and no more than fits into memory.

All readers of files build on :func:`read_bytes`. Opening a FIFO waits for its writer, a device may
never end, and a link leads out of its folder; so what was opened is checked, not what was named.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

# A sidecar that describes 600,000 columns fits; its text becomes some hundreds of megabytes in
# memory.
MOST_BYTES = 64 * 1024 * 1024

# In bytes; Linux, macOS and Windows have the same limit, or nearly.
_LONGEST_NAME = 255

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def open_regular(file: Path | str, *, follow: bool = True, folder: int | None = None) -> BinaryIO:
    """Open a regular file for reading, without waiting for anything.

    :param follow: whether a link stands for the file that it leads to.
    :param folder: the handle of the folder that holds the file; ``file`` is a name in it then.
    :raises OSError: it cannot be opened, or is not a regular file.
    """
    if not follow and not hasattr(os, "O_NOFOLLOW") and (kind := what_else(Path(file))):
        raise not_regular(file, kind)
    flags = _FLAGS if follow else _FLAGS | getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(file, flags, dir_fd=folder)
    except ValueError:  # a null character, or half a surrogate pair
        raise OSError(errno.EINVAL, "no file has such a name", str(file)) from None
    try:
        if kind := kind_of(os.fstat(descriptor).st_mode):
            raise not_regular(file, kind)
        return os.fdopen(descriptor, "rb", buffering=0)
    except BaseException:
        os.close(descriptor)
        raise


def read_bytes(
    file: Path | str,
    most: int = MOST_BYTES,
    *,
    follow: bool = True,
    folder: int | None = None,
) -> bytes:
    """The content of a regular file; the parameters are those of :func:`open_regular`.

    :raises OSError: it cannot be read, is not a regular file, or is larger than ``most`` bytes.
    """
    content, size = bytearray(), 0
    with open_regular(file, follow=follow, folder=folder) as stream:
        size = os.fstat(stream.fileno()).st_size
        # Until its end, whatever its size was: it may grow, and /proc tells no size.
        while size <= most and (block := stream.read(max(size, 1 << 12) + 1)):
            content += block
            size = max(size, len(content))
    if size > most:
        raise OSError(errno.EFBIG, f"it is larger than {most // (1 << 20)} MB", str(file))
    return bytes(content)


def read_text(file: Path | str) -> str:
    """The content of a regular file that is UTF-8.

    :raises OSError: as for :func:`read_bytes`.
    :raises ValueError: it is not UTF-8.
    """
    return read_bytes(file).decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")


def read_toml(file: Path | str) -> dict[str, Any]:
    """The TOML document of a regular file.

    :raises OSError: as for :func:`read_bytes`.
    :raises ValueError: it is not TOML.
    """
    import tomllib

    try:
        return tomllib.loads(read_text(file))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_json(file: Path | str, folder: int | None = None) -> Any:
    """The JSON document of one of our own files; None if it is missing, damaged, or a link."""
    import json

    try:
        return json.loads(read_bytes(file, follow=False, folder=folder).decode("utf-8"))
    except (OSError, ValueError, RecursionError, MemoryError):
        return None


def is_too_long(file: Path) -> bool:
    """Whether no file can have this name, since it or its path is too long for the system."""
    # The system itself first looks for the folders, and finds that one is missing.
    if any(len(part.encode("utf-8", "surrogatepass")) > _LONGEST_NAME for part in file.parts):
        return True
    try:
        os.lstat(file)
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG
    except ValueError:
        pass
    return False


def is_regular(file: Path) -> bool:
    """Whether it is a regular file: not a link, a folder, or anything that blocks its reader."""
    try:
        return stat.S_ISREG(file.lstat().st_mode)
    except (OSError, ValueError):
        return False


# What may have the name of a file.
_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def what_else(file: Path) -> str:
    """What has the name of a file and is not a regular one: ``a directory``; empty if none has. One
    that has just gone is not taken: a writer of the database removes its journal at any moment."""
    try:
        return kind_of(file.lstat().st_mode)
    except (OSError, ValueError):
        return ""


def kind_of(mode: int) -> str:
    """What something is by its mode; empty if it is a regular file."""
    if stat.S_ISREG(mode):
        return ""
    return next((kind for is_one, kind in _KINDS if is_one(mode)), "something else")


def not_regular(file: Path | str, kind: str) -> OSError:
    """The error for what is not a regular file."""
    return OSError(errno.EINVAL, f"it is {kind}, not a regular file", str(file))
