"""The text of a view as it is after a dump, whichever way it was written at first.

``FROM a, b`` is kept as ``from a join b``. A dump says ``from (a join b)``, and what is made from
that is kept with brackets, though it is the same view.
"""

from __future__ import annotations

from migrations_ops.child.protocol.sql import Token

_ENDS = ("WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "UNION", "EXCEPT", "INTERSECT", "PROCEDURE",
         "WINDOW", "FETCH", "OFFSET")  # fmt: skip
_OPEN, _CLOSE = Token("("), Token(")")


def with_brackets(sql: list[Token]) -> list[Token]:
    """The same with brackets around each two tables that a comma had joined."""
    before: dict[int, list[Token]] = {}
    for number, word in enumerate(sql):
        if word.means("FROM"):
            joins, end = _joins(sql, number + 1)
            before.setdefault(number + 1, []).extend([_OPEN] * len(joins))
            for place in [*joins[1:], end] if joins else ():
                before.setdefault(place, []).append(_CLOSE)
    return [
        each
        for number in range(len(sql) + 1)
        for each in (*before.get(number, ()), *sql[number : number + 1])
    ]


def _joins(sql: list[Token], start: int) -> tuple[list[int], int]:
    """The joins outside of all brackets of a list of tables, and where the list ends."""
    depth, joins = 0, list[int]()
    for number in range(start, len(sql)):
        word = sql[number]
        depth += word.means("(") - word.means(")")
        if depth < 0 or (not depth and word.means(*_ENDS)):
            return joins, number
        if not depth and word.means("JOIN"):
            joins.append(number)
    return joins, len(sql)
