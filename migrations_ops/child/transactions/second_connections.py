"""Serves further connections of a revision from the one of the run.

The run is one transaction. A connection of its own would see the database as it was before the
first revision, and could not write. What a revision writes by a further connection becomes a part
of the run: its commit keeps that for the commit of the run, and its rollback takes it back.
"""

from __future__ import annotations

import re
import threading
from typing import Any

from ..driver import ask, main_file, raw_of
from ..protocol.instructions import same_file
from .base import TransactionTorn
from .control import only_reads

# What a pool remembers of a connection that could not be replaced, one of env.py's own making.
_TRIED = "migrations_ops_tried"
# What an application sets on each of its connections. It stays as the run has it: some of it SQLite
# refuses within a transaction.
_SETTING = re.compile(
    r"\s*(PRAGMA\s+(?:\w+\.)?(?:journal_mode|synchronous|foreign_keys|busy_timeout|cache_size"
    r"|temp_store|mmap_size|locking_mode|wal_autocheckpoint|journal_size_limit|secure_delete"
    r"|auto_vacuum|page_size|encoding))\s*[=(]",
    re.IGNORECASE,
)


class Sharing:
    """The run's connection, while others may be served from it.

    :param also: another name of its file: in a rehearsal that of the real one, which env.py knows.
    :ivar torn: why the run must not be committed; None where it may.
    """

    def __init__(self, also: str | None = None) -> None:
        self._also = also
        self.torn: TransactionTorn | None = None
        # How many statements have written, by whichever connection.
        self.writes = 0
        self._raw: Any = None
        self._file: str | None = None
        self._driver, self._thread = "", 0

    def begins(self, connection: Any) -> None:
        """The transaction of the run has begun on this connection of SQLAlchemy."""
        self.torn = None
        self._raw = connection.connection.dbapi_connection
        self._file = main_file(connection)
        self._driver, self._thread = connection.dialect.driver, threading.get_ident()

    def lend(self, dialect: Any, file: str | None) -> SharedConnection | None:
        """A further connection to a file; None where it cannot be served from the run's."""
        is_same = same_file(file, self._file) or same_file(file, self._also)
        if self._file is None or not is_same or not raw_of(self._raw).in_transaction:
            return None
        if dialect.driver != self._driver or threading.get_ident() != self._thread:
            return None
        return SharedConnection(self, self._raw)

    def is_beside(self, dbapi_connection: Any) -> bool:
        """Whether this is a connection to the same file that is not served from the run's."""
        if isinstance(dbapi_connection, SharedConnection) or dbapi_connection is self._raw:
            return False
        if self._file is None or threading.get_ident() != self._thread:
            return False
        rows = ask(dbapi_connection, "PRAGMA database_list")
        return any(row[1] == "main" and same_file(row[2], self._file) for row in rows)


class SharedConnection:
    """A connection of the DBAPI. What is set on it stays its own; the rest is the run's."""

    def __init__(self, sharing: Sharing, raw: Any) -> None:
        self._sharing, self._raw = sharing, raw
        self.isolation_level: str | None = ""
        self.row_factory: Any = None
        self._savepoint = ""
        # The writes of all, and those of this connection, since the savepoint.
        self._since = self._own = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def cursor(self, *arguments: Any, **options: Any) -> Any:
        cursor = self._raw.cursor(*arguments, **options)
        if self.row_factory is not None:
            cursor.row_factory = self.row_factory
        return _Cursor(cursor, self)

    def execute(self, sql: str, *parameters: Any) -> Any:
        cursor = self.cursor()
        cursor.execute(sql, *parameters)
        return cursor

    def executemany(self, sql: str, *parameters: Any) -> Any:
        cursor = self.cursor()
        cursor.executemany(sql, *parameters)
        return cursor

    def before(self, sql: str) -> str:
        """The statement to run instead; remembers where the connection's own writes begin."""
        if setting := _SETTING.match(sql):
            return setting[1]
        if only_reads(sql, "sqlite") or sql.lstrip()[:6].upper() == "PRAGMA":
            return sql
        if not self._savepoint and self.isolation_level is not None:
            self._savepoint = f"migrations_ops_{self._sharing.writes}"
            ask(self._raw, f"SAVEPOINT {self._savepoint}")
            self._since, self._own = self._sharing.writes, 0
        self._sharing.writes += 1
        self._own += 1
        return sql

    def commit(self) -> None:
        if self._savepoint and self._is_undisturbed():
            ask(self._raw, f"RELEASE {self._savepoint}")
        self._savepoint = ""

    def rollback(self) -> None:
        """:raises TransactionTorn: others have written since, which would be lost."""
        name, self._savepoint = self._savepoint, ""
        if not name or not raw_of(self._raw).in_transaction:
            return
        if self._is_undisturbed():
            ask(self._raw, f"ROLLBACK TO {name}")
            ask(self._raw, f"RELEASE {name}")
            return
        self._sharing.torn = TransactionTorn(
            "a further connection of the revision has rolled back what it wrote, and the run's own"
            " connection has written since then: commit the one before the other writes"
        )
        raise self._sharing.torn

    def close(self) -> None:
        self.rollback()

    # What SQLAlchemy's adapter of aiosqlite has beside close().
    terminate = close

    def _is_undisturbed(self) -> bool:
        return self._sharing.writes == self._since + self._own


class _Cursor:
    """A cursor that asks its connection before it runs anything."""

    def __init__(self, cursor: Any, connection: SharedConnection) -> None:
        self.__dict__.update(_cursor=cursor, _connection=connection)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._cursor, name, value)

    def __iter__(self) -> Any:
        return iter(self._cursor)

    def execute(self, sql: str, *parameters: Any) -> Any:
        self._cursor.execute(self._connection.before(sql), *parameters)
        return self

    def executemany(self, sql: str, *parameters: Any) -> Any:
        self._cursor.executemany(self._connection.before(sql), *parameters)
        return self


def serve(sharing: Sharing, is_shared: Any) -> None:
    """Have SQLAlchemy's connections to the file of the run served, from now on.

    :param is_shared: whether the run is at a revision, within its transaction.
    """
    from sqlalchemy import event
    from sqlalchemy.engine.default import DefaultDialect
    from sqlalchemy.exc import DisconnectionError
    from sqlalchemy.pool import Pool

    original = DefaultDialect.connect

    def connect(dialect: Any, *arguments: Any, **options: Any) -> Any:
        from ..destination.proof import file_of

        shared = None
        if dialect.name == "sqlite" and arguments and is_shared():
            shared = sharing.lend(dialect, file_of(arguments[0]))
        return shared or original(dialect, *arguments, **options)

    def checked_out(dbapi_connection: Any, record: Any, fairy: Any) -> None:
        # Made before the transaction, it lay in the pool: the pool makes another one, once.
        dialect = getattr(fairy._pool, "_dialect", None)
        if getattr(dialect, "name", "") != "sqlite" or not is_shared():
            return
        if not record.record_info.get(_TRIED) and sharing.is_beside(dbapi_connection):
            record.record_info[_TRIED] = True
            raise DisconnectionError

    def checked_in(dbapi_connection: Any, record: Any) -> None:
        # After the run, the pool must not use it any more.
        if isinstance(dbapi_connection, SharedConnection):
            record.invalidate()

    DefaultDialect.connect = connect  # type: ignore[method-assign,assignment]
    event.listen(Pool, "checkout", checked_out)
    event.listen(Pool, "checkin", checked_in)
