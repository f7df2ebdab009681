"""Which tasks of others show that an upgrade would fail again."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrations_ops.journal.marks import Mark
from migrations_ops.journal.record import write_record
from migrations_ops.model.outcome import Outcome
from migrations_ops.operations.replica import TasksBefore, failed_at
from tests.records import task_record

STEPS = [("preflight", "prod", "done"), ("rehearse", "prod", "refused")]


@pytest.mark.parametrize(
    ("outcome", "steps", "failed"),
    [
        ("failed, unchanged", STEPS, True),
        ("failed, restored", STEPS, True),
        ("refused", STEPS, True),
        ("refused", [("preflight", "all", "refused")], True),
        ("refused", [("preflight", "dev", "refused")], False),
        # It has found the database locked.
        ("refused", [], False),
        ("interrupted", STEPS, False),
        ("released", STEPS, False),
        ("nothing to do", STEPS, False),
        # The preflight says what a person has to do.
        ("failed, needs a person", STEPS, False),
        (None, STEPS, False),
    ],
)
def test_a_task_that_tried_it_and_failed(
    outcome: Outcome | None, steps: list[tuple[str, str, str]], failed: bool
) -> None:
    assert failed_at(task_record("20260101_000000", outcome, steps=steps), "prod") is failed


def test_what_had_ended_before_does_not_count(tmp_path: Path) -> None:
    old, running, later, killed = (f"2026010{day}_000000" for day in range(1, 5))
    write_record(tmp_path, task_record(old, "refused"))
    write_record(tmp_path, task_record(running, None, steps=STEPS))
    mark = Mark(tmp_path, running)
    mark.create_mark()
    before = TasksBefore.read(tmp_path)
    mark.close_mark(finished=True)
    write_record(tmp_path, task_record(running, "refused"))
    write_record(tmp_path, task_record(later, "released"))
    write_record(tmp_path, task_record(killed, None))
    assert [each.id for each in before.ended_since(tmp_path)] == [later, running]
