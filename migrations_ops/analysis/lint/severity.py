"""How severe a finding is: by what was measured, else by the rows of its table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from migrations_ops.analysis.lint.known import bare_name
from migrations_ops.analysis.lint.rule import Hit
from migrations_ops.model.findings import Finding, Severity
from migrations_ops.model.thresholds import Thresholds


@dataclass(frozen=True)
class Measurement:
    """What is known of the tables of an environment, by their names without schemas.

    :param seconds: how long reads and how long writes of each table were blocked when this was
        rehearsed; a table that is not in it was not. None where that was not measured.
    :param rows: how many rows each had; None where that is unknown.
    """

    seconds: Mapping[str, tuple[float, float]] | None = None
    rows: Mapping[str, int] | None = None

    def is_empty(self, table: str) -> bool:
        return self.rows is not None and self.rows.get(bare_name(table)) == 0


UNKNOWN_SIZE = Measurement()


def graded(hit: Hit, measurement: Measurement, limits: Thresholds) -> Finding | None:
    """The finding as severe as its effect; None where its table is empty."""
    if hit.table and measurement.is_empty(hit.table):
        return None
    if not hit.blocks:
        return hit.finding
    table = bare_name(hit.table)
    if measurement.seconds is not None:
        # SQLite has one lock for all tables, which is under the empty name.
        blocked = measurement.seconds.get(table, measurement.seconds.get("", (0.0, 0.0)))
        severity = by_seconds(*blocked, limits)
        seconds = max(blocked)
        return _with(hit.finding, severity, f"measured: {seconds:.2f} s")
    if measurement.rows is not None and table in measurement.rows:
        rows = measurement.rows[table]
        severity = _of(rows, limits.rows_error, limits.rows_warning)
        return _with(hit.finding, severity, f"{rows:,} row{'' if rows == 1 else 's'}")
    return hit.finding


def by_seconds(reads: float, writes: float, limits: Thresholds) -> Severity:
    """How severe it is that reads and writes were blocked for so long."""
    found = (
        _of(reads, limits.reads_error, limits.reads_warning),
        _of(writes, limits.writes_error, limits.writes_warning),
    )
    order: tuple[Severity, ...] = ("error", "warning", "note")
    return next(each for each in order if each in found)


def _of(value: float, error: float, warning: float) -> Severity:
    return "error" if value >= error else "warning" if value >= warning else "note"


def _with(finding: Finding, severity: Severity, why: str) -> Finding:
    return replace(finding, severity=severity, message=f"{finding.message} ({why})")
