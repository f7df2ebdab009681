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

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def open_regular(file: Path | str, *, follow: bool = True, folder: int | None = None) -> BinaryIO:
    """Open a regular file for reading, without waiting for anything.

    :param follow: whether a link stands for the file that it leads to.
    :param folder: the handle of the folder that holds the file; ``file`` is a name in it then.
    :raises OSError: it cannot be opened, or is not a regular file.
    """
    if not follow and not hasattr(os, "O_NOFOLLOW") and not is_regular(Path(file)):
        raise _not_regular(file)
    flags = _FLAGS if follow else _FLAGS | getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(file, flags, dir_fd=folder)
    except ValueError:  # a null character, or half a surrogate pair
        raise OSError(errno.EINVAL, "no file has such a name", str(file)) from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _not_regular(file)
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


def is_regular(file: Path) -> bool:
    """Whether it is a regular file: not a link, a folder, or anything that blocks its reader."""
    try:
        return stat.S_ISREG(file.lstat().st_mode)
    except (OSError, ValueError):
        return False


def is_something_else(file: Path) -> bool:
    """Whether a name is taken by what is not a regular file. One that has just gone is not taken:
    a writer of the database removes its journal at any moment."""
    try:
        return not stat.S_ISREG(file.lstat().st_mode)
    except (OSError, ValueError):
        return False


def _not_regular(file: Path | str) -> OSError:
    return OSError(errno.EINVAL, "it is not a regular file", str(file))
