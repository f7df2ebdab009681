"""How an upgraded database is compared with the rehearsal, and who has changed what differs."""

from __future__ import annotations

import pytest

from migrations_ops.model.findings import ROWS_NOT_COMPARED
from migrations_ops.operations.upgraded import RowsFound, schema_differences

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


def test_rows_that_could_not_be_compared_are_noted() -> None:
    assert [each.code for each in RowsFound().findings("prod")] == [ROWS_NOT_COMPARED.code]
    assert RowsFound(compared=True).findings("prod") == []
