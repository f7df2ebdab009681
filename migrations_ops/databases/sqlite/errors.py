"""What an error of SQLite means to a person, and what can be done about it."""

from __future__ import annotations

import errno
import sqlite3

from migrations_ops.databases.sqlite.files import Orphaned

CHECK_RIGHTS = "See to the rights of the file and of its folder, and try again."
RESTORE = "If a backup of it exists, put it back: invoke backups"
_CHECK_URL = "Check the url of this environment in the configuration."
_ORPHANED = (
    "Bring the file back, if it was moved or renamed. invoke restore moves what is left of it"
    " aside and keeps it."
)
_CHECK_CONNECT = 'Mend that function: connect = "..." of this environment names it.'


class ConnectFailed(sqlite3.Error):
    """What gives a connection what the application's have has failed."""


def in_words(error: sqlite3.Error | OSError, label: str) -> str:
    """What an error of SQLite means to a person."""
    if isinstance(error, IsADirectoryError | Orphaned):
        return f"{label} {error.strerror}"
    if isinstance(error, OSError):
        return f"{label} cannot be read: {error.strerror}"
    match code_of(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return f"{label} is locked by another process"
        case sqlite3.SQLITE_NOTADB:
            return f"{label} is no SQLite database"
        case sqlite3.SQLITE_CORRUPT:
            return f"{label} is damaged: {error}"
        case sqlite3.SQLITE_CANTOPEN:
            return f"{label} cannot be opened"
        case sqlite3.SQLITE_READONLY:
            return f"{label} may not be written"
        case sqlite3.SQLITE_FULL:
            return f"the disk that holds {label} is full"
    return f"{label} cannot be read: {error}"


def advice_on(error: sqlite3.Error | OSError) -> str:
    """What a person can do about such an error."""
    if isinstance(error, Orphaned):
        return _ORPHANED
    if isinstance(error, OSError):
        if error.errno == errno.EINVAL:  # what lies beside it is no file
            return "Move that away, and try again."
        return _CHECK_URL if isinstance(error, IsADirectoryError) else CHECK_RIGHTS
    if isinstance(error, ConnectFailed):
        return _CHECK_CONNECT
    match code_of(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return "Let the other process finish, or stop it, and try again."
        case sqlite3.SQLITE_NOTADB:
            return f"{_CHECK_URL} {RESTORE}"
        case sqlite3.SQLITE_CORRUPT:
            return RESTORE
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY:
            return CHECK_RIGHTS
        case sqlite3.SQLITE_FULL:
            return "Make room there and try again."
    return "See what is wrong with it: invoke doctor"


def code_of(error: sqlite3.Error) -> int:
    """The primary result code: https://www.sqlite.org/rescode.html"""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
