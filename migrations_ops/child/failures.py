"""Turns the exception that ended a command into an event: a sentence, and a line of code."""

from __future__ import annotations

import os
import sys
import traceback

from .driver import message_of, sqlstate_of
from .families import is_of_a_lock
from .hints import Frames, hint_for
from .protocol.events import Failed

# PostgreSQL's code for a transaction in which something has failed before.
_ABORTED = "25P02"
# Modules that only raise the error of what they are asked for: the project cannot fix it there.
_LIBRARIES = (
    "psycopg", "psycopg2", "asyncpg", "pg8000", "pymysql", "MySQLdb", "aiomysql", "asyncmy",
    "mysql.connector", "greenlet", "mako",
)  # fmt: skip


def failed(error: Exception, reason: str, revision: str | None, environment: str) -> Failed:
    """The event of an exception.

    :param reason: the explanation of the guard that raised it; empty where none did.
    """
    error = error if reason else _first(error)
    frames = traceback.extract_tb(error.__traceback__)
    return Failed(
        kind="guard" if reason else "error",
        type=type(error).__name__,
        message=reason or sentence(error),
        revision=revision,
        where=_where(error, frames),
        locked=is_of_a_lock(sqlstate_of(error)),
        next=getattr(error, "next", "") if reason else hint_for(error, frames, environment),
    )


def _first(error: Exception) -> Exception:
    """The original error, where this one only reports a broken transaction, or an import.

    Cleanup code, as Alembic runs it after a batch, fails on that transaction. Flask has the
    traceback of an import in the lines of its message.
    """
    first = error
    imported = error.__context__
    if type(error).__name__ == "NoAppException" and isinstance(imported, ImportError):
        # One that has no further frame is the application itself, which Flask names.
        return imported if imported.__traceback__ and imported.__traceback__.tb_next else error
    while sqlstate_of(first) == _ABORTED or type(first).__name__ == "PendingRollbackError":
        cause = first.__cause__ or first.__context__
        while isinstance(cause, Exception) and sqlstate_of(cause) == _ABORTED:
            cause = cause.__context__
        if not isinstance(cause, Exception):
            return error
        first = cause
    return first


def sentence(error: BaseException) -> str:
    """The first line of a message; SQLAlchemy adds the statement with its values below it."""
    lines = message_of(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _where(error: BaseException, frames: Frames) -> str | None:
    """The last line of the traceback in the project's code: not in Python's, Alembic's or ours.

    Installed code counts as a library, except in the folder of env.py: some projects install their
    scripts.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    import sqlalchemy

    import alembic

    installed = [sys.modules[name].__file__ for name in _LIBRARIES if name in sys.modules]
    libraries = [
        os.path.dirname(os.path.abspath(file))
        for file in (
            __file__,
            alembic.__file__,
            sqlalchemy.__file__,
            *filter(None, installed),
        )
    ]
    of_project = [
        frame
        for frame in frames
        if not frame.filename.startswith(("<", *libraries))
        and not _is_python(frame.filename)
        and not frame.filename.endswith(".pyx")  # asyncmy's, by a relative path
    ]
    scripts = tuple(
        os.path.dirname(frame.filename) + os.sep
        for frame in of_project
        if os.path.basename(frame.filename) == "env.py"
    )
    own = [each for each in of_project if scripts and each.filename.startswith(scripts)]
    own = [each for each in of_project if each in own or "-packages" + os.sep not in each.filename]
    last = (own or of_project)[-1:]
    return f"{last[0].filename}:{last[0].lineno}" if last else None


def _is_python(file: str) -> bool:
    """Whether a file belongs to Python's standard library; installed packages do not."""
    own = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
    return file.startswith(own) and "-packages" + os.sep not in file[len(own) :]
