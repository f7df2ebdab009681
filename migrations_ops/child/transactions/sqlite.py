"""SQLite made transactional, under any env.py.

Without this, pysqlite leaves DDL outside of transactions: an upgrade that is killed or fails
leaves half of its tables behind, every rerun fails, and a batch rebuild of a parent table with
foreign keys on deletes the rows of its children (https://www.sqlite.org/lang_altertable.html,
section 7, asks for the order kept here: keys off, BEGIN, change, foreign_key_check, COMMIT).
"""

from __future__ import annotations

import re
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ..channel import Events
from ..driver import ask_driver, main_file
from ..protocol.escaping import escaped
from ..protocol.instructions import Instructions, same_file
from .base import Transactions, TransactionTorn
from .control import only_reads
from .second_connections import SharedConnection, Sharing, serve
from .sole_writer import SoleWriterTransaction

_PROTECTED = "migrations_ops_protected"
_BASELINE = "migrations_ops_violations"
# The code of the finding, which the catalogue of the parent has.
ORPHANS = "new-orphans"
_BEGIN = re.compile(
    r"\s*BEGIN(\s+(DEFERRED|IMMEDIATE|EXCLUSIVE))?(\s+TRANSACTION)?\s*;?\s*$", re.IGNORECASE
)
_COMMIT = re.compile(r"\s*(COMMIT|END)(\s+TRANSACTION)?\s*;?\s*$", re.IGNORECASE)
_LACKING = re.compile("(no such|unknown) (function|collation)")
# sqlite3.LEGACY_TRANSACTION_CONTROL, which Python 3.11 does not have yet.
_LEGACY = -1

Violations = Counter[tuple[str, str]]


class ForeignKeysBroken(Exception):
    """The upgrade leaves rows whose parents are gone; its transaction is rolled back.

    :param next: what to type where that is meant.
    """

    def __init__(self, message: str, next: str) -> None:
        super().__init__(message)
        self.next = next


