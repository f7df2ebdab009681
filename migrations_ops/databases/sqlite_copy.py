"""SQLite's online backup, out of a live database and back into one.

The order of the steps was measured: a copy by ``cp`` under a writer was corrupt or lacked
commits in most trials, a stepwise backup under a busy writer starts over for ever unless the
source is pinned by a read transaction, and a backup that was killed leaves an empty file that
passes every integrity check. Hence: pin, read the identity, copy into a partial name, flush,
compare the identity, rename. See https://www.sqlite.org/backup.html.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from migrations_ops.databases import Keep, Progress
from migrations_ops.errors import StepFailed
from migrations_ops.files import flush
from migrations_ops.results import Fingerprint

if TYPE_CHECKING:
    from migrations_ops.databases.sqlite import SQLite

PAGES_A_STEP = 4096
# A copy that makes no headway for so many seconds is given up: Connection.backup itself waits
# for ever under an exclusive lock, whatever the connection's timeout.
STALLED_AFTER = 30.0


class _Headway:
    """Passes progress on, and gives up when there is none."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._remaining: int | None = None
        self._since = time.monotonic()

    def __call__(self, status: int, remaining: int, total: int) -> None:
        now = time.monotonic()
        if remaining != self._remaining:
            self._remaining, self._since = remaining, now
        elif now - self._since > STALLED_AFTER:
            raise StepFailed(
                f"The copy made no headway for {STALLED_AFTER:.0f} seconds:"
                " another process holds the database locked.",
                untouched="No database was changed.",
                next="Let the other process finish, then try again.",
            )
        if self._progress is not None:
            self._progress(total - remaining, total)


def copy_out(
    source: sqlite3.Connection, into: Path, version_table: str, progress: Progress | None
) -> Fingerprint:
    """Copy a live database into a new file, flushed to disk.

    :returns: the fingerprint of the very moment that was copied.
    """
    from migrations_ops.databases.sqlite import fingerprint, snapshot

    descriptor = os.open(into, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with snapshot(source):
            taken = fingerprint(source, version_table)
            with closing(sqlite3.connect(into, isolation_level=None)) as target:
                # The partial file is worth nothing until it is complete, and is flushed then.
                target.execute("PRAGMA synchronous=OFF")
                target.execute("PRAGMA journal_mode=OFF")
                source.backup(target, pages=PAGES_A_STEP, progress=_Headway(progress), sleep=0.05)
    finally:
        os.close(descriptor)
    flush(into)
    return taken


def copy_in(
    database: SQLite,
    backup: Path,
    version_table: str,
    progress: Progress | None,
    keep: Keep | None = None,
) -> Fingerprint:
    """Write a backup into the live database, through SQLite, as one transaction.

    Readers keep reading the old content until it is replaced at once; a kill in the middle
    leaves the old content. Never by replacing the file: a -wal or -journal of another lineage
    beside it, or an open handle on the old one, would corrupt it or undo the restore.

    :param keep: is called with the database while nobody else can commit, right before the
        content goes: what it reads is what is replaced, to the last row.
    :returns: the fingerprint of what is there then.
    """
    copy = database.open_copy(backup)
    new = not database.path.exists()
    if new:
        database.prepare_place()
        database.path.touch()
    try:
        with copy.connect() as source, database.connect(writing=True) as target:
            headway, held = _Headway(progress), replace(database, held=target)
            if keep is None:
                source.backup(target, pages=-1, progress=headway, sleep=0.05)
            elif target.execute("PRAGMA journal_mode").fetchone() == ("wal",):
                _replace_beside_readers(source, target, headway, lambda: keep(database))
            else:
                _replace_alone(source, target, headway, lambda: keep(held))
            return held.fingerprint(version_table)
    except BaseException:
        if new:
            database.remove()
        raise


def _replace_beside_readers(
    source: sqlite3.Connection,
    target: sqlite3.Connection,
    headway: _Headway,
    keep: Callable[[], object],
) -> None:
    """In WAL mode: the first page that is copied takes the write lock, and others still read."""
    kept: list[bool] = []

    def after_step(status: int, remaining: int, total: int) -> None:
        if not kept and status == sqlite3.SQLITE_OK:
            kept.append(True)
            keep()
        headway(status, remaining, total)

    source.backup(target, pages=1, progress=after_step, sleep=0.05)


def _replace_alone(
    source: sqlite3.Connection,
    target: sqlite3.Connection,
    headway: _Headway,
    keep: Callable[[], object],
) -> None:
    """With a rollback journal: an exclusive lock that outlives the transaction that took it.

    https://www.sqlite.org/pragma.html#pragma_locking_mode
    """
    # A busy writer leaves gaps of microseconds only; it takes a while to hit one.
    target.execute(f"PRAGMA busy_timeout={int(STALLED_AFTER * 1000)}")
    target.execute("PRAGMA locking_mode=EXCLUSIVE").fetchone()
    target.execute("BEGIN EXCLUSIVE")
    target.execute("COMMIT")
    keep()
    source.backup(target, pages=-1, progress=headway, sleep=0.05)
