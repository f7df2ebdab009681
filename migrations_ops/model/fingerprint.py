"""The fingerprint of a database, which is compared before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Revision, schema and row counts of a database at one moment.

    ``schema`` maps the name of each object (``table loans``, ``column loans.due``,
    ``index ix_loans_due``...) to its definition; ``rows`` each table to its number of rows;
    ``sums`` to a checksum of its content, where requested.
    """

    EMPTY: ClassVar[Fingerprint]

    revisions: tuple[str, ...]
    schema: Mapping[str, str]
    rows: Mapping[str, int]
    sums: Mapping[str, str] = field(default_factory=dict)

    def structure_equals(self, other: Fingerprint) -> bool:
        """Whether revision and schema are equal; row counts may differ."""
        return self.revisions == other.revisions and self.schema == other.schema

    def differing(self, other: Fingerprint) -> tuple[str, ...]:
        """The names of what is not equal: ``column loans.due``, ``the rows of loans``."""
        revisions = ("its revision",) if self.revisions != other.revisions else ()
        objects = {name for name, _ in self.schema.items() ^ other.schema.items()}
        tables = {
            name
            for mine, theirs in ((self.rows, other.rows), (self.sums, other.sums))
            for name in mine.keys() & theirs.keys()
            if mine[name] != theirs[name]
        }
        return (*revisions, *sorted(objects), *(f"the rows of {each}" for each in sorted(tables)))


# Of a database that is not there.
Fingerprint.EMPTY = Fingerprint((), {}, {})


def in_short(names: Sequence[str]) -> str:
    """The first of several names, and how many more there are."""
    more = len(names) - _SHOWN
    return f"{', '.join(names[:_SHOWN])}{f' and {more} more' if more > 0 else ''}"
