"""The files of a SQLite database: its side files, and what happens to them without it.

A ``-wal`` holds commits that are nowhere else, a ``-journal`` what has to be rolled back. SQLite
deletes both, unread, when it opens an empty file of that name: where the database itself is gone,
opening would destroy the last copy of its content. See https://www.sqlite.org/tempfiles.html.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from itertools import islice
from pathlib import Path

from migrations_ops.system.files import (
    OWN_FILE,
    Rights,
    flush_folder,
    give_rights,
    local_stamp,
    make_folder,
    make_own,
    rename_over,
    rights_of,
)
from migrations_ops.system.reading import is_regular, what_else
from migrations_ops.system.removal import remove_file

ENDINGS = ("", "-wal", "-shm", "-journal")
# https://www.sqlite.org/fileformat2.html#the_rollback_journal
_DATABASE = b"SQLite format 3\0"
_MAGIC = bytes.fromhex("d9d505f920a163d7")

_READ = 1000


class Orphaned(FileNotFoundError):
    """The database is gone, and a file beside it may hold the only copy of its content."""


def real(path: Path) -> Path:
    """Where the files lie: SQLite names those beside it after the file, not after a link to it."""
    return Path(os.path.realpath(path))


def find_databases(folder: Path) -> list[Path]:
    """The databases that are in a folder, as far as its first thousand names."""
    found = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in islice(entries, _READ):
            with suppress(OSError):
                if entry.is_file() and _is_database(Path(entry.path)):
                    found.append(Path(entry.path))
    return sorted(found)


def beside(path: Path, ending: str) -> Path:
    return Path(f"{path}{ending}")


def size_of(path: Path, ending: str) -> int:
    """The size of a file beside the database, 0 where there is none."""
    with suppress(OSError):
        return beside(real(path), ending).stat().st_size
    return 0


def require_regular_beside(path: Path) -> None:
    """:raises OSError: SQLite would wait for what has the name of a file beside the database."""
    for ending in ENDINGS[1:]:
        file = beside(real(path), ending)
        if kind := what_else(file):
            raise OSError(errno.EINVAL, f"has {file.name} beside it, which is {kind}")


def require_no_orphan(path: Path, *, empty: bool) -> None:
    """Make sure that opening an empty file of this name, or a new one, destroys nothing.

    :param empty: whether there is an empty file; otherwise there is none.
    :raises Orphaned: something is left of a database that is gone.
    """
    path = real(path)
    if size_of(path, "-wal"):
        orphan = beside(path, "-wal")
    elif size_of(path, "-journal") and (not empty or _rolls_back_to_something(path)):
        orphan = beside(path, "-journal")
    else:
        return
    state = "is empty" if empty else "is gone"
    raise Orphaned(
        errno.ENOENT, f"{state}, but {orphan.name} is there, and may hold the last of its content"
    )


def _rolls_back_to_something(path: Path) -> bool:
    """Whether a journal belongs to a database that had pages; one that is being made had none."""
    with suppress(OSError), beside(path, "-journal").open("rb") as stream:
        header = stream.read(20)
        return header[:8] == _MAGIC and int.from_bytes(header[16:20], "big") > 0
    return True


def lock_of(path: Path) -> Path:
    """The file that is locked while a task works on a database.

    It is beside the real one, so that every checkout and every link to it meets the same lock.
    """
    path = real(path)
    return path.with_name(f".{path.name}.release-lock")


def rights_of_lock(path: Path) -> Rights:
    """Who may take the lock: who may write the database, or its folder where it is missing."""
    path = real(path)
    rights = rights_of(path if path.exists() else path.parent)
    mode = OWN_FILE
    for user in (0o060, 0o006):
        if rights.mode & user & 0o022:
            mode |= user
    return rights._replace(mode=mode)


def make(path: Path) -> None:
    """Make an empty database in place of a missing one, with the rights that the missing one had.

    SQLite itself would go by the umask, and might let everybody read it.

    :raises Orphaned: something is left of a database that is gone.
    """
    path = real(path)
    make_folder(path.parent)
    if path.exists():
        return
    require_no_orphan(path, empty=False)
    rights = _rights_of_others(path)
    make_own(path)
    give_rights(path, rights)


def _rights_of_others(path: Path) -> Rights:
    """What all databases of a folder allow; if there are none, only the owner may."""
    found = [
        rights_of(each)
        for each in path.parent.glob(f"*{path.suffix}")
        if is_regular(each) and _is_database(each)
    ]
    if not found:
        return Rights()
    mode, users, groups = 0o666, {each.user for each in found}, {each.group for each in found}
    for each in found:
        mode &= each.mode
    return Rights(
        mode, users.pop() if len(users) == 1 else -1, groups.pop() if len(groups) == 1 else -1
    )


def _is_database(file: Path) -> bool:
    with suppress(OSError), file.open("rb") as stream:
        return stream.read(len(_DATABASE)) == _DATABASE
    return False


def set_aside(path: Path) -> str:
    """Move a database, or what is left of it, out of the way; returns where it is kept."""
    path = real(path)
    base = f"{path}.damaged_{local_stamp()}"
    target, number = Path(base), 1
    while any(os.path.lexists(beside(target, ending)) for ending in ENDINGS):
        number += 1
        target = Path(f"{base}_{number}")
    _move(path, target)
    if target.exists():
        # What comes in its place is to be read and written by the same people.
        make_own(path)
        give_rights(path, rights_of(target))
    return str(target)


def put_back(path: Path, previous: str) -> None:
    """Undo :func:`set_aside`; what has been written under the name meanwhile is discarded."""
    path = real(path)
    remove(path)
    _move(Path(previous), path)


def _move(path: Path, target: Path) -> None:
    for ending in ENDINGS:
        with suppress(FileNotFoundError):
            rename_over(beside(path, ending), beside(target, ending))
    flush_folder(path.parent)


def remove(path: Path) -> None:
    """Delete a database with all that is beside it."""
    for ending in ENDINGS:
        with suppress(FileNotFoundError):
            remove_file(beside(real(path), ending))
