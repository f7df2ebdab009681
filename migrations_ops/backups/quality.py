"""Which backups are good, and which nobody should go back to without a second look.

Such a copy is kept, since it may be the only one of what it holds. But it neither is the ``latest``
nor does it push a good backup out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from migrations_ops.backups.sidecar import Sidecar
from migrations_ops.model.backup import Backup

# What the note of a copy begins with that a restore has taken of what it replaced.
BEFORE_RESTORE = "before the restore of "
EMPTY = "it is empty, and others are not"

Row = Literal["good", "replaced", "doubtful"]


def row_of(backup: Backup | Sidecar) -> Row:
    """Among which backups it is counted."""
    if backup.doubt:
        return "doubtful"
    return "replaced" if backup.note.startswith(BEFORE_RESTORE) else "good"


def is_good(backup: Backup | Sidecar) -> bool:
    return row_of(backup) == "good"


def doubt_empty(sidecars: Sequence[Sidecar]) -> list[Sidecar]:
    """Mark the copies that are empty as doubtful, unless all are: the database may be new."""
    if all(map(is_empty, sidecars)):
        return list(sidecars)
    return [
        replace(each, doubt=each.doubt or EMPTY) if is_empty(each) else each for each in sidecars
    ]


def is_empty(sidecar: Sidecar) -> bool:
    """Whether the copy holds nothing at all: no table, and no version."""
    taken = sidecar.fingerprint
    # A database of MariaDB has a character set, even if there is nothing in it.
    return not taken.revisions and not {*taken.schema} - {'schema "character set"'}
