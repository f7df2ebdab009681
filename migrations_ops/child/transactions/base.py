"""What the guards of every kind of database have in common: they follow the revision at work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..channel import Events
from ..protocol.events import PartlyCommitted
from ..protocol.instructions import Instructions

# The commands of Alembic that write to the database.
CHANGING = frozenset({"upgrade", "downgrade", "stamp", "ensure_version"})


class TransactionTorn(Exception):
    """A revision ended, or tries to end, the transaction that makes the run atomic."""


class Transactions:
    """Keeps the run on one kind of database whole.

    :param written_down: waits until the parent has recorded that part of the run is committed;
        False if the parent is gone.
    """

    def __init__(
        self, instructions: Instructions, events: Events, written_down: Callable[[], bool]
    ) -> None:
        self._instructions = instructions
        self._events = events
        self._written_down = written_down
        # Whether the command at work may change the database.
        self.changes = False
        # The revision that was started and has not finished, also when it failed: an env.py
        # that swallows the error must not commit the half of it.
        self.revision: str | None = None
        # The connection on which the revisions run.
        self._migrating: Any = None
        self._in_autocommit_block = False
        self._stopped = False

    def install(self) -> None:
        raise NotImplementedError

    def command_begins(self, *, changes: bool) -> None:
        """Another Alembic command starts in this process."""
        self.changes, self.revision = changes, None

    def meets(self, family: str) -> None:
        """The run is about to work on a database of this kind."""

    def begins(self, revision: str, context: Any) -> None:
        """A revision is about to begin."""
        self.revision = revision

    def version_applied(self, **step: Any) -> None:
        """Alembic has moved the version, and is about to commit where it does so each time."""

    def ends(self, context: Any) -> None:
        """The revision has finished, and the version table says so."""
        self.revision = None

    def run_ends(self, context: Any) -> None:
        """All revisions have finished, and the ledger says so."""

    def reason(self, error: BaseException) -> str:
        """What these guards have to say about an error; empty if it was not theirs."""
        raise NotImplementedError

    def stop(self) -> None:
        """Prevent every further commit; called from another thread."""
        self._stopped = True

    def _require_running(self) -> None:
        if self._stopped:
            raise KeyboardInterrupt

    def _report_committed(self) -> None:
        """Report that a part of the revision is committed on its own; wait until it is recorded."""
        self._events.emit(PartlyCommitted(str(self.revision)))
        if not self._written_down():
            raise KeyboardInterrupt

    def _torn(self, what: str) -> TransactionTorn:
        return TransactionTorn(
            f"revision {self.revision} {what}, so that nothing of the run is kept:"
            " leave out COMMIT and ROLLBACK, or use op.get_context().autocommit_block(); or, if it"
            " or env.py catches an error and goes on, fix that error, which its log may show"
        )
