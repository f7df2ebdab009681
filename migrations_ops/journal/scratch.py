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


def remove_scratch(folder: Path) -> None:
    """Remove what a task that was killed has not thrown away; what cannot be removed stays."""
    with suppress(OSError), open_folder(folder, follow=False) as opened:
        for name in filter(lambda name: is_scratch(Path(name)), opened.names()):
            with suppress(OSError):
                opened.remove(name)
