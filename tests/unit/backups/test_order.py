"""Backups are sorted by what happened: a clock that is set back makes none older than it is."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrations_ops.backups.retention import prune
from migrations_ops.backups.sidecar import LAST, Sidecar, by_order, order_after, write_sidecar
from migrations_ops.journal.backup_uses import BackupUses
from migrations_ops.system.files import milliseconds
from tests.hostile_files import SIDECAR, store_in

OLD = replace(SIDECAR, order=0)
times = st.datetimes().map(lambda each: f"{each.isoformat(timespec='milliseconds')}Z")


def next_one(others: list[Sidecar], taken: str) -> Sidecar:
    newest = max(others, key=by_order, default=None)
    name = f"db_20260101_{len(others):06}.sqlite3"
    return replace(SIDECAR, name=name, taken=taken, order=order_after(newest, taken))


@given(clock=st.lists(times, min_size=1, max_size=8))
def test_each_backup_comes_after_all_that_were_there(clock: list[str]) -> None:
    taken: list[Sidecar] = []
    for time in clock:
        new = next_one(taken, time)
        assert all(by_order(each) < by_order(new) for each in taken)
        assert new.taken == time
        taken.append(new)


def test_with_a_clock_that_goes_forward_the_order_is_the_time() -> None:
    first = next_one([], "2026-01-01T00:00:00.000Z")
    second = next_one([first], "2026-01-01T00:00:01.000Z")
    assert second.order - first.order == 1000
    assert second.order == milliseconds(second.taken)


def test_a_sidecar_of_an_earlier_version_is_sorted_by_its_time() -> None:
    new = next_one([OLD], "2020-01-01T00:00:00.000Z")
    assert by_order(OLD) < by_order(new)
    brought_back = replace(OLD, taken="2025-01-01T00:00:00.000Z")
    assert by_order(brought_back) < by_order(OLD) < by_order(new)


@pytest.mark.parametrize(
    "taken",
    ["", "yesterday", "2026-01-01T00:00:00", "9999-12-31T23:59:59.999Z", "0001-01-01", "\uff19"],
)
def test_no_time_that_a_sidecar_may_have_keeps_a_new_one_from_being_written(taken: str) -> None:
    others = [replace(SIDECAR, taken=taken, order=order) for order in (0, LAST)]
    for other in others:
        new = next_one([other], "2026-01-01T00:00:00.000Z")
        assert 0 < new.order <= LAST
    assert not 0 < milliseconds(taken) < milliseconds("2026-01-01T00:00:00.000Z")


def test_what_was_taken_last_is_the_latest_and_stays_though_the_clock_was_set_back(
    tmp_path: Path,
) -> None:
    store = store_in(tmp_path)
    store.folder.mkdir()
    for time in (
        "2026-01-01T00:00:00.000Z",
        "2036-01-01T00:00:00.000Z",
        "2016-01-01T00:00:00.000Z",
    ):
        new = next_one(store.sidecars(), time)
        new = replace(new, size=0, sha256=hashlib.sha256().hexdigest())
        write_sidecar(store.sidecar(new.name), new)
        store.file(new.name).touch()
    assert [each.taken[:4] for each in store.backups()] == ["2026", "2036", "2016"]
    assert store.find("latest").taken[:4] == "2016"
    assert [each.taken[:4] for each in prune(store, BackupUses())] == ["2026", "2036"]
    assert store.find("latest").taken[:4] == "2016"
