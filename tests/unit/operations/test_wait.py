"""Which states end a wait, and which tasks it waits for."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast, get_args

import pytest

from migrations_ops.journal.marks import Mark
from migrations_ops.journal.record import write_record
from migrations_ops.model.errors import Refused
from migrations_ops.model.status import EnvironmentStatus, Selector, State, StatusReport
from migrations_ops.operations import wait
from migrations_ops.project.environments import Environment
from tests.records import task_record

PROD = Environment("prod", "x", Path())
ID = "20260101_000000"


@pytest.mark.parametrize(
    ("state", "is_behind_ok", "is_changing"),
    [*product(get_args(State), [False, True], [False, True])],
)
def test_only_head_is_enough_or_what_is_behind_where_that_is_ok(
    monkeypatch: pytest.MonkeyPatch, state: State, is_behind_ok: bool, is_changing: bool
) -> None:
    row = EnvironmentStatus("prod", "db", state)
    report = StatusReport((row,), (), Selector("", None, ""))
    monkeypatch.setattr(wait, "read_status", lambda *_: report)
    monkeypatch.setattr(wait, "is_being_changed", lambda *_: is_changing)
    is_enough = state == "at head" or (is_behind_ok and state == "behind")
    project = cast(Any, None)
    if is_enough and not is_changing:
        found = wait.wait_until_at_head(project, PROD, 0, is_behind_ok=is_behind_ok)
        assert found is report
        return
    with pytest.raises(Refused) as caught:
        wait.wait_until_at_head(project, PROD, 0, is_behind_ok=is_behind_ok)
    if is_enough:
        expected = f"is {state}, but a task that changes it has not ended."
    else:
        expected = f"is {state}, not at head{' or behind' if is_behind_ok else ''}."
    assert caught.value.what == f"After 0 s, prod (db) {expected}"


@pytest.mark.parametrize("is_killed", [False, True])
@pytest.mark.parametrize(
    ("task", "step", "where", "changes"),
    [
        ("release-migration", "upgrade", "prod", True),
        ("release-migration", "back up", "prod", True),
        ("release-migration", "upgrade", "dev", False),
        ("backup", "back up", "prod", False),
        ("plan", "rehearse", "prod", False),
    ],
)
def test_backup_or_plan_that_was_killed_takes_nothing_back(
    tmp_path: Path, task: str, step: str, where: str, changes: bool, is_killed: bool
) -> None:
    write_record(tmp_path, task_record(ID, None, steps=[(step, where, "done")], task=task))
    mark = Mark(tmp_path, ID)
    mark.create_mark()
    if is_killed:
        mark.close_mark(finished=False)
    project: Any = SimpleNamespace(settings=SimpleNamespace(releases=tmp_path))
    assert wait.is_being_changed(project, PROD) is changes
    if not is_killed:
        mark.close_mark(finished=True)
