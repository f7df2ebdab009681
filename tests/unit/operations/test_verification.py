"""What the end of an upgrade, and of the check after it, means."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from migrations_ops.model.errors import StepFailed
from migrations_ops.model.inspection import Inspection
from migrations_ops.operations.state import read_state
from migrations_ops.operations.upgrade import failure_of
from migrations_ops.operations.verification import DRIFT_SHOWN, drift_findings
from migrations_ops.project.environments import Drift, Environment
from migrations_ops.project.project import Project
from migrations_ops.revisions.targets import Target
from migrations_ops.steps.command_run import CommandRun
from tests.support import R1, R3, Sandbox

ENVIRONMENT = Environment("prod", "sqlite://", Path())
FINISHED = CommandRun(started="", finished=True, opened=True)
FAILED = replace(FINISHED, finished=False)


def codes(environment: Environment, **check: Any) -> list[tuple[str, str]]:
    found = drift_findings(environment, replace(FAILED, **check))
    return [(each.code, each.severity) for each in found]


def test_check_without_a_difference_finds_nothing() -> None:
    assert drift_findings(ENVIRONMENT, FINISHED) == []


@pytest.mark.parametrize(("drift", "severity"), [("warn", "warning"), ("strict", "error")])
def test_difference_is_as_grave_as_configured(drift: Drift, severity: str) -> None:
    environment = replace(ENVIRONMENT, drift=drift)
    assert codes(environment, finished=True, differences=("a", "b")) == [("drift", severity)] * 2
    assert codes(environment, failure="broken") == [("drift-unknown", severity)]


def test_many_differences_are_cut_short() -> None:
    many = tuple(map(str, range(DRIFT_SHOWN + 5)))
    found = drift_findings(ENVIRONMENT, replace(FINISHED, differences=many))
    assert len(found) == DRIFT_SHOWN + 1
    assert "5 more" in found[-1].message


def test_check_that_cannot_compare_is_no_error() -> None:
    strict = replace(ENVIRONMENT, drift="strict")
    assert codes(strict, failure="Target database is not up to date") == []
    assert codes(strict, failure="no MetaData object") == [("drift-unknown", "note")]


def test_check_that_proves_nothing_is_no_verify() -> None:
    check = replace(FAILED, failure="killed by signal 9", opened=False)
    with pytest.raises(StepFailed, match="Verify of prod"):
        drift_findings(ENVIRONMENT, check)


@pytest.mark.parametrize(
    ("run", "inspection", "failure"),
    [
        (FINISHED, Inspection(True, ("r2",)), ""),
        (FINISHED, Inspection(True, ("r1",)), "is at r1 instead of r2"),
        (FINISHED, Inspection(True, ()), "is at no revision instead of r2"),
        (FINISHED, Inspection(True, (), trouble="silent"), "is at silent instead of r2"),
        (replace(FINISHED, in_transaction=True), Inspection(True, ("r1",)), "did not commit it"),
        (replace(FAILED, failure="broken"), Inspection(True, ("r2",)), "broken"),
        (replace(FAILED, refused="elsewhere"), Inspection(True, ("r2",)), "elsewhere"),
    ],
)
def test_upgrade_has_arrived_when_the_database_says_so(
    run: CommandRun, inspection: Inspection, failure: str
) -> None:
    found = failure_of(run, ("r2",), inspection)
    assert failure in found
    assert bool(found) is bool(failure)


@pytest.mark.parametrize(("asked", "revision"), [("+1", R1), ("head", R3), (R1[:6], R1)])
def test_child_is_given_the_revision_that_was_meant(
    shop: Sandbox, asked: str, revision: str
) -> None:
    project = Project.read(shop.folder)
    state = read_state(project, project.settings.path[0], asked)
    assert (state.target.revisions, state.target.argument) == ((revision,), revision)
    # Several revisions have no other name than the word.
    assert Target(("a", "b"), "heads").argument == "heads"
