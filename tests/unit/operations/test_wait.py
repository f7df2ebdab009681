"""Which states end a wait."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any, cast, get_args

import pytest

from migrations_ops.model.errors import Refused
from migrations_ops.model.status import EnvironmentStatus, Selector, State, StatusReport
from migrations_ops.operations import wait
from migrations_ops.project.environments import Environment

PROD = Environment("prod", "x", Path())


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
