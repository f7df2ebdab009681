"""What is destroyed is counted under every name, declared or not; what a revision drops with its
content says so, and by which revision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from migrations_ops.analysis.declared import Declared
from migrations_ops.analysis.destroyed import (
    columns_to_count,
    find_destroyed,
    judged,
    with_dropped,
)
from migrations_ops.analysis.losses import find_losses
from migrations_ops.analysis.reader import read_declared
from migrations_ops.analysis.row_changes import find_changes
from migrations_ops.child.protocol.events import OperationAsked, StatementRan, Traced
from migrations_ops.databases.row_changes import ColumnChange, ContentChange, Pair, TableChange
from migrations_ops.model.allowed import Consent
from migrations_ops.model.findings import DROPPED_WITH_CONTENT
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.measured_plan import Destroyed

BEFORE = Fingerprint(
    ("a",),
    {"table t": "", "column t.a": "text", "column t.b": "text", "table u": "", "column u.a": "int"},
    {"t": 12, "u": 1},
)
# Five of the twelve values of t.b are NULL.
VALUES = {("t", "b"): 7}
DROP_B = OperationAsked("drop_column", "t", "b", revision="r2")
DROP_U = StatementRan("DROP TABLE u", "r2")


def after(
    gone: Sequence[str] = (), added: Mapping[str, str] | None = None, **rows: int
) -> Fingerprint:
    schema = {key: was for key, was in BEFORE.schema.items() if key not in gone} | dict(added or {})
    return Fingerprint(("b",), schema, rows)


WITHOUT_B = after(["column t.b"], t=12, u=1)
WITHOUT_U = after(["table u", "column u.a"], t=12)


def declared_by(ran: Sequence[Traced], now: Fingerprint) -> Declared:
    return read_declared(ran, BEFORE.schema, now.schema)


@pytest.mark.parametrize(
    ("ran", "now", "destroyed"),
    [
        ([], after(t=12, u=1), []),
        ([], WITHOUT_B, [Destroyed("column", "t.b", 7)]),
        ([DROP_B], WITHOUT_B, [Destroyed("column", "t.b", 7, "r2")]),
        ([StatementRan("ALTER TABLE t DROP COLUMN b", "r3")], WITHOUT_B,
         [Destroyed("column", "t.b", 7, "r3")]),
        ([], WITHOUT_U, [Destroyed("table", "u", 1)]),
        ([DROP_U], WITHOUT_U, [Destroyed("table", "u", 1, "r2")]),
        ([], after(t=9, u=1), [Destroyed("rows", "t", 3)]),
        ([], after(t=15, u=1), []),
        # What is there under another name is not gone.
        ([OperationAsked("rename_table", "u", to="v")],
         after(["table u", "column u.a"], {"table v": "", "column v.a": "int"}, t=12, v=0),
         [Destroyed("rows", "u", 1)]),
        ([OperationAsked("rename_column", "t", "b", to="c")],
         after(["column t.b"], {"column t.c": "text"}, t=12, u=1), []),
        # A table of the same name that was made anew does not have the rows.
        ([DROP_U, StatementRan("CREATE TABLE u (a int)", "r2")], after(t=12, u=0),
         [Destroyed("table", "u", 1, "r2")]),
        # One that was rebuilt, by hand or by a batch, has them.
        ([StatementRan("CREATE TABLE u2 (a int)"), StatementRan("INSERT INTO u2 SELECT a FROM u"),
          DROP_U, StatementRan("ALTER TABLE u2 RENAME TO u")], after(t=12, u=1), []),
        ([StatementRan("CREATE TABLE _alembic_tmp_u (a int)"),
          StatementRan("INSERT INTO _alembic_tmp_u (a) SELECT u.a FROM u"), DROP_U,
          StatementRan("ALTER TABLE _alembic_tmp_u RENAME TO u")], after(t=12, u=1), []),
        # A column that such a rebuild leaves out is gone with its values.
        ([StatementRan("CREATE TABLE t2 (a text)"), StatementRan("INSERT INTO t2 SELECT a FROM t"),
          StatementRan("DROP TABLE t", "r2"), StatementRan("ALTER TABLE t2 RENAME TO t")],
         WITHOUT_B, [Destroyed("column", "t.b", 7, "r2")]),
        # Where the old table stays, it still has them.
        ([StatementRan("ALTER TABLE t RENAME TO old"), StatementRan("CREATE TABLE t (a text)"),
          StatementRan("INSERT INTO t SELECT a FROM old")],
         after(["column t.b"], {"table old": "", "column old.a": "", "column old.b": ""},
               t=12, u=1, old=12), []),
    ],
)  # fmt: skip
def test_tables_columns_and_rows_that_are_gone_are_counted(
    ran: Sequence[Traced], now: Fingerprint, destroyed: list[Destroyed]
) -> None:
    change = ContentChange(values=VALUES)
    assert [*find_destroyed(BEFORE, now, declared_by(ran, now), change)] == destroyed


@pytest.mark.parametrize(
    ("ran", "now", "counted"),
    [
        ([], after(t=12, u=1), []),
        ([], WITHOUT_B, [("t", "b")]),
        ([DROP_B], WITHOUT_B, [("t", "b")]),
        # Another one may have its name.
        ([DROP_B], after(t=12, u=1), [("t", "b")]),
        ([OperationAsked("rename_column", "t", "b", to="c")],
         after(["column t.b"], {"column t.c": "text"}, t=12, u=1), []),
        # The rows of a table are counted already.
        ([DROP_U], WITHOUT_U, []),
        ([DROP_B, StatementRan("DROP TABLE t")],
         after(["table t", "column t.a", "column t.b"], u=1), []),
    ],
)  # fmt: skip
def test_the_values_of_columns_are_counted_where_they_may_be_gone(
    ran: Sequence[Traced], now: Fingerprint, counted: list[tuple[str, str]]
) -> None:
    assert columns_to_count(BEFORE, now, declared_by(ran, now)) == counted


@pytest.mark.parametrize(
    ("ran", "changed", "values", "destroyed"),
    [
        ([DROP_B], 12, 7, [Destroyed("column", "t.b", 7, "r2")]),
        ([DROP_B], 3, 7, [Destroyed("column", "t.b", 3, "r2")]),
        # A default in place of NULL destroys nothing.
        ([DROP_B], 12, 0, []),
        ([], 12, 7, []),
        ([StatementRan("UPDATE t SET b = upper(b)")], 12, 7, []),
        # The values were converted, into a column that then took its name.
        ([StatementRan("ALTER TABLE t ADD COLUMN c text"),
          StatementRan("UPDATE t SET c = upper(b)"), DROP_B,
          OperationAsked("rename_column", "t", "c", to="b")], 12, 7, []),
    ],
)  # fmt: skip
def test_a_column_that_is_made_anew_lacks_the_values(
    ran: Sequence[Traced], changed: int, values: int, destroyed: list[Destroyed]
) -> None:
    now = after(t=12, u=1)
    column = ColumnChange("b", changed, changed, "text became NULL")
    change = ContentChange((TableChange(Pair("t", "t"), columns=(column,)),),
                           values={("t", "b"): values})  # fmt: skip
    declared = declared_by(ran, now)
    found = find_destroyed(BEFORE, now, declared, change)
    assert [*found] == destroyed
    told = with_dropped(find_changes(change, declared, "prod"), found, "prod")
    assert [each.code for each in told] == ["dropped-column" if destroyed else "changed-values"]


ANEW = [StatementRan("DROP TABLE t", "r2"), StatementRan("CREATE TABLE t (a text, b text)", "r2")]


@pytest.mark.parametrize(
    ("ran", "values", "destroyed"),
    [
        (ANEW, 7, [Destroyed("table", "t", 5, "r2")]),
        (ANEW, 3, [Destroyed("table", "t", 3, "r2")]),
        # Something in place of NULL destroys nothing.
        (ANEW, 0, []),
        ([StatementRan("UPDATE t SET b = 'x'")], 7, []),
    ],
)
def test_a_table_that_is_made_anew_with_other_rows_under_the_same_keys_lacks_the_old_ones(
    ran: Sequence[Traced], values: int, destroyed: list[Destroyed]
) -> None:
    now = after(t=12, u=1)
    declared = declared_by(ran, now)
    is_anew = ran is ANEW
    assert columns_to_count(BEFORE, now, declared) == [("t", "a"), ("t", "b")] * is_anew
    column = ColumnChange("b", 9, 5, "text became another")
    change = ContentChange((TableChange(Pair("t", "t"), columns=(column,)),),
                           values={("t", "a"): 12, ("t", "b"): values})  # fmt: skip
    assert [*find_destroyed(BEFORE, now, declared, change)] == destroyed


WHOLE = {"table w": "PARTITION BY RANGE (a)", "column w.a": "int", "column w.b": "int",
         "table p": "PARTITION OF w FOR VALUES FROM (1) TO (2)", "column p.a": "int",
         "column p.b": "int"}  # fmt: skip


@pytest.mark.parametrize(
    ("statement", "gone", "destroyed"),
    [
        ("DROP TABLE w", list(WHOLE), [Destroyed("table", "w", 5, "r2")]),
        ("DROP TABLE p", ["table p", "column p.a", "column p.b"],
         [Destroyed("table", "p", 5, "r2"), Destroyed("rows", "w", 5)]),
        ("ALTER TABLE w DROP COLUMN b", ["column w.b", "column p.b"],
         [Destroyed("column", "w.b", 4, "r2")]),
    ],
)  # fmt: skip
def test_a_partition_is_counted_with_the_whole(
    statement: str, gone: list[str], destroyed: list[Destroyed]
) -> None:
    before = Fingerprint(("a",), WHOLE, {"w": 5, "p": 5})
    schema = {key: was for key, was in WHOLE.items() if key not in gone}
    rows = {"w": 0 if "DROP TABLE" in statement else 5, "p": 5}
    now = Fingerprint(("b",), schema, {key: rows[key] for key in rows if f"table {key}" in schema})
    ran = [StatementRan(statement, "r2")]
    declared = read_declared(ran, before.schema, schema, "postgresql")
    change = ContentChange(values={("w", "b"): 4, ("p", "b"): 4})
    assert [*find_destroyed(before, now, declared, change)] == destroyed


@pytest.mark.parametrize(
    ("ran", "now", "values", "told"),
    [
        ([DROP_B], WITHOUT_B, 7,
         ("warning", "dropped-column", "t.b", "r2",
          "revision r2 would drop the column t.b of prod with its 7 values")),
        ([DROP_B], WITHOUT_B, 1,
         ("warning", "dropped-column", "t.b", "r2",
          "revision r2 would drop the column t.b of prod with its 1 value")),
        ([DROP_B], WITHOUT_B, 0,
         ("note", "dropped-column", "t.b", "",
          "the column t.b is dropped, as the revisions declare")),
        ([DROP_U], WITHOUT_U, 0,
         ("warning", "dropped-table", "u", "r2",
          "revision r2 would drop the table u of prod with its 1 row")),
        ([StatementRan("DROP TABLE u")], WITHOUT_U, 0,
         ("warning", "dropped-table", "u", "",
          "a revision would drop the table u of prod with its 1 row")),
        ([DROP_U], after(t=12, u=0), 0,
         ("warning", "dropped-table", "u", "r2",
          "revision r2 would drop the table u of prod with its 1 row")),
        ([], WITHOUT_B, 7,
         ("error", "lost-column", "t.b", "",
          "the column t.b would vanish from prod, and no revision declares it")),
        ([], WITHOUT_U, 0,
         ("error", "lost-table", "u", "",
          "the table u with its 1 row would vanish from prod, and no revision declares it")),
    ],
)  # fmt: skip
def test_what_is_dropped_with_its_content_is_one_finding(
    ran: Sequence[Traced], now: Fingerprint, values: int, told: tuple[str, ...]
) -> None:
    declared = declared_by(ran, now)
    found = find_destroyed(BEFORE, now, declared, ContentChange(values={("t", "b"): values}))
    [finding] = with_dropped(find_losses(BEFORE, now, declared, "prod"), found, "prod")
    assert told == (
        finding.severity, finding.code, finding.where, finding.revision, finding.message
    )  # fmt: skip


DESTROYED = Destroyed("table", "u", 1, "r2")
[WARNING] = with_dropped([], [DESTROYED], "prod")
COMMENT = Consent("dropped-table", "u", "exported", "r2", "r2.py", 4)


@pytest.mark.parametrize(
    ("protected", "consents", "stops", "allowed"),
    [
        (False, [], False, ""),
        (False, [COMMENT], False, ""),
        (True, [], True, ""),
        (True, [Consent("dropped-table", "t")], True, ""),
        (True, [Consent("dropped-table", "u", "why", "r1", "r1.py", 1)], True, ""),
        (True, [Consent("dropped-table", "u")], False, "allowed"),
        (True, [COMMENT], False, "allowed in r2.py:4 -- exported"),
    ],
)
def test_a_plan_says_what_stops_the_release_and_what_is_allowed(
    protected: bool, consents: list[Consent], stops: bool, allowed: str
) -> None:
    found = DROPPED_WITH_CONTENT.stricter(WARNING) if protected else WARNING
    [each] = judged([DESTROYED], [found], consents)
    assert each == Destroyed("table", "u", 1, "r2", stops, allowed)
