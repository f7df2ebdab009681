"""What is said about a task that was killed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from migrations_ops.journal.unfinished import Unfinished
from tests.records import task_record


@pytest.mark.parametrize(
    ("task", "who"),
    [
        ("release-migration", "invoke release-migration"),
        # No further than that one would have gone: prod is none of its business.
        ("upgrade-dev", "invoke upgrade-dev"),
        # A release would run again what was being taken back.
        ("downgrade", "the next task that changes dev"),
        ("restore", "the next task that changes dev"),
    ],
)
def test_what_finishes_a_killed_task_goes_no_further_than_that(task: str, who: str) -> None:
    record = replace(task_record("20260101_000000", None), task=task, environment="dev")
    assert str(Unfinished(record)).endswith(f": {who} finishes or undoes it.")
