"""doctor calls an error what stops a release, and nothing else."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from migrations_ops.databases.sqlite.database import SQLite
from migrations_ops.model.errors import Refused
from migrations_ops.model.findings import (
    ENGINE_UNTESTED,
    INVALID_INDEX,
    NAMES_ANOTHER,
    NO_COPIES,
    UNREACHABLE,
    Finding,
)
from migrations_ops.operations import doctor
from migrations_ops.operations.doctor import examine, require_no_errors
from migrations_ops.operations.preflight.obstacles import require_no_obstacles
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import read_state
from migrations_ops.project.project import Project
from migrations_ops.system.mounts import Mount
from tests.support import Sandbox

UNTESTED = ENGINE_UNTESTED.found("Citus", database="shop", engine="Citus")
INVALID = INVALID_INDEX.found("ix", table="t", statement="DROP INDEX CONCURRENTLY ix")
ANOTHER = NAMES_ANOTHER.found("trigger tr", database="audit")
NO_COPY = NO_COPIES.found("app", reason="app may not make databases")
SILENT = UNREACHABLE.found("scratch", reason="scratch does not answer", advice="start it")


def release_is_refused(project: Project) -> bool:
    record: Any = SimpleNamespace(add_findings=lambda _: None)
    session: Any = Session(project, record)
    try:
        for environment in project.settings.path:
            require_no_obstacles(session, read_state(project, environment))
    except Refused:
        return True
    return False


@pytest.mark.parametrize(
    ("obstacle", "setting", "severities"),
    [
        (UNTESTED, "", ["note", "error"]),
        (UNTESTED, "engine_untested = true", ["note", "note"]),
        (UNTESTED, 'allow = ["engine-untested:Citus"]', ["note", "note"]),
        (INVALID, "", ["warning", "error"]),
        (INVALID, 'allow = ["invalid-index"]', ["warning", "note"]),
        (INVALID, "protected = false", ["warning", "warning"]),
        (ANOTHER, "", ["note", "error"]),
        (NO_COPY, "", ["error", "error"]),
        # The databases answer, only the server of their copies does not.
        (SILENT, "", ["error", "error"]),
    ],
)
def test_doctor_refuses_what_a_release_refuses(
    shop: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    obstacle: Finding,
    setting: str,
    severities: list[str],
) -> None:
    shop.configure((shop.folder / "pyproject.toml").read_text() + f"\n{setting}\n")
    monkeypatch.setattr(SQLite, "find_obstacles", lambda *_: [obstacle])
    # What env.py opens is asked by a process.
    monkeypatch.setattr(doctor, "_ask_env_py", lambda *_: [])
    project = Project.read(shop.folder)
    report = examine(project)
    found = [each.severity for each in report.findings if each.code == obstacle.code]
    assert found == severities
    assert report.passed is not release_is_refused(project)
    assert report.passed is ("error" not in severities)
    if not report.passed:
        with pytest.raises(
            Refused, match=f"doctor found {severities.count('error')} thing"
        ) as refused:
            require_no_errors(report)
        assert "invoke doctor" not in refused.value.next


@pytest.mark.parametrize(
    ("backups", "database", "is_named"),
    [
        ("overlay", "ext4", True),
        ("overlay", "overlay", False),
        ("ext4", "overlay", False),
        ("tmpfs", "ext4", True),
        (None, None, False),
    ],
)
def test_backups_that_end_before_their_database_are_named(
    shop: Sandbox, backups: str | None, database: str | None, is_named: bool
) -> None:
    project = Project.read(shop.folder)
    [state, *_] = [read_state(project, each) for each in project.settings.path]

    def mount_of(folder: Path) -> Mount | None:
        found = backups if folder.name == "backups" else database
        return Mount("/", found) if found else None

    found = doctor._kept(project, state, mount_of)
    assert [each.code for each in found] == ["backups-not-kept"] * is_named
    assert all("a volume" in each.message for each in found)
