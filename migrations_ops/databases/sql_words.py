"""SQL text as words: comments gone, names without their quotes, literals as they stand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Literal, NamedTuple

# What separates words, and what is one, in each way of writing SQL. All engines take characters
# beyond ASCII for letters; the quotes, the comments and the escapes are their own.
_BLANKS = r"[ \t\n\f\r]+"
_LETTERS = r"[A-Za-z0-9_$\u0080-\U0010ffff]+"
_MARKS = r"::|->>|->|<=>|<=|>=|<>|!=|==|<<|>>|\|\||."
_TEXT = r"'(?:[^']|'')*'?"
_NAME = r"\"(?:[^\"]|\"\")*\"?"
_BACKTICKS = r"`(?:[^`]|``)*`?"
_ESCAPED = r"[eE]'(?:[^'\\]|\\.|'')*'?"
_DOLLARS = r"\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z)"
_COMMENTS = r"--[^\n]*|/\*.*?(?:\*/|\Z)"
_SKIPPED = {
    "sqlite": _COMMENTS,
    "postgresql": _COMMENTS,
    # What stands behind an exclamation mark is no comment, but done; -- needs a blank.
    "mariadb": r"--(?=\s|\Z)[^\n]*|\#[^\n]*|/\*M?!\d*|\*/|/\*.*?(?:\*/|\Z)",
    "facts": r"(?!)",
}
_WORDS = {
    "sqlite": rf"{_TEXT}|{_NAME}|{_BACKTICKS}|\[[^\]]*\]?|{_LETTERS}|{_MARKS}",
    "postgresql": rf"{_ESCAPED}|{_TEXT}|{_NAME}|{_DOLLARS}|{_LETTERS}|{_MARKS}",
    "mariadb": r"'(?:[^'\\]|\\.|'')*'?|\"(?:[^\"\\]|\\.|\"\")*\"?"
    rf"|{_BACKTICKS}|{_LETTERS}|{_MARKS}",
    "facts": rf"{_ESCAPED}|{_TEXT}|{_NAME}|{_LETTERS}|{_MARKS}",
}
Syntax = Literal["sqlite", "postgresql", "mariadb", "facts"]
_PLAIN = re.compile(r"[^\W\d][\w$]*")
_CLOSERS = {
    "sqlite": {'"': '"', "`": "`", "[": "]"},
    "postgresql": {'"': '"'},
    "mariadb": {'"': '"', "`": "`"},
    "facts": {'"': '"'},
}


class Word(NamedTuple):
    """One word, mark or literal of a statement; ``quoted`` is a name that stood in quotes."""

    text: str
    quoted: bool = False

    @property
    def literal(self) -> bool:
        # No mark and no name without quotes has such a mark in it; E'...' has it behind a letter.
        return not self.quoted and "'" in self.text

    def means(self, *keywords: str) -> bool:
        """Whether it is one of these keywords, given in capitals."""
        return not self.quoted and self.text.upper() in keywords

    def shown(self) -> str:
        if self.quoted:
            return shown(self.text)
        return self.text


def words(sql: str, syntax: Syntax = "sqlite") -> list[Word]:
    """The words of a statement.

    :param syntax: whose SQL it is; ``facts`` is what fingerprints are written in, the same for all.
    """
    return list(_read(sql, syntax))


@cache
def _patterns(syntax: Syntax) -> tuple[re.Pattern[str], re.Pattern[str]]:
    return (
        re.compile(f"{_BLANKS}|{_SKIPPED[syntax]}", re.DOTALL),
        re.compile(_WORDS[syntax], re.DOTALL),
    )


def _read(sql: str, syntax: Syntax) -> Iterator[Word]:
    between, word = _patterns(syntax)
    position = 0
    while position < len(sql):
        if skipped := between.match(sql, position):
            position = skipped.end()
            if syntax == "postgresql" and "/*" in skipped.group()[2:]:
                position = _end_of_comment(sql, skipped.start())
            continue
        found = word.match(sql, position)
        assert found is not None
        position, text = found.end(), found.group()
        closer = _CLOSERS[syntax].get(text[0])
        if closer is not None:
            inner = text[1:].removesuffix(closer)
            yield Word(inner.replace(closer * 2, closer) if closer != "]" else inner, quoted=True)
        elif syntax == "postgresql" and found["tag"] is not None:
            mark = f"${found['tag']}$"
            inner = text.removeprefix(mark).removesuffix(mark).replace("'", "''")
            yield Word(f"'{inner}'")
        else:
            yield Word(text)


def _end_of_comment(sql: str, start: int) -> int:
    """Where a comment ends that may have others inside, as only PostgreSQL takes them."""
    depth = 0
    for mark in re.finditer(r"/\*|\*/", sql[start:]):
        depth += 1 if mark.group() == "/*" else -1
        if depth == 0:
            return start + mark.end()
    return len(sql)


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
