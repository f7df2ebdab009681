"""Which tasks are at work, and which were broken off: a mark for each, there while it works.

The mark is an empty file, put up before the first line of a record and taken away after the last.
Its owner holds it locked, so that a mark without a lock means: whoever put it up is dead. To look
for them costs one look into a folder that is empty nearly always, however many records there are.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migrations_ops.model.errors import Refused
from migrations_ops.system.files import flush_folder, read_json

RECORD = "release.json"
_MARKS = ".unfinished"
_YOUNG_SECONDS = 3600


class Mark:
    """The mark of one task."""

    def __init__(self, releases: Path, name: str) -> None:
        self._file = releases / _MARKS / name
        self._descriptor: int | None = None

    def put_up(self) -> None:
        """:raises OSError: there is no place for it."""
        if self._descriptor is not None:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        # Somebody who looks holds it for an instant. Where no file can be locked at all, the task
        # counts as broken off while it works; who could take it up waits for its database.
        for _ in range(50):
            if _try_lock(self._descriptor):
                break
            time.sleep(0.002)
        flush_folder(self._file.parent)

    def take_away(self, *, finished: bool) -> None:
        """The task has ended. Its mark stays if the record could not be finished."""
        if self._descriptor is None:
            return
        if finished:
            _remove(self._file)
        os.close(self._descriptor)
        self._descriptor = None
        if finished:
            _remove(self._file)  # Windows removes no file that is open


@dataclass(frozen=True)
class Unfinished:
    """A record of which something is open; ``running`` if whoever writes it is alive;
    ``unreadable`` is its file if nobody can tell any more what it did."""

    document: dict[str, Any]
    running: bool
    unreadable: Path | None = None

    def __str__(self) -> str:
        """What there is to say of it, as a sentence."""
        if self.unreadable is not None:
            name = self.document["id"]
            return f"Task {name} was broken off, and its record {self.unreadable} cannot be read."
        task = f"{self.document['task']} {self.document['id']}"
        if self.running:
            return f"{task} is running{self.where}."
        return f"{task} was broken off{self.where}: invoke release-migration finishes or undoes it."

    @property
    def where(self) -> str:
        """At which step it is, or was: `` during upgrade of prod``."""
        step = self.document.get("under_way")
        if step:
            return f" during {step['name']} of {step['environment']}"
        steps = self.document.get("steps")
        return f" after {steps[-1]['name']} of {steps[-1]['environment']}" if steps else ""


def find_unfinished(releases: Path) -> list[Unfinished]:
    """The tasks that are at work or were broken off, oldest first."""
    return list(_read(releases))


def _read(releases: Path) -> Iterator[Unfinished]:
    try:
        names = sorted(os.listdir(releases / _MARKS))
    except OSError:
        return
    for name in names:
        # In this order: one that is running now may have finished before its record is read.
        running = _is_held(releases / _MARKS / name)
        file = releases / name / RECORD
        document = read_record(file)
        if document is not None:
            if is_open(document):
                yield Unfinished(document, running)
        elif not running and os.path.lexists(file):
            yield Unfinished({"id": name}, running, file)


def find_half_run(releases: Path, environment: str) -> dict[str, Any] | None:
    """The record of the task whose commands began in that environment and were broken off; None
    where nothing like that is left."""
    for one in find_unfinished(releases):
        if one.unreadable is None and not one.running and is_half_run(one.document, environment):
            return one.document
    return None


def is_half_run(document: dict[str, Any], environment: str) -> bool:
    """Whether the commands of a task began in that environment, and neither came to their end nor
    were undone."""
    settled = environment in document.get("settled", ())
    return environment in document.get("commands", ()) and not settled


def is_open(document: dict[str, Any]) -> bool:
    """Whether a task has left something to be looked at: it was killed, or it ended while it had
    neither brought commands to their end nor undone them."""
    half_run = (is_half_run(document, name) for name in document.get("commands", ()))
    return document["outcome"] is None or any(half_run)


def read_record(file: Path) -> dict[str, Any] | None:
    """What a task did, None where nobody can tell. Its folder says which task it was: the record
    is written, and what lies beside it is removed, by that name."""
    document = read_json(file)
    return document | {"id": file.parent.name} if _is_record(document) else None


def _is_record(document: Any) -> bool:
    """Whether a document tells what a task did, and has not been cut short or written over."""
    return (
        isinstance(document, dict)
        and {"id", "task", "environment", "from", "to", "outcome", "steps"} <= document.keys()
        and isinstance(document["steps"], list)
    )


def require_readable_records(releases: Path) -> None:
    """:raises Refused: of a task that was broken off nobody can tell any more what it did."""
    for one in find_unfinished(releases):
        if one.unreadable is not None:
            mark = releases / _MARKS / one.document["id"]
            raise Refused(
                f"{one} What it left in a database cannot be told, nor undone.",
                untouched="No database was touched.",
                next="Bring the record back; or look at each database by: invoke verify --env NAME;"
                f" and if all are well, delete {mark} and try again.",
            )


def forget(releases: Path, name: str) -> None:
    """Take the mark of a dead task away: its record has an outcome now."""
    _remove(releases / _MARKS / name)


def sweep(releases: Path) -> None:
    """Take away what marks nothing: of tasks killed before their first line, or after the last."""
    with suppress(OSError):
        for name in os.listdir(releases / _MARKS):
            mark = releases / _MARKS / name
            if _is_held(mark):
                continue
            document = read_record(releases / name / RECORD)
            # One without a record may be a moment old: its owner writes the record next.
            old = time.time() - mark.stat().st_mtime > _YOUNG_SECONDS
            there = os.path.lexists(releases / name / RECORD)
            if old and not there if document is None else not is_open(document):
                _remove(mark)


def _remove(mark: Path) -> None:
    with suppress(OSError):
        mark.unlink()


def _is_held(mark: Path) -> bool:
    try:
        descriptor = os.open(mark, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _try_lock(descriptor, shared=True)
    finally:
        os.close(descriptor)  # gives the lock back, too


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int, *, shared: bool = False) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _try_lock(descriptor: int, *, shared: bool = False) -> bool:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
