"""An upgraded database is compared with the rehearsal, and its rows where no one else wrote."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from migrations_ops.backups.store import BackupStore
from migrations_ops.child.protocol.events import SoleWriter
from migrations_ops.operations.comparison import Compared, compare_rows, schema_differences
from migrations_ops.steps.command_run import CommandRun

BEFORE = {"table a": "1", "table b": "1"}
REHEARSED = {"table a": "2", "table b": "1"}


@pytest.mark.parametrize("before", [None, BEFORE])
def test_what_ends_as_rehearsed_does_not_differ(before: dict[str, str] | None) -> None:
    assert schema_differences(REHEARSED, REHEARSED, before) == ([], [])


@pytest.mark.parametrize(
    ("has", "own", "others"),
    [
        ({"table a": "2"}, [], ["table b"]),
        ({"table a": "2", "table b": "9"}, [], ["table b"]),
        ({**REHEARSED, "table c": "1"}, [], ["table c"]),
        ({"table a": "1", "table b": "1"}, ["table a"], []),
        ({"table b": "1"}, ["table a"], []),
        ({"table c": "1"}, ["table a"], ["table b", "table c"]),
    ],
    ids=["gone", "changed", "new", "not upgraded", "gone with the upgrade", "all of them"],
)
def test_what_the_rehearsal_left_alone_was_changed_by_others(
    has: dict[str, str], own: list[str], others: list[str]
) -> None:
    assert schema_differences(has, REHEARSED, BEFORE) == (own, others)
    # Where nobody else can have changed anything, the upgrade has.
    assert schema_differences(has, REHEARSED, None) == (sorted([*own, *others]), [])


@pytest.mark.parametrize(
    ("run", "noted"),
    [
        ((), ["rows-not-compared"]),
        (((1, 2), (3, 4)), ["rows-not-compared"]),
        (((0, 2),), ["rows-not-compared"]),
        (((1, 1),), ["rows-not-compared"]),
        (((1, 2),), []),
    ],
    ids=["not reported", "in between", "before it", "after it", "by nobody"],
)
def test_rows_that_others_may_have_changed_are_not_compared_and_that_is_noted(
    monkeypatch: pytest.MonkeyPatch, run: tuple[tuple[int, int], ...], noted: list[str]
) -> None:
    """The content was that of stamp 1 in the backup, and is that of stamp 2 now."""
    store = SimpleNamespace(
        describe=lambda _: SimpleNamespace(source={"stamp": 1}), fingerprint=lambda _: None
    )
    monkeypatch.setattr(BackupStore, "of", lambda *_: store)
    environment = SimpleNamespace(name="prod", version_table="version")
    database = SimpleNamespace(fingerprint=lambda _: None, stamp_of_content=lambda: {"stamp": 2})
    comparison: Any = SimpleNamespace(
        session=SimpleNamespace(project=SimpleNamespace(settings=None), allowed=lambda *_: ()),
        state=SimpleNamespace(environment=environment, database=database, pending=()),
        backup=None,
        find=lambda *_, **__: Compared([]),
    )
    sole_writer = tuple(SoleWriter({"stamp": since}, {"stamp": until}) for since, until in run)
    found = compare_rows(comparison, CommandRun("", sole_writer=sole_writer), orphans=True)
    assert [each.code for each in found] == noted
