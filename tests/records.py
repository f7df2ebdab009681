"""Records of tasks that never ran, for tests of what is read from records."""

from __future__ import annotations

from typing import Any

from migrations_ops.journal.record import TaskRecord
from migrations_ops.model.outcome import Outcome, StepResult


def task_record(
    name: str,
    outcome: Outcome | None = "released",
    backups: list[str] | None = None,
    steps: list[tuple[str, str, str]] | None = None,
    **more: Any,
) -> TaskRecord:
    """The record of a task; of each of its steps the name, the environment and the outcome."""
    found = tuple(StepResult(step, where, (), "", 0, 0, how) for step, where, how in steps or ())
    about: dict[str, Any] = {"task": "t", "process": 1, "environment": "prod"}
    about |= {"from_": (), "to": (), "findings": (), **more}
    return TaskRecord(id=name, outcome=outcome, backups=tuple(backups or ()), steps=found, **about)
