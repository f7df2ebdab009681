"""How the content of a database differs from an earlier copy of it: counts, never values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Pair:
    """A table before and after, and the columns that have another name after (small letters).

    That name is empty for one that is gone, while another one has taken its name.
    """

    before: str
    after: str
    renamed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """``rows`` values of a column are others than before.

    ``lossy`` of them cannot be recovered from the new values; ``example`` shows one by its kind and
    its length, since the value itself may be a secret.
    """

    column: str
    rows: int
    lossy: int
    example: str


@dataclass(frozen=True, slots=True)
class TableChange:
    """What became of the rows of one table.

    ``gone`` of them are not found any more, whatever rows were added; ``renumbered``: the
    hidden row numbers are others; ``key`` are the columns that identified a row.
    """

    pair: Pair
    gone: int = 0
    columns: tuple[ColumnChange, ...] = ()
    renumbered: bool = False
    key: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ContentChange:
    """Everything that is not as it was.

    ``orphans`` are the rows that lack their parent and did not before, by (child, parent);
    ``sequences`` map a table with AUTOINCREMENT to the id that would have been its next, and the
    one that would be now, where that is lower.
    """

    tables: tuple[TableChange, ...] = ()
    orphans: Mapping[tuple[str, str], int] = field(default_factory=dict)
    sequences: Mapping[str, tuple[int, int]] = field(default_factory=dict)
