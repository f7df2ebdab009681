"""When a change that blocks others is an error, and when a warning."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From which seconds on, and if they were not measured from how many rows on, a change that
    blocks others is an error, or a warning; below it is a note."""

    reads_error: float = 1.0
    reads_warning: float = 0.1
    writes_error: float = 5.0
    writes_warning: float = 0.5
    rows_error: int = 1_000_000
    rows_warning: int = 10_000
