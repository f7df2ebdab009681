"""A statement declares no more rows and values than it had."""

from __future__ import annotations

import pytest

from migrations_ops.analysis.losses import find_losses
from migrations_ops.analysis.reader import read_declared
from migrations_ops.analysis.row_changes import find_changes
from migrations_ops.child.protocol.events import (
    STATEMENTS_SENT,
    StatementRan,
    Traced,
)
from migrations_ops.databases.row_changes import ColumnChange, ContentChange, Pair, TableChange
from migrations_ops.model.fingerprint import Fingerprint

# -- how much a statement declares --------------------------------------------------------------

SPAM = "DELETE FROM t WHERE a = 'spam'"
FILL = "UPDATE t SET a = '' WHERE a IS NULL"
OWN_DELETE = (("delete", "t", ""),)
OWN_UPDATE = (("update", "t", "a"),)


@pytest.mark.parametrize(
    ("ran", "schema", "removed"),
    [
        ([StatementRan(SPAM, "r", OWN_DELETE, 0)], {}, 0),
        ([StatementRan(SPAM, "r", OWN_DELETE, 2)], {}, 2),
        ([StatementRan(SPAM, "r", OWN_DELETE, 2), StatementRan(SPAM, "r", None, 3)], {}, 5),
        ([StatementRan(SPAM, "r", OWN_DELETE, 2), StatementRan(SPAM, "r")], {}, None),
        ([StatementRan(SPAM, "r", OWN_DELETE)], {}, None),
        ([StatementRan("REPLACE INTO t VALUES (1)", "r", None, 1)], {}, None),
        # Past this number of statements, not all of them are sent.
        ([StatementRan(SPAM, "r", None, 0)] * STATEMENTS_SENT, {}, None),
        ([StatementRan(SPAM, "r", None, 1)] * (STATEMENTS_SENT - 1), {}, STATEMENTS_SENT - 1),
        # A trigger deletes more, or does something else instead; so does a key of its own.
        ([StatementRan(SPAM, "r", OWN_DELETE, 1)],
         {"trigger x": "create trigger x after delete on t begin delete from t where a = 1 ; end"},
         None),
        ([StatementRan(SPAM, "r", OWN_DELETE, 0)],
         {"trigger x": "create trigger x before delete on t begin select raise ( ignore ) ; end"},
         None),
        ([StatementRan(SPAM, "r", OWN_DELETE, 1)],
         {"foreign key t(a) to t": "(id) ON UPDATE NO ACTION ON DELETE CASCADE"}, None),
        ([StatementRan("UPDATE t SET a = 1", "r", (*OWN_UPDATE, *OWN_DELETE), 1)], {}, None),
        # Of a view, SQLite counts nothing.
        ([StatementRan("DELETE FROM seen", "r", OWN_DELETE, 0)], {"view seen": ""}, None),
    ],
)  # fmt: skip
def test_a_statement_declares_as_many_rows_as_it_deleted(
    ran: list[Traced], schema: dict[str, str], removed: int | None
) -> None:
    there = {"table t": "", "column t.a": "text", **schema}
    assert read_declared(ran, there, there).rows_removed("t") == removed


@pytest.mark.parametrize(
    ("ran", "changed"),
    [
        ([StatementRan(FILL, "r", OWN_UPDATE, 0)], 0),
        ([StatementRan(FILL, "r", OWN_UPDATE, 2), StatementRan(FILL, "r", None, 1)], 3),
        ([StatementRan(FILL, "r", OWN_UPDATE)], None),
        ([StatementRan("UPDATE t SET b = 1", "r", OWN_UPDATE, 1)], None),
    ],
)
def test_an_update_declares_as_many_values_as_it_had_rows(
    ran: list[Traced], changed: int | None
) -> None:
    there = {"table t": "", "column t.a": "text", "column t.b": "text"}
    assert read_declared(ran, there, there).values_changed("t", "a") == changed


@pytest.mark.parametrize(
    ("rows", "severity", "message"),
    [
        (0, "error", "5 values of t.a would change"),
        (2, "error", "3 values of t.a would change"),
        (5, "note", "5 values of t.a change, as the revisions declare"),
        (None, "note", "5 values of t.a change, as the revisions declare"),
    ],
)
def test_more_values_than_an_update_had_rows_change_undeclared(
    rows: int | None, severity: str, message: str
) -> None:
    there = {"table t": "", "column t.a": "text"}
    ran = [StatementRan(FILL, "r", OWN_UPDATE, rows)]
    change = TableChange(Pair("t", "t"), columns=(ColumnChange("a", 5, 0, "x became y"),))
    [finding] = find_changes(ContentChange((change,)), read_declared(ran, there, there), "prod")
    assert finding.severity == severity
    assert finding.message.startswith(message)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (0, {"lost-rows": "4 of 9 rows of t would vanish"}),
        (3, {"deleted-rows": "3 of 9 rows of t are deleted",
             "lost-rows": "1 of 9 rows of t would vanish"}),
        (4, {"deleted-rows": "4 of 9 rows of t are deleted"}),
        (None, {"deleted-rows": "4 of 9 rows of t are deleted"}),
    ],
)  # fmt: skip
def test_more_rows_than_a_delete_had_are_lost(rows: int | None, expected: dict[str, str]) -> None:
    there = {"table t": "", "column t.a": "text"}
    ran = [StatementRan(SPAM, "r", OWN_DELETE, rows)]
    before, after = (Fingerprint((), there, {"t": count}) for count in (9, 5))
    findings = find_losses(before, after, read_declared(ran, there, there), "prod")
    assert {each.code: each.message.partition(", ")[0] for each in findings} == expected


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ((), "4 of 9 rows of t are deleted by the trigger x, which the revisions fire"),
        ((StatementRan(SPAM, "r", OWN_DELETE, 9),),
         "4 of 9 rows of t are deleted, as the revisions declare"),
    ],
)  # fmt: skip
def test_rows_that_a_trigger_deletes_are_reported_with_its_name(
    more: tuple[StatementRan, ...], message: str
) -> None:
    trigger = "create trigger x after update on u begin delete from t where a = old.a ; end"
    there = {"table t": "", "column t.a": "text", "table u": "", "column u.a": "text"}
    there["trigger x"] = trigger
    writes = (("update", "u", "a"), ("delete", "t", ""))
    ran = [StatementRan("UPDATE u SET a = 1", "r", writes, 1), *more]
    before, after = (Fingerprint((), there, {"t": count}) for count in (9, 5))
    [finding] = find_losses(before, after, read_declared(ran, there, there), "prod")
    assert (finding.message, finding.severity) == (message, "warning")


def test_a_statement_that_found_no_row_writes_nothing() -> None:
    """Neither by its triggers nor for the rows that are inserted after it."""
    there = {"table t": "", "column t.a": "text", "table u": "", "column u.a": "text"}
    fired = (*OWN_UPDATE, ("update", "u", "a"), ("delete", "u", ""))
    found = read_declared(
        [StatementRan(FILL, "r", fired, 0), StatementRan(SPAM, "r", OWN_DELETE, 0)], there, there
    )
    assert (found.updated, found.emptied, found.rewritten("t")) == (set(), set(), frozenset())
