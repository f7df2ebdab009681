"""The files that a task makes beside its record, to throw them away: one list of their names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

# A copy for a rehearsal, a stamp or a comparison, with what its engine puts beside it; what a
# command of Alembic prints; a file that is not whole yet.
SCRATCH_FILES = ("rehearsal*", "stamp*", "resolve*", "stdout.txt", "*.part")


def is_scratch(file: Path) -> bool:
    """Whether a file has the name of one that is thrown away."""
    return any(file.match(pattern) for pattern in SCRATCH_FILES)


def find_scratch(folder: Path) -> Iterator[Path]:
    """What a task that was killed has not thrown away."""
    for pattern in SCRATCH_FILES:
        yield from folder.glob(pattern)
