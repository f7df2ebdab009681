"""The id of a new task comes after all others, whatever the clock shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrations_ops.journal.ids import by_time, ids_in, is_id, new_id

stamps = st.from_regex(r"[0-9]{8}_[0-9]{6}", fullmatch=True)
ids = st.builds(
    lambda stamp, number: f"{stamp}_{number}" if number > 1 else stamp,
    stamps,
    st.integers(1, 999_999_998),
)


@given(used=st.lists(ids, max_size=5), stamp=stamps)
def test_a_new_id_comes_after_all_others(used: list[str], stamp: str) -> None:
    new = new_id(used, stamp)
    assert is_id(new)
    assert all(by_time(each) < by_time(new) for each in used)
    if all(each[:15] < stamp for each in used):
        assert new == stamp


def test_ids_are_sorted_by_their_numbers(tmp_path: Path) -> None:
    wanted = ["20260101_000000", *(f"20260101_000000_{number}" for number in (2, 9, 10, 11))]
    for each in [*reversed(wanted), "notes", ".unfinished", "20260101_000000.bak"]:
        (tmp_path / each).mkdir()
    assert ids_in(tmp_path) == wanted
    assert new_id(wanted, "20260101_000000") == "20260101_000000_12"
    assert new_id(wanted, "20250101_000000") == "20260101_000000_12"
    assert new_id(wanted, "20260101_000001") == "20260101_000001"
    assert ids_in(tmp_path / "nowhere") == []


def test_where_no_id_can_follow_the_clock_counts() -> None:
    last = "99999999_999999_999999999"
    assert new_id([last], "20260101_000000") == "20260101_000000"
    assert new_id([last, "20260101_000000"], "20260101_000000") == "20260101_000000_2"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        "20260101",
        "20260101_000000/..",
        "\uff12\uff10260101_000000",
        "a",
        "20260101_000000_",
    ],
)
def test_no_path_is_an_id(name: str) -> None:
    assert not is_id(name)
    assert by_time(name) == ("", 0)
