"""What the guards of both kinds of server have in common: they follow the connection at work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

from ..channel import Events
from ..destination.cross_database import NamesOtherDatabase
from ..driver import ask, autocommits, identity_of, set_autocommit
from ..families import family_of
from ..protocol.events import RowsWritten
from ..protocol.instructions import Instructions
from ..protocol.sql import Syntax
from ..recording.ledger import Ledger
from .base import Transactions, TransactionTorn
from .cancel import ServerSession, cancel_all
from .control import only_reads
from .sessions import StepLocked

_PROTECTED = "migrations_ops_protected_on_server"


class ServerTransactions(Transactions):
    """Follows the connection on which Alembic works, from the first revision to the last."""

    family: ClassVar[Syntax]

    def __init__(
        self,
        instructions: Instructions,
        events: Events,
        ledger: Ledger,
        written_down: Callable[[], bool] = lambda: True,
    ) -> None:
        super().__init__(instructions, events, written_down)
        self._ledger = ledger
        # Connections that env.py has set to autocommit, which is off until the run ends.
        self._autocommit_off: list[Any] = []
        # The revision of which it was reported that a part is committed.
        self._reported: str | None = None
        self._sessions: list[ServerSession] = []

    def install(self) -> None:
        from alembic.runtime.migration import MigrationContext
        from sqlalchemy import Engine, event

        # Listeners of the class run before those that env.py puts on its own engine.
        event.listen(Engine, "begin", self._begin)
        event.listen(Engine, "commit", self._commit)
        event.listen(Engine, "before_cursor_execute", self._before)
        event.listen(Engine, "after_cursor_execute", self._after)
        original_block = MigrationContext.autocommit_block

        @contextmanager
        def autocommit_block(context: Any) -> Iterator[None]:
            if not self._is_ours(context):
                with original_block(context):
                    yield
                return
            self._in_autocommit_block = True
            try:
                with original_block(context):
                    yield
                    self._leaves_block(context)
            except BaseException:
                # A revision may catch it, and go on in the transaction that has begun.
                self._in_autocommit_block = False
                with suppress(Exception):
                    self._after_block(context)
                raise
            self._in_autocommit_block = False
            self._after_block(context)

        MigrationContext.autocommit_block = autocommit_block  # type: ignore[method-assign,assignment]

    # -- from beginning to end --------------------------------------------------------------------

    def command_begins(self, *, changes: bool) -> None:
        super().command_begins(changes=changes)
        self._reported, self._migrating = None, None

    def opened(self, driver: Any, again: Callable[[], Any] | None) -> None:
        """A connection to the destination was made; another one is made by ``again``."""
        self._sessions.append(ServerSession(driver, again))

    def opened_unseen(self) -> None:
        """A connection to the destination was made whose statements, and commits, are not seen:
        what a revision does there has to count as done."""
        if self.revision is not None and self.changes:
            self._report_rows_committed()

    def begins(self, revision: str, context: Any) -> None:
        super().begins(revision, context)
        self._reported = None
        if self._is_ours(context):
            self._migrating = context.connection.connection.dbapi_connection
            self._revision_begins(context)

    def ends(self, context: Any) -> None:
        if self._is_ours(context):
            self._revision_ends(context)
        super().ends(context)

    def run_ends(self, context: Any) -> None:
        if not self._is_ours(context):
            return
        self._run_ends(context)
        driver = context.connection.connection.dbapi_connection
        if driver in self._autocommit_off:
            # No other code may commit: each statement was to be committed by itself.
            self._require_running()
            driver.commit()
            set_autocommit(driver, True)
            self._autocommit_off.remove(driver)

    def reason(self, error: BaseException) -> str:
        own = TransactionTorn | StepLocked | NamesOtherDatabase
        return str(error) if isinstance(error, own) else ""

    def stop(self) -> None:
        super().stop()
        cancel_all(self._sessions)

    # -- what differs ---------------------------------------------------------------------------

    def _revision_begins(self, context: Any) -> None:
        raise NotImplementedError

    def _revision_ends(self, context: Any) -> None:
        raise NotImplementedError

    def _run_ends(self, context: Any) -> None:
        """Nothing, unless an engine has something to undo."""

    def _leaves_block(self, context: Any) -> None:
        """An autocommit_block() is about to end in order."""

    def _after_block(self, context: Any) -> None:
        """It has ended, and the next transaction has begun."""

    def _begins_again(self, connection: Any) -> None:
        """A transaction begins in the middle of a revision, on its own connection."""

    def _before_statement(self, connection: Any, sql: str) -> None:
        raise NotImplementedError

    def _after_statement(self, connection: Any, sql: str, rows: int) -> None:
        raise NotImplementedError

    def _before_commit(self, connection: Any) -> None:
        """Of the connection on which a revision is at work."""
        raise NotImplementedError

    # -- called by SQLAlchemy --------------------------------------------------------------------

    def _begin(self, connection: Any) -> None:
        if self._in_autocommit_block or not self.changes or not self._protects(connection):
            return
        driver = connection.connection.dbapi_connection
        if self.revision is not None:
            if driver is self._migrating:
                self._begins_again(connection)
            return
        if autocommits(driver):
            set_autocommit(driver, False)
            self._autocommit_off.append(driver)

    def _commit(self, connection: Any) -> None:
        self._require_running()
        if self.revision is None or not connection.info.get(_PROTECTED):
            return
        if connection.connection.dbapi_connection is self._migrating:
            self._before_commit(connection)
        elif self.changes and self._has_written(connection):
            # A second connection of the revision: its commit is not delayed.
            self._report_rows_committed()

    def _before(
        self, connection: Any, cursor: Any, sql: str, parameters: Any, context: Any, many: bool
    ) -> None:
        self._require_running()
        if self.revision is None:
            return
        if self._works_on(connection):
            self._before_statement(connection, sql)
        elif (
            self.changes and connection.info.get(_PROTECTED) and self._autocommits(connection, sql)
        ):
            self._report_rows_committed()

    def _after(
        self, connection: Any, cursor: Any, sql: str, parameters: Any, context: Any, many: bool
    ) -> None:
        if self.revision is not None and self._works_on(connection):
            self._after_statement(connection, sql, cursor.rowcount)

    # -- helpers --------------------------------------------------------------------------------

    def _is_ours(self, context: Any) -> bool:
        """Whether a context works on a database of this kind, and changes it."""
        connection = context.connection
        return (
            self.changes
            and not context.as_sql
            and connection is not None
            and family_of(connection.dialect) == self.family
        )

    def _works_on(self, connection: Any) -> bool:
        return (
            self._migrating is not None
            and connection.connection.dbapi_connection is self._migrating
        )

    def _protects(self, connection: Any) -> bool:
        if family_of(connection.dialect) != self.family:
            return False
        known = connection.info.get(_PROTECTED)
        if known is None:
            destination = self._instructions.destination
            driver = connection.connection.dbapi_connection
            known = destination is None or identity_of(driver, self.family) == destination
            connection.info[_PROTECTED] = known
        return bool(known)

    def _autocommits(self, connection: Any, sql: str) -> bool:
        """Whether another connection of the revision's commits this statement by itself."""
        return autocommits(connection.connection.dbapi_connection) and not only_reads(
            sql, self.family
        )

    def _has_written(self, connection: Any) -> bool:
        """Whether a connection has written in the transaction that is open."""
        return True

    def _report_wrote(self) -> None:
        """Report that the revision may have changed rows in what is about to be committed."""
        self._events.emit(RowsWritten(str(self.revision)))

    def _report_committed(self) -> None:
        """Once for each revision."""
        if self._reported != self.revision:
            self._reported = self.revision
            super()._report_committed()

    def _report_rows_committed(self) -> None:
        self._report_wrote()
        self._report_committed()

    def _ask(self, context: Any, sql: str) -> list[tuple[Any, ...]]:
        return ask(context.connection.connection.dbapi_connection, sql)
