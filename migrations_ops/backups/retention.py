"""Decides which backups stay, by count and age.

Groups are counted separately: backups of tasks that succeeded, and backups of failed attempts only.
So a release that fails in a loop neither fills the disk nor removes the backups of a good release.
Safety backups of restores, and suspect backups, are groups of their own for the same reason.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from migrations_ops.backups.integrity import is_intact
from migrations_ops.backups.quality import group_of, is_damaged
from migrations_ops.backups.store import BackupStore
from migrations_ops.journal.backup_uses import BackupUses
from migrations_ops.model.backup import Backup
from migrations_ops.model.errors import StepFailed
from migrations_ops.model.text import counted
from migrations_ops.system.removal import open_folder


@dataclass(frozen=True)
class Policy:
    """How many backups of a group stay, and for how many days those that a good task took.

    With ``failed_only`` only backups of failed attempts are removed.
    """

    keep: int
    keep_days: int = 0
    failed_only: bool = False


# -- what goes: pure ---------------------------------------------------------------------------


def groups_of(backups: Sequence[Backup], uses: BackupUses) -> list[list[Backup]]:
    """The backups, oldest first, in the groups that are counted separately."""
    groups: dict[str, list[Backup]] = {}
    for backup in backups:
        # A damaged one is counted where it would be if it were whole; it displaces none.
        group = group_of(replace(backup, doubt="") if is_damaged(backup) else backup)
        failed = group != "suspect" and backup.name in uses.failed
        groups.setdefault("failed" if failed else group, []).append(backup)
    return list(groups.values())


def choose_surplus(
    group: Sequence[Backup], uses: BackupUses, policy: Policy, sound: Collection[str], at: datetime
) -> set[str]:
    """Which backups of a group go, whose oldest comes first.

    One goes only if ``keep`` newer ones are sound, and, if a good task took it, if it is older
    than ``keep_days`` as well. So the newest sound one of each group, and with it the newest of
    all, stays in any case. Nothing goes that an unfinished release may need.

    :param sound: the names of those whose files can be restored.
    """
    if uses.unclear:
        return set()
    gone, newer = set(), 0
    for backup in reversed(group):
        may_go = backup.name in uses.failed or (
            not policy.failed_only and _is_old(backup, policy.keep_days, at)
        )
        if newer >= policy.keep and may_go and backup.name not in uses.needed:
            gone.add(backup.name)
        newer += backup.name in sound
    return gone


def _is_old(backup: Backup, keep_days: int, at: datetime) -> bool:
    if not keep_days:
        return True  # whatever its time: the clock may have been wrong
    try:
        age = at - datetime.fromisoformat(backup.taken)
        return age.total_seconds() > keep_days * 86_400
    except (ValueError, TypeError):  # an unreadable date does not make it old
        return False


# -- looking at the files, and acting -----------------------------------------------------------


def surplus(store: BackupStore, uses: BackupUses, *, failed_only: bool = False) -> list[Backup]:
    """The backups that retention would remove, oldest first."""
    policy = Policy(store.keep, store.keep_days, failed_only)
    backups, gone = store.backups(), set[str]()
    for group in groups_of(backups, uses):
        gone |= _surplus_of(group, uses, policy)
    return [backup for backup in backups if backup.name in gone]


def _surplus_of(group: list[Backup], uses: BackupUses, policy: Policy) -> set[str]:
    """The surplus of a group; the newest backup to keep is read and compared first.

    A file with several names, which hard links give it, counts once, under its oldest name: a new
    name makes no content newer.
    """
    sound: dict[str, Backup] = {}
    seen: set[tuple[int, int]] = set()
    for backup in group:
        status = status_if_sound(backup)
        if status is None or (status.st_dev, status.st_ino) in seen:
            continue
        if status.st_nlink > 1:
            seen.add((status.st_dev, status.st_ino))
        sound[backup.name] = backup
    while True:
        gone = choose_surplus(group, uses, policy, sound, datetime.now(UTC))
        newest = next(reversed(sound), "")
        if not gone or newest in uses.taken_now or is_intact(sound[newest]):
            return gone
        del sound[newest]


def status_if_sound(backup: Backup) -> os.stat_result | None:
    """The status of its file if that still has the verified size: a damaged backup must not
    displace another one."""
    try:
        status = Path(backup.file).lstat()
    except OSError:
        return None
    return status if status.st_size == backup.size else None


def prune(store: BackupStore, uses: BackupUses, *, failed_only: bool = False) -> list[Backup]:
    """Remove the surplus backups, and return them.

    :raises StepFailed: some could not be removed.
    """
    found, failures = list[Backup](), list[str]()
    with suppress(OSError), open_folder(store.folder) as folder:
        found = surplus(store, uses, failed_only=failed_only)
        for backup in found:
            try:
                store.remove(backup, folder)
            except OSError as error:
                failures.append(f"{backup.name}: {error.strerror}")
    if failures:
        raise StepFailed(
            f"{counted(len(failures), 'old backup')} of {store.environment.name} could not be"
            f" removed, {failures[0]}.",
            untouched="No database was changed.",
            next=f"Fix the permissions of {store.folder}, then type: invoke prune",
        )
    return found
