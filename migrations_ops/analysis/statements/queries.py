"""Parses the items and tables of a query, as far as the analysis of copies needs them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from migrations_ops.analysis.statements.casts import VALUES, uncast, unwrapped
from migrations_ops.analysis.statements.rows import outside, sources_of
from migrations_ops.child.protocol.sql import Token, group, split

_ENDS_OF_ITEMS = ("FROM", "WHERE", "GROUP", "ORDER", "LIMIT", "HAVING", "ON")
# Words behind which a name is no alias.
_OPERATORS = ("AND", "OR", "NOT", "IS", "LIKE", "GLOB", "REGEXP", "IN", "BETWEEN", "COLLATE",
              "DIV", "MOD", "THEN", "ELSE", "WHEN", "CASE", "DISTINCT", "ESCAPE")  # fmt: skip


@dataclass(frozen=True)
class Item:
    """One item of a SELECT; ``column`` is empty for what is computed, or a star.

    ``is_cast`` says that the value of the column gets another type.
    """

    column: str = ""
    qualifier: str = ""
    alias: str = ""
    is_star: bool = False
    is_cast: bool = False
    mentioned: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Select:
    """One SELECT of a query: its items, and its tables by each name that they have in it.

    ``computed`` are the names that queries within its FROM give to what they compute.
    """

    items: tuple[Item, ...]
    tables: dict[str, str]
    computed: frozenset[str]


def selects_of(query: list[Token]) -> Iterator[Select]:
    """The SELECTs of a query, several where it is a UNION."""
    inner = query[: outside(query, ("SELECT", "("))]  # WITH
    query = query[outside(query, ("SELECT",)) :] if inner else query
    while query:
        query = unwrapped(query)
        end = outside(query, ("UNION", "EXCEPT", "INTERSECT"))
        yield _select(query[1:end], inner)
        query = query[end + 1 :]
        while query and query[0].means("ALL", "DISTINCT"):
            query = query[1:]


def _select(words: list[Token], inner: list[Token]) -> Select:
    while words and words[0].means("DISTINCT", "ALL"):
        words = words[1:]
        if words and words[0].means("ON"):
            words = words[len(group(words, 1)) + 3 :]
    end = outside(words, _ENDS_OF_ITEMS)
    sources: list[Token] = []
    if end < len(words) and words[end].means("FROM"):
        sources = words[end + 1 :]
        sources = sources[: outside(sources, ("WHERE", "GROUP", "ORDER", "LIMIT", "HAVING"))]
    tables = {other or name: name for name, other in sources_of(sources)}
    items = tuple(map(_item, split(words[:end])))
    return Select(items, tables, frozenset(computed_within([*inner, *sources])))


def _item(words: list[Token]) -> Item:
    words, alias = _without_alias(words)
    words, is_cast = uncast(words)
    is_path = len(words) % 2 == 1 and all(word.means(".") for word in words[1::2])
    path = [word.text.lower() for word in words[::2]] if is_path else []
    qualifier = path[-2] if len(path) > 1 else ""
    if path and words[-1].means("*"):
        return Item(qualifier=qualifier, is_star=True)
    if path and _is_column(words[-1]):
        return Item(path[-1], qualifier, alias, is_cast=is_cast)
    named = frozenset(
        word.text.lower()
        for word, after in zip(words, [*words[1:], Token(")")], strict=True)
        if _is_column(word) and not after.means("(", ".")
    )
    return Item(alias=alias, mentioned=named)


def _without_alias(words: list[Token]) -> tuple[list[Token], str]:
    if len(words) < 2 or not words[-1].is_name:
        return words, ""
    before, last = words[-2], words[-1]
    if before.means("AS"):
        return words[:-2], last.text.lower()
    follows = before.literal or before.means(")", "END") or _is_value(before)
    if follows and not last.means("END", "NULL"):
        return words[:-1], last.text.lower()
    return words, ""


def _is_value(word: Token) -> bool:
    return word.is_name and not word.means(*_OPERATORS)


def _is_column(word: Token) -> bool:
    return _is_value(word) and not word.means(*VALUES) and not word.text[:1].isdigit()


def computed_within(words: list[Token]) -> Iterator[str]:
    """The names that subqueries give to what they compute."""
    for number, word in enumerate(words):
        inside = group(words, number) if word.means("(") else []
        if inside and inside[0].means("SELECT", "WITH"):
            for select in selects_of(inside):
                yield from select.computed
                for item in select.items:
                    if item.alias and item.alias != item.column:
                        yield item.alias
