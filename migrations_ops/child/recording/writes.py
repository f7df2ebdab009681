"""What a statement writes as SQLite itself says it, triggers included.

SQLite tells its authorizer each table and column that a statement inserts into, updates or deletes
from, when it compiles the statement (https://www.sqlite.org/c3ref/c_alter_table.html). What it
tells of DDL is of less use than the text: a rename without the new name, and a DROP TABLE with all
that goes with the table.
"""

from __future__ import annotations

import sqlite3

from ..protocol.events import TableWrite

_ROWS = {
    sqlite3.SQLITE_INSERT: "insert",
    sqlite3.SQLITE_UPDATE: "update",
    sqlite3.SQLITE_DELETE: "delete",
}
# DDL writes to SQLite's own tables, and DROP TABLE deletes the rows first.
_SCHEMA = frozenset(
    code
    for name, code in vars(sqlite3).items()
    if name.startswith(("SQLITE_CREATE_", "SQLITE_DROP_", "SQLITE_ALTER_"))
)


class EngineWrites:
    """Collects what SQLite tells of one statement after the other."""

    def __init__(self) -> None:
        self._heard = self._is_ddl = False
        self._found: dict[TableWrite, None] = {}

    def begin(self) -> None:
        """A statement is about to be compiled; what was before it was none of SQLAlchemy's."""
        self._heard = self._is_ddl = False
        self._found.clear()

    def add(self, action: int, table: str | None, column: str | None, schema: str | None) -> None:
        """Called by the authorizer, with aiosqlite in another thread, while that one waits."""
        self._heard = True
        if action in _ROWS and schema == "main" and table is not None:
            if table == "sqlite_sequence" or not table.startswith("sqlite_"):
                self._found[_ROWS[action], table, column or ""] = None
        elif action in _SCHEMA:
            self._is_ddl = True

    def take(self) -> tuple[TableWrite, ...] | None:
        """What the statement writes; None where SQLite did not tell, and its text has to be read.

        It does not tell again of a statement that it has compiled before, and not at all where the
        project has an authorizer of its own, or on a server.
        """
        if not self._heard:
            return None
        return () if self._is_ddl else tuple(self._found)
