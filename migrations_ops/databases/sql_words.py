"""SQL text as words: comments gone, names without their quotes, literals as they stand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

# SQLite takes any character beyond ASCII for a letter, and only ASCII blanks for blanks.
_LETTERS = r"[A-Za-z0-9_$\u0080-\U0010ffff]+"
_SKIPPED = re.compile(r"[ \t\n\f\r]+|--[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_WORD = re.compile(
    rf"'(?:[^']|'')*'?|\"(?:[^\"]|\"\")*\"?|`(?:[^`]|``)*`?|\[[^\]]*\]?|{_LETTERS}"
    r"|->>|->|<=|>=|<>|!=|==|<<|>>|\|\||.",
    re.DOTALL,
)
_PLAIN = re.compile(r"[^\W\d][\w$]*")
_CLOSERS = {'"': '"', "`": "`", "[": "]"}


class Word(NamedTuple):
    """One word, mark or literal of a statement; ``quoted`` is a name that stood in quotes."""

    text: str
    quoted: bool = False

    @property
    def literal(self) -> bool:
        return not self.quoted and self.text.startswith("'")

    def means(self, *keywords: str) -> bool:
        """Whether it is one of these keywords, given in capitals."""
        return not self.quoted and self.text.upper() in keywords

    def shown(self) -> str:
        if self.quoted:
            return shown(self.text)
        return self.text


def words(sql: str) -> list[Word]:
    """The words of a statement."""
    return list(_read(sql))


def _read(sql: str) -> Iterator[Word]:
    position = 0
    while position < len(sql):
        if skipped := _SKIPPED.match(sql, position):
            position = skipped.end()
            continue
        found = _WORD.match(sql, position)
        assert found is not None
        position, text = found.end(), found.group()
        closer = _CLOSERS.get(text[0])
        if closer is None:
            yield Word(text)
        else:
            inner = text[1:].removesuffix(closer)
            yield Word(inner.replace(closer * 2, closer) if closer != "]" else inner, quoted=True)


def shown(name: str) -> str:
    """A name as keys and messages write it: in quotes only where it would not read as one word."""
    if _PLAIN.fullmatch(name):
        return name
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def normal(sql: str | Iterable[Word]) -> str:
    """A text that is equal for statements that mean the same.

    White space, comments, the quotes around names and the case of letters do not count; what
    stands in a literal does.
    """
    text = ""
    for word in words(sql) if isinstance(sql, str) else sql:
        part = word.shown() if word.literal else word.shown().lower()
        if text and text[-1] not in "(,." and part not in {"(", ")", ",", "."}:
            text += " "
        text += part
    return text


def group(sql: list[Word], start: int) -> list[Word]:
    """What stands between the bracket at ``start`` and the one that closes it."""
    depth = 0
    for position in range(start, len(sql)):
        depth += sql[position].means("(") - sql[position].means(")")
        if depth == 0:
            return sql[start + 1 : position]
    return sql[start + 1 :]


def split(sql: list[Word]) -> list[list[Word]]:
    """A list at its commas, those within brackets left alone."""
    parts: list[list[Word]] = [[]]
    depth = 0
    for word in sql:
        depth += word.means("(") - word.means(")")
        if depth == 0 and word.means(","):
            parts.append([])
        else:
            parts[-1].append(word)
    return [part for part in parts if part]
