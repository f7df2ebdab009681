"""The lock beside a database file, freed by the system when the process that has it dies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from migrations_ops.databases.sqlite.files import rights_of_lock
from migrations_ops.model.errors import Locked, Refused
from migrations_ops.model.text import excerpt, local_time
from migrations_ops.system.files import give_rights, make_folder, now, write_whole
from migrations_ops.system.provenance import account, host
from migrations_ops.system.reading import is_too_long, read_json, what_else
from migrations_ops.system.removal import remove_file


@contextmanager
def locked(file: Path, purpose: str, wait: float) -> Iterator[None]:
    """Inside, one database file is locked; the parameters are those of ``Lockable.locked``."""
    from filelock import FileLock, Timeout

    holder = file.with_name(f"{file.name}-holder")
    guarded = file.with_name(file.name[1:]).with_suffix("")
    try:
        make_folder(file.parent)
        # A user who may write the database may wait for its lock, and see who has it.
        rights = rights_of_lock(guarded)
        lock = FileLock(file, timeout=wait, mode=rights.mode)
        lock.acquire(poll_interval=0.05)
    except Timeout:
        raise Locked(
            f"{holder_of(holder)} works on {guarded}.",
            untouched="Nothing was started.",
            next="Try again when it is done; invoke status-all works meanwhile.",
        ) from None
    except OSError as error:
        raise Refused(
            f"The lock {file}{_owned(file)} cannot be taken: {error.strerror}.",
            untouched="Nothing was started.",
            next=_advice_on(file),
        ) from None
    try:
        give_rights(file, rights)
        with suppress(OSError):  # a courtesy only: the lock itself is taken
            for leftover in holder.parent.glob(f"{holder.name}.*.part"):
                remove_file(leftover)  # of a holder that was killed while it wrote
            write_whole(
                holder,
                {
                    "purpose": purpose,
                    "user": account(),
                    "host": host(),
                    "process": os.getpid(),
                    "since": now(),
                },
            )
            # Those who may wait for the lock may see who has it, and nobody else writes it.
            give_rights(holder, rights._replace(mode=rights.mode & ~0o022))
        yield
    finally:
        with suppress(OSError):
            remove_file(holder)
        lock.release()


def _advice_on(lock: Path) -> str:
    if kind := what_else(lock):
        return f"Move it away: it is {kind}."
    if is_too_long(lock):
        return "Give the database a shorter name."
    return "See to the rights of that file and of its folder, and try again."


def holder_of(holder: Path) -> str:
    """Who has a lock, for a message."""
    found = read_json(holder)
    if not isinstance(found, dict):
        return "Another release"
    purpose, user, host, process, since = (
        excerpt(str(found.get(key))) for key in ("purpose", "user", "host", "process", "since")
    )
    return f"{purpose} of {user} on {host} (process {process}, since {local_time(since)})"


def _owned(file: Path) -> str:
    """The owner of a file, as a clause; empty if unknown."""
    with suppress(OSError, KeyError, NotImplementedError):
        return f", which belongs to {file.owner()},"
    return ""
