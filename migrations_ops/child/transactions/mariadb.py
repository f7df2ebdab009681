"""MariaDB commits each change of a schema at once: the database itself says what was begun.

Before the first statement of a revision its ledger notes that it has begun, and afterwards that
it is done. The parent hears of it before anything is committed that cannot be taken back.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

from ..destination.statements import watch_commits, watch_statements
from ..driver import MARIADB, ask, autocommits, raw_of, sqlstate_of
from ..protocol.sql import Syntax
from .control import (
    commits_by_itself,
    counted_commits,
    may_be_repeated,
    may_stop_halfway,
    may_write,
    only_ends,
)
from .server import ServerTransactions
from .sqlite import TransactionTorn
from .timeouts import wait_for_rows
from .untransactional import Lasting, find_lasting, rows_changed

# How often a session was asked for each kind of statement, also behind SQLAlchemy's back.
_COUNTS = "SHOW SESSION STATUS WHERE Variable_name LIKE 'Com\\_%' AND Value > 0"
_COUNTED = ("Com_alter", "Com_create", "Com_drop", "Com_rename", "Com_truncate", "Com_commit")
_TAKES_ALL_BACK = "SELECT @@innodb_rollback_on_timeout"
# The server's code for a table, or a row, that is in use.
_LOCKED = "1205"
# For how long, in seconds, a statement in the middle of a revision is tried again, and after which
# time at most: it does not wait for the lock, so that nobody waits behind it.
_TRIED_FOR, _LONGEST = 60.0, 1.0


class MariaDBTransactions(ServerTransactions):
    """Notes the beginning and the end of each revision, and whether a part of it is committed."""

    family: ClassVar[Syntax] = MARIADB

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        # Rows that the revision has written in the transaction that is open.
        self._written = False
        # It is done, and what is committed now is Alembic's.
        self._done = False
        # Statements that commit by themselves, as we saw them, and as the server counted.
        self._seen = 0
        self._counted = 0
        self._follows_failures = False
        # Connections whose every statement is seen, also those that SQLAlchemy knows nothing of.
        self._watched: list[Any] = []
        # Of the others that a revision has, those with rows that are not committed yet.
        self._written_beside: list[Any] = []
        # What we ask ourselves is nothing of the revision's.
        self._asking = False
        self._lasting: Lasting | None = None
        # The connection that waits for rows as long as the server's other ones do.
        self._patient: Any = None

    def command_begins(self, *, changes: bool) -> None:
        super().command_begins(changes=changes)
        self._lasting = None

    def opened(self, driver: Any, again: Callable[[], Any] | None) -> None:
        super().opened(driver, again)
        if self._is_watched(driver):
            return  # it has connected again
        watch_commits(driver, lambda: self._commits(driver))
        # An asynchronous one cannot be asked anything while it is at work: there, SQLAlchemy tells.
        if raw_of(driver) is driver and watch_statements(
            driver,
            lambda sql: self._sends(driver, sql),
            lambda sql, rows: self._has_sent(driver, sql, rows),
        ):
            self._watched.append(driver)

    def meets(self, family: str) -> None:
        if family == MARIADB and not self._follows_failures:
            # Not earlier: it is seen in the traceback of whoever has no such database.
            self._follows_failures = True
            self._follow_failures()

    def _follow_failures(self) -> None:
        from alembic.runtime.migration import MigrationContext
        from sqlalchemy import Engine, event

        event.listen(Engine, "do_execute", self._execute)

        original = MigrationContext.run_migrations

        def run_migrations(context: Any, **words: Any) -> None:
            try:
                original(context, **words)
            except BaseException:
                if self._is_ours(context):
                    self._failed()
                raise

        MigrationContext.run_migrations = run_migrations  # type: ignore[method-assign,assignment]

    def version_applied(self, **told: Any) -> None:
        """Alembic has moved the version, and is about to commit."""
        self._done = True

    # -- the course of a run --------------------------------------------------------------------

    def _revision_begins(self, context: Any) -> None:
        with self._own_questions():
            self._ledger.note_begun()
            self._counted = self._count()
            self._set_patience(patient=False)
        self._written, self._done, self._seen = False, False, 0

    def _revision_ends(self, context: Any) -> None:
        if self._stopped:
            raise KeyboardInterrupt
        # Whoever begins transactions here, Alembic or env.py: the version first, then the ledger,
        # whose writing would commit it anyway.
        context.connection.connection.dbapi_connection.commit()

    def _before_commit(self, connection: Any) -> None:
        if self._done:
            return
        if not self._in_autocommit_block:
            raise TransactionTorn(
                f"revision {self.revision} was to be committed before it had come to its end: leave"
                " out connection.commit(); or, if it or env.py catches an error and goes on, mend"
                " that error, which its log may show"
            )
        self._tell_committed()

    def _before_statement(self, connection: Any, sql: str) -> None:
        # Also of a watched one, before the driver tells: _execute has to know what is told.
        if not self._is_watched(self._migrating):
            self._seen += counted_commits(sql)
        self._begins_statement(sql)

    def _after_statement(self, connection: Any, sql: str, rows: int) -> None:
        if not self._is_watched(self._migrating):
            self._ends_statement(sql, rows)

    def _begins_statement(self, sql: str) -> None:
        commits = commits_by_itself(sql)
        by_block = self._commits_each() and may_write(sql)
        lasts = self._told != self.revision and self._known_lasting().is_written_by(sql)
        if (commits and self._written) or may_stop_halfway(sql) or by_block or lasts:
            self._tell_committed()
        if commits:
            self._written, self._lasting = False, None
        if self._told == self.revision:
            with self._own_questions():
                self._set_patience(patient=True)

    def _ends_statement(self, sql: str, rows: int) -> None:
        if self._done:
            return
        if commits_by_itself(sql):
            self._tell_committed()
        elif rows != 0 and (may_write(sql) or self._may_call(sql)):
            self._written = True

    def _commits_each(self) -> bool:
        """Whether each statement is committed by itself, also since the driver was told so."""
        return self._in_autocommit_block or autocommits(self._migrating)

    def _may_call(self, sql: str) -> bool:
        """Whether a statement that reads may write by a function; asked while it matters."""
        return self._told != self.revision and self._known_lasting().may_write(sql)

    def _known_lasting(self) -> Lasting:
        """Asked anew after each change of the schema, which may have made such a table."""
        if self._lasting is None:
            with self._own_questions():
                self._lasting = find_lasting(self._migrating)
        return self._lasting

    def _set_patience(self, *, patient: bool) -> None:
        """Nobody queues behind who waits for a row; and the whole cannot be tried again then."""
        if patient != (self._patient is self._migrating):
            wait_for_rows(self._migrating, self._instructions, patient=patient)
            self._patient = self._migrating if patient else None

    # -- what the driver tells ------------------------------------------------------------------

    def _is_watched(self, driver: Any) -> bool:
        return any(driver is each for each in self._watched)

    def _is_at_work(self, driver: Any) -> bool:
        """Whether what a connection is about to do is a part of the revision."""
        known = self.revision is not None and driver is self._migrating
        return known and self.changes and not self._asking

    def _sends(self, driver: Any, sql: str) -> None:
        if self._is_at_work(driver):
            self._seen += counted_commits(sql)
            self._begins_statement(sql)
        elif self._is_beside(driver):
            alone = autocommits(driver) and self._known_lasting().may_write(sql)
            if alone or (commits_by_itself(sql) and self._may_matter(driver, sql)):
                self._tell_committed()

    def _has_sent(self, driver: Any, sql: str, rows: int) -> None:
        if self._is_at_work(driver):
            self._ends_statement(sql, rows)
        elif self._is_beside(driver) and rows != 0 and self._known_lasting().may_write(sql):
            self._written_beside.append(driver)

    def _commits(self, driver: Any) -> None:
        here = self._is_at_work(driver) and not self._done
        if here or (self._is_beside(driver) and self._has_rows(driver)):
            self._tell_committed()

    def _is_beside(self, driver: Any) -> bool:
        """Whether a connection is another one, which the revision at work has as well."""
        known = self.revision is not None and driver is not self._migrating
        return known and self.changes and not self._asking

    def _has_rows(self, driver: Any) -> bool:
        return any(driver is each for each in self._written_beside)

    def _may_matter(self, driver: Any, sql: str) -> bool:
        """Whether there is anything to commit, in what came before it or in itself."""
        return self._has_rows(driver) or not only_ends(sql)

    @contextmanager
    def _own_questions(self) -> Iterator[None]:
        before, self._asking = self._asking, True
        try:
            yield
        finally:
            self._asking = before

    def _execute(self, cursor: Any, sql: str, parameters: Any, context: Any) -> bool:
        """Try again what found a table or a row in use, once the revision as a whole cannot be.

        What got no lock has changed nothing, and took nothing back of what came before it.
        """
        if self._told is None or self._told != self.revision or not may_be_repeated(sql):
            return False
        if not self._works_on(context.root_connection):
            return False
        lasts = self._is_lasting(sql)
        changed = self._rows_changed() if lasts else 0
        for wait in _waits():
            try:
                context.dialect.do_execute(cursor, sql, parameters, context)
            except Exception as error:
                if sqlstate_of(error) != _LOCKED:
                    raise
                if not self._may_repeat(sql, lasts=lasts, changed=changed):
                    raise
            else:
                return True
            time.sleep(wait)
            if self._stopped:
                raise KeyboardInterrupt
        return False  # and SQLAlchemy tries it for the last time

    def _may_repeat(self, sql: str, *, lasts: bool, changed: int) -> bool:
        """Whether a statement that got no lock left all as it was.

        :param lasts: whether what it writes is not rolled back.
        :param changed: how many rows the session had changed before it.
        """
        if lasts:
            return self._rows_changed() == changed
        if commits_by_itself(sql) or not self._written:
            return True
        # The server may be told to take back all of the transaction, and not the statement.
        with self._own_questions():
            return ask(self._migrating, _TAKES_ALL_BACK) == [(0,)]

    def _is_lasting(self, sql: str) -> bool:
        return may_write(sql) and self._known_lasting().is_written_by(sql)

    def _rows_changed(self) -> int:
        with self._own_questions():
            return rows_changed(self._migrating)

    def _failed(self) -> None:
        """Take the mark away again where nothing was committed, if the connection still lives."""
        if self.revision is None or self._migrating is None:
            return
        with suppress(Exception), self._own_questions():
            driver = self._migrating
            # More than we saw: a revision has used the driver itself.
            if self._told != self.revision and self._count() - self._counted > self._seen:
                self._tell_committed()
            if self._told != self.revision:
                driver.rollback()
                self._ledger.withdraw()

    def _count(self) -> int:
        rows = ask(self._migrating, _COUNTS)
        return sum(
            int(value)
            for name, value in rows
            if str(name).startswith(_COUNTED) and "temporary" not in str(name)
        )


def _waits() -> Iterator[float]:
    """Seconds, longer and longer, until all the time is over."""
    longest, until = 0.1, time.monotonic() + _TRIED_FOR
    while time.monotonic() < until:
        yield random.uniform(longest / 2, longest)
        longest = min(_LONGEST, longest * 1.5)
