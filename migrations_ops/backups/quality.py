"""Which backups are good, and which are suspect and need a check before they are restored.

A suspect backup is kept, since it may be the only one of its content. But it is never the
``latest``, and never makes retention remove a good backup.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from migrations_ops.backups.sidecar import Sidecar
from migrations_ops.model.backup import Backup

# The note of the safety backup that a restore makes begins with this.
BEFORE_RESTORE = "before the restore of "
# The doubt about one whose file has another size than when it was verified begins with this.
DAMAGED = "it is damaged: "
EMPTY = "it is empty, and others are not"
# A database of MariaDB has a character set, even if there is nothing in it.
OF_EMPTY = frozenset({'schema "character set"'})

Group = Literal["good", "replaced", "suspect"]


def group_of(backup: Backup | Sidecar) -> Group:
    """The group in which retention counts it."""
    if backup.doubt:
        return "suspect"
    return "replaced" if backup.note.startswith(BEFORE_RESTORE) else "good"


def is_good(backup: Backup | Sidecar) -> bool:
    return group_of(backup) == "good"


def is_damaged(backup: Backup | Sidecar) -> bool:
    return backup.doubt.startswith(DAMAGED)


def mark_damaged(sidecar: Sidecar, damage: str) -> Sidecar:
    """Mark a backup as suspect whose file is damaged."""
    return replace(sidecar, doubt=f"{DAMAGED}{damage}") if damage else sidecar


def mark_empty(sidecars: Sequence[Sidecar]) -> list[Sidecar]:
    """Mark empty backups as suspect, unless all are empty: the database may be new."""
    if all(map(is_empty, sidecars)):
        return list(sidecars)
    return [
        replace(each, doubt=each.doubt or EMPTY) if is_empty(each) else each for each in sidecars
    ]


def is_empty(sidecar: Sidecar) -> bool:
    """Whether the backup has neither a table nor a version."""
    taken = sidecar.fingerprint
    return not taken.revisions and not {*taken.schema} - OF_EMPTY
