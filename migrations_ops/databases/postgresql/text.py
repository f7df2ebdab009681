"""Writes the expressions that PostgreSQL prints in one form for all that mean the same.

What is dumped and restored is parsed anew, and a few expressions are printed in another way from
then on: ``a IN ('x', 'y')`` with its casts elsewhere, ``BETWEEN`` in other brackets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from migrations_ops.child.protocol.sql import Token, tokens

_CLOSERS = {"(": ")", "[": "]"}
# After these, no blank; before those, none.
_TIGHT_AFTER = frozenset("([.:,")
_TIGHT_BEFORE = frozenset({"(", ")", "[", "]", ".", "::", ","})


@dataclass(frozen=True)
class _Group:
    """The text in parentheses."""

    opener: str
    inside: list[_Part]


_NUMBER = re.compile(r"\d+(?:\.\d*)?(?:[eE]\d+)?|\.\d+")
_Part: TypeAlias = Token | _Group


# The types of columns are a few, again and again.
@lru_cache(maxsize=1000)
def canonical(sql: str, schema: str) -> str:
    """A text that is equal for expressions that mean the same.

    :param schema: whose names are written without it.
    """
    parts = _reparsed(_tree(_without(tokens(sql, "postgresql"), schema), ""))
    while len(parts) == 1 and (inside := _bracketed(parts[0])):
        parts = inside
    text = ""
    for word in _flat(parts):
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


def _tree(sql: Iterator[Token], closer: str) -> list[_Part]:
    parts: list[_Part] = []
    for word in sql:
        if word.means(closer):
            break
        inner = None if word.quoted else _CLOSERS.get(word.text)
        parts.append(word if inner is None else _Group(word.text, _tree(sql, inner)))
    return parts


def _reparsed(parts: list[_Part]) -> list[_Part]:
    """The same as it is after it was printed and parsed once more."""
    found: list[_Part] = []
    for part in parts:
        if isinstance(part, _Group):
            inside = _reparsed(part.inside)
            while len(inside) == 1 and (inner := _bracketed(inside[0])):
                inside = inner
            part = _Group(part.opener, inside)
        found.append(part)
    return _with_flat_chain(list(_with_casts_inside(_with_constants(found))))


def _with_constants(parts: list[_Part]) -> list[_Part]:
    """``(- 1)`` is ``'-1'::integer``, which gets the same brackets here."""
    match parts:
        case [Token() as sign, *digits] if digits and sign.means("-"):
            text = "".join(part.text if isinstance(part, Token) else "(" for part in digits)
            if _NUMBER.fullmatch(text):
                kind = Token("integer" if text.isdigit() else "numeric")
                return [Token(f"'-{text}'"), Token("::"), kind]
    found: list[_Part] = []
    for part in parts:
        found.append(part)
        match found[-3:]:
            case [Token() as number, Token("::"), Token("integer" | "numeric")] if (
                number.text.startswith("'-") and len(parts) > 3
            ):
                found[-3:] = [_Group("(", found[-3:])]
    return found


def _with_casts_inside(parts: list[_Part]) -> Iterator[_Part]:
    """``(ARRAY[a, b])::text[]`` is ``ARRAY[(a)::text, (b)::text]``."""
    position = 0
    while position < len(parts):
        part = parts[position]
        end = _end_of_array_type(parts, position + 1)
        elements = _elements(part) if end else None
        if elements is None:
            yield part
            position += 1
            continue
        cast = parts[position + 1 : end - 1]
        inside = [[_in_brackets(element), *cast] for element in elements]
        yield Token("ARRAY")
        yield _Group("[", _joined(inside))
        position = end


def _end_of_array_type(parts: list[_Part], start: int) -> int:
    """Where ``::type[]`` ends that begins there; 0 if there is none."""
    if not (start < len(parts) and _means(parts[start], "::")):
        return 0
    for position in range(start + 1, len(parts)):
        part = parts[position]
        if isinstance(part, _Group):
            if part.opener == "[":
                return 0 if part.inside else position + 1
        elif not (part.quoted or part.text == "." or part.text[0].isalpha()):
            return 0
    return 0


def _elements(part: _Part) -> list[list[_Part]] | None:
    """The elements of ``(ARRAY[...])``."""
    match _bracketed(part):
        case [Token() as start, _Group("[", inside)] if start.means("ARRAY"):
            elements: list[list[_Part]] = [[]]
            for each in inside:
                if _means(each, ","):
                    elements.append([])
                else:
                    elements[-1].append(each)
            return elements
    return None


def _in_brackets(element: list[_Part]) -> _Part:
    if len(element) == 1 and _bracketed(element[0]):
        return element[0]
    return _Group("(", element)


def _joined(elements: list[list[_Part]]) -> list[_Part]:
    first, *others = elements
    return [*first, *(part for each in others for part in (Token(","), *each))]


def _with_flat_chain(parts: list[_Part]) -> list[_Part]:
    """``((a AND b) AND c)`` is ``(a AND b AND c)``."""
    for chain in ("AND", "OR"):
        while len(parts) > 1 and _means(parts[1], chain):
            inside = _bracketed(parts[0]) or []
            if not any(_means(part, chain) for part in inside):
                break
            parts = [*inside, *parts[1:]]
    return parts


def _bracketed(part: _Part) -> list[_Part] | None:
    return part.inside if isinstance(part, _Group) and part.opener == "(" else None


def _means(part: _Part, text: str) -> bool:
    return isinstance(part, Token) and part.means(text)


def _flat(parts: Iterable[_Part]) -> Iterator[Token]:
    for part in parts:
        if isinstance(part, Token):
            yield part
        else:
            yield Token(part.opener)
            yield from _flat(part.inside)
            yield Token(_CLOSERS[part.opener])
