"""Makes files and folders for their owner alone, writes files atomically, and timestamps as text.

Every file and folder of this tool is made here. Many hold rows of production, and nobody else may
read them, whatever the umask is.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from migrations_ops.child.protocol.escaping import in_json
from migrations_ops.system.reading import kind_of, not_regular, what_else

# How the name of a file ends until it is complete.
PART = ".part"


def partial_name(name: str) -> str:
    """The name of a file until it is complete; host and process identify its owner."""
    return f"{name}.{this_host()}-{os.getpid()}{PART}"


def this_host() -> str:
    """The name of this host, as a part of file names."""
    import socket

    return re.sub(r"[^A-Za-z0-9]", "_", socket.gethostname())


# What other users may do with a file of ours, or in a folder of ours: nothing.
OWN_FILE = 0o600
OWN_FOLDER = 0o700
# Not through a link that somebody put there; a FIFO is refused, not waited for; and Windows
# translates no line ends.
_OPEN = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY", "O_CLOEXEC"))


class Rights(NamedTuple):
    """Who may read and write a file. An unknown ``user`` or ``group`` is -1: it stays as it is."""

    mode: int = OWN_FILE
    user: int = -1
    group: int = -1


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing; one that exists stays as it is.

    :raises OSError: it cannot be made, or a file has its name.
    """
    if folder.is_dir():
        return
    if folder.parent != folder:
        make_folder(folder.parent)
    try:
        os.mkdir(folder, OWN_FOLDER)
    except FileExistsError:
        if not folder.is_dir():
            kind = what_else(folder) or "a file"
            raise NotADirectoryError(
                errno.ENOTDIR, f"it is {kind}, not a folder", str(folder)
            ) from None
    else:
        os.chmod(folder, OWN_FOLDER)  # some umask takes rights from the owner, too


def open_own(file: Path, flags: int) -> int:
    """Open a file for writing, and make it if it is missing; returns its descriptor.

    One that an earlier version made for others to read is closed to them.

    :raises OSError: it cannot be made or opened, or it is not a regular file.
    """
    descriptor = os.open(file, flags | os.O_CREAT | _OPEN, OWN_FILE)
    try:
        found = os.fstat(descriptor)
        if kind := kind_of(found.st_mode):
            raise not_regular(file, kind)
        if hasattr(os, "fchmod") and stat.S_IMODE(found.st_mode) != OWN_FILE:
            with suppress(PermissionError):  # another user's
                os.fchmod(descriptor, OWN_FILE)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def make_own(file: Path) -> None:
    """Make an empty file, which another library then opens: what it puts beside the file gets the
    same rights.

    :raises FileExistsError: there is one.
    """
    os.close(open_own(file, os.O_RDWR | os.O_EXCL))


def write_whole(file: Path, document: Any) -> None:
    """Write a JSON document, as :func:`write_text` does."""
    write_text(file, in_json(json.dumps(document, indent=2, ensure_ascii=False)) + "\n")


def write_text(file: Path, text: str) -> None:
    """Write a text under a partial name, flush it, and give it its name.

    After a crash at any moment either the old or the new text is there, never a part of one.

    :raises OSError: it cannot be written, or something that is no file has its name.
    """
    require_replaceable(file)
    partial = file.with_name(partial_name(file.name))
    try:
        descriptor = open_own(partial, os.O_WRONLY | os.O_TRUNC)
        # Half a surrogate pair, as in a file name that is no UTF-8, becomes \\udcXX: valid JSON.
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        rename_over(partial, file)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


def rename_over(file: Path, target: Path) -> None:
    """Give a file the name of another one, which it replaces.

    On Windows nothing can be replaced while another process, a virus scanner for instance, has it
    open; that one is waited for, for about two seconds.

    :raises OSError: it cannot be renamed.
    """
    for pause in (0.01, 0.04, 0.15, 0.3, 0.5, 1.0) if os.name == "nt" else ():
        with suppress(PermissionError):
            os.replace(file, target)
            return
        time.sleep(pause)
    os.replace(file, target)


def require_replaceable(file: Path) -> None:
    """:raises OSError: what has this name is not a regular file: it is not ours, and stays."""
    if kind := what_else(file):
        raise not_regular(file, kind)


def rights_of(source: Path) -> Rights:
    """The rights to read and to write a file or a folder; its owner may always do both."""
    found = source.stat()
    return Rights(stat.S_IMODE(found.st_mode) & 0o666 | OWN_FILE, found.st_uid, found.st_gid)


def give_rights(file: Path, rights: Rights) -> None:
    """Give a file of ours an owner, a group and a mode, as far as permitted, and never more.

    Where it cannot be given to the group, the group that it has may do no more than everybody.
    """
    if hasattr(os, "chown"):
        for user, group in ((rights.user, rights.group), (-1, rights.group)):
            with suppress(OSError, OverflowError):
                os.chown(file, user, group)
                break
    with suppress(OSError):
        mode = rights.mode
        if file.stat().st_gid != rights.group:
            mode &= ~0o070 | (mode & 0o007) << 3
        file.chmod(mode)


def nearest_folder(folder: Path) -> Path:
    """The folder itself, or its nearest existing ancestor."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def now() -> str:
    """The current time in UTC, as ISO 8601 text with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def milliseconds(time: str) -> int:
    """A time as milliseconds since 1970; 0 if the text is none, or tells no time zone."""
    with suppress(ValueError, OverflowError):
        then = datetime.fromisoformat(time)
        if then.tzinfo is not None:
            return max(0, (then - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1))
    return 0


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
