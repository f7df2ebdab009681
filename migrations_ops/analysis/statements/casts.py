"""Expressions that give a value another type, and nothing else.

Who writes ``CAST(zip AS integer)`` wants numbers, and does not mean that '00501' becomes 501 or
'abc' 0.
"""

from __future__ import annotations

from migrations_ops.analysis.statements.rows import outside
from migrations_ops.child.protocol.sql import Token, group, split

_CASTS = ("CAST", "TRY_CAST", "CONVERT")
# What may be behind the first word of a type, as in "timestamp(3) with time zone" and "int[]".
_OF_TYPES = ("PRECISION", "VARYING", "WITH", "WITHOUT", "LOCAL", "TIME", "ZONE", "[", "]", ".")
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


def cast_assignments(statement: list[Token]) -> frozenset[str]:
    """The columns that an UPDATE only gives another type to: ``SET a = CAST(a AS integer)``."""
    start = outside(statement, ("SET",))
    if not statement or not statement[0].means("UPDATE") or start == len(statement):
        return frozenset()
    assignments = statement[start + 1 :]
    found = set()
    for each in split(assignments[: outside(assignments, _CLAUSES)]):
        equals = outside(each, ("=",))
        words, is_cast = uncast(each[equals + 1 :])
        if is_cast and equals and words and words[-1].text.lower() == each[equals - 1].text.lower():
            found |= {words[-1].text.lower()} if is_column(words) else set()
    return frozenset(found)


def is_column(words: list[Token]) -> bool:
    """Whether these are a name, which may have the table before it."""
    is_path = len(words) % 2 == 1 and all(word.means(".") for word in words[1::2])
    return is_path and all(word.is_name for word in words[::2])


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
