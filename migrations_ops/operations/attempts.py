"""Runs an upgrade in a child, and retries it if a table was locked and nothing was changed.

While an ALTER waits for a lock, all later statements on the table wait as well. A short lock
timeout keeps that queue short, and retries make up for it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

from migrations_ops.backups.store import BackupStore
from migrations_ops.model.backup import Backup
from migrations_ops.model.inspection import Inspection
from migrations_ops.model.outcome import RevisionRun
from migrations_ops.model.plan import AlembicCommands, StepName
from migrations_ops.operations.session import Session, listener
from migrations_ops.operations.state import DatabaseState
from migrations_ops.steps.command_run import CommandRun
from migrations_ops.steps.instructions import instructions_for
from migrations_ops.steps.step import Step

ATTEMPTS = 12
# Seconds: the first wait, and the longest one.
_FIRST, _LONGEST = 0.5, 8.0


def _waits() -> Iterator[float]:
    """The seconds before each retry: doubled each time, with jitter."""
    for number in range(ATTEMPTS - 1):
        longest = min(_LONGEST, _FIRST * 2**number)
        yield random.uniform(longest / 2, longest)


def upgrade_commands(state: DatabaseState) -> AlembicCommands:
    """What the child of an upgrade runs."""
    return (("upgrade", state.target.argument),)


@dataclass(frozen=True)
class AfterLock:
    """A database after an attempt that found a table locked.

    ``revisions`` were there before the first attempt. ``has_committed`` tells whether anything was
    committed before the end, ``partly_committed`` of which revisions a part. ``same_structure``
    tells whether revision and schema are those of the backup; it counts for files alone.
    """

    is_server: bool
    is_transactional: bool
    inspection: Inspection
    revisions: tuple[str, ...]
    failed_revision: str = ""
    has_committed: bool = False
    partly_committed: frozenset[str] = frozenset()
    same_structure: bool = False


def has_complete_revisions_only(after: AfterLock) -> bool:
    """Whether each revision of which something was committed has finished: from the first
    autocommit_block() on, a server commits at the end of each."""
    inspection, failed = after.inspection, after.failed_revision
    if not after.is_server or not failed or failed in after.partly_committed:
        return False
    return (
        not inspection.trouble and not inspection.begun and inspection.revisions != after.revisions
    )


def may_try_again(after: AfterLock) -> bool:
    """Whether nothing of the failed revision is in the database."""
    inspection = after.inspection
    if not after.is_transactional:
        return not inspection.begun
    if after.has_committed:
        return has_complete_revisions_only(after)
    if after.is_server:
        # The version is rolled back with the transaction; other sessions made any other change.
        return not inspection.trouble and inspection.revisions == after.revisions
    return after.same_structure


class Attempts:
    """The children that attempt one upgrade, one after the other, and what they committed.

    ``partly_committed`` are the revisions of which a part was committed before their end.
    """

    def __init__(self, session: Session, state: DatabaseState, backup: Backup | None) -> None:
        self._session, self._state, self._backup = session, state, backup
        self.has_committed = False
        self.partly_committed: frozenset[str] = frozenset()
        self.child = self._next_child()

    @property
    def argv(self) -> tuple[str, ...]:
        return self.child.argv

    @property
    def has_begun(self) -> bool:
        """Whether a child may have changed anything."""
        return self.has_committed or self.child.latest is not None

    def run(self, *, report_sole_writer: bool) -> CommandRun:
        """Run the upgrade; if a table was locked and nothing has changed, retry.

        :param report_sole_writer: whether the child has to report when no other process can have
            written.
        """
        waits = _waits()
        revisions: tuple[RevisionRun, ...] = ()
        for number in count(1):
            run = self._attempt(report_sole_writer=report_sole_writer)
            run = replace(run, revisions=(*revisions, *run.revisions), attempts=number)
            if not run.locked:
                return run
            self.close()
            database = self._state.database
            run = replace(run, holders=tuple(database.find_blocking_sessions()))
            wait = next(waits, None) if may_try_again(self._after(run)) else None
            if wait is None:
                return run
            # Of one transaction for the whole run nothing is left.
            is_kept = self.has_committed or not database.is_transactional
            revisions = run.revisions if is_kept else ()
            self._pause(wait, run.holders)
            self.child = self._next_child()
        raise AssertionError("the attempts are counted without end")

    def _after(self, run: CommandRun) -> AfterLock:
        """The state of the database after that run of the child."""
        state, environment = self._state, self._state.environment
        same = False
        if self._backup is not None and not state.database.is_server and not self.has_committed:
            store = BackupStore.of(self._session.project.settings, environment)
            same = state.has_structure(store.fingerprint(self._backup))
        return AfterLock(
            is_server=state.database.is_server,
            is_transactional=state.database.is_transactional,
            inspection=state.database.inspect(environment.version_table),
            revisions=state.inspection.revisions,
            failed_revision=run.failed_revision,
            has_committed=self.has_committed,
            partly_committed=self.partly_committed,
            same_structure=same,
        )

    def close(self) -> None:
        """Close the child, and keep its reports."""
        self.child.close()
        self.has_committed |= self.child.has_committed
        self.partly_committed |= self.child.partly_committed

    def _next_child(self) -> Step:
        environment = self._state.environment
        commands = upgrade_commands(self._state)
        return self._session.prestart.take(environment, StepName.UPGRADE, commands)

    def _attempt(self, *, report_sole_writer: bool) -> CommandRun:
        session, environment = self._session, self._state.environment
        self._state.database.require_lock()
        instructions = instructions_for(
            session.project,
            environment,
            ledger_entry=session.ledger_facts,
            report_sole_writer=report_sole_writer,
            allow=session.allowed(environment, self._state.pending),
        )
        return self.child.run(instructions, listener(session, environment))

    def _pause(self, wait: float, holders: Sequence[str]) -> None:
        whom = holders[0] if holders else "others"
        show = self._session.record.reporter.progress
        show(f"locked by {whom}; trying again in {wait:.1f} s")
        time.sleep(wait)
