"""The lexer of SQL: text as tokens, in the syntax of each engine.

Comments and blanks are left out, names lose their quotes, literals stay as they are written. It has
no grammar: its callers interpret the tokens.

Constants and pure functions only: the parent imports this module too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, NamedTuple

# ``facts`` is what fingerprints are written in, whichever engine they are of;
# ``no_backslash_escapes`` is MariaDB under the sql_mode of that name.
Syntax = Literal["sqlite", "postgresql", "mariadb", "no_backslash_escapes", "facts"]

_BLANKS = r"[ \t\n\v\f\r]+"
# All engines treat characters beyond ASCII as letters.
_WORD = r"[A-Za-z0-9_$\u0080-\U0010ffff]+"
_MARK = r"::|->>|->|<=>|<=|>=|<>|!=|==|<<|>>|\|\||."
_TAG = r"(?:[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_\u0080-\U0010ffff]*)?"
_DOLLARS = rf"\$(?P<tag>{_TAG})\$.*?(?:\$(?P=tag)\$|\Z)"
_PLAIN = re.compile(r"[^\W\d][\w$]*")


@dataclass(frozen=True)
class _Rules:
    """Where the engines differ.

    :param names: the quotes around names.
    :param line_comment: a pattern; None where there are no comments at all.
    :param nested_comments: whether a comment may have others inside.
    :param executed_comments: whether what is in ``/*! */`` is executed.
    :param backslashes: the quotes within which a backslash escapes.
    :param escape_literals: whether it does so within ``E''``.
    :param dollar_literals: whether a literal may be between ``$tag$``.
    """

    names: str = '"'
    line_comment: str | None = r"--[^\n]*"
    nested_comments: bool = False
    executed_comments: bool = False
    backslashes: str = ""
    escape_literals: bool = False
    dollar_literals: bool = False


_MARIADB = _Rules(
    names='"`',
    # Two hyphens start a comment only before a space or a control character.
    line_comment=r"--(?=[\x00-\x20\x7f]|\Z)[^\n]*|\#[^\n]*",
    executed_comments=True,
    backslashes="'\"",
)
_RULES: dict[Syntax, _Rules] = {
    "sqlite": _Rules(names='"`['),
    "postgresql": _Rules(
        line_comment=r"--[^\n\r]*",
        nested_comments=True,
        escape_literals=True,
        dollar_literals=True,
    ),
    "mariadb": _MARIADB,
    "no_backslash_escapes": replace(_MARIADB, backslashes=""),
    "facts": _Rules(line_comment=None, escape_literals=True),
}


class Token(NamedTuple):
    """A word, a punctuation mark or a literal of a statement; or a name, with its quotes."""

    text: str
    quote: str = ""

    @property
    def quoted(self) -> bool:
        return self.quote != ""

    @property
    def literal(self) -> bool:
        # No mark and no name without quotes has such a mark in it; E'...' has it behind a letter.
        return not self.quoted and "'" in self.text

    @property
    def is_word(self) -> bool:
        """Whether it is a keyword, a name without quotes or a number."""
        first = self.text[:1]
        plain = first.isalnum() or first in ("_", "$") or first >= "\x80"
        return plain and not self.quoted and "'" not in self.text

    @property
    def is_name(self) -> bool:
        """Whether it may be the name of something."""
        return self.quoted or self.is_word

    def means(self, *keywords: str) -> bool:
        """Whether it is one of these keywords, given in capitals."""
        return not self.quoted and self.text.upper() in keywords

    def shown(self) -> str:
        if self.quoted:
            return shown(self.text)
        return self.text


def tokens(sql: str, syntax: Syntax = "sqlite") -> list[Token]:
    return [token for _, _, token in located(sql, syntax)]


def located(sql: str, syntax: Syntax) -> Iterator[tuple[int, int, Token]]:
    """Each token with its start and end in the text."""
    position, in_executed = 0, False
    while position < len(sql):
        for found in _pattern(syntax).finditer(sql, position):
            kind = found.lastgroup
            if kind is None:
                yield found.start(), found.end(), Token(found.group())
            elif kind == "quoted" or kind == "dollars":
                yield *found.span(), _unquoted(found)
            elif kind == "executed":
                in_executed = True
            elif kind == "executed_end" and in_executed:
                in_executed = False
            elif kind != "gap":
                # The pattern cannot determine its end, and is applied again after it.
                break
        else:
            return
        if kind == "executed_end":
            position = found.start() + 1
            yield found.start(), position, Token("*")
        else:
            position = _end_of_comment(sql, found.start())


def _unquoted(found: re.Match[str]) -> Token:
    text = found.group()
    opener = text[0]
    if opener == "[":
        return Token(text[1:].removesuffix("]"), opener)
    if opener == "$":
        mark = f"${found['tag']}$"
        inside = text.removeprefix(mark).removesuffix(mark).replace("'", "''")
        return Token(f"'{inside}'")
    inside = text[1:].removesuffix(opener)
    return Token(inside.replace(opener * 2, opener), opener)


@cache
def _pattern(syntax: Syntax) -> re.Pattern[str]:
    """One token, or what is between two; it matches anywhere except at the end."""
    rules = _RULES[syntax]
    gaps = [_BLANKS]
    groups = []
    if rules.executed_comments:
        groups += [r"(?P<executed>/\*M?!\d*)", r"(?P<executed_end>\*/)"]
    if rules.nested_comments:
        groups += [r"(?P<nested>/\*)"]
    if rules.line_comment is not None:
        gaps += [rules.line_comment, r"/\*.*?(?:\*/|\Z)"]
    groups.append(f"(?P<gap>{'|'.join(gaps)})")
    if rules.escape_literals:
        groups.append("[eE]" + _between("'", backslashes=True))
    groups.append(_between("'", backslashes="'" in rules.backslashes))
    names = [_between(each, backslashes=each in rules.backslashes) for each in rules.names]
    groups.append(f"(?P<quoted>{'|'.join(names)})")
    if rules.dollar_literals:
        groups.append(f"(?P<dollars>{_DOLLARS})")
    return re.compile("|".join([*groups, _WORD, _MARK]), re.DOTALL)


def _between(quote: str, *, backslashes: bool) -> str:
    """A quoted text; a doubled quote is an escaped one. The closing quote may be missing."""
    if quote == "[":
        return r"\[[^\]]*\]?"
    inside = rf"[^{quote}\\]*" if backslashes else f"[^{quote}]*"
    escaped = rf"(?:\\.|{quote}{quote})" if backslashes else quote * 2
    return f"{quote}{inside}(?:{escaped}{inside})*{quote}?"


def _end_of_comment(sql: str, start: int) -> int:
    """The end of a comment that may contain others."""
    depth = 0
    for mark in re.compile(r"/\*|\*/").finditer(sql, start):
        depth += 1 if mark.group() == "/*" else -1
        if depth == 0:
            return mark.end()
    return len(sql)


def shown(name: str) -> str:
    """A name as in keys and messages: quoted only where it would not read as one word."""
    return name if _PLAIN.fullmatch(name) else quoted(name)


def quoted(name: str) -> str:
    """A name for standard SQL."""
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def literal(text: str) -> str:
    """A literal for PostgreSQL that is independent of standard_conforming_strings."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"E'{escaped}'"


def normal(sql: str | Iterable[Token]) -> str:
    """A normal form that is equal for statements that mean the same.

    White space, comments, the quotes around names and the case of letters do not count; what
    is in a literal does.
    """
    text = ""
    for token in tokens(sql) if isinstance(sql, str) else sql:
        part = token.shown() if token.literal else token.shown().lower()
        if text and text[-1] not in "(,." and part not in {"(", ")", ",", "."}:
            text += " "
        text += part
    return text


def group(sql: list[Token], start: int) -> list[Token]:
    """The text between the parenthesis at ``start`` and the one that closes it."""
    depth = 0
    for position in range(start, len(sql)):
        depth += sql[position].means("(") - sql[position].means(")")
        if depth == 0:
            return sql[start + 1 : position]
    return sql[start + 1 :]


def split(sql: list[Token]) -> list[list[Token]]:
    """Split a list at its commas, except those within parentheses."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in sql:
        depth += token.means("(") - token.means(")")
        if depth == 0 and token.means(","):
            parts.append([])
        else:
            parts[-1].append(token)
    return [part for part in parts if part]
