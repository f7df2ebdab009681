"""Which obstacles stop a release depends on the environment, and on what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrations_ops.model.allowed import Consent
from migrations_ops.model.findings import (
    ENGINE_UNTESTED,
    INVALID_INDEX,
    NAMES_ANOTHER,
    NO_COPIES,
    NO_RESTORE,
    Finding,
)
from migrations_ops.operations.preflight.obstacles import judge
from migrations_ops.project.environments import Environment

UNTESTED = ENGINE_UNTESTED.found("Citus", database="shop", engine="Citus")
INVALID = INVALID_INDEX.found("ix", table="t", statement="DROP INDEX CONCURRENTLY ix")
ANOTHER = NAMES_ANOTHER.found("trigger tr", database="audit")
NO_COPY = NO_COPIES.found("app", reason="app may not make databases")
NO_WAY_BACK = NO_RESTORE.found("shop", database="shop", reason="app does not own it")


@pytest.mark.parametrize(
    ("found", "protected", "tried", "is_rehearsed", "allowed", "severity"),
    [
        (UNTESTED, True, False, True, "", "error"),
        (UNTESTED, True, True, True, "", "note"),
        (UNTESTED, False, False, True, "", "note"),
        (UNTESTED, True, False, True, "engine-untested:Citus", "note"),
        (INVALID, True, False, True, "", "error"),
        (INVALID, False, False, True, "", "warning"),
        (INVALID, True, False, True, "invalid-index", "note"),
        (ANOTHER, True, False, True, "", "error"),
        (ANOTHER, False, False, False, "", "note"),
        (ANOTHER, True, False, True, "names-another:trigger tr", "note"),
        (NO_COPY, False, True, False, "", "error"),
        (NO_WAY_BACK, True, False, True, "", "error"),
        (NO_WAY_BACK, True, False, True, "no-restore", "note"),
    ],
)
def test_an_obstacle_has_the_severity_that_fits_the_environment(
    found: Finding,
    protected: bool,
    tried: bool,
    is_rehearsed: bool,
    allowed: str,
    severity: str,
) -> None:
    environment = Environment(
        "prod", "sqlite:///x", Path(), protected=protected, engine_untested=tried
    )
    [judged] = judge(
        [found], environment, [Consent.of(allowed)], is_rehearsed=is_rehearsed, is_pending=True
    )
    assert judged.severity == severity


def test_an_invalid_index_stops_nobody_where_nothing_is_pending() -> None:
    prod = Environment("prod", "sqlite:///x", Path(), protected=True)
    assert judge([INVALID], prod, (), is_rehearsed=True, is_pending=False) == [INVALID]
