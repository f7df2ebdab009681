"""Full text and R-tree indexes that do not agree with what they index.

An index of external content finds rows by their numbers, which a rebuild of the content may
change; no check of SQLite's own looks at that. Each module has a check. That of full text is an
INSERT (https://www.sqlite.org/fts5.html#the_integrity_check_command): it runs in a temporary
database, into which the index and its content are copied, so that nothing is written here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass

from migrations_ops.child.protocol.sql import group, shown, split, tokens
from migrations_ops.databases.sqlite.connect import Connect, equip, quoted
from migrations_ops.databases.sqlite.errors import code_of
from migrations_ops.databases.sqlite.lacking import lacking_in
from migrations_ops.model.findings import BROKEN_INDEX, UNCHECKED_INDEX, Finding

# The tables in which each module keeps an index; its own copy of the content is one of them.
_SHADOWS = {
    "fts3": ("content", "segments", "segdir", "docsize", "stat"),
    "fts4": ("content", "segments", "segdir", "docsize", "stat"),
    "fts5": ("content", "data", "idx", "docsize", "config"),
}
_SOURCE = "source"
# What an index names of its content, and is not there.
_GONE = ("no such column", "no such table")


@dataclass(frozen=True, slots=True)
class _Index:
    """An index as it was created.

    ``content`` is the table or view that it indexes: None for its own, empty for none.
    """

    name: str
    sql: str
    module: str
    content: str | None

    @property
    def check(self) -> str:
        name = quoted(self.name)
        if self.module == "fts5":
            # Without the rank, the content is not looked at.
            return f"INSERT INTO {name}({name}, rank) VALUES ('integrity-check', 1)"
        return f"INSERT INTO {name}({name}) VALUES ('integrity-check')"


def find_faulty(
    connection: sqlite3.Connection, uri: str, also: Connect | None = None
) -> list[Finding]:
    """The indexes whose own check fails, each with the statement that rebuilds it.

    :param connection: stays open: where there is a journal or a WAL, it has seen to it.
    :param uri: the same database, to be opened for reading.
    :param also: gives each connection what the application's have, a tokenizer for instance.
    """
    found = []
    [(encoding,)] = connection.execute("PRAGMA encoding").fetchall()
    for index in _indexes(connection):
        if index.module == "rtree":
            reason = _reason_of_rtree(connection, index.name)
        elif index.module in _SHADOWS:
            try:
                reason = _reason_of_text(index, uri, encoding, also)
            except sqlite3.Error as error:
                if lacking_in(error) is None:
                    found.append(UNCHECKED_INDEX.found(shown(index.name), reason=error))
                continue
        else:
            continue
        if reason:
            found.append(BROKEN_INDEX.found(shown(index.name), reason=reason))
    return found


def _indexes(connection: sqlite3.Connection) -> Iterator[_Index]:
    rows = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL%'"
        " ORDER BY name"
    ).fetchall()
    for name, sql in rows:
        words = tokens(sql, "sqlite")
        using = next((n for n, word in enumerate(words) if word.means("USING")), len(words))
        if using + 1 >= len(words):
            continue
        options = {}
        for part in split(group(words, using + 2)):
            if len(part) > 2 and part[1].text == "=":
                options[part[0].text.lower()] = _text(part[2].text)
        module = words[using + 1].text.lower().removesuffix("_i32")
        yield _Index(name, sql, module, options.get("content"))


def _text(word: str) -> str:
    return word[1:-1].replace("''", "'") if word.startswith("'") else word


def _reason_of_rtree(connection: sqlite3.Connection, name: str) -> str:
    try:
        [(answer,)] = connection.execute("SELECT rtreecheck('main', ?)", (name,)).fetchall()
    except sqlite3.OperationalError:
        return ""  # a build of SQLite without it
    if answer == "ok":
        return ""
    return f"rtreecheck finds {str(answer).splitlines()[0]}. Fill it again from its rows"


def _reason_of_text(index: _Index, uri: str, encoding: str, also: Connect | None) -> str:
    """Why an index of text is of no use, and what rebuilds it; empty where it agrees."""
    with closing(sqlite3.connect("", uri=True, isolation_level=None)) as scratch:
        # Only databases of one encoding can be attached to each other.
        scratch.execute(f"PRAGMA encoding='{encoding}'")
        equip(scratch, also)
        scratch.execute("PRAGMA query_only=OFF")
        scratch.execute(f"ATTACH ? AS {_SOURCE}", (uri,))
        if index.content and not _exists(scratch, index.content):
            return f"its content, {shown(index.content)}, is not there"
        scratch.execute("BEGIN")
        _copy(scratch, index)
        scratch.execute("COMMIT")
        scratch.execute(f"DETACH {_SOURCE}")
        try:
            scratch.execute(index.check)
        except sqlite3.DatabaseError as error:
            # Other errors, a tokenizer that only the application has for instance, say nothing.
            if code_of(error) != sqlite3.SQLITE_CORRUPT and not str(error).startswith(_GONE):
                raise
            return _in_words(index, str(error))
    return ""


def _in_words(index: _Index, error: str) -> str:
    if index.content == "":
        return f"it is malformed ({error}), and holds no content to rebuild it from: fill it"
    name = shown(index.name)
    what = f" with {shown(index.content)}" if index.content else " with its content"
    if "malformed" not in error:
        what += f" ({error})"
    return (
        f"it does not agree{what}, so that a search finds wrong rows or fails. To rebuild it:"
        f" INSERT INTO {name}({name}) VALUES ('rebuild')"
    )


def _exists(scratch: sqlite3.Connection, name: str) -> bool:
    sql = f"SELECT 1 FROM {_SOURCE}.sqlite_master WHERE name = ? COLLATE NOCASE"
    return scratch.execute(sql, (name,)).fetchone() is not None


def _copy(scratch: sqlite3.Connection, index: _Index) -> None:
    """Copy an index and its content; a view becomes a table."""
    if index.content:
        _copy_content(scratch, index, index.content)
    for ending in _SHADOWS[index.module]:
        name = f"{index.name}_{ending}"
        sql = f"SELECT sql FROM {_SOURCE}.sqlite_master WHERE name = ? COLLATE NOCASE"
        if row := scratch.execute(sql, (name,)).fetchone():
            scratch.execute(row[0])
            scratch.execute(
                f"INSERT INTO main.{quoted(name)} SELECT * FROM {_SOURCE}.{quoted(name)}"
            )
    # To create it would create its tables.
    scratch.execute("PRAGMA writable_schema=ON")
    scratch.execute(
        "INSERT INTO main.sqlite_master VALUES ('table', ?, ?, 0, ?)",
        (index.name, index.name, index.sql),
    )
    scratch.execute("PRAGMA writable_schema=RESET")


def _copy_content(scratch: sqlite3.Connection, index: _Index, content: str) -> None:
    rows = scratch.execute(
        f"SELECT name FROM {_SOURCE}.pragma_table_xinfo(?, ?)", (content, _SOURCE)
    ).fetchall()
    columns = [quoted(name) for (name,) in rows]
    source, target = f"{_SOURCE}.{quoted(content)}", f"main.{quoted(content)}"
    scratch.execute(f"CREATE TABLE {target} ({', '.join(columns)})")
    listed = ", ".join(columns)
    with suppress(sqlite3.OperationalError):  # a view, or WITHOUT ROWID
        scratch.execute(
            f"INSERT INTO {target} (rowid, {listed}) SELECT rowid, {listed} FROM {source}"
        )
        return
    scratch.execute(f"INSERT INTO {target} ({listed}) SELECT {listed} FROM {source}")
