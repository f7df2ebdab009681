"""Where an environment goes back to that has run what was edited, and whether it got there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from migrations_ops.backups.quality import BEFORE_RESTORE, EMPTY
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.operations.ways_back import _newest_from, find_left, find_lost_rows


def rows(**counts: int) -> Fingerprint:
    return Fingerprint((), {}, counts)


@pytest.mark.parametrize(
    ("before", "now", "back_then", "lost"),
    [
        # What the revisions made goes with them, where a backup tells what there was before.
        ({"old": 3, "new": 2}, {"old": 3}, {"old": 3}, {}),
        ({"old": 3, "new": 2}, {"old": 3}, None, {"new": 2}),
        # They put rows into an old table, and take them away.
        ({"old": 5}, {"old": 3}, {"old": 3}, {}),
        ({"old": 5}, {"old": 3}, None, {"old": 2}),
        # More than they put there.
        ({"old": 5}, {"old": 1}, {"old": 3}, {"old": 2}),
        ({"old": 5}, {}, {"old": 3}, {"old": 3}),
        # Somebody has deleted rows since the backup, and the downgrades none.
        ({"old": 2}, {"old": 2}, {"old": 3}, {}),
        ({"old": 2}, {"old": 2}, None, {}),
        ({"old": 0, "new": 0}, {"old": 0}, None, {}),
    ],
)
def test_rows_that_downgrades_should_not_have_taken_are_counted(
    before: dict[str, int],
    now: dict[str, int],
    back_then: dict[str, int] | None,
    lost: dict[str, int],
) -> None:
    assert find_lost_rows(rows(**now), rows(**before), back_then) == lost


def test_what_downgrades_leave_or_lack_is_named() -> None:
    now = Fingerprint((), {"table a": "1", "table b": "1", "table c": "1"}, {})
    assert find_left(now, {"table a": "1", "table b": "2", "table d": "1"}) == [
        "table b",
        "table c",
        "table d",
    ]
    assert find_left(now, now.schema) == []


def test_the_newest_backup_from_there_is_none_that_a_restore_has_replaced() -> None:
    def backup(name: str, *revisions: str, note: str = "", doubt: str = "") -> Any:
        return SimpleNamespace(name=name, revisions=revisions, note=note, doubt=doubt)

    backups = [
        backup("empty", doubt=EMPTY),
        backup("first", "r1"),
        backup("second", "r1"),
        backup("half migrated", "r1", note=f"{BEFORE_RESTORE}second"),
        backup("suspect", "r1", doubt="it is suspect"),
        backup("later", "r2"),
    ]
    store = cast(Any, SimpleNamespace(backups=lambda: backups))
    names = {
        to: found.name if (found := _newest_from(store, to)) else None
        for to in ((), ("r1",), ("r2",), ("r3",))
    }
    assert names == {(): "empty", ("r1",): "second", ("r2",): "later", ("r3",): None}
