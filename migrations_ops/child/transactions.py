"""SQLite made transactional, under any env.py.

Without this, pysqlite leaves DDL outside of transactions: an upgrade that is killed or fails
leaves half of its tables behind, every rerun fails, and a batch rebuild of a parent table with
foreign keys on deletes the rows of its children (https://www.sqlite.org/lang_altertable.html,
section 7, asks for the order kept here: keys off, BEGIN, change, foreign_key_check, COMMIT).
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from typing import Any

from .orders import Orders, same_file

_BASELINE = "migrations_ops_violations"
_LITERAL_BEGIN = re.compile(
    r"\s*BEGIN(\s+(DEFERRED|IMMEDIATE|EXCLUSIVE))?(\s+TRANSACTION)?\s*;?\s*$", re.IGNORECASE
)

# The commands of Alembic that write to the database.
CHANGING = frozenset({"upgrade", "downgrade", "stamp", "ensure_version"})

Violations = Counter[tuple[str, str]]


class ForeignKeysBroken(Exception):
    """The upgrade leaves rows whose parents are gone; its transaction is rolled back."""


class SQLiteTransactions:
    """One transaction around the whole run, IMMEDIATE where the command changes the database."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._committing = False
        # Whether the command at work may change the database.
        self.changes = False
        self.connections: list[sqlite3.Connection] = []
        # Set while a revision's own code runs: a COMMIT that it sends itself would tear the
        # transaction that makes the upgrade all or nothing.
        self.in_revision = False

    def install(self) -> None:
        from alembic.ddl.sqlite import SQLiteImpl
        from sqlalchemy import Engine, event

        SQLiteImpl.transactional_ddl = True
        # Listeners of the class run before those that env.py puts on its own engine.
        event.listen(Engine, "begin", self._begin)
        event.listen(Engine, "commit", self._commit)
        event.listen(Engine, "before_cursor_execute", self._own_begin, retval=True)

    def _begin(self, connection: Any) -> None:
        if not self._protects(connection):
            return
        self._committing = False
        driver = connection.connection.driver_connection
        if getattr(driver, "autocommit", None) is False:
            # Python 3.12's autocommit=False has already opened a deferred transaction.
            _execute(connection, "ROLLBACK")
        elif driver.in_transaction:
            return
        _execute(connection, "PRAGMA foreign_keys=OFF")
        if self._orders.lock_timeout is not None:
            _execute(connection, f"PRAGMA busy_timeout={int(self._orders.lock_timeout * 1000)}")
        if connection.connection.dbapi_connection.isolation_level is None:
            return  # an autocommit_block(), or an env.py that sends its own BEGIN
        if not self.changes:
            _execute(connection, "BEGIN")
            return
        # DEFERRED fails at once when another writer commits between our read and our write.
        _execute(connection, "BEGIN IMMEDIATE")
        connection.info[_BASELINE] = violations(connection)

    def _commit(self, connection: Any) -> None:
        if connection.dialect.name != "sqlite":
            return
        before = connection.info.pop(_BASELINE, None)
        if before is not None:
            refuse_new_violations(connection, before)
        self._committing = True

    def _own_begin(
        self, connection: Any, cursor: Any, sql: str, parameters: Any, context: Any, many: bool
    ) -> tuple[str, Any]:
        """An env.py that sends its own BEGIN finds the transaction already begun."""
        begun = _BASELINE in connection.info and _LITERAL_BEGIN.match(sql)
        return ("SELECT 1", parameters) if begun else (sql, parameters)

    def _protects(self, connection: Any) -> bool:
        if connection.dialect.name != "sqlite":
            return False
        known = connection.info.get("migrations_ops_protected")
        if known is None:
            from .destination import main_file

            file = main_file(connection)
            known = self._orders.destination is None or same_file(file, self._orders.destination)
            connection.info["migrations_ops_protected"] = known
            if known:
                self._watch(connection.connection.driver_connection)
        return bool(known)

    def _watch(self, driver: Any) -> None:
        if not isinstance(driver, sqlite3.Connection):
            return
        self.connections.append(driver)
        driver.set_authorizer(self._authorize)
        if self._orders.instead is not None:
            # A rehearsal's copy is thrown away: nothing is gained by flushing it to disk.
            driver.execute("PRAGMA synchronous=OFF")

    def _authorize(
        self, action: int, first: str | None, _2: str | None, _3: str | None, _4: str | None
    ) -> int:
        commits = action == sqlite3.SQLITE_TRANSACTION and first == "COMMIT"
        if commits and self.in_revision and not self._committing:
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK


def violations(connection: Any) -> Violations:
    """How many rows of each child table have no row in the parent table, by (child, parent)."""
    rows = _execute(connection, "PRAGMA foreign_key_check")
    return Counter((row[0], row[2]) for row in rows)


def refuse_new_violations(connection: Any, before: Violations) -> None:
    """Compare the foreign keys with what they were when the transaction began.

    Violations that were there before do not count, also under a table's new name.

    :raises ForeignKeysBroken: there are more than before; each pair of tables is named.
    """
    after = violations(connection)
    grown = after - before
    gone = before - after
    tables = {row[0] for row in _execute(connection, "SELECT name FROM sqlite_master")}
    renamed = sum(count for (child, _), count in gone.items() if child not in tables)
    if sum(grown.values()) > renamed:
        named = ", ".join(
            f"{count} of {child} without their {parent}"
            for (child, parent), count in sorted(grown.items())
        )
        raise ForeignKeysBroken(f"the upgrade would leave rows without their parents: {named}")


def _execute(connection: Any, sql: str) -> list[Any]:
    """Run a statement below SQLAlchemy, whose own execute would begin a transaction."""
    cursor = connection.connection.dbapi_connection.cursor()
    try:
        cursor.execute(sql)
        return list(cursor.fetchall())
    finally:
        cursor.close()
