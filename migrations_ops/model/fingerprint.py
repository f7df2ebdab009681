"""The fingerprint of a database: what is compared before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Revision, schema and row counts of a database at one moment.

    ``schema`` maps the name of each object (``table loans``, ``column loans.due``,
    ``index ix_loans_due``...) to what it is; ``rows`` each table to its number of rows; ``sums``
    to a checksum of its content, where that was asked for.
    """

    revisions: tuple[str, ...]
    schema: Mapping[str, str]
    rows: Mapping[str, int]
    sums: Mapping[str, str] = field(default_factory=dict)

    def structure_equals(self, other: Fingerprint) -> bool:
        """Whether revision and schema are equal; row counts may differ."""
        return self.revisions == other.revisions and self.schema == other.schema
