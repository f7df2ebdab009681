"""Writes several files of a project: all of them, or none."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from migrations_ops.system.files import (
    Rights,
    flush_folder,
    give_rights,
    open_own,
    partial_name,
    rename_over,
)
from migrations_ops.system.reading import read_bytes


@dataclass(frozen=True)
class Change:
    """A file with its content before and after; before is None where there is no file yet."""

    file: Path
    before: bytes | None
    after: bytes


def write_all(changes: Sequence[Change]) -> None:
    """Write files so that all are there afterwards, or none of them; their rights stay.

    Each is first written under a partial name and flushed. A crash between two renames is the one
    moment at which only some are there.

    :raises OSError: one cannot be written, or is not what it was; all are as they were.
    """
    # A link stays one: what it leads to is written.
    changes = [Change(each.file.resolve(), each.before, each.after) for each in changes]
    done: list[Change] = []
    try:
        for each in changes:
            _write_partial(each.file, each.after)
        for each in changes:
            _require_as_before(each)
        for each in changes:
            _name(each)
            done.append(each)
    except BaseException:
        for each in reversed(done):
            _undo(each)
        raise
    finally:
        for each in changes:
            with suppress(OSError):
                _partial(each.file).unlink()
    for folder in _folders(changes):
        with suppress(OSError):
            flush_folder(folder)


def _partial(file: Path) -> Path:
    return file.with_name(partial_name(file.name))


def _write_partial(file: Path, content: bytes) -> None:
    partial = _partial(file)
    with os.fdopen(open_own(partial, os.O_WRONLY | os.O_EXCL), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    if file.exists():
        found = file.stat()
        give_rights(partial, Rights(stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid))
        _put_in_another_second(partial, found)
    else:
        # Whoever may read the folder's other files may read this one.
        give_rights(partial, Rights(stat.S_IMODE(file.parent.stat().st_mode) & 0o666))


def _put_in_another_second(partial: Path, before: os.stat_result) -> None:
    """Let a file be of another second than the one that it replaces.

    Python takes its bytecode for that of the new source otherwise, if both have the same size
    (https://docs.python.org/3/reference/import.html#cached-bytecode-invalidation).
    """
    now = partial.stat()
    if int(now.st_mtime) == int(before.st_mtime):
        os.utime(partial, ns=(now.st_atime_ns, now.st_mtime_ns + 1_000_000_000))


def _require_as_before(change: Change) -> None:
    """:raises OSError: somebody has changed it since it was read."""
    now = read_bytes(change.file) if os.path.lexists(change.file) else None
    if now != change.before:
        raise OSError(errno.EBUSY, "it was changed meanwhile", str(change.file))


def _name(change: Change) -> None:
    """Give a partial file its name; a new one replaces nothing."""
    partial = _partial(change.file)
    if change.before is None and hasattr(os, "link"):
        with suppress(OSError):
            os.link(partial, change.file)
            return
        _require_as_before(change)
    rename_over(partial, change.file)


def _undo(change: Change) -> None:
    """Bring a file back that has its name; one that was new is removed if it is still ours."""
    with suppress(OSError):
        if read_bytes(change.file) != change.after:
            return
        if change.before is None:
            change.file.unlink()
        else:
            with suppress(FileNotFoundError):
                _partial(change.file).unlink()
            _write_partial(change.file, change.before)
            rename_over(_partial(change.file), change.file)


def _folders(changes: Iterable[Change]) -> set[Path]:
    return {each.file.parent for each in changes}
