"""Where a statement that the server itself has printed names a database.

A name before a point may be a database, or a table or its alias, and all of them may be called the
same. SHOW CREATE and information_schema print each in its place: a database stands before two more
names, before a table where only a table can stand, before a stored function and its bracket, and
before a sequence in the brackets of NEXTVAL, LASTVAL and SETVAL. Anywhere else it is a column's
table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

NAME = rb"`(?:[^`]|``)*`"
LITERAL = rb"'(?:[^'\\]|\\.|'')*'"
_TOKEN = re.compile(
    LITERAL
    + rb"|(?P<name>(?P<first>" + NAME + rb")(?P<more>(?:\." + NAME + rb")*)(?P<called>\(?))"
    + rb"|(?P<word>[\w$]+)|(?P<mark>[^\s])",
    re.DOTALL,
)  # fmt: skip
# What comes after these is a table; JOIN is the last word of all joins but one.
_BEFORE_TABLES = frozenset([b"from", b"join", b"straight_join", b"references"])
# In their brackets, FROM stands before a value; SUBSTRING is printed without it.
_OF_VALUES = frozenset([b"trim", b"extract"])
_OF_SEQUENCES = frozenset([b"nextval", b"lastval", b"setval"])


def renamed(statement: str, source: str, target: str) -> str:
    """A statement that names another database wherever it named ``source``."""
    return replaced(statement.encode(), source, quoted_bytes(target) + b".").decode()


def bare(statement: str, database: str) -> str:
    """A statement that names no database where it named this one."""
    return replaced(statement.encode(), database, b"").decode()


def replaced(statement: bytes, source: str, instead: bytes) -> bytes:
    """:param instead: what takes the place of the name and the point behind it."""
    own = quoted_bytes(source)
    if own not in statement:
        return statement
    parts, done = [], 0
    for start, end in _databases(statement):
        if statement[start:end] == own:
            parts += [statement[done:start], instead]
            done = end + 1
    return b"".join([*parts, statement[done:]])


def quoted_bytes(name: str) -> bytes:
    return b"`" + name.replace("`", "``").encode() + b"`"


def _databases(statement: bytes) -> Iterator[tuple[int, int]]:
    """Where each name of a database begins and ends."""
    place = _Place()
    for found in _TOKEN.finditer(statement):
        if found["name"] is None:
            place.pass_by(found["word"] or found["mark"] or b"''")
            continue
        third = found["more"].count(b"`.`") > 0
        if found["more"] and (third or found["called"] or place.is_of_table):
            yield found.span("first")
        place.pass_by(found["first"])
        if found["called"]:
            place.pass_by(b"(")


@dataclass
class _Place:
    """What stands before the next name: the last word, and what opened each bracket around it."""

    is_of_table: bool = False
    _last: bytes = b""
    _open: list[bytes] = field(default_factory=list)

    def pass_by(self, token: bytes) -> None:
        word = token.lower()
        if word == b"(":
            self._open.append(self._last)
            # FROM ((a JOIN b): what is expected before the brackets is so behind them.
            self.is_of_table |= self._last in _OF_SEQUENCES
        else:
            if word == b")" and self._open:
                self._open.pop()
            self.is_of_table = word in _BEFORE_TABLES and self._is_before_table(word)
        self._last = word

    def _is_before_table(self, word: bytes) -> bool:
        if word == b"from":
            return not (self._open and self._open[-1] in _OF_VALUES)
        # SELECT STRAIGHT_JOIN comes before columns.
        return word != b"straight_join" or self._last[-1:] in (b"`", b")")