class SQLiteTransactions(Transactions):
    """One transaction around the whole run, IMMEDIATE where the command changes the database.

    :param may_attach: raises where the file that a statement attaches is not for this run.
    :param compiled: called with what SQLite says that a statement does, when it compiles it.
    :param record_begun: records in the ledger, in the open transaction, that the revision at work
        has begun.
    """

    def __init__(
        self,
        instructions: Instructions,
        events: Events,
        may_attach: Callable[[str], None] = lambda file: None,
        written_down: Callable[[], bool] = lambda: True,
        compiled: Callable[[int, str | None, str | None, str | None], None] = lambda *_: None,
        record_begun: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(instructions, events, written_down)
        self._may_attach = may_attach
        self._compiled = compiled
        self._record_begun = record_begun
        # What SQLite's own "not authorized" does not say.
        self._denied = ""
        self._drivers: list[Any] = []
        # None where it is not asked for, or where the run has been committed in parts.
        self._sole_writer = (
            SoleWriterTransaction(events) if instructions.report_sole_writer else None
        )
        self._committing = False
        self._sharing = Sharing(instructions.real)

    def install(self) -> None:
        from alembic.ddl.sqlite import SQLiteImpl
        from alembic.runtime.migration import MigrationContext
        from sqlalchemy import Engine, event

        SQLiteImpl.transactional_ddl = True
        # Listeners of the class run before those that env.py puts on its own engine.
        event.listen(Engine, "begin", self._begin)
        event.listen(Engine, "commit", self._commit)
        event.listen(Engine, "before_cursor_execute", self._before, retval=True)
        serve(self._sharing, self._is_shared)
        original = MigrationContext.autocommit_block

        @contextmanager
        def autocommit_block(context: Any) -> Iterator[None]:
            self._in_autocommit_block = True
            try:
                with original(context):
                    yield
            finally:
                self._in_autocommit_block = False

        MigrationContext.autocommit_block = autocommit_block  # type: ignore[method-assign,assignment]

    def command_begins(self, *, changes: bool) -> None:
        super().command_begins(changes=changes)
        self._denied = ""

    def reason(self, error: BaseException) -> str:
        if isinstance(error, ForeignKeysBroken | TransactionTorn):
            return str(error)
        return self._denied if "not authorized" in str(error) else ""

    def stop(self) -> None:
        super().stop()
        for driver in self._drivers:
            with suppress(Exception):  # it may be closed by now
                # Ends a long statement, which a signal cannot. aiosqlite hides its connection.
                getattr(driver, "_conn", driver).interrupt()

    def _is_shared(self) -> bool:
        return self.revision is not None and self.changes and not self._in_autocommit_block

    # -- called by SQLAlchemy -----------------------------------------------------------------

    def _begin(self, connection: Any) -> None:
        if _is_lent(connection) or not self._protects(connection):
            return
        driver = connection.connection.driver_connection
        if self.revision is not None and not self._in_autocommit_block:
            # Another connection of the revision's, for which a write finds the file locked; or
            # the run's own, torn, whose next statement is refused.
            if driver is not self._migrating:
                # The run has the lock until the revision ends: to wait for it is of no use.
                ask_driver(connection, "PRAGMA busy_timeout=0")
            return
        self._committing = False
        if getattr(driver, "autocommit", _LEGACY) != _LEGACY:
            # Python 3.12's other ways: True makes commit() and rollback() do nothing.
            driver.autocommit = _LEGACY
        if driver.in_transaction:
            if driver.total_changes and self.changes:
                raise TransactionTorn(
                    "env.py has written to the database before Alembic began, in a transaction"
                    " that it has left open: commit that first"
                )
            # An empty one, of Python 3.12's autocommit=False or of env.py: ours takes its place.
            ask_driver(connection, "ROLLBACK")
        ask_driver(connection, "PRAGMA foreign_keys=OFF")
        if self._instructions.lock_timeout is not None:
            ask_driver(
                connection, f"PRAGMA busy_timeout={int(self._instructions.lock_timeout * 1000)}"
            )
        no_transactions = connection.connection.dbapi_connection.isolation_level is None
        if self._in_autocommit_block and no_transactions:
            return
        if not self.changes:
            if not no_transactions:
                ask_driver(connection, "BEGIN")
            return
        # DEFERRED fails at once when another writer commits between our read and our write.
        # Also under AUTOCOMMIT: SQLAlchemy calls the driver's commit() all the same.
        ask_driver(connection, "BEGIN IMMEDIATE")
        self._migrating = driver
        self._sharing.begins(connection)
        if self._sole_writer is not None:
            self._sole_writer.begins(main_file(connection) or "")
        # What an autocommit_block() has broken counts as new, too.
        if _BASELINE not in connection.info:
            connection.info[_BASELINE] = violations(connection)

    def _commit(self, connection: Any) -> None:
        if _is_lent(connection) or not connection.info.get(_PROTECTED):
            return
        self._require_running()
        if self._sharing.torn is not None:
            raise self._sharing.torn
        driver = connection.connection.driver_connection
        if self.revision is not None and driver is self._migrating:
            if not self._in_autocommit_block:
                raise self._torn("was to be committed before it had finished")
            if driver.in_transaction:
                self._record_begun()
            self._report_committed()
        if _BASELINE in connection.info:
            baseline = connection.info[_BASELINE]
            refuse_new_violations(connection, baseline, self._instructions.allow)
        self._committing = True
        if self._sole_writer is None or driver is not self._migrating or not driver.in_transaction:
            return
        if self._in_autocommit_block:
            self._sole_writer = None
        else:
            self._sole_writer.commit(connection)  # SQLAlchemy's own commit() has nothing left to do

    def _before(
        self, connection: Any, cursor: Any, sql: str, parameters: Any, context: Any, many: bool
    ) -> tuple[str, Any]:
        if _is_lent(connection):
            self._require_running()
            return ("SELECT 1" if _BEGIN.match(sql) else sql), parameters
        if not connection.info.get(_PROTECTED):
            return sql, parameters
        self._require_running()
        driver = connection.connection.driver_connection
        if driver.in_transaction and _BEGIN.match(sql):
            # An env.py that sends its own BEGIN finds the transaction already begun.
            return "SELECT 1", parameters
        if driver is self._migrating and not self._in_autocommit_block:
            if self.revision is not None and not driver.in_transaction:
                raise self._torn("has rolled back the transaction of the run")
            if self.revision is None and _COMMIT.match(sql):
                self._commit(connection)
            if self.revision is not None and not only_reads(sql, "sqlite"):
                self._sharing.writes += 1
        return sql, parameters

    # -- called by the driver -----------------------------------------------------------------

    def _protects(self, connection: Any) -> bool:
        if connection.dialect.name != "sqlite":
            return False
        known = connection.info.get(_PROTECTED)
        if known is None:
            file = main_file(connection)
            known = self._instructions.destination is None or same_file(
                file, self._instructions.destination
            )
            connection.info[_PROTECTED] = known
            if known:
                self._take_over(connection)
        return bool(known)

    def _take_over(self, connection: Any) -> None:
        driver = connection.connection.driver_connection
        self._drivers.append(driver)
        run_async = getattr(connection.connection.dbapi_connection, "run_async", None)
        if run_async is not None:  # aiosqlite
            run_async(lambda driver: driver.set_authorizer(self._authorize))
        elif hasattr(driver, "set_authorizer"):  # sqlite3, and sqlcipher3, which is made like it
            driver.set_authorizer(self._authorize)
        if self._instructions.scratch is not None:
            # A rehearsal's copy is thrown away: nothing is gained by flushing it to disk.
            ask_driver(connection, "PRAGMA synchronous=OFF")

    def _authorize(
        self, action: int, first: str | None, second: str | None, schema: str | None, _: str | None
    ) -> int:
        self._compiled(action, first, second, schema)
        if action == sqlite3.SQLITE_TRANSACTION and first == "COMMIT" and not self._may_commit():
            return self._deny(str(self._torn("sends a COMMIT of its own")))
        if action == sqlite3.SQLITE_ATTACH:
            if first is None:
                return self._deny("the name of a file to ATTACH must be a literal in the statement")
            try:
                self._may_attach(first)
            except Exception as refusal:
                return self._deny(str(refusal))
        return sqlite3.SQLITE_OK

    def _may_commit(self) -> bool:
        if self._stopped:
            return False
        return self._committing or self._in_autocommit_block or self.revision is None

    def _deny(self, reason: str) -> int:
        self._denied = reason
        print(f"migrations_ops: {escaped(reason)}", file=sys.stderr, flush=True)
        return sqlite3.SQLITE_DENY


def _is_lent(connection: Any) -> bool:
    return isinstance(connection.connection.dbapi_connection, SharedConnection)


def violations(connection: Any) -> Violations:
    """How many rows of each child table have no row in the parent table, by (child, parent)."""
    try:
        rows = ask_driver(connection, "PRAGMA foreign_key_check")
    except Exception as error:
        if not _LACKING.search(str(error)):
            raise
        # env.py's engine is not the application's: the keys that it can compare are checked.
        rows = []
        for (name,) in ask_driver(
            connection, "SELECT name FROM sqlite_master WHERE type = 'table'"
        ):
            quoted = '"' + str(name).replace('"', '""') + '"'
            with suppress(Exception):
                rows += ask_driver(connection, f"PRAGMA foreign_key_check({quoted})")
    return Counter((row[0], row[2]) for row in rows)


def refuse_new_violations(
    connection: Any, before: Violations, allowed: Collection[str] = ()
) -> None:
    """Compare the foreign keys with what they were when the transaction began.

    Violations that were there before do not count, also under a table's new name.

    :param allowed: what the user accepts, as ``CODE`` or ``CODE:CHILD``.
    :raises ForeignKeysBroken: there are more than before; each pair of tables is named.
    """
    after = violations(connection)
    grown = after - before
    if ORPHANS in allowed:
        return
    for child, parent in list(grown):
        if f"{ORPHANS}:{child}" in allowed:
            del grown[child, parent]
    gone = before - after
    tables = {row[0] for row in ask_driver(connection, "SELECT name FROM sqlite_master")}
    renamed = sum(count for (child, _), count in gone.items() if child not in tables)
    if sum(grown.values()) > renamed:
        named = ", ".join(
            f"{count} of {child} without their {parent}"
            for (child, parent), count in sorted(grown.items())
        )
        flags = " ".join(f"--allow {ORPHANS}:{child}" for child in sorted({c for c, _ in grown}))
        raise ForeignKeysBroken(
            f"the upgrade would leave rows without their parents: {named}",
            f"Or, if that is meant, allow it: {flags}",
        )
