"""Decides which records stay, by count; the oldest go, unless something still refers to them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePath

from migrations_ops.journal.attachments import CHANGES, PLAN
from migrations_ops.journal.backup_uses import find_open
from migrations_ops.journal.ids import ids_in
from migrations_ops.journal.record import RECORD, TaskRecord, walk_records
from migrations_ops.journal.scratch import SCRATCH_FILES
from migrations_ops.model.outcome import LEFT_UNCHANGED
from migrations_ops.model.plan import StepName
from migrations_ops.system.removal import open_folder

# Records are small; this many cover some months, and are still read in milliseconds.
RECORDS_KEPT = 200
# Folders with only logs: a read-only task, such as an hourly verify, leaves no record.
LOGS_KEPT = 20
# A folder younger than that may belong to a task that has not written its record yet.
_YOUNG_SECONDS = 3600

# What a task writes into its folder. One that holds anything else is not ours, and stays.
_LOGS = tuple(f"*.{step}.log" for step in StepName)
_REPORTED = ("traceback.txt", "report.html", CHANGES, PLAN)
_OWN_FILES = (*_LOGS, "hook-*.log", *_REPORTED, *SCRATCH_FILES, RECORD)


def prune_records(releases: Path, backups: Path) -> None:
    """Remove the oldest records with their logs; what cannot be removed stays.

    :param backups: their folder.
    """
    folders = [releases / id for id in reversed(ids_in(releases))]
    if len(folders) <= min(RECORDS_KEPT, LOGS_KEPT):
        return
    recorded = [folder for folder in folders if (folder / RECORD).exists()]
    logs = [folder for folder in folders if folder not in set(recorded)][LOGS_KEPT:]
    old = recorded[RECORDS_KEPT:]
    if old:
        read = [each for each in walk_records(releases) if isinstance(each, TaskRecord)]
        gone = choose_old_records(read, {file.name for file in backups.glob("*")}, RECORDS_KEPT)
        old = [folder for folder in old if folder.name in gone]
    for folder in [*old, *(folder for folder in logs if not _is_young(folder))]:
        with suppress(OSError):
            _remove(folder)


def choose_old_records(records: Sequence[TaskRecord], backups: set[str], keep: int) -> set[str]:
    """Which of these records, newest first, go: those beyond ``keep`` that nothing refers to.

    An unreadable one is not among them and stays: it is unknown what still needs it.

    :param backups: the names of the existing ones.
    """
    return {record.id for record in records[keep:]} - _referred_to(records, backups)


def _referred_to(records: Sequence[TaskRecord], backups: set[str]) -> set[str]:
    """The records that are unfinished, that left a database to a person, that name the last good
    upgrade of an environment, or that name a backup which is there."""
    kept = {record.id for record in find_open(records)}
    # For each backup its newest good record, so that it stays in its group; otherwise its newest
    # one.
    missing = set(backups)
    for good in (True, False):
        for record in records:
            named = missing.intersection(record.backups)
            if named and (record.outcome not in LEFT_UNCHANGED) is good:
                kept.add(record.id)
                missing -= named
    upgraded: set[str] = set()
    for record in records:
        ended = [
            step for step in record.steps if (step.name, step.outcome) == (StepName.UPGRADE, "done")
        ]
        new = {step.environment for step in ended} - upgraded
        if new:
            kept.add(record.id)
            upgraded |= new
    return kept


def _is_young(folder: Path) -> bool:
    try:
        return time.time() - folder.stat().st_mtime < _YOUNG_SECONDS
    except OSError:
        return True


def _remove(folder: Path) -> None:
    """Remove the record last: after a kill in between it is still found, and removed next time."""
    with open_folder(folder, follow=False) as opened:
        names = sorted(opened.names(), key=lambda name: name == RECORD)
        if not all(map(_is_own, names)) or not all(map(opened.is_regular, names)):
            return
        for name in names:
            opened.remove(name)
    folder.rmdir()


def _is_own(name: str) -> bool:
    return any(PurePath(name).match(pattern) for pattern in _OWN_FILES)
