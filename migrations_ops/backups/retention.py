"""What stays of the past: backups by count and by age, records by count.

Rows are counted apart. In one are the backups of tasks that did what they were to do; in another
those that only attempts which came to nothing have taken. So a release that fails in a loop
neither fills the disk nor pushes out the way back that a good release has left. What a restore
has replaced, and what may be the wrong database, is in rows of its own for the same reason.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from migrations_ops.backups.integrity import is_intact
from migrations_ops.backups.naming import is_regular
from migrations_ops.backups.quality import row_of
from migrations_ops.backups.store import BackupStore
from migrations_ops.journal.record import RECORD, TaskRecord, read_record, read_records
from migrations_ops.journal.unfinished import find_lost
from migrations_ops.model.errors import StepFailed
from migrations_ops.model.results import Backup
from migrations_ops.model.text import counted

# Records are small; this many tell of some months, and are still read within a blink.
RECORDS_KEPT = 200
# Folders that hold logs alone: what only looks, as verify does each hour, leaves no record.
LOGS_KEPT = 20
# A folder so young may belong to a task that has not written its record yet.
_YOUNG_SECONDS = 3600

CAME_TO_NOTHING = frozenset({"refused", "failed, unchanged", "failed, restored", "interrupted"})
_CHANGING = frozenset({"upgrade", "downgrade", "stamp", "restore"})
_BAD = frozenset({"failed", "refused", "interrupted"})
_ID = re.compile(r"\d{8}_\d{6}(_\d+)?")
# What a task writes into its folder. One that holds anything else is somebody's, and stays.
_OWN_FILES = ("*.log", "traceback.txt", "report.html", "rehearsal*", "stamp*", "*.part", RECORD)


@dataclass(frozen=True)
class Past:
    """What the records say of backups.

    ``needed`` are those that an unfinished release may need, or one that left a database to a
    person; ``fruitless`` those that only attempts which came to nothing have taken; ``verified``
    those that the task at work has read to their end. ``unclear`` means that the record of a
    broken-off task cannot be read: any backup may be the one that it needs.
    """

    needed: frozenset[str] = frozenset()
    fruitless: frozenset[str] = frozenset()
    verified: frozenset[str] = frozenset()
    unclear: bool = False

    @classmethod
    def read(cls, releases: Path) -> Past:
        records = list(read_records(releases))
        outcomes: dict[str, set[str | None]] = {}
        for record in records:
            # The backups of a task that takes nothing else are good, whatever stopped it later.
            outcome = "released" if record.task == "backup" else record.outcome
            for name in record.backups:
                outcomes.setdefault(name, set()).add(outcome)
        return cls(
            frozenset(name for record in _open(records) for name in _wanted(record)),
            frozenset(name for name, seen in outcomes.items() if seen <= CAME_TO_NOTHING),
            unclear=bool(find_lost(releases)),
        )


def _wanted(record: TaskRecord) -> list[str]:
    """What a broken-off task has taken, and what it was putting back."""
    under_way = record.under_way
    return [*record.backups, *([under_way.backup] if under_way and under_way.backup else [])]


def _open(records: Iterable[TaskRecord]) -> Iterator[TaskRecord]:
    """The records, newest first, whose backups may be needed yet: those of which something
    is open, and those that left a database to a person and nothing has changed it since."""
    mended: set[str] = set()
    for record in records:
        if record.outcome == "released":
            mended |= {step.environment for step in record.steps if step.name in _CHANGING}
        elif record.is_open or (
            record.outcome == "failed, needs a person" and not _in_trouble(record) <= mended
        ):
            yield record


def _in_trouble(record: TaskRecord) -> set[str]:
    """The environments that a task left to a person."""
    named = {step.environment for step in record.steps}
    bad = {step.environment for step in record.steps if step.outcome in _BAD}
    return bad or named or {""}


# -- backups ----------------------------------------------------------------------------------


def surplus(store: BackupStore, past: Past, *, fruitless_only: bool = False) -> list[Backup]:
    """The backups that retention would remove, oldest first.

    One goes only if ``keep`` newer ones of its row are sound, and, if a good task took it, if it
    is older than ``keep_days`` as well. So the newest sound one of each row, and with it the
    newest of all, stays in any case.
    """
    if past.unclear:
        return []
    backups, gone = store.backups(), set[str]()
    for row in _rows(backups, past).values():
        gone |= _surplus_of(row, store, past, fruitless_only=fruitless_only)
    return [backup for backup in backups if backup.name in gone]


def _rows(backups: list[Backup], past: Past) -> dict[str, list[Backup]]:
    """The backups, oldest first, by what is counted together."""
    rows: dict[str, list[Backup]] = {}
    for backup in backups:
        row = row_of(backup)
        fruitless = row != "doubtful" and backup.name in past.fruitless
        rows.setdefault("fruitless" if fruitless else row, []).append(backup)
    return rows


def _surplus_of(
    row: list[Backup], store: BackupStore, past: Past, *, fruitless_only: bool
) -> set[str]:
    """What goes of one row: not before the newest that stays was read, and is what it was."""
    damaged: set[str] = set()
    while True:
        gone: set[str] = set()
        newer: list[Backup] = []
        for backup in reversed(row):
            fruitless = backup.name in past.fruitless
            may_go = fruitless or (_is_old(backup, store) and not fruitless_only)
            if len(newer) >= store.keep and may_go and backup.name not in past.needed:
                gone.add(backup.name)
            if is_sound(backup) and backup.name not in damaged:
                newer.append(backup)
        if not gone or newer[0].name in past.verified or is_intact(newer[0]):
            return gone
        damaged.add(newer[0].name)


def is_sound(backup: Backup) -> bool:
    """Whether the file still has the size that was verified: a damaged one replaces no other."""
    try:
        return Path(backup.file).stat().st_size == backup.size
    except OSError:
        return False


def _is_old(backup: Backup, store: BackupStore) -> bool:
    try:
        age = datetime.now(UTC) - datetime.fromisoformat(backup.taken)
        return age.total_seconds() > store.keep_days * 86_400
    except (ValueError, TypeError):  # a date that nobody understands does not make it old
        return not store.keep_days


def prune(store: BackupStore, past: Past, *, fruitless_only: bool = False) -> list[Backup]:
    """Remove what is surplus; returns what was removed.

    :raises StepFailed: some could not be removed.
    """
    found, failures = surplus(store, past, fruitless_only=fruitless_only), []
    for backup in found:
        try:
            store.remove(backup.name)
        except OSError as error:
            failures.append(f"{backup.name}: {error.strerror}")
    if failures:
        raise StepFailed(
            f"{counted(len(failures), 'old backup')} of {store.environment.name} could not be"
            f" removed, {failures[0]}.",
            untouched="No database was changed.",
            next=f"See to the rights in {store.folder}, then type: invoke prune",
        )
    return found


# -- records ----------------------------------------------------------------------------------


def prune_records(releases: Path, backups: Path) -> None:
    """Remove the oldest records with their logs; what cannot be removed stays.

    The newest stay, and each that is unfinished, that left a database to a person, that holds
    the last good upgrade of an environment, that tells where a kept backup comes from, or that
    cannot be read: nobody can tell whether something still needs it.

    :param backups: their folder.
    """
    try:
        folders = sorted(
            (each for each in releases.iterdir() if _ID.fullmatch(each.name)), reverse=True
        )
    except OSError:
        return
    if len(folders) <= min(RECORDS_KEPT, LOGS_KEPT):
        return
    recorded = [folder for folder in folders if (folder / RECORD).exists()]
    logs = [folder for folder in folders if folder not in set(recorded)][LOGS_KEPT:]
    old = recorded[RECORDS_KEPT:]
    if old:
        names = {file.name for file in backups.glob("*")}
        kept = _telling(list(read_records(releases)), names)
        old = [
            folder
            for folder in old
            if folder.name not in kept and isinstance(read_record(folder), TaskRecord)
        ]
    for folder in [*old, *(folder for folder in logs if not _is_young(folder))]:
        with suppress(OSError):
            _remove(folder)


def _telling(records: list[TaskRecord], backups: set[str]) -> set[str]:
    """The records, of these newest first, that something still refers to."""
    kept = {record.id for record in _open(records)}
    upgraded: set[str] = set()
    untold = set(backups)
    # For each backup its newest good record, so that it stays in its row; else its newest one.
    for good in (True, False):
        for record in records:
            told = untold.intersection(record.backups)
            if told and (record.outcome not in CAME_TO_NOTHING) is good:
                kept.add(record.id)
                untold -= told
    for record in records:
        for step in record.steps:
            done = step.name == "upgrade" and step.outcome == "done"
            if done and step.environment not in upgraded:
                upgraded.add(step.environment)
                kept.add(record.id)
    return kept


def _is_young(folder: Path) -> bool:
    try:
        return time.time() - folder.stat().st_mtime < _YOUNG_SECONDS
    except OSError:
        return True


def _remove(folder: Path) -> None:
    """The record goes last: after a kill in between it is still found, and removed next time."""
    if folder.is_symlink():
        return
    files = (file for pattern in _OWN_FILES for file in folder.glob(pattern))
    own = [file for file in files if is_regular(file)]
    if set(folder.iterdir()) - set(own):
        return
    for file in dict.fromkeys(own):
        file.unlink()
    folder.rmdir()
