"""MariaDB commits each change of a schema at once: the database itself says what was begun.

Before the first statement of a revision its ledger records that it has begun, and afterwards that
it is done. The parent knows before anything is committed that cannot be rolled back.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

from ..destination.statements import intercept_commits, intercept_statements
from ..driver import ask, autocommits, raw_of, sqlstate_of
from ..families import MARIADB
from ..protocol.sql import Syntax
from .base import TransactionTorn
from .control import (
    commits_by_itself,
    counted_commits,
    leaves_cluster,
    may_be_repeated,
    may_stop_halfway,
    may_write,
    only_ends,
)
from .server import ServerTransactions
from .timeouts import set_row_timeout
from .untransactional import Untransactional, find_untransactional, rows_changed

# How often a session was asked for each kind of statement, also behind SQLAlchemy's back.
_COUNTS = "SHOW SESSION STATUS WHERE Variable_name LIKE 'Com\\_%' AND Value > 0"
_COUNTED = ("Com_alter", "Com_create", "Com_drop", "Com_rename", "Com_truncate", "Com_commit")
_TAKES_ALL_BACK = "SELECT @@innodb_rollback_on_timeout"
# It has a row on a node of a cluster, and no error elsewhere.
_IN_CLUSTER = "SHOW GLOBAL VARIABLES WHERE Variable_name = 'wsrep_on' AND Value = 'ON'"
# The server's code for a table, or a row, that is in use.
_LOCKED = "1205"
# For how long, in seconds, a statement in the middle of a revision is tried again, and after which
# time at most: it does not wait for the lock, so that no session waits behind it.
_TRIED_FOR, _LONGEST = 60.0, 1.0


class LeavesCluster(Exception):
    """A revision is about to change one node of a Galera cluster alone."""


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
        # Connections whose every statement is seen, also one that SQLAlchemy knows nothing of.
        self._intercepted: list[Any] = []
        # Of the others that a revision has, those with rows that are not committed yet.
        self._written_beside: list[Any] = []
        # What we ask ourselves is nothing of the revision's.
        self._asking = False
        self._untransactional: Untransactional | None = None
        # The connection that waits for rows as long as the server's other ones do.
        self._waiting: Any = None

    def command_begins(self, *, changes: bool) -> None:
        super().command_begins(changes=changes)
        self._untransactional = None

    def opened(self, driver: Any, again: Callable[[], Any] | None) -> None:
        super().opened(driver, again)
        if self._is_intercepted(driver):
            return  # it has connected again
        intercept_commits(driver, lambda: self._commits(driver))
        # An asynchronous one cannot be asked anything while it is at work: there, SQLAlchemy tells.
        if raw_of(driver) is driver and intercept_statements(
            driver,
            lambda sql: self._sends(driver, sql),
            lambda sql, rows: self._has_sent(driver, sql, rows),
        ):
            self._intercepted.append(driver)

    def meets(self, family: str) -> None:
        if family == MARIADB and not self._follows_failures:
            # Not earlier: it would be in the tracebacks of users without such a database.
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

    def version_applied(self, **step: Any) -> None:
        """Alembic has moved the version, and is about to commit."""
        self._done = True

    # -- from beginning to end --------------------------------------------------------------------

    def _revision_begins(self, context: Any) -> None:
        with self._own_questions():
            self._ledger.record_begun()
            self._counted = self._count()
            self._wait_for_rows(usual=False)
        self._written, self._done, self._seen = False, False, 0

    def _revision_ends(self, context: Any) -> None:
        self._require_running()
        # Alembic and env.py may begin transactions here: the version first, then the ledger,
        # whose writing would commit it anyway.
        context.connection.connection.dbapi_connection.commit()

    def _before_commit(self, connection: Any) -> None:
        if self._done:
            return
        if not self._in_autocommit_block:
            raise TransactionTorn(
                f"revision {self.revision} was to be committed before it had finished: leave"
                " out connection.commit(); or, if it or env.py catches an error and goes on, fix"
                " that error, which its log may show"
            )
        self._report_committed()

    def _before_statement(self, connection: Any, sql: str) -> None:
        # Also of an intercepted one, before its driver: _execute has to know what is reported.
        if not self._is_intercepted(self._migrating):
            self._seen += counted_commits(sql)
        self._begins_statement(sql)

    def _after_statement(self, connection: Any, sql: str, rows: int) -> None:
        if not self._is_intercepted(self._migrating):
            self._ends_statement(sql, rows)

    def reason(self, error: BaseException) -> str:
        return str(error) if isinstance(error, LeavesCluster) else super().reason(error)

    def _require_replication(self, sql: str) -> None:
        """:raises LeavesCluster: rows would reach the other nodes, and the tables they go into
        not: the cluster would expel this node."""
        if not leaves_cluster(sql):
            return
        with self._own_questions():
            in_cluster = ask(self._migrating, _IN_CLUSTER)
        if in_cluster:
            raise LeavesCluster(
                f"revision {self.revision} was about to change one node of a Galera cluster alone:"
                f" leave out {' '.join(sql.split())}"
            )

    def _begins_statement(self, sql: str) -> None:
        self._require_replication(sql)
        commits = commits_by_itself(sql)
        by_block = self._commits_each() and may_write(sql)
        stays = self._reported != self.revision and self._known_untransactional().is_written_by(sql)
        if (commits and self._written) or may_stop_halfway(sql) or by_block or stays:
            self._report_committed()
        if commits:
            self._written, self._untransactional = False, None
        if self._reported == self.revision:
            with self._own_questions():
                self._wait_for_rows(usual=True)

    def _ends_statement(self, sql: str, rows: int) -> None:
        if self._done:
            return
        if commits_by_itself(sql):
            self._report_committed()
        elif rows != 0 and (may_write(sql) or self._may_call(sql)):
            self._written = True

    def _commits_each(self) -> bool:
        """Whether each statement is committed by itself, also since the driver was set to that."""
        return self._in_autocommit_block or autocommits(self._migrating)

    def _may_call(self, sql: str) -> bool:
        """Whether a statement that reads may write by a function; asked while it matters."""
        return self._reported != self.revision and self._known_untransactional().may_write(sql)

    def _known_untransactional(self) -> Untransactional:
        """Asked again after each change of the schema, which may have made such a table."""
        if self._untransactional is None:
            with self._own_questions():
                self._untransactional = find_untransactional(self._migrating)
        return self._untransactional

    def _wait_for_rows(self, *, usual: bool) -> None:
        """A wait for a row blocks no other session; and the revision cannot be retried by then.

        :param usual: whether to wait as long as others do.
        """
        if usual != (self._waiting is self._migrating):
            set_row_timeout(self._migrating, self._instructions, usual=usual)
            self._waiting = self._migrating if usual else None

    # -- called by the driver -------------------------------------------------------------------

    def _is_intercepted(self, driver: Any) -> bool:
        return any(driver is each for each in self._intercepted)

    def _is_at_work(self, driver: Any) -> bool:
        """Whether what a connection is about to do is a part of the revision."""
        known = self.revision is not None and driver is self._migrating
        return known and self.changes and not self._asking

    def _sends(self, driver: Any, sql: str) -> None:
        if self._is_at_work(driver):
            self._seen += counted_commits(sql)
            self._begins_statement(sql)
        elif self._is_beside(driver):
            by_itself = autocommits(driver) and self._known_untransactional().may_write(sql)
            if by_itself or (commits_by_itself(sql) and self._may_matter(driver, sql)):
                self._report_committed()

    def _has_sent(self, driver: Any, sql: str, rows: int) -> None:
        if self._is_at_work(driver):
            self._ends_statement(sql, rows)
        elif self._is_beside(driver) and rows != 0 and self._known_untransactional().may_write(sql):
            self._written_beside.append(driver)

    def _commits(self, driver: Any) -> None:
        here = self._is_at_work(driver) and not self._done
        if here or (self._is_beside(driver) and self._has_rows(driver)):
            self._report_committed()

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

        A statement that got no lock changed nothing, and rolled back nothing before it.
        """
        if self._reported is None or self._reported != self.revision or not may_be_repeated(sql):
            return False
        if not self._works_on(context.root_connection):
            return False
        untransactional = self._writes_untransactional(sql)
        changed = self._rows_changed() if untransactional else 0
        for wait in _waits():
            try:
                context.dialect.do_execute(cursor, sql, parameters, context)
            except Exception as error:
                if sqlstate_of(error) != _LOCKED:
                    raise
                if not self._may_repeat(sql, untransactional=untransactional, changed=changed):
                    raise
            else:
                return True
            time.sleep(wait)
            self._require_running()
        return False  # and SQLAlchemy tries it for the last time

    def _may_repeat(self, sql: str, *, untransactional: bool, changed: int) -> bool:
        """Whether a statement that got no lock left all as it was.

        :param untransactional: whether what it writes is not rolled back.
        :param changed: how many rows the session had changed before it.
        """
        if untransactional:
            return self._rows_changed() == changed
        if commits_by_itself(sql) or not self._written:
            return True
        # The server may be set to roll back all of the transaction, and not the statement.
        with self._own_questions():
            return ask(self._migrating, _TAKES_ALL_BACK) == [(0,)]

    def _writes_untransactional(self, sql: str) -> bool:
        return may_write(sql) and self._known_untransactional().is_written_by(sql)

    def _rows_changed(self) -> int:
        with self._own_questions():
            return rows_changed(self._migrating)

    def _failed(self) -> None:
        """Remove the ledger entry if nothing was committed and the connection is still usable."""
        if self.revision is None or self._migrating is None:
            return
        with suppress(Exception), self._own_questions():
            driver = self._migrating
            # More than we saw: a revision has used the driver itself.
            if self._reported != self.revision and self._count() - self._counted > self._seen:
                self._report_committed()
            if self._reported != self.revision:
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
