"""What a killed task left of a database's rows is removed by the next task, if that only looks."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from migrations_ops.journal.marks import Mark, marked
from migrations_ops.journal.record import read_record, write_record
from migrations_ops.journal.unfinished import find_interrupted
from migrations_ops.model.outcome import Outcome
from migrations_ops.operations.failure.recovery import tidy
from tests.records import task_record

ID = "20260101_000000"


@pytest.mark.parametrize("outcome", [None, "failed, needs a person"])
@pytest.mark.parametrize(("steps", "is_closed"), [([], True), ([("rehearse", "prod", "")], False)])
@pytest.mark.parametrize("is_running", [False, True])
def test_copies_of_killed_tasks_go_and_those_of_running_ones_stay(
    tmp_path: Path,
    outcome: Outcome | None,
    steps: list[tuple[str, str, str]],
    is_closed: bool,
    is_running: bool,
) -> None:
    write_record(
        tmp_path, task_record(ID, outcome, steps=steps, unfinished=("prod",) if outcome else ())
    )
    copy, log = tmp_path / ID / "rehearsal.sqlite3", tmp_path / ID / "prod.rehearse.log"
    copy.touch()
    log.touch()
    mark = Mark(tmp_path, ID)
    mark.create_mark()
    if not is_running:
        mark.close_mark(finished=False)
    settings = SimpleNamespace(releases=tmp_path)
    session: Any = SimpleNamespace(project=SimpleNamespace(settings=settings))
    tidy(session)
    assert copy.exists() is is_running
    assert log.exists()
    if is_running:
        assert find_interrupted(tmp_path) == []
        mark.close_mark(finished=True)
        return
    is_open = outcome is not None or not is_closed
    assert marked(tmp_path) == ([ID] if is_open else [])
    assert read_record(tmp_path / ID).outcome == ("interrupted" if not is_open else outcome)  # type: ignore[union-attr]
