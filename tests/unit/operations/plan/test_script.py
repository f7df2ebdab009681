"""A script does what the rehearsal did, or there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from migrations_ops.child.protocol.events import StatementInFull
from migrations_ops.cli.output.plan.words import BEGINS
from migrations_ops.model.errors import Refused
from migrations_ops.model.measured_plan import MeasuredPlan, MeasuredRevision
from migrations_ops.operations.plan.script import as_script

REVISION = MeasuredRevision("b", "second\nDROP TABLE t;", "v/b.py", "0", 0.6, (), ())
PLAN = MeasuredPlan(
    environment="prod", database="db", from_=("a",), to=("b",), backup="db_1", backup_size=1,
    copied_in=0.1, schema={}, revisions=(REVISION,), findings=(),
)  # fmt: skip


def body(ran: list[StatementInFull], syntax: str) -> list[str]:
    found = as_script(PLAN, ran, syntax)  # type: ignore[arg-type]
    return found[found.index("") + 1 :]


def test_a_script_is_one_transaction_that_stops_at_an_error() -> None:
    ran = [StatementInFull("b", "UPDATE t SET a = 1")]
    comment = ["", "-- b second", "-- DROP TABLE t;"]
    assert body(ran, "sqlite") == [
        ".bail on", "PRAGMA foreign_keys = OFF;", "BEGIN IMMEDIATE;", *comment,
        "UPDATE t SET a = 1;", "",
        "-- Shows the rows whose parents are missing: there are none.",
        "PRAGMA foreign_key_check;", "COMMIT;",
    ]  # fmt: skip
    assert body(ran, "postgresql") == [
        "\\set ON_ERROR_STOP on", "SET standard_conforming_strings = on;", "BEGIN;", *comment,
        "UPDATE t SET a = 1;", "COMMIT;",
    ]  # fmt: skip
    assert body(ran, "mariadb") == [
        "SET NAMES utf8mb4;", *comment, "START TRANSACTION;", "UPDATE t SET a = 1;", "COMMIT;",
    ]  # fmt: skip


def test_what_ran_outside_of_a_transaction_does_so_in_the_script() -> None:
    ran = [
        StatementInFull("b", "ALTER TABLE t ADD a int"),
        StatementInFull("b", "CREATE INDEX CONCURRENTLY i ON t (a)", autocommits=True),
        StatementInFull("b", "UPDATE v SET version_num='b'"),
    ]
    assert body(ran, "postgresql")[6:] == [
        "ALTER TABLE t ADD a int;",
        "COMMIT;",
        "CREATE INDEX CONCURRENTLY i ON t (a);",
        "BEGIN;",
        "UPDATE v SET version_num='b';",
        "COMMIT;",
    ]


@pytest.mark.parametrize(
    ("sql", "syntax", "lines"),
    [
        ("SELECT 1; ", "sqlite", ["SELECT 1;"]),
        ("SELECT 1 -- a; comment", "sqlite", ["SELECT 1 -- a comment", ";"]),
        ("SELECT 'a\x0cb\u2028c'", "sqlite", ["SELECT 'a\x0cb\u2028c';"]),
        ("CREATE TRIGGER i BEFORE INSERT ON t FOR EACH ROW BEGIN SET @a = 1; END", "mariadb",
         ["DELIMITER $$", "CREATE TRIGGER i BEFORE INSERT ON t FOR EACH ROW BEGIN SET @a = 1; END",
          "$$", "DELIMITER ;"]),
        ("-- nothing", "sqlite", ["-- nothing"]),
    ],
)  # fmt: skip
def test_each_statement_is_ended(sql: str, syntax: str, lines: list[str]) -> None:
    ran = body([StatementInFull("b", sql)], syntax)
    start = ran.index("-- DROP TABLE t;") + (2 if syntax == "mariadb" else 1)
    assert ran[start : start + len(lines)] == lines


def test_no_script_is_better_than_one_that_does_something_else() -> None:
    problem = StatementInFull("b", "", problem="has a value of the type list, which has no literal")
    with pytest.raises(Refused, match="There is no script of this plan: b has a value of the type"):
        as_script(PLAN, [StatementInFull("b", "UPDATE t SET a = 1"), problem], "sqlite")


def test_statements_that_were_not_seen_are_not_taken_for_none() -> None:
    with pytest.raises(Refused, match="whose statements are not seen"):
        as_script(
            replace(PLAN, unmeasured="by commands whose statements are not seen"), [], "sqlite"
        )


def test_a_script_is_known_as_a_plan_by_how_it_begins() -> None:
    assert BEGINS.match("\n".join(as_script(PLAN, [], "sqlite")))
    nothing = as_script(replace(PLAN, revisions=()), [], "sqlite")
    assert nothing == ["-- Nothing is pending for prod: it is at a."]
    assert BEGINS.match(nothing[0])
