"""The result of one command of a step, built from the events that the child reported."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from migrations_ops.child.protocol.events import (
    Autocommitted,
    DriftFound,
    Event,
    Failed,
    Finished,
    LedgerFailed,
    Measured,
    Opened,
    OperationAsked,
    PartlyCommitted,
    RevisionDone,
    RevisionStarted,
    RowsWritten,
    SoleWriter,
    StatementRan,
    Traced,
)
from migrations_ops.model.outcome import RevisionRun

_Event = TypeVar("_Event", bound=tuple[Any, ...])


@dataclass(frozen=True)
class CommandRun:
    """How a command went, and how it ended.

    ``at_work`` is the revision that was started and has not finished, even without a reported
    failure. Of those in ``partly_committed`` a part was, or was about to be, committed before their
    end; those in ``wrote`` have changed rows, or may have, in what was committed then.
    ``autocommitted`` are reported before they run: the last one may have done its work, though its
    end was not reported. ``trace`` has operations and statements in the order in which they
    happened, and ``measured`` what was measured, where that was asked for.

    ``locked`` means that another session had a lock that it needed, ``attempts`` how often it was
    tried for that reason, and ``holders`` describes who had locks when it failed.
    ``own_commands`` are how many of the project's own commands ran instead of Alembic's.
    """

    started: str
    seconds: float = 0.0
    finished: bool = False
    refused: str = ""
    next: str = ""
    failure: str = ""
    where: str = ""
    failed_revision: str = ""
    misused: bool = False
    exit: int | None = None
    at_work: str = ""
    partly_committed: tuple[str, ...] = ()
    wrote: tuple[str, ...] = ()
    autocommitted: tuple[Autocommitted, ...] = ()
    sole_writer: tuple[SoleWriter, ...] = ()
    ledger_failure: str = ""
    locked: bool = False
    attempts: int = 1
    holders: tuple[str, ...] = ()
    revisions: tuple[RevisionRun, ...] = ()
    trace: tuple[Traced, ...] = ()
    measured: tuple[Measured, ...] = ()
    differences: tuple[str, ...] = ()
    opened: bool = False
    in_transaction: bool = False
    own_commands: int = 0

    @property
    def operations(self) -> tuple[OperationAsked, ...]:
        return _all(self.trace, OperationAsked)

    @property
    def statements(self) -> tuple[StatementRan, ...]:
        return _all(self.trace, StatementRan)


def run_of(events: Sequence[Event], started: str) -> CommandRun:
    """Build the result of one command from its events, in order."""
    opened = _all(events, Opened)
    return _with_failure(
        CommandRun(
            started=started,
            finished=bool(_all(events, Finished)),
            at_work=_at_work(events),
            partly_committed=tuple(each.revision for each in _all(events, PartlyCommitted)),
            wrote=tuple(each.revision for each in _all(events, RowsWritten)),
            autocommitted=_all(events, Autocommitted),
            sole_writer=_all(events, SoleWriter),
            ledger_failure="".join(each.message for each in _all(events, LedgerFailed)[-1:]),
            revisions=tuple(
                RevisionRun(each.revision, each.seconds, each.statements)
                for each in _all(events, RevisionDone)
            ),
            trace=tuple(each for each in events if isinstance(each, Traced)),
            measured=tuple(each for each in events if isinstance(each, Measured)),
            differences=sum((each.differences for each in _all(events, DriftFound)), ()),
            opened=bool(opened),
            in_transaction=any(each.in_transaction for each in opened[-1:]),
        ),
        _all(events, Failed),
    )


def _at_work(events: Iterable[Event]) -> str:
    revision = ""
    for event in events:
        if isinstance(event, RevisionStarted):
            revision = event.revision
        elif isinstance(event, RevisionDone):
            revision = ""
    return revision


def _with_failure(run: CommandRun, failures: Sequence[Failed]) -> CommandRun:
    """A refusal has precedence over later failures, since an env.py may swallow it."""
    for failed in failures:
        if failed.kind == "refused":
            run = replace(run, refused=failed.message, next=failed.next)
        elif not run.refused:
            run = replace(
                run,
                failure=failed.sentence.removesuffix("."),  # it goes into a sentence
                misused=failed.kind == "usage",
                where=failed.where or "",
                next=failed.next,
                failed_revision=failed.revision or "",
                locked=failed.locked,
            )
    return run


def _all(events: Iterable[Event], kind: type[_Event]) -> tuple[_Event, ...]:
    return tuple(each for each in events if isinstance(each, kind))
