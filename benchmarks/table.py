"""The results as a table."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from importlib.metadata import version

from benchmarks.measure import Result

PACKAGES = ("alembic", "sqlalchemy", "invoke")
HEADER = ("measured", "median", "against", "median", "ratio", "lowest to highest", "target", "")
_RIGHT = frozenset({1, 3, 4, 5, 6})


def table(results: Sequence[Result]) -> str:
    """One row a comparison: medians, and the median of the ratios of neighbouring runs."""
    rows = [HEADER, *(_row(result) for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if column in _RIGHT else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:], "", _machine()])


def _machine() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"Python {platform.python_version()}, {packages};"
        f" {platform.system()}, {os.cpu_count()} cores"
    )


def _row(result: Result) -> tuple[str, ...]:
    comparison, target = result.comparison, result.comparison.target
    verdict = ""
    if target is not None:
        verdict = "reached" if result.ratio <= target else "missed"
    return (
        comparison.measured.title,
        _milliseconds(result.measured),
        comparison.against.title,
        _milliseconds(result.against),
        f"{result.ratio:.2f}",
        f"{min(result.ratios):.2f} to {max(result.ratios):.2f}",
        "" if target is None else f"{target:.2f}",
        verdict,
    )


def _milliseconds(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds) * 1000:,.0f} ms"
