"""How values of PostgreSQL are formatted, so that equal ones look equal in two databases."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from migrations_ops.child.protocol.sql import quoted

# Types whose own hash is quick, and equal for just those values that mean the same: the numbers of
# pg_type, which never change. An enum has other numbers for its values in each database; citext
# and interval take for equal what is not the same.
_HASHED = frozenset({16, 17, 18, 19, 20, 21, 23, 25, 26, 650, 700, 701, 774, 829, 869, 1042, 1043,
                     1082, 1083, 1114, 1184, 1700, 2950, 3802})  # fmt: skip
_FLOATS = frozenset({700, 701})
_NUMBERS = frozenset({20, 21, 23, 26, 1700}) | _FLOATS
_TIMES = frozenset({1082, 1114, 1184})
_DOCUMENTS = frozenset({114, 3802})
_TEXTS = frozenset({"text", "character varying", "character", "citext", "name", '"char"'})


@dataclass(frozen=True)
class Column:
    """One column of a table; ``type`` is the number of its type, ``element`` that of an array's
    elements or 0; ``folded`` tells that its collation takes for equal what is not the same."""

    name: str
    type: int
    type_name: str
    element: int = 0
    folded: bool = False
    generated: bool = False
    not_null: bool = False

    def hashed(self) -> str:
        """What goes into the hash of a row."""
        direct = (self.element or self.type) in _HASHED and not self.folded
        return quoted(self.name) if direct else f'{quoted(self.name)}::text COLLATE "C"'

    def as_text(self, other: Column) -> str:
        """Its value as a text that is equal to the other column's if that has the same value.

        :param other: the same column on the other side, perhaps of another type.
        """
        name, kinds = quoted(self.name), {self.type, other.type}
        if kinds <= _FLOATS and len(kinds) > 1:
            return f"{name}::float8::text"
        if kinds <= _NUMBERS and not kinds <= _FLOATS:
            exact = f"{name}::text::numeric" if self.type in _FLOATS else f"{name}::numeric"
            return f"trim_scale({exact})::text"
        if kinds <= _TIMES and len(kinds) > 1:
            return f"{name}::timestamp::text"
        if kinds <= _DOCUMENTS and len(kinds) > 1:
            return f"{name}::jsonb::text"
        return f"{name}::text"

    def shown(self, length: int) -> str:
        """What kind of value it is: never the value, which may be a secret.

        :param length: of its text; negative for NULL.
        """
        if length < 0:
            return "NULL"
        if self.type_name in _TEXTS:
            return f"text of {length} character{'' if length == 1 else 's'}"
        return self.type_name


def compared(one: Column, other: Column) -> tuple[str, str]:
    """The same column on both sides, as what has equal hashes for equal values."""
    # The numbers of types that a project made are others in each database.
    if one.type_name == other.type_name and one.folded == other.folded:
        return one.hashed(), other.hashed()
    return f'{one.as_text(other)} COLLATE "C"', f'{other.as_text(one)} COLLATE "C"'


def hash_of(values: Iterable[str], seed: int = 470_011) -> str:
    """The hash of a row of values; it is another one where they are in another order.

    The hash of a record is a sum over its columns: a sum of these over all rows would not notice
    values that have changed places between rows, so it is hashed once more.

    :param seed: with 0, a float of zero has the hash of NULL, and with 1 a numeric one.
    """
    return f"hashint8extended(hash_record_extended(ROW({', '.join(values)}), {seed}), {seed})"


# Whether the old value, a, follows from the new one, b: '12' from 12, but not '007' from 7.
_NUMBER = r"'^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$'"
IS_RECOVERABLE = (
    "CASE WHEN {a} IS NULL OR {b} IS NULL THEN {a} IS NULL AND {b} IS NULL"
    " WHEN {a} = {b} OR lower({a}) = lower({b}) OR rtrim({a}) = rtrim({b}) THEN true"
    " WHEN {a} IN ('true', 'false') AND lower({b}) IN ('t', 'f', '0', '1', 'y', 'n', 'yes', 'no')"
    " THEN {a}::boolean = {b}::boolean"
    " WHEN {b} IN ('true', 'false') AND lower({a}) IN ('t', 'f', '0', '1', 'y', 'n', 'yes', 'no')"
    " THEN {a}::boolean = {b}::boolean"
    f" WHEN {{a}} ~ {_NUMBER} AND {{b}} ~ {_NUMBER} THEN {{a}}::numeric = {{b}}::numeric"
    " ELSE false END"
)
