"""Evidence is what was noted, and nothing else: damage and later versions keep the gate closed."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from migrations_ops.journal.evidence import FILE, Evidence
from migrations_ops.project.environments import Environment
from migrations_ops.project.settings import read
from tests.unit.mutations import JSON, mutated

NOTED = {
    "version": 1,
    "environments": {"dev": {"passed": {"a": "0", "b": "1"}, "unverified": ["c"]}},
}


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("project")
    (folder / "migrations_ops.toml").write_text('[environments.dev]\nurl = "sqlite:///dev.db"\n')
    return read(folder).path[0]


def test_what_was_noted_is_read(tmp_path: Path, dev: Environment) -> None:
    (tmp_path / FILE).write_text(json.dumps(NOTED))
    evidence = Evidence(tmp_path)
    assert evidence.passed(dev) == {"a": "0", "b": "1"}
    assert evidence.unverified(dev) == {"c"}
    evidence.record_unverified(dev, ["e", "d"])
    assert evidence.passed(dev) == {"a": "0", "b": "1"}
    assert evidence.unverified(dev) == {"d", "e"}
    assert evidence.record_passed(dev, []) == ""
    assert evidence.passed(dev) == {"a": "0", "b": "1"}
    assert evidence.unverified(dev) == frozenset()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=JSON | mutated(NOTED))
def test_whatever_lies_there_is_no_evidence_and_no_trouble(
    tmp_path: Path, dev: Environment, document: Any
) -> None:
    (tmp_path / FILE).write_text(json.dumps(document))
    evidence = Evidence(tmp_path)
    assert all(isinstance(each, str) for each in evidence.passed(dev).values())
    assert all(isinstance(each, str) for each in evidence.unverified(dev))
    assert isinstance(evidence.find_obstacle(), str)
    with suppress(OSError):  # a later version wrote it
        evidence.record_unverified(dev, ["z"])
    if not evidence.find_obstacle():
        assert evidence.unverified(dev) == {"z"}


def test_evidence_of_a_later_version_is_named_and_left_alone(
    tmp_path: Path, dev: Environment
) -> None:
    (tmp_path / FILE).write_text(json.dumps(NOTED | {"version": 2}))
    before, evidence = (tmp_path / FILE).read_bytes(), Evidence(tmp_path)
    assert (evidence.passed(dev), evidence.unverified(dev)) == ({}, frozenset())
    assert evidence.find_obstacle() == f"{evidence.file} was written by a newer migrations_ops"
    with pytest.raises(OSError, match="newer migrations_ops"):
        evidence.record_unverified(dev, ["z"])
    assert (tmp_path / FILE).read_bytes() == before
