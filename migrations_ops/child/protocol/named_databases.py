"""Finds, in the text of a MariaDB statement, which databases it names.

A name before a dot is a database, a table or an alias. It counts as a database where only a table
is allowed, before a third name or a parenthesis, and where nothing else in the statement
explains it. Literals, comments and variables are not names.

Constants and pure functions only: the parent imports this module too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from .sql import Syntax, Token, located

# What comes after these, perhaps after a few other words, is a table or a program.
_BEFORE = frozenset(
    {
        "FROM", "JOIN", "STRAIGHT_JOIN", "INTO", "UPDATE", "TABLE", "TABLES", "VIEW",
        "REFERENCES", "PROCEDURE", "FUNCTION", "TRIGGER", "EVENT", "SEQUENCE", "PACKAGE", "BODY",
        "CALL", "TRUNCATE", "TO", "INSERT", "REPLACE", "HANDLER", "FOR",
        "RENAME",
    }
)  # fmt: skip
_BETWEEN = frozenset(
    {
        "IF", "NOT", "EXISTS", "IGNORE", "LOW_PRIORITY", "QUICK", "DELAYED", "HIGH_PRIORITY",
    }
)  # fmt: skip
# A list of tables continues after each comma until one of these.
_ENDS = frozenset(
    {
        "SET", "WHERE", "ON", "USING", "GROUP", "ORDER", "HAVING", "LIMIT", "VALUES", "VALUE",
        "SELECT", "UNION", "EXCEPT", "INTERSECT", "PROCEDURE", "RETURNING", "WINDOW", "AS",
    }
)  # fmt: skip
# In their parentheses, FROM is before a value.
_OF_VALUES = frozenset(["EXTRACT", "TRIM", "SUBSTRING", "SUBSTR", "MID"])
_DATABASE = frozenset({"DATABASE", "SCHEMA"})
_OR = ("OR", "REPLACE")
# These may put what they expect into brackets; INSERT, REPLACE and TRUNCATE are functions then.
_BRACKETED = ("FROM", "JOIN", "STRAIGHT_JOIN", "UPDATE", ",", "(")
# What they execute is in a literal.
_DYNAMIC = frozenset({"EXECUTE", "PREPARE"})
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_BLANKS = {"n": "\n", "r": "\r", "t": "\t"}


def find_database(
    sql: str, names: Callable[[str], bool], *, backslashes: bool = True
) -> str | None:
    """The first of the given databases that a text names.

    :param names: whether a name is one of these databases.
    :param backslashes: whether backslashes escape in a literal, as they do unless sql_mode disables
        it.
    """
    for statement in _statements(sql, backslashes=backslashes):
        found = _find(statement, names) or _find(_without_head(statement), names)
        for text in () if found else _executed(statement, backslashes=backslashes):
            found = found or find_database(text, names, backslashes=backslashes)
        if found is not None:
            return found
    return None


def names_in(sql: str) -> set[str]:
    """Every word of a text that may be a name."""
    return {token.text for each in _statements(sql) for token in each if token.is_name}


def _without_head(tokens: list[Token]) -> list[Token]:
    """A statement without an optional prefix: settings, or the start of a block."""
    words = [token.text.upper() for token in tokens]
    if words[:2] == ["SET", "STATEMENT"] and "FOR" in words:
        return tokens[words.index("FOR") + 1 :]
    return tokens[3:] if words[:3] == ["BEGIN", "NOT", "ATOMIC"] else []


def _executed(tokens: list[Token], *, backslashes: bool) -> Iterator[str]:
    """The texts that a statement executes, each separately and all concatenated."""
    first = next((n for n, token in enumerate(tokens) if token.means(*_DYNAMIC)), len(tokens))
    texts = [
        _value(token, backslashes=backslashes)
        for token in tokens[first:]
        if token.literal or token.quote == '"'
    ]
    yield from texts
    if len(texts) > 1:
        yield "".join(texts)


def _value(token: Token, *, backslashes: bool) -> str:
    """The value of a literal; text in double quotes counts too, unless sql_mode has ANSI_QUOTES."""
    text = token.text[1:-1].replace("''", "'") if token.literal else token.text
    if not backslashes:
        return text
    return _ESCAPED.sub(lambda found: _BLANKS.get(found[1], found[1]), text)


def _statements(sql: str, *, backslashes: bool = True) -> Iterator[list[Token]]:
    syntax: Syntax = "mariadb" if backslashes else "no_backslash_escapes"
    tokens: list[Token] = []
    for token in _without_variables(sql, syntax):
        if token.means(";"):
            if tokens:
                yield tokens
            tokens = []
        else:
            tokens.append(token)
    if tokens:
        yield tokens


def _without_variables(sql: str, syntax: Syntax) -> Iterator[Token]:
    """What follows ``@`` is a variable or the host of a user, including its dots and words."""
    end, begins = -1, False
    for start, stop, token in located(sql, syntax):
        if token.means("@"):
            end, begins = stop, True
        elif start == end and (token.is_word or token.means(".")):
            end, begins = stop, False
        elif start != end or not begins or not (token.quoted or token.literal):
            yield token


def _find(tokens: list[Token], names: Callable[[str], bool]) -> str | None:
    if not tokens:
        return None
    explained = {token.text for token in _unqualified(tokens)}
    for token, of_table in _qualified(tokens):
        if names(token.text) and (of_table or token.text not in explained):
            return token.text
    named = _named_as_databases(tokens)
    return next((each for each in named if names(each)), None)


def _named_as_databases(tokens: list[Token]) -> Iterator[str]:
    """The names after USE, and after DATABASE in CREATE, ALTER and DROP, also in a block."""
    if tokens[0].means("USE") and len(tokens) > 1:
        yield tokens[1].text
    for number, token in enumerate(tokens[1:], 1):
        before = [each for each in tokens[max(0, number - 3) : number] if not each.means(*_OR)]
        if token.means(*_DATABASE) and before and before[-1].means("CREATE", "ALTER", "DROP"):
            rest = [each for each in tokens[number + 1 : number + 5] if not each.means(*_BETWEEN)]
            yield from (each.text for each in rest[:1] if each.is_name)


def _unqualified(tokens: list[Token]) -> Iterator[Token]:
    """Names that are not followed by a dot: tables, aliases, columns."""
    for number, token in enumerate(tokens):
        after = tokens[number + 1 : number + 2]
        if token.is_name and not (after and after[0].means(".")):
            yield token


def _qualified(tokens: list[Token]) -> Iterator[tuple[Token, bool]]:
    """The first of names with dots between them, and whether it must be a table."""
    positions = _TablePositions(tokens)
    number = 0
    while number < len(tokens):
        token, end = tokens[number], _end_of_name(tokens, number)
        if end > number:
            definite = positions.expected or end - number > 2
            yield token, definite or tokens[end + 1 : end + 2] == [Token("(")]
            positions.pass_name()
            number = end + 1
        else:
            positions.pass_by(token, tokens[number - 1] if number else None)
            number += 1


def _end_of_name(tokens: list[Token], number: int) -> int:
    """The index of the last part of a name that begins here; the same index for a single part."""
    if not tokens[number].is_name:
        return number
    while number + 2 < len(tokens) and tokens[number + 1].means("."):
        last = tokens[number + 2]
        if not (last.is_name or last.means("*")):
            break
        number += 2
    return number


class _TablePositions:
    """Follows a statement, and tracks whether a table must come next."""

    def __init__(self, tokens: list[Token]) -> None:
        self.expected = False
        # Of each open bracket, whether it is one of _OF_VALUES and whether a list goes on in it.
        self._open: list[tuple[bool, bool]] = []
        self._listing = False
        # Whether ON comes before a table, and not before a condition.
        self._on_table = tokens[0].means("GRANT", "REVOKE") or (
            tokens[0].means("CREATE", "DROP")
            and any(each.means("INDEX", "TRIGGER") for each in tokens[:9])
        )

    def pass_name(self) -> None:
        self.expected = False

    def pass_by(self, token: Token, before: Token | None) -> None:
        if token.means("("):
            of_values = before is not None and before.means(*_OF_VALUES)
            # FROM (a, b): what is expected before the bracket is so behind it.
            self._open.append((of_values, self._listing))
            self.expected &= before is not None and before.means(*_BRACKETED)
            self._listing = self.expected
        elif token.means(")"):
            _, self._listing = self._open.pop() if self._open else (False, False)
            self.expected = False
        elif token.means(","):
            self.expected = self._listing
        elif token.means("ON") and self._on_table:
            self.expected, self._on_table = True, False
        elif token.means(*_BEFORE) and self._is_before_table(token, before):
            self.expected = self._listing = True
        elif token.means(*_ENDS) and not _renames(token, before):
            self.expected = self._listing = False
        elif not token.means(*_BETWEEN) and not _renames(token, before):
            self.expected = False

    def _is_before_table(self, token: Token, before: Token | None) -> bool:
        if token.means("FROM", "FOR"):
            return not (self._open and self._open[-1][0])
        # ON DUPLICATE KEY UPDATE comes before a column.
        return not (token.means("UPDATE") and before is not None and before.means("KEY"))


def _renames(token: Token, before: Token | None) -> bool:
    """Whether this is the AS of RENAME AS, which comes before a table."""
    return token.means("AS") and before is not None and before.means("RENAME")
