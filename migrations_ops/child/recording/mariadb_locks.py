"""Which tables of MariaDB a run locks, from its statements and the rows that they count.

DDL commits by itself, so that its metadata locks are gone when it returns, and another session sees
them only where the server has a plugin for it. To watch from there while the rehearsal runs was
tried, and left out: a run then failed, at its lock timeout, for a lock that nobody else had.
Measured with that plugin on MariaDB 10.11:

- rows are counted by an ALTER TABLE that copies the table, and by no other. Meanwhile others can
  read it and not write (SHARED_NO_WRITE); so it is for the table that a foreign key leads to.
- in place, or at once, others can do both (SHARED_UPGRADABLE), but for a moment at its end
  (EXCLUSIVE), whose length is not known. A FULLTEXT or SPATIAL index, a new one or one that is
  there, makes that SHARED_NO_WRITE.
- DROP, TRUNCATE and RENAME are EXCLUSIVE throughout.

See also https://mariadb.com/kb/en/metadata-locking/.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from ..driver import ask_driver
from ..protocol.events import TableLocked, TableRewritten
from ..protocol.sql import Token, tokens
from .measuring import Ran

EXCLUSIVE, NO_WRITE, IN_PLACE = "EXCLUSIVE", "SHARED_NO_WRITE", "SHARED_UPGRADABLE"
_TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
_SPECIAL = (
    "SELECT DISTINCT table_name FROM information_schema.statistics"
    " WHERE table_schema = DATABASE() AND index_type IN ('FULLTEXT', 'SPATIAL')"
)
_SIZE = (
    "SELECT data_length + index_length FROM information_schema.tables"
    " WHERE table_schema = DATABASE() AND table_name"
)
_ALTERING = ("ALTER", "OPTIMIZE", "CREATE", "DROP")
# Words that may come between the verb and the name of the table.
_FILLERS = ("ONLINE", "IGNORE", "IF", "EXISTS", "LOCAL", "NO_WRITE_TO_BINLOG", "TABLE", "TABLES")


class MariaDBLocks:
    """The locks of one run on the tables that were there before it."""

    def __init__(self) -> None:
        self._found: list[TableLocked | TableRewritten] = []
        self._tables: set[str] = set()
        self._special: set[str] = set()

    def begins(self, connection: Any) -> None:
        with suppress(Exception):  # without them, no lock is reported
            self._tables = {str(name) for [name] in ask_driver(connection, _TABLES)}
            self._special = {str(name) for [name] in ask_driver(connection, _SPECIAL)}

    def statement_ran(self, connection: Any, ran: Ran) -> None:
        seconds = round(time.perf_counter() - ran.since, 6)
        words = tokens(ran.sql, "mariadb")
        for mode, table in locks_of(words, copies=ran.rows > 0, special=self._special):
            if table not in self._tables:
                continue
            if mode == NO_WRITE and ran.rows > 0 and table == _name(words, _start(words)):
                size = self._size(connection, table)
                self._found.append(TableRewritten(ran.revision, table, size))
            self._found.append(TableLocked(ran.revision, table, mode, seconds, ran.sql))
        if _begins(words, "RENAME"):
            self._tables.update(_names(words[1:], "TO"))

    def _size(self, connection: Any, table: str) -> int:
        quoted = "'" + table.replace("\\", "\\\\").replace("'", "''") + "'"
        with suppress(Exception):
            [[size]] = ask_driver(connection, f"{_SIZE} = {quoted}")
            return int(size)
        return 0

    def take(self) -> list[TableLocked | TableRewritten]:
        found, self._found = self._found, []
        return found


def locks_of(
    words: Sequence[Token], *, copies: bool, special: set[str] | frozenset[str] = frozenset()
) -> Iterator[tuple[str, str]]:
    """The strongest lock that a statement takes on each table.

    :param copies: whether it has copied a table.
    :param special: the tables with a FULLTEXT or SPATIAL index.
    """
    drops = _begins(words, "DROP") and _begins(words[1:], "TABLE")
    if drops or _begins(words, "TRUNCATE", "RENAME"):
        yield from ((EXCLUSIVE, table) for table in _names(words[1:]))
    elif table := _name(words, _start(words)):
        is_special = table in special or any(each.means("FULLTEXT", "SPATIAL") for each in words)
        mode = NO_WRITE if copies or is_special else IN_PLACE
        yield mode, table
        yield from ((mode, name) for name in _names(words, "REFERENCES"))


def _start(words: Sequence[Token]) -> int:
    """Where the name of the table is that a statement alters; behind the end where it alters
    none."""
    if not _begins(words, *_ALTERING):
        return len(words)
    if _begins(words, "ALTER", "OPTIMIZE"):
        is_table = any(each.means("TABLE", "TABLES") for each in words[1:4])
        return _without_fillers(words, 1) if is_table else len(words)
    is_index = any(each.means("INDEX") for each in words[1:5])
    on = next((n for n, each in enumerate(words) if each.means("ON")), len(words))
    return on + 1 if is_index else len(words)


def _without_fillers(words: Sequence[Token], start: int) -> int:
    while start < len(words) and words[start].means(*_FILLERS):
        start += 1
    return start


def _names(words: Sequence[Token], *after: str) -> Iterator[str]:
    """The names in a list of tables; or those behind these words."""
    start = _without_fillers(words, 0)
    if start < len(words) and not after:
        yield _name(words, start)
    for number, each in enumerate(words):
        if each.means(*(after or (",",))):
            yield _name(words, _without_fillers(words, number + 1))


def _name(words: Sequence[Token], start: int) -> str:
    """The name of a table, without that of its database; empty where there is none."""
    if start >= len(words) or not words[start].is_name:
        return ""
    if start + 2 < len(words) and words[start + 1].means("."):
        start += 2
    return words[start].text


def _begins(words: Sequence[Token], *verbs: str) -> bool:
    return bool(words) and words[0].means(*verbs)
