"""The files that a task makes beside its record, to throw them away: one list of their names."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from migrations_ops.system.removal import open_folder

# A copy for a rehearsal, a stamp or a comparison, with what its engine puts beside it, or an empty
# one; what a command of Alembic prints; the room for the end of the record; a file that is not
# whole yet.
RESERVE = "reserve"
SCRATCH_FILES = (
    "rehearsal.*", "stamp.*", "resolve.*", "empty.*", "stdout.txt", RESERVE,
    "release.json.*.part", "report.html.*.part",
)  # fmt: skip


def is_scratch(file: Path) -> bool:
    """Whether a file has the name of one that is thrown away."""
    return any(file.match(pattern) for pattern in SCRATCH_FILES)


def remove_scratch(folder: Path, *, keep: str = "") -> None:
    """Remove what a task has not thrown away; what cannot be removed stays.

    :param keep: a name that is still in use.
    """
    with suppress(OSError), open_folder(folder, follow=False) as opened:
        for name in opened.names():
            if is_scratch(Path(name)) and name != keep:
                with suppress(OSError):
                    opened.remove(name)
