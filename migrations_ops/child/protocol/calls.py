"""Whether a statement calls a function that is not known to read only."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from .sql import Token

# Words that look like a call but are not, and built-in functions that only read.
NO_CALLS = frozenset(
    {
        "IN", "EXISTS", "ANY", "ALL", "SOME", "AND", "OR", "NOT", "AS", "ON", "FROM", "JOIN",
        "LATERAL", "VALUES", "SELECT", "WHERE", "CASE", "WHEN", "THEN", "ELSE", "OVER", "FILTER",
        "BY", "HAVING", "UNION", "EXCEPT", "INTERSECT", "CAST", "COALESCE", "NULLIF", "ROW",
        "ARRAY", "USING", "DISTINCT", "WITH",
        "COUNT", "SUM", "MIN", "MAX", "AVG", "NOW", "VERSION", "PG_SLEEP", "TO_REGCLASS",
        "CURRENT_DATABASE", "CURRENT_SCHEMA", "CURRENT_SETTING", "LOWER", "UPPER", "LENGTH",
    }
)  # fmt: skip


def calls(found: Iterable[Token]) -> bool:
    """Whether it may call a function that is not known to read."""
    return any(
        after.means("(")
        and (word.quoted or (word.text[:1].isalpha() or word.text[:1] == "_"))
        and not word.means(*NO_CALLS)
        for word, after in pairwise(found)
    )
