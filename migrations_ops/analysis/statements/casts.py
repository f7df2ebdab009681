"""Expressions that give a value another type, and nothing else.

The author of ``CAST(zip AS integer)`` wants numbers, and does not mean that '00501' becomes 501 or
'abc' 0.
"""

from __future__ import annotations

from migrations_ops.analysis.statements.rows import outside
from migrations_ops.child.protocol.sql import Token, group, split

_CASTS = ("CAST", "TRY_CAST", "CONVERT")
# What may be behind the first word of a type, as in "timestamp(3) with time zone" and "int[]".
_OF_TYPES = ("PRECISION", "VARYING", "WITH", "WITHOUT", "LOCAL", "TIME", "ZONE", "[", "]", ".")
# Words that are the name of no column.
VALUES = ("NULL", "TRUE", "FALSE", "DEFAULT", "END", "CURRENT_TIMESTAMP", "CURRENT_DATE",
          "CURRENT_TIME", "CURRENT_USER", "LOCALTIME", "LOCALTIMESTAMP", "SESSION_USER",
          "USER")  # fmt: skip
_CLAUSES = ("WHERE", "FROM", "RETURNING", "ORDER", "LIMIT")


def unwrapped(words: list[Token]) -> list[Token]:
    """The content of the parentheses around the whole."""
    while words and words[0].means("(") and len(group(words, 0)) == len(words) - 2:
        words = words[1:-1]
    return words


def uncast(words: list[Token]) -> tuple[list[Token], bool]:
    """What an expression gives another type to, and whether it does that."""
    is_cast = False
    while True:
        words = unwrapped(words)
        inside = _cast_by_function(words) or _cast_by_colons(words)
        if not inside:
            return words, is_cast
        words, is_cast = inside, True


def assignments(statement: list[Token]) -> dict[str, tuple[str, bool]]:
    """Of an UPDATE: from which column each one gets its value, and whether it is cast.

    The name is empty for a value that is computed.
    """
    start = outside(statement, ("SET",))
    if not statement or not statement[0].means("UPDATE") or start == len(statement):
        return {}
    own = {word.text.lower() for word in _first_source(statement[1:start])}
    found = {}
    listed = statement[start + 1 :]
    for each in split(listed[: outside(listed, _CLAUSES)]):
        equals = outside(each, ("=",))
        words, is_cast = uncast(each[equals + 1 :])
        if equals and equals < len(each):
            # A column of another table is computed, as far as this one is concerned.
            is_own = is_column(words) and (len(words) == 1 or words[-3].text.lower() in own)
            source = words[-1].text.lower() if is_own else ""
            found[each[equals - 1].text.lower()] = source, is_cast
    return found


def _first_source(words: list[Token]) -> list[Token]:
    """The table that an UPDATE writes to, with its alias."""
    return words[: outside(words, ("JOIN", ",", "INNER", "LEFT", "RIGHT", "CROSS", "NATURAL"))]


def is_column(words: list[Token]) -> bool:
    """Whether these are a name, which may have the table before it."""
    is_path = len(words) % 2 == 1 and all(word.means(".") for word in words[1::2])
    names = words[::2]
    if not is_path or names[-1].means(*VALUES):
        return False
    return all(word.is_name and not word.text[:1].isdigit() for word in names)


def _cast_by_function(words: list[Token]) -> list[Token]:
    if len(words) < 4 or not words[0].means(*_CASTS) or not words[1].means("("):
        return []
    inside = group(words, 1)
    if len(inside) != len(words) - 3:
        return []
    return inside[: outside(inside, ("AS", "USING", ","))]


def _cast_by_colons(words: list[Token]) -> list[Token]:
    start = outside(words, ("::",))
    kind = words[start + 1 :]
    if not kind or not kind[0].is_name:
        return []
    rest = kind[1:]
    while rest:
        if rest[0].means("("):
            rest = rest[len(group(rest, 0)) + 2 :]
        elif rest[0].means("::", ".") and len(rest) > 1 and rest[1].is_name:
            rest = rest[2:]
        elif rest[0].means(*_OF_TYPES) or rest[0].text.isdigit():
            rest = rest[1:]
        else:
            return []
    return words[:start]
