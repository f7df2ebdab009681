"""How the content of a database differs from an earlier copy of it: counts, never values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Pair:
    """A table before and after, and the columns that have another name after (small letters).

    That name is empty for one that is gone, while another one has taken its name. ``rewritten`` are
    the columns, by their names before, whose values the revisions write: by these no row is found
    again.
    """

    before: str
    after: str
    renamed: Mapping[str, str] = field(default_factory=dict)
    rewritten: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class TypeChange:
    """What a statement did to a type, by which its values are written in another way from then on.

    ``verb`` is "rename", "move", "rename value", "add attribute", "drop attribute" or "rename
    attribute"; ``name`` is the value, as a literal of SQL, or the attribute. Other names are in
    lower case.
    """

    type: str
    verb: str
    name: str = ""
    to: str = ""


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
    hidden row numbers are others; ``not_compared`` says why they could not be compared one by one.
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
    """Everything that is not as it was.

    ``orphans`` are the rows that lack their parent and did not before, by (child, parent);
    ``sequences`` map a table with AUTOINCREMENT to the id that would have been its next, and the
    one that would be now, where that is lower.
    """

    tables: tuple[TableChange, ...] = ()
    orphans: Mapping[tuple[str, str], int] = field(default_factory=dict)
    sequences: Mapping[str, tuple[int, int]] = field(default_factory=dict)
