"""Results as people see them: columns, the state of each environment, and what to do next."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from migrations_ops.cli.output import text
from migrations_ops.cli.output.style import Style
from migrations_ops.journal.record import TaskRecord
from migrations_ops.model.findings import Finding
from migrations_ops.model.outcome import (
    DoctorReport,
    ErrorReport,
    InitReport,
    Outcome,
    RevisionRun,
    StepResult,
)
from migrations_ops.model.status import (
    EnvironmentCurrent,
    EnvironmentStatus,
    EnvironmentVersion,
    HistoryReport,
    RevisionRow,
    Selector,
    StatusReport,
)
from migrations_ops.system.provenance import Provenance

STYLE = Style(io.StringIO())
SELECTOR = Selector("EXEC_ENV", None, "an env.py that reads it goes to prod")
BASE = RevisionRow("a", (), "first", False, ())
HEAD = RevisionRow("b", ("a",), "second", True, ("prod",))


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    rows = [("短い", "x"), ("a", "longer")]
    assert text.table(("id", "note"), rows, STYLE, lambda _, cell: cell) == [
        "id    note",
        "短い  x",
        "a     longer",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_table_that_is_wider_than_the_terminal_is_a_block_for_each_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    header, row = ("environment", "last backup", "database"), ("prod", "-", "d" * 70)
    narrow = Style(Terminal())
    shown = text.table(header, [row], narrow, lambda _, cell: cell)
    assert shown == ["prod", f"  database     {'d' * 70}"]
    fits = text.table(header, [("prod", "-", "d" * 54)], narrow, lambda _, cell: cell)
    assert len(fits) == 2
    assert "last backup" in text.table(header, [row], STYLE, lambda _, cell: cell)[0]


def test_a_project_without_a_selector_reads_nothing_of_one() -> None:
    row = EnvironmentStatus("prod", "db", "at head")
    shown = text.status(StatusReport((row,), (), Selector("", None, "")), STYLE)
    assert len(shown) == 2


def step(name: str, environment: str, outcome: str) -> StepResult:
    return StepResult(name, environment, (), "2026-11-30T17:28:34Z", 1.0, 0, outcome)


def made_record(*steps: StepResult, outcome: Outcome, error: ErrorReport | None) -> TaskRecord:
    return TaskRecord(
        id="20261130_172834", outcome=outcome, environment="prod", from_=("a",), to=("b",),
        steps=steps, backups=(), findings=(), error=error, task="release-migration", process=1,
    )  # fmt: skip


DEV_UPGRADED = (step("preflight", "all", "done"), step("upgrade", "dev", "done"))
STOPPED = ErrorReport(3, "The rehearsal failed.", "", "")


def test_a_release_names_the_environments_that_it_upgraded() -> None:
    only_dev = made_record(*DEV_UPGRADED, outcome="released", error=None)
    assert "Released dev to b in" in text.released(only_dev, STYLE)
    both = made_record(
        *DEV_UPGRADED, step("upgrade", "prod", "done"), outcome="released", error=None
    )
    assert "Released dev and prod to b in" in text.released(both, STYLE)


@pytest.mark.parametrize(
    ("steps", "environment", "outcome"),
    [
        ((step("upgrade", "dev", "failed"),), "dev", "(upgrade of dev)"),
        (
            (*DEV_UPGRADED, step("rehearse", "prod", "failed")),
            "dev, prod",
            "(rehearse of prod; dev upgraded)",
        ),
        ((step("preflight", "all", "refused"),), "prod", "(preflight)"),
    ],
)
def test_a_release_that_was_stopped_is_listed_with_where_it_was(
    steps: tuple[StepResult, ...], environment: str, outcome: str
) -> None:
    record = made_record(*steps, outcome="failed, unchanged", error=STOPPED)
    row = text.records([record], STYLE)[1]
    assert row.split("  ")[2].strip() == environment
    assert row.endswith(f"failed, unchanged {outcome}")


def test_status_names_what_is_wrong_below_the_rows() -> None:
    row = EnvironmentStatus("prod", "db", "behind", dirty=True, trouble="it is half applied")
    lines = text.status(StatusReport((row,), (), SELECTOR), STYLE)
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
    assert text.current([row]) == [line]


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
    assert text.db_version([row]) == [f"prod: {answer}  (db)"]


def test_history_marks_the_environments_and_names_those_at_none() -> None:
    report = HistoryReport(("b",), ("dev",), (HEAD, BASE))
    assert text.history(report, STYLE) == [
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
        advice=("unlock it",),
    )
    assert text.doctor(report, STYLE) == [
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


def test_a_release_tells_who_ran_what_and_how_to_go_back() -> None:
    run = StepResult(
        "upgrade",
        "prod",
        (),
        "2026-01-01T00:00:00.000Z",
        0.5,
        0,
        "done",
        (RevisionRun("b", 0.2, 3),),
    )
    found = replace(
        made_record(run, outcome="released", error=None),
        by=Provenance("ann", "build-7", "0123456789abcdef" * 2 + "01234567"),
        titles={"b": "second"},
        backups=("db_1", "db_2"),
    )
    lines = text.record(found, {"db_2": "prod"}, STYLE)
    assert lines[2] == "by ann on build-7, from commit 0123456789ab"
    assert lines[-4:] == [
        "b second (upgrade prod 200 ms)",
        "",
        "The backup db_1 has been removed.",
        "To go back: invoke restore --env prod --backup db_2",
    ]


def test_a_configuration_that_is_there_is_left_and_the_way_to_a_new_one_is_named() -> None:
    report = InitReport(
        folder="/shop",
        alembic="alembic.ini",
        configuration="pyproject.toml",
        environments=(),
        files=(),
        notes=(),
        written=False,
    )
    [line] = text.initialised(report)
    assert line.startswith("pyproject.toml configures migrations_ops already; it stays as it is.")
    assert "To let init propose a new one, take it out first." in line
