"""Results as people see them: columns, the state of each environment, and what to do next."""

from __future__ import annotations

import io

import pytest

from migrations_ops.cli.output import text
from migrations_ops.cli.output.style import Style
from migrations_ops.model.findings import Finding
from migrations_ops.model.outcome import DoctorReport
from migrations_ops.model.status import (
    EnvironmentCurrent,
    EnvironmentStatus,
    EnvironmentVersion,
    HistoryReport,
    RevisionRow,
    Selector,
    StatusReport,
)

STYLE = Style(io.StringIO())
SELECTOR = Selector("EXEC_ENV", None, "an env.py that reads it goes to prod")
BASE = RevisionRow("a", (), "first", False, ())
HEAD = RevisionRow("b", ("a",), "second", True, ("prod",))


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    rows = [("短い", "x"), ("a", "longer")]
    assert text.table(("id", "note"), rows, STYLE, lambda _, cell: cell) == (
        "id    note\n短い  x\na     longer"
    )


def test_status_names_what_is_wrong_below_the_rows() -> None:
    row = EnvironmentStatus("prod", "db", "behind", dirty=True, trouble="it is half applied")
    lines = text.status(StatusReport((row,), (), SELECTOR), STYLE).splitlines()
    assert lines[1].split() == ["prod", "behind,", "dirty", "-", "-", "-", "-", "db"]
    assert lines[2:] == [
        "!! prod: it is half applied",
        "",
        "EXEC_ENV is not set: an env.py that reads it goes to prod.",
    ]


@pytest.mark.parametrize(
    ("row", "line"),
    [
        (
            EnvironmentCurrent("prod", "db", True, ("a",), "", ("a",), True, {"a": "first"}),
            "prod: a (head)  first",
        ),
        (
            EnvironmentCurrent("prod", "db", True, ("z",), "", ("a",), False, {}),
            "prod: z  the scripts do not have this revision",
        ),
        (
            EnvironmentCurrent("prod", "db", True, (), "cut short", ("a",), False, {}),
            "prod: -  cut short",
        ),
        (
            EnvironmentCurrent("prod", "db", True, (), "", ("a",), False, {}),
            "prod: -  no revision yet",
        ),
        (
            EnvironmentCurrent("prod", "db", False, (), "", ("a",), False, {}),
            "prod: -  no database yet",
        ),
    ],
)
def test_current_gives_the_message_of_a_revision_or_why_there_is_none(
    row: EnvironmentCurrent, line: str
) -> None:
    assert text.current([row]) == line


@pytest.mark.parametrize(
    ("exists", "current", "trouble", "answer"),
    [
        (True, ("a", "b"), "", "a, b"),
        (True, (), "", "no version"),
        (False, (), "", "no database"),
        (True, (), "cut short", "cut short"),
    ],
)
def test_db_version_answers_in_a_line(
    exists: bool, current: tuple[str, ...], trouble: str, answer: str
) -> None:
    row = EnvironmentVersion("prod", "db", exists, current, trouble)
    assert text.db_version([row]) == f"prod: {answer}  (db)"


def test_history_marks_the_environments_and_names_those_at_none() -> None:
    report = HistoryReport(("b",), ("dev",), (HEAD, BASE))
    assert text.history(report, STYLE).splitlines() == [
        "* b (a) second  prod",
        "  a (base) first",
        "* base  dev",
    ]
    assert "* base" not in text.history(report, STYLE, with_base=False)


def test_doctor_shows_what_a_release_depends_on_and_then_each_finding() -> None:
    report = DoctorReport(
        configuration="pyproject.toml",
        alembic="alembic.ini",
        path=("dev", "prod"),
        selector=SELECTOR,
        python="/bin/python",
        versions={"python": "3.11", "sqlite": "3.40"},
        findings=(Finding("unusable", "error", "prod: it is locked", "prod"),),
        todo=("unlock it",),
    )
    assert text.doctor(report, STYLE).splitlines() == [
        "configuration  pyproject.toml",
        "alembic.ini    alembic.ini",
        "path           dev -> prod",
        "selector       EXEC_ENV is not set",
        "now            an env.py that reads it goes to prod",
        "python         3.11 (/bin/python)",
        "sqlite         3.40",
        "",
        "!! prod: it is locked [unusable]",
    ]
