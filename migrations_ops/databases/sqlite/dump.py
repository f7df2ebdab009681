"""SQLite's online backup, out of a live database and back into one.

The order of the steps was measured: a copy by ``cp`` under a writer was corrupt or lacked
commits in most trials, a stepwise backup under a busy writer starts over for ever unless the
source is pinned by a read transaction, and a backup that was killed leaves an empty file that
passes every integrity check. Hence: pin, read the identity, copy into a partial name, flush,
compare the identity, rename. See https://www.sqlite.org/backup.html.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from migrations_ops.databases.interface import Progress
from migrations_ops.databases.sqlite import files
from migrations_ops.databases.sqlite.connect import Connect, connect, snapshot, tidy
from migrations_ops.databases.sqlite.errors import advice_on, code_of, in_words
from migrations_ops.databases.sqlite.inspection import read_fingerprint
from migrations_ops.model.errors import NeedsAPerson, StepFailed
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.system.files import flush, make_own

# Called with the connection that has the database locked; None where all processes can read it.
SaveLocked = Callable[[sqlite3.Connection | None], object]

PAGES_A_STEP = 4096
# A copy that makes no headway for so many seconds is given up: Connection.backup itself waits
# for ever under an exclusive lock, whatever the connection's timeout.
STALLED_AFTER = 30.0


class _Headway:
    """Passes progress on, in bytes, and gives up when there is none."""

    def __init__(self, progress: Progress | None, page_size: int = 4096) -> None:
        self._progress = progress
        self.page_size = page_size
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
            self._progress((total - remaining) * self.page_size, total * self.page_size)


def back_up(
    source: sqlite3.Connection, into: Path, version_table: str, progress: Progress | None
) -> Fingerprint:
    """Copy a live database into a new file, flushed to disk.

    :returns: the fingerprint of the very moment that was copied.
    """
    make_own(into)
    with snapshot(source):
        pin(source)
        headway = _Headway(progress, _page_size(source))
        taken = read_fingerprint(source, version_table)
        with closing(sqlite3.connect(into, isolation_level=None)) as target:
            # Nobody reads the partial file before it is complete, and then it is flushed.
            target.execute("PRAGMA synchronous=OFF")
            target.execute("PRAGMA journal_mode=OFF")
            source.backup(target, pages=PAGES_A_STEP, progress=headway, sleep=0.05)
    flush(into)
    return taken


def pin(source: sqlite3.Connection) -> None:
    """Take the read lock of a transaction that has begun.

    With a rollback journal, a writer without a pause leaves gaps of less than a millisecond for
    that. SQLite itself asks ten times a second, and comes too late again and again.

    :raises sqlite3.OperationalError: the database stays locked.
    """
    deadline = time.monotonic() + STALLED_AFTER
    [timeout] = source.execute("PRAGMA busy_timeout").fetchone()
    source.execute("PRAGMA busy_timeout=0")
    try:
        while True:
            try:
                source.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
                return
            except sqlite3.OperationalError as error:
                if code_of(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
            time.sleep(0.001)
    finally:
        source.execute(f"PRAGMA busy_timeout={int(timeout)}")


def restore(
    path: Path,
    label: str,
    backup: Path,
    version_table: str,
    progress: Progress | None,
    save: SaveLocked | None,
    also: Connect | None = None,
) -> Fingerprint:
    """Write a backup into the live database, through SQLite, as one transaction.

    Readers keep reading the old content until it is replaced at once; a kill in the middle
    leaves the old content. Never by replacing the file: a -wal or -journal of another lineage
    beside it, or an open handle on the old one, would corrupt it or undo the restore.

    :param save: is called while no other process can commit, right before the content goes: what it
        reads is what is replaced, to the last row.
    :param also: gives the connections to the database what the application's have.
    :returns: the fingerprint of what is there then.
    """
    new = not path.exists()
    if new:
        files.make(path)
    try:
        with (
            connect(backup, immutable=True) as source,
            connect(path, writing=True, also=also) as target,
        ):
            _replace(source, target, label, _Headway(progress, _page_size(source)), save)
            now = _read_back(target, version_table)
    except BaseException:
        if new:
            files.remove(path)
        raise
    tidy(path)
    return now or _read_anew(path, label, version_table, also)


def _replace(
    source: sqlite3.Connection,
    target: sqlite3.Connection,
    label: str,
    headway: _Headway,
    save: SaveLocked | None,
) -> None:
    if save is None:
        source.backup(target, pages=-1, progress=headway, sleep=0.05)
    elif _mode(target) != "wal":
        _replace_exclusively(source, target, headway, lambda: save(target))
    elif _page_size(source) == _page_size(target):
        _replace_beside_readers(source, target, headway, lambda: save(None))
    else:
        with _out_of_wal(source, target, label):
            _replace_exclusively(source, target, headway, lambda: save(target))


def _mode(connection: sqlite3.Connection) -> str:
    return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


def _page_size(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA page_size").fetchone()[0])


def _read_back(target: sqlite3.Connection, version_table: str) -> Fingerprint | None:
    """What is there now, before any other process can write; None if this connection cannot tell.

    Once a connection has read a database, it does not follow it into another text encoding.
    """
    try:
        with snapshot(target):
            return read_fingerprint(target, version_table)
    except sqlite3.Error:
        return None


def _read_anew(path: Path, label: str, version_table: str, also: Connect | None) -> Fingerprint:
    """:raises NeedsAPerson: the content was replaced, and cannot be read."""
    try:
        with connect(path, also=also) as connection, snapshot(connection):
            return read_fingerprint(connection, version_table)
    except (sqlite3.Error, OSError) as error:
        raise NeedsAPerson(
            f"The backup was put back, but {in_words(error, label)}.",
            untouched="The backup itself is unchanged.",
            next=advice_on(error),
        ) from error


@contextmanager
def _out_of_wal(
    source: sqlite3.Connection, target: sqlite3.Connection, label: str
) -> Iterator[None]:
    """Inside, the journal mode is another one, since in WAL mode pages keep their size.

    It can be changed only by the only connection.

    :raises StepFailed: another process has the database open.
    """
    try:
        is_only_one = target.execute("PRAGMA journal_mode=DELETE").fetchone() == ("delete",)
    except sqlite3.OperationalError:
        is_only_one = False
    if not is_only_one:
        raise StepFailed(
            f"The pages of the backup have {_page_size(source)} bytes, those of {label}"
            f" {_page_size(target)}: they can be exchanged only while no one else has it open.",
            untouched=f"{label} is unchanged.",
            next="Stop the application and try again.",
        )
    try:
        yield
    finally:
        # Back to what it was; where another process has opened it meanwhile, it stays in this mode.
        with suppress(sqlite3.Error):
            target.execute("PRAGMA locking_mode=NORMAL").fetchone()
            target.execute("PRAGMA journal_mode=WAL").fetchone()


def _replace_beside_readers(
    source: sqlite3.Connection,
    target: sqlite3.Connection,
    headway: _Headway,
    save: Callable[[], object],
) -> None:
    """In WAL mode: the first page that is copied takes the write lock, and others still read."""
    saved: list[bool] = []

    def after_step(status: int, remaining: int, total: int) -> None:
        if not saved and status == sqlite3.SQLITE_OK:
            saved.append(True)
            save()
        headway(status, remaining, total)

    source.backup(target, pages=1, progress=after_step, sleep=0.05)


def _replace_exclusively(
    source: sqlite3.Connection,
    target: sqlite3.Connection,
    headway: _Headway,
    save: Callable[[], object],
) -> None:
    """With a rollback journal: an exclusive lock that outlives the transaction that took it.

    https://www.sqlite.org/pragma.html#pragma_locking_mode
    """
    # A busy writer leaves gaps of microseconds only; it takes a while to hit one.
    target.execute(f"PRAGMA busy_timeout={int(STALLED_AFTER * 1000)}")
    target.execute("BEGIN EXCLUSIVE")
    # Only now: with it, a BEGIN that has to wait keeps its shared lock meanwhile, and the writer
    # that it waits for waits for that one in turn.
    target.execute("PRAGMA locking_mode=EXCLUSIVE").fetchone()
    target.execute("COMMIT")
    save()
    source.backup(target, pages=-1, progress=headway, sleep=0.05)
