"""What a step did follows from the events that its child reported, whatever came of it."""

from __future__ import annotations

from typing import Any

import pytest

from migrations_ops.child.protocol.events import (
    Autocommitted,
    DriftFound,
    Event,
    Failed,
    Finished,
    LedgerFailed,
    Opened,
    OperationAsked,
    PartlyCommitted,
    Ready,
    RevisionDone,
    RevisionStarted,
    RowsWritten,
    SoleWriter,
    StatementRan,
)
from migrations_ops.model.outcome import RevisionRun
from migrations_ops.steps.command_run import CommandRun, run_of

BEGUN = [Ready(), Opened(in_transaction=False), RevisionStarted("one")]
DONE = [*BEGUN, RevisionDone("one", 0.5, 2)]
HALF = [*DONE, RevisionStarted("two")]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], {}),
        ([Ready()], {}),
        ([Opened(in_transaction=True)], {"opened": True, "in_transaction": True}),
        (BEGUN, {"opened": True, "at_work": "one"}),
        (DONE, {"opened": True, "revisions": (RevisionRun("one", 0.5, 2),)}),
        (HALF, {"opened": True, "revisions": (RevisionRun("one", 0.5, 2),), "at_work": "two"}),
        ([Finished()], {"finished": True}),
        ([PartlyCommitted("one")], {"partly_committed": ("one",)}),
        ([RowsWritten("two")], {"wrote": ("two",)}),
        ([LedgerFailed("denied"), LedgerFailed("still denied")],
         {"ledger_failure": "still denied"}),
        ([DriftFound(("a", "b")), DriftFound(("c",))], {"differences": ("a", "b", "c")}),
        ([Autocommitted("one", "VACUUM")], {"autocommitted": (Autocommitted("one", "VACUUM"),)}),
        ([SoleWriter({}, {"size": 1})], {"sole_writer": (SoleWriter({}, {"size": 1}),)}),
        ([Failed("refused", "WrongDatabase", "astray")], {"refused": "astray"}),
        ([Failed("usage", "CommandError", "what?")], {"failure": "what?", "misused": True}),
        ([Failed("guard", "Torn", "it is torn.")], {"failure": "it is torn"}),
        ([Failed("exit", "SystemExit", "it left", "one")],
         {"failure": "it left", "failed_revision": "one"}),
        ([Failed("error", "OperationalError", "database is locked")],
         {"failure": "the database is locked by another process"}),
        ([Failed("error", "DataError", "(psycopg.DataError) too long", "one", "one.py:3")],
         {"failure": "DataError: too long", "failed_revision": "one", "where": "one.py:3"}),
        ([Failed("error", "E", "in use", locked=True)],
         {"failure": "E: in use", "locked": True}),
    ],
)  # fmt: skip
def test_what_a_step_did(events: list[Event], expected: dict[str, Any]) -> None:
    assert run_of(events, "now") == CommandRun(started="now", **expected)


def test_a_refusal_counts_for_more_than_what_fails_after_it() -> None:
    """An env.py may swallow the exception that refuses its database, and trip over the next."""
    refused, failed = Failed("refused", "WrongDatabase", "astray"), Failed("error", "E", "later")
    assert run_of([refused, failed], "now") == CommandRun(started="now", refused="astray")


def test_the_trace_keeps_operations_and_statements_in_their_order() -> None:
    first, asked = StatementRan("SELECT 1", "one"), OperationAsked("drop_table", "t")
    last = StatementRan("DROP TABLE t", "one")
    run = run_of([first, RowsWritten("one"), asked, last], "now")
    assert run.trace == (first, asked, last)
    assert (run.operations, run.statements) == ((asked,), (first, last))
