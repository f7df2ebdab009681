"""When two values of a column are equal, and whether the old one follows from the new one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column of both sides, as SQL has to name it.

    ``are_texts``: it holds no number on either side, so that what is equal is of one kind.
    """

    name: str
    here: str
    there: str
    are_texts: bool

    @property
    def differs(self) -> str:
        differs = f"{self.here} COLLATE BINARY IS NOT {self.there}"
        kinds = "" if self.are_texts else f" OR typeof({self.here}) <> typeof({self.there})"
        return f"({differs}{kinds})"

    @property
    def is_lost(self) -> str:
        return f"({self.differs} AND NOT {_recoverable(self.here, self.there)})"


def _recoverable(here: str, there: str) -> str:
    """Whether the new value determines the old one: 12 does for '12', not for '12abc', '007'."""
    same_text = f"CAST({there} AS TEXT) = CAST({here} AS TEXT) COLLATE BINARY"
    same_number = (
        f"{here} = {there} AND ({_number(here)} OR {_number(there)})"
        f" AND (typeof({here}) <> 'text' OR {here} NOT GLOB '0[0-9]*')"
    )
    return f"coalesce({same_text} OR ({same_number}), 0)"


def _number(value: str) -> str:
    return f"typeof({value}) IN ('integer', 'real')"


def shown_value(kind: str, length: int | None) -> str:
    """A value by its kind and its length, since the value itself may be a secret."""
    if kind in ("text", "blob"):
        unit = "character" if kind == "text" else "byte"
        return f"{kind} of {length} {unit}{'' if length == 1 else 's'}"
    return "NULL" if kind == "null" else kind
