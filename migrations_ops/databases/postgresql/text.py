"""Writes the expressions that PostgreSQL prints in one form for all that mean the same.

What is dumped and restored is parsed again, and a few expressions are printed in another way from
then on, which no further restore changes: ``a IN ('x', 'y')`` with its casts elsewhere,
``BETWEEN`` in other brackets, ``-1::integer`` as a constant, a literal of a subquery with a name.
All else is printed alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import takewhile

from migrations_ops.child.protocol.sql import Token, tokens

# After these, no blank; before those, none.
_TIGHT_AFTER = frozenset("([.:,")
_TIGHT_BEFORE = frozenset({"(", ")", "[", "]", ".", "::", ","})
_NUMBER = re.compile(r"\d+(?:\.\d*)?(?:[eE]\d+)?|\.\d+")
_OPEN, _CLOSE, _CAST = map(Token, ("(", ")", "::"))
# The first word of types that the catalog names in another way than the server prints them.
_PRINTED = {"int2": "smallint", "int4": "integer", "int8": "bigint", "float4": "real",
            "float8": "double", "bool": "boolean", "varchar": "character", "bpchar": "character",
            "varbit": "bit", "timestamptz": "timestamp", "timetz": "time"}  # fmt: skip


# The types of columns are a few, again and again.
@lru_cache(maxsize=1000)
def canonical(sql: str, schema: str) -> str:
    """A text that is equal for expressions that mean the same.

    :param schema: whose names are written without it.
    """
    words = _with_constants([*_without(tokens(sql, "postgresql"), schema)])
    words = _with_plain_brackets(_with_casts_inside(_without_names_of_types(words)))
    if _ends(words).get(0) == len(words) - 1:
        words = words[1:-1]
    text = ""
    for word in words:
        part = word.shown() if word.quoted or word.literal else word.text.lower()
        if text and text[-1] not in _TIGHT_AFTER and part not in _TIGHT_BEFORE:
            text += " "
        text += part
    return text


def _without(sql: list[Token], schema: str) -> Iterator[Token]:
    skip = False
    for number, word in enumerate(sql):
        dot = sql[number + 1 : number + 2]
        if skip:
            skip = False
        elif word.text == schema and dot and dot[0].means("."):
            skip = True
        else:
            yield word


def _ends(words: list[Token]) -> dict[int, int]:
    """Where each bracket is closed, by where it is opened."""
    opened: list[int] = []
    found: dict[int, int] = {}
    for number, word in enumerate(words):
        if word.means("(", "["):
            opened.append(number)
        elif word.means(")", "]") and opened:
            found[opened.pop()] = number
    return found


def _with_constants(words: list[Token]) -> list[Token]:
    """``(- 1)`` is ``'-1'::integer``."""
    # From the right, so that what is on the left keeps its place.
    for start, end in sorted(_ends(words).items(), reverse=True):
        if words[start].means("(") and words[start + 1].means("-"):
            number = "".join(word.text for word in words[start + 2 : end])
            if _NUMBER.fullmatch(number):
                kind = Token("integer" if number.isdigit() else "numeric")
                words = [*words[:start], Token(f"'-{number}'"), _CAST, kind, *words[end + 1 :]]
    return words


def _without_names_of_types(words: list[Token]) -> list[Token]:
    """``SELECT 'x'::text AS text`` is ``SELECT 'x'::text``.

    In a subquery, ``'x'`` has no name and is printed with a cast; and what is cast and has no name
    gets that of its type.
    """
    dropped = set[int]()
    for number, word in enumerate(words[:-1]):
        start, name = number, words[number + 1].text
        while word.means("AS") and start and _is_of_type(words[start - 1]):
            start -= 1
        kind = {each.text for each in words[start:number]}
        if start and words[start - 1] == _CAST and {name, _PRINTED.get(name)} & kind:
            dropped |= {number, number + 1}
    return [word for number, word in enumerate(words) if number not in dropped]


def _with_casts_inside(words: list[Token]) -> list[Token]:
    """``(ARRAY[a, b])::text[]`` is ``ARRAY[(a)::text, (b)::text]``.

    Statistics are printed with fewer brackets: ``ARRAY[a, b]::text[]``.
    """
    ends, dropped = _ends(words), set[int]()
    added: dict[int, list[Token]] = {}
    for start, end in ends.items():
        if not (start and words[start - 1].means("ARRAY") and end > start + 1):
            continue
        bracketed = ends.get(start - 2) == end + 1
        kind = _element_type(words[end + 1 + bracketed :])
        if not kind:
            continue
        commas = [number for number in _directly_in(start, ends) if words[number].means(",")]
        for number in (start, *commas):
            added[number + 1] = [_OPEN] * bracketed
        for number in (*commas, end):
            added[number] = [*[_CLOSE] * bracketed, _CAST, *kind]
        dropped.update(range(end + 1, end + 4 + bracketed + len(kind)), [start - 2] * bracketed)
    return [
        each
        for number, word in enumerate(words)
        for each in (*added.get(number, ()), *(() if number in dropped else (word,)))
    ]


def _is_of_type(word: Token) -> bool:
    return word.is_name or word.means(".", "(", ")", "[", "]")


def _element_type(words: list[Token]) -> list[Token]:
    """The type in ``::type[]``, where these words begin with that."""
    end = 1 + len([*takewhile(lambda word: word.is_name or word == Token("."), words[1:])])
    is_array = words[:1] == [_CAST] and words[end : end + 2] == [Token("["), Token("]")]
    return words[1:end] if is_array else []


def _with_plain_brackets(words: list[Token]) -> list[Token]:
    """``((a))`` is ``(a)``, and ``((a AND b) AND c)`` is ``(a AND b AND c)``."""
    ends, dropped = _ends(words), set[int]()
    for start, end in ends.items():
        if words[start].means("(") and start - 1 in ends:
            following = words[end + 1]
            inside = (words[number] for number in _directly_in(start, ends))
            chain = next((word for word in inside if word.means("AND", "OR")), None)
            if ends[start - 1] == end + 1 or chain == following:
                dropped |= {start, end}
    return [word for number, word in enumerate(words) if number not in dropped]


def _directly_in(start: int, ends: dict[int, int]) -> Iterator[int]:
    """What is in these brackets, and in none within them."""
    number = start + 1
    while number < ends[start]:
        yield number
        number = ends.get(number, number) + 1
