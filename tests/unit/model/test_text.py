"""How names and numbers are compared and written."""

from __future__ import annotations

import time

import pytest

from migrations_ops.model.text import is_typo, local_time


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("app_prod", "app_prd", True),
        ("app_prod", "app_pord", True),
        ("app_prod", "App_Pord", True),
        ("app_prod", "ap_prodd", True),
        ("app_prod", "app_prod", False),
        ("app_prod", "app_dev", False),
        ("app_prod", "app", False),
        # Names of three letters with two others have little in common.
        ("app", "ape", True),
        ("app", "abc", False),
        # A series: each number has a database of its own.
        ("shop_17", "shop_18", False),
        ("shop_9", "shop_10", False),
    ],
)
def test_a_typo_changes_two_letters_at_most(one: str, other: str, *, expected: bool) -> None:
    assert is_typo(one, other) is expected
    assert is_typo(other, one) is expected


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="Windows has one time zone a process")
def test_times_are_shown_in_local_time_as_names_have_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert local_time("2026-11-30T17:28:34.398Z") == "2026-12-01 02:28:34"
        with_offset = local_time("2026-11-30T17:28:34.398Z", offset=True)
        assert with_offset == "2026-12-01 02:28:34+09:00"
    finally:
        monkeypatch.undo()
        time.tzset()
    assert local_time("yesterday") == "yesterday"
