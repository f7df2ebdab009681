"""Connections to a SQLite file, which never create it, and know what SQLAlchemy's know."""

from __future__ import annotations

import errno
import math
import os
import re
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from migrations_ops.databases.answers import seconds_for
from migrations_ops.databases.sqlite import files
from migrations_ops.system.reading import open_regular
from migrations_ops.system.removal import remove_file

# How long, in seconds, a read waits for a writer that has the database locked exclusively.
WAIT_SECONDS = 5.0
# Gives a connection what the application gives to its own.
Connect = Callable[[sqlite3.Connection], object]


def _regexp(pattern: Any, value: Any) -> bool | None:
    # A value that is no text, or no pattern, does not fail the whole check of a database.
    with suppress(TypeError, re.error):
        return None if value is None else re.search(pattern, value) is not None
    return None


def _floor(value: Any) -> int | None:
    with suppress(TypeError, ValueError, OverflowError):
        floor: int = math.floor(value)
        return floor
    return None


# What SQLAlchemy registers on each connection of its own. A schema may need it, in a CHECK for
# instance: https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#regular-expression-support
_OF_SQLALCHEMY: tuple[tuple[str, int, Callable[..., Any]], ...] = (
    ("regexp", 2, _regexp),
    ("floor", 1, _floor),
)


@contextmanager
def connect(
    path: Path,
    *,
    writing: bool = False,
    immutable: bool = False,
    also: Connect | None = None,
) -> Iterator[sqlite3.Connection]:
    """A connection that never creates the file; one that only reads cannot write by mistake.

    It is opened read-write all the same, since a read-only connection can neither roll back a hot
    journal nor tidy up the -wal that it makes; SQLite itself falls back to reading where the file
    may not be written.

    :param also: gives the connection what the application's have.
    :param immutable: no one writes the file: opened so, SQLite leaves no -wal or -shm beside it.
    """
    if not immutable:
        exists(path)
    mode = "mode=ro&immutable=1" if immutable else "mode=rw"
    uri = f"{path.absolute().as_uri()}?{mode}"
    with closing(
        sqlite3.connect(uri, uri=True, timeout=seconds_for(WAIT_SECONDS), isolation_level=None)
    ) as connection:
        equip(connection, also)
        if writing:
            connection.execute("PRAGMA query_only=OFF")
        yield connection


def equip(connection: sqlite3.Connection, also: Connect | None = None) -> None:
    """Give a connection the functions that SQLAlchemy's have, and what the application adds.

    It cannot write then.
    """
    for name, count, function in _OF_SQLALCHEMY:
        connection.create_function(name, count, function, deterministic=True)
    connection.execute("PRAGMA query_only=ON")
    if also is not None:
        also(connection)
        # Whatever suits the application: rows are read as tuples, and transactions are ours.
        connection.row_factory, connection.text_factory = None, str
        connection.isolation_level = None
        connection.execute("PRAGMA query_only=ON")


def exists(path: Path) -> bool:
    """Whether the file is there.

    :raises OSError: something else than a file has its name, or must not be read; or opening it
        would destroy the last that is left of it.
    """
    try:
        found = os.stat(path)
    except FileNotFoundError:
        files.require_no_orphan(path, empty=False)
        return False
    if not stat.S_ISREG(found.st_mode):
        kind = "is a directory" if stat.S_ISDIR(found.st_mode) else "is no ordinary file"
        raise IsADirectoryError(errno.EISDIR, f"{kind}, not a database")
    files.require_regular_beside(path)
    if not found.st_size:
        files.require_no_orphan(path, empty=True)
    return True


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """Everything read inside comes from one moment, whatever others write meanwhile."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def tidy(path: Path) -> None:
    """Remove the journal that a killed writer left, after it was rolled back.

    Opening the database rolls it back. The file stays until the next writer reuses it, and is not
    needed.
    """
    journal = files.beside(files.real(path), "-journal")
    if not journal.exists():
        return
    with suppress(sqlite3.Error, OSError), connect(path, writing=True) as connection:
        connection.execute("PRAGMA schema_version").fetchone()
        if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            # Away from DELETE and back: SQLite deletes the journal itself, under its own lock.
            connection.execute("PRAGMA journal_mode=PERSIST").fetchone()
            connection.execute("PRAGMA journal_mode=DELETE").fetchone()
            return
        # In WAL mode no process writes a journal; to leave that mode, one has to be the only one.
        connection.execute("BEGIN IMMEDIATE")
        if not _is_hot(journal):
            remove_file(journal)
        connection.execute("ROLLBACK")


def _is_hot(journal: Path) -> bool:
    with open_regular(journal) as stream:
        return any(stream.read(1))


def quoted(name: str) -> str:
    """A name in SQL."""
    escaped = name.replace('"', '""')
    return f'"{escaped}"'
