"""MariaDB commits each change of a schema at once: the database itself says what was begun.

Before the first statement of a revision its ledger notes that it has begun, and afterwards that
it is done. The parent hears of it before anything is committed that cannot be taken back.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from .driver import MARIADB, ask, sqlstate_of
from .server_transactions import ServerTransactions
from .sql_control import commits_by_itself, may_stop_halfway, may_write
from .transactions import TransactionTorn

# How often a session was asked for each kind of statement, also behind SQLAlchemy's back.
_COUNTS = "SHOW SESSION STATUS WHERE Variable_name LIKE 'Com\\_%' AND Value > 0"
_COUNTED = ("Com_alter", "Com_create", "Com_drop", "Com_rename", "Com_truncate", "Com_commit")
# The server's code for a table that is in use.
_LOCKED = "1205"
# For how long, in seconds, a statement in the middle of a revision is tried again, and after which
# time at most: it does not wait for the lock, so that nobody waits behind it.
_TRIED_FOR, _LONGEST = 60.0, 1.0


class MariaDBTransactions(ServerTransactions):
    """Notes the beginning and the end of each revision, and whether a part of it is committed."""

    family = MARIADB

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
        self._ledger.note_begun()
        self._written, self._done, self._seen = False, False, 0
        self._counted = self._count()

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
        commits = commits_by_itself(sql)
        self._seen += commits
        by_block = self._in_autocommit_block and may_write(sql)
        if (commits and self._written) or may_stop_halfway(sql) or by_block:
            self._tell_committed()
        if commits:
            self._written = False

    def _after_statement(self, connection: Any, sql: str, rows: int) -> None:
        if self._done:
            return
        if commits_by_itself(sql):
            self._tell_committed()
        elif rows != 0 and may_write(sql):
            self._written = True

    def _execute(self, cursor: Any, sql: str, parameters: Any, context: Any) -> bool:
        """Try again what found a table in use, once the revision as a whole cannot be.

        A change of the schema that got no lock has changed nothing, and its transaction is
        committed in any case.
        """
        if self._told is None or self._told != self.revision or not commits_by_itself(sql):
            return False
        if not self._works_on(context.root_connection):
            return False
        for wait in _waits():
            try:
                context.dialect.do_execute(cursor, sql, parameters, context)
            except Exception as error:
                if sqlstate_of(error) != _LOCKED:
                    raise
            else:
                return True
            time.sleep(wait)
            if self._stopped:
                raise KeyboardInterrupt
        return False  # and SQLAlchemy tries it for the last time

    def _failed(self) -> None:
        """Take the mark away again where nothing was committed, if the connection still lives."""
        if self.revision is None or self._migrating is None:
            return
        with suppress(Exception):
            driver = self._migrating
            # More than we saw: a revision has used the driver itself.
            if self._told != self.revision and self._count() - self._counted > self._seen:
                self._tell_committed()
            if self._told != self.revision:
                driver.rollback()
                self._ledger.take_back()

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
