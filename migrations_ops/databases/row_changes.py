"""How the content of a database differs from an earlier copy of it: counts, never values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Pair:
    """A table before and after, and the columns that were renamed (small letters).

    The new name is empty for a column that is gone and whose name another column took.
    ``rewritten`` are the columns, by their names before, whose values the revisions write: they
    cannot identify a row.
    """

    before: str
    after: str
    renamed: Mapping[str, str] = field(default_factory=dict)
    rewritten: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class TypeChange:
    """A change of a type that changes how its values are written from then on.

    ``verb`` is "rename", "move", "rename value", "add attribute", "drop attribute" or "rename
    attribute"; ``name`` is the value, as a literal of SQL, or the attribute. Other names are in
    lower case.
    """

    type: str
    verb: str
    name: str = ""
    to: str = ""


@dataclass(frozen=True, slots=True)
class RowQuery:
    """Which rows to compare with an earlier copy.

    ``orphans`` is whether to look for rows that lost their parents, too; ``types`` is what the
    revisions did to types, in that order: values are compared accordingly. ``counted`` are columns
    of the earlier copy, as (table, column in small letters), whose values are to be counted.
    """

    pairs: Sequence[Pair]
    orphans: bool
    types: Sequence[TypeChange] = ()
    counted: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """``rows`` values of a column changed.

    ``lossy`` of them cannot be recovered from the new values; ``example`` describes one by kind and
    length, since the value itself may be secret.
    """

    column: str
    rows: int
    lossy: int
    example: str


@dataclass(frozen=True, slots=True)
class TableChange:
    """What happened to the rows of one table.

    ``gone`` rows are missing, however many were added; ``renumbered``: the rowids changed;
    ``not_compared`` says why they could not be compared one by one.
    """

    pair: Pair
    gone: int = 0
    columns: tuple[ColumnChange, ...] = ()
    renumbered: bool = False
    not_compared: str = ""


# Why rows could not be compared one by one.
KEY_REWRITTEN = "the revisions rewrite its key, and its other columns were compared as a whole"
NO_MODULE = "its module is not loaded here, or does not read it"


@dataclass(frozen=True, slots=True)
class ContentChange:
    """Everything that changed.

    ``orphans`` are the rows that newly lack their parent, by (child, parent); ``sequences`` maps a
    table with AUTOINCREMENT to its next id before and after, where that became lower; ``values`` is
    how many values, without NULL, each column had that was to be counted. A computed column has
    none of its own.
    """

    tables: tuple[TableChange, ...] = ()
    orphans: Mapping[tuple[str, str], int] = field(default_factory=dict)
    sequences: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    values: Mapping[tuple[str, str], int] = field(default_factory=dict)
