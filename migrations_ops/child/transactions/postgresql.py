"""The whole run as one transaction of PostgreSQL, under any env.py.

Alembic itself begins one; what could end it early is an engine in AUTOCOMMIT, an option of
env.py's, a COMMIT in a revision, or an env.py that swallows an error and commits.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar

from ..destination.statements import intercept_commits
from ..driver import ask, autocommits
from ..families import POSTGRESQL
from ..protocol.events import Autocommitted
from ..protocol.sql import Syntax
from ..recording.tracing import SQL_SENT
from .control import ends_transaction, sets_constraints
from .indexes import OwnIndexes
from .row_counts import Written
from .server import ServerTransactions
from .timeouts import LockTimeout

# A row that is there twice, and must not be at the commit: a commit before we have deleted it,
# in whatever way, is refused by the server itself, which rolls back.
_GUARD, _GUARD_RULE = "migrations_ops_guard", "migrations_ops_guard_rule"
_MAKE = (
    f"CREATE TEMPORARY TABLE {_GUARD}"
    f" (number int CONSTRAINT {_GUARD_RULE} UNIQUE DEFERRABLE INITIALLY DEFERRED) ON COMMIT DROP"
)
# A revision that has set another role works with that one until the run's end.
_SHARE = f"GRANT INSERT, SELECT, DELETE ON pg_temp.{_GUARD} TO PUBLIC"
_FILL = f"INSERT INTO pg_temp.{_GUARD} VALUES (1), (1)"
_EMPTY = f"DELETE FROM pg_temp.{_GUARD}"
_DEFER = f"SET CONSTRAINTS pg_temp.{_GUARD_RULE} DEFERRED"
_FIRST = "SELECT pg_current_xact_id()::text"
_NOW = "SELECT pg_current_xact_id_if_assigned()::text"


class PostgreSQLTransactions(ServerTransactions):
    """Keeps the run's transaction whole, and says so where a revision commits in between."""

    family: ClassVar[Syntax] = POSTGRESQL

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        # The run's transaction, by its number.
        self._transaction: str | None = None
        self._guarded = False
        self._lock_timeout = LockTimeout()
        self._written = Written()
        self._indexes = OwnIndexes()
        self._ledger.commit = self._commit_revision

    def opened(self, driver: Any, again: Callable[[], Any] | None) -> None:
        super().opened(driver, again)
        intercept_commits(driver, lambda: self._commits(driver))

    def command_begins(self, *, changes: bool) -> None:
        super().command_begins(changes=changes)
        self._transaction, self._guarded = None, False

    def reason(self, error: BaseException) -> str:
        if _GUARD_RULE in str(error):
            return str(self._torn("commits by itself"))
        return super().reason(error)

    # -- from beginning to end --------------------------------------------------------------------

    def _revision_begins(self, context: Any) -> None:
        self._indexes = OwnIndexes()
        if self._transaction is None:
            self._guard_commit(context)

    def _revision_ends(self, context: Any) -> None:
        [[now]] = self._ask(context, _NOW)
        if now == self._transaction:
            return
        [[ended]] = self._ask(context, f"SELECT pg_xact_status('{self._transaction}')")
        if ended == "committed":
            self._report_rows_committed()
            raise self._torn("has committed the transaction of the run")
        raise self._torn("has rolled back the transaction of the run")

    def _run_ends(self, context: Any) -> None:
        self._allow_commit(context.connection.connection.dbapi_connection)
        self._transaction = None

    def _commit_revision(self, context: Any) -> None:
        """Commit a completed revision if an earlier part of the run is committed already: a later
        failure then does not roll it back, and only the failed revision is retried."""
        if context._transaction is None:
            return
        self._allow_commit(context.connection.connection.dbapi_connection)
        self._transaction = None
        context._transaction.commit()
        context._transaction = context.connection.begin()

    def _leaves_block(self, context: Any) -> None:
        self._lock_timeout.restore(context.connection.connection.dbapi_connection)

    def _after_block(self, context: Any) -> None:
        if self.revision is not None:
            self._guard_commit(context)

    def _begins_again(self, connection: Any) -> None:
        raise self._torn("has rolled back the transaction of the run")

    def _before_commit(self, connection: Any) -> None:
        if not self._in_autocommit_block:
            raise self._torn("was to be committed before it had finished")
        if self._transaction is None:
            return  # inside of the block, where each statement has been committed already
        driver = connection.connection.dbapi_connection
        if self._written.has_rows(driver):
            self._report_wrote()
        self._indexes.before_commit(driver)
        self._ledger.record_begun(**self._indexes.facts())
        self._ledger.partly_committed = True
        self._report_committed()
        self._allow_commit(driver)
        self._transaction = None

    def _before_statement(self, connection: Any, sql: str) -> None:
        driver = connection.connection.dbapi_connection
        if self._in_autocommit_block:
            if self._indexes.before_statement(driver, sql):
                self._ledger.record_begun(**self._indexes.facts())
            self._lock_timeout.prepare(driver, sql)
            self._events.emit(Autocommitted(str(self.revision), sql.strip()[:SQL_SENT]))
            return
        ending = ends_transaction(sql, POSTGRESQL)
        if ending is not None:
            raise self._torn(f"sends a {ending} of its own")
        if self._guarded and sets_constraints(sql):
            ask(driver, _EMPTY)

    def _after_statement(self, connection: Any, sql: str, rows: int) -> None:
        if self._guarded and not self._in_autocommit_block and sets_constraints(sql):
            driver = connection.connection.dbapi_connection
            ask(driver, _DEFER)
            ask(driver, _FILL)

    def _has_written(self, connection: Any) -> bool:
        return self._has_open_rows(connection.connection.dbapi_connection)

    def _has_open_rows(self, driver: Any) -> bool:
        with suppress(Exception):
            return not autocommits(driver) and ask(driver, _NOW) != [(None,)]
        return True

    def _commits(self, driver: Any) -> None:
        """A connection commits, by its own method."""
        beside = self.revision is not None and driver is not self._migrating
        if beside and self.changes and self._has_open_rows(driver):
            self._report_rows_committed()

    # -- the guard ------------------------------------------------------------------------------

    def _guard_commit(self, context: Any) -> None:
        """Note the transaction, and let the server refuse its commit until we allow it."""
        driver = context.connection.connection.dbapi_connection
        self._transaction = str(ask(driver, _FIRST)[0][0])
        self._written.begins(driver, str(context.version_table))
        ask(driver, f"SAVEPOINT {_GUARD}")
        try:
            ask(driver, _MAKE)
            ask(driver, _SHARE)
            ask(driver, _FILL)
            self._guarded = True
        except Exception:
            # The role may make no temporary tables: what the revision sends through SQLAlchemy
            # is read all the same, and the transaction's number tells the rest afterwards.
            ask(driver, f"ROLLBACK TO SAVEPOINT {_GUARD}")
            self._guarded = False
        ask(driver, f"RELEASE SAVEPOINT {_GUARD}")

    def _allow_commit(self, driver: Any) -> None:
        if self._guarded:
            ask(driver, _EMPTY)
        self._guarded = False
