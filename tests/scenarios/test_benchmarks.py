"""The benchmarks run, and their table says what was compared."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from benchmarks.measure import Case, Command, CommandFailed, Comparison, Result, measure
from benchmarks.table import table
from tests.support import REPOSITORY, clean_environment


def run_benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=REPOSITORY,
        env=clean_environment(),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def test_table_has_a_row_for_each_comparison_with_its_ratio_and_target() -> None:
    ran = run_benchmarks("--only", "list", "--runs", "1")
    assert ran.returncode == 0, ran.stderr
    header, _, row, _, machine = ran.stdout.splitlines()
    assert header.split()[:2] == ["measured", "median"]
    assert row.startswith("invoke --list ")
    assert " with one empty task " in row
    assert " 1.05  " in row
    assert row.split()[-1] in ("reached", "missed")
    assert "alembic" in machine


@pytest.mark.slow
def test_backup_is_compared_with_each_other_way_to_copy_in_one_run() -> None:
    ran = run_benchmarks("--only", "backup", "--runs", "1", "--megabytes", "2")
    assert ran.returncode == 0, ran.stderr
    header, _, *rows = ran.stdout.split("\n\n")[0].splitlines()
    measured = [row.split(", 2 MB")[0] for row in rows]
    assert measured == [
        "verified backup",
        "verified backup",
        "invoke backup",
        "sqlite3 .backup",
        "VACUUM INTO",
        "copy, hash, check by hand",
        "copy through SQLite, flushed",
        "SHA-256",
        "quick_check",
    ]
    assert " 4.20  " in rows[0]
    assert [" cp, 2 MB " in row for row in rows].count(False) == 1
    assert "ratio" in header


def test_unknown_benchmark_is_refused_and_the_known_ones_are_named() -> None:
    ran = run_benchmarks("--only", "speed")
    assert ran.returncode == 2
    assert "pending, nothing, status, list, growth, backup, postgresql, mariadb" in ran.stderr


def test_cases_take_turns_after_a_round_that_does_not_count() -> None:
    turns: list[str] = []
    a, b = (Case(name, (), partial(turns.append, name)) for name in "AB")
    results = measure([Comparison(a, b)], 2, turns.append)
    assert turns == ["warming up", *"AB", "run 1 of 2", *"AB", "run 2 of 2", *"AB"]
    assert len(results[0].measured) == len(results[0].against) == 2


def test_ratio_is_the_median_of_the_ratios_of_neighbours() -> None:
    case = Case("A", (), lambda: None)
    result = Result(Comparison(case, case, 0.5), (1.0, 9.0, 2.0), (2.0, 10.0, 10.0))
    assert result.ratio == 0.5
    row = table([result]).splitlines()[2].split()
    assert row[-6:] == ["0.50", "0.20", "to", "0.90", "0.50", "reached"]


@pytest.mark.parametrize(
    ("code", "shows"), [("raise SystemExit(3)", ""), ("print('nothing to do')", "released")]
)
def test_command_that_does_something_else_is_not_measured(
    tmp_path: Path, code: str, shows: str
) -> None:
    command = Command((sys.executable, "-c", code), tmp_path, clean_environment(), shows)
    with pytest.raises(CommandFailed):
        Case("A", (command,), lambda: None).seconds()
