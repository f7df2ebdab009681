"""Where a statement that the server itself has printed names a database.

A name before a point may be a database, or a table or its alias, and all of them may be called the
same. In what SHOW CREATE and information_schema print, the first name is a database before two
more names, where only a table is allowed, before a stored function and its parenthesis, and
before a sequence in the parentheses of NEXTVAL, LASTVAL and SETVAL. Anywhere else it is the table
of a column.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from migrations_ops.child.protocol.sql import Token, located
from migrations_ops.databases.mariadb.names import quoted

# What comes after these is a table; JOIN is the last word of all joins but one.
_BEFORE_TABLES = frozenset(["from", "join", "straight_join", "references"])
# In their parentheses, FROM is before a value; SUBSTRING is printed without it.
_OF_VALUES = frozenset(["trim", "extract"])
_OF_SEQUENCES = frozenset(["nextval", "lastval", "setval"])

_Located = tuple[int, int, Token]


def renamed(statement: str, source: str, target: str) -> str:
    """A statement that names another database wherever it named ``source``."""
    return _replaced(statement, source, f"{quoted(target)}.")


def bare(statement: str, database: str) -> str:
    """A statement that names no database where it named this one."""
    return _replaced(statement, database, "")


def _replaced(statement: str, source: str, prefix: str) -> str:
    """:param prefix: what takes the place of the name and the point behind it."""
    if quoted(source) not in statement:
        return statement
    parts, done = [], 0
    for start, end, token in _databases(statement):
        if token.text == source:
            parts += [statement[done:start], prefix]
            done = end + 1
    return "".join([*parts, statement[done:]])


def _databases(statement: str) -> Iterator[_Located]:
    """Each name of a database."""
    tokens = list(located(statement, "mariadb"))
    position, number = _Position(), 0
    while number < len(tokens):
        _, _, token = tokens[number]
        last = _end_of_name(tokens, number)
        called = _follows(tokens, last + 1, "(")
        if last > number and (last > number + 2 or called or position.is_of_table):
            yield tokens[number]
        position.pass_by(token)
        number = last + 1


def _end_of_name(tokens: list[_Located], number: int) -> int:
    """Where the last part of a name is that begins here; the same number if it has one part."""
    while tokens[number][2].quote == "`" and _follows(tokens, number + 1, "."):
        if not (number + 2 < len(tokens) and tokens[number + 2][2].quote == "`"):
            break
        number += 2
    return number


def _follows(tokens: list[_Located], number: int, mark: str) -> bool:
    """Whether a punctuation character is there, without a space before it."""
    if number >= len(tokens):
        return False
    start, _, token = tokens[number]
    return token.means(mark) and start == tokens[number - 1][1]


@dataclass
class _Position:
    """What is before the next name: the last word, and what opened each parenthesis around it."""

    is_of_table: bool = False
    _last: str = ""
    _open: list[str] = field(default_factory=list)

    def pass_by(self, token: Token) -> None:
        word = "`" if token.quoted else token.text.lower()
        if word == "(":
            self._open.append(self._last)
            # FROM ((a JOIN b): what is expected before the brackets is so behind them.
            self.is_of_table |= self._last in _OF_SEQUENCES
        else:
            if word == ")" and self._open:
                self._open.pop()
            self.is_of_table = word in _BEFORE_TABLES and self._is_before_table(word)
        self._last = word

    def _is_before_table(self, word: str) -> bool:
        if word == "from":
            return not (self._open and self._open[-1] in _OF_VALUES)
        # SELECT STRAIGHT_JOIN comes before columns.
        return word != "straight_join" or self._last in ("`", ")")
