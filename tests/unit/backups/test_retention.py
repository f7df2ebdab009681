"""What retention removes is decided by groups of backups: the newest sound one of each stays."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrations_ops.backups.naming import BackupNames
from migrations_ops.backups.quality import BEFORE_RESTORE, DAMAGED
from migrations_ops.backups.retention import Policy, choose_surplus, groups_of, surplus
from migrations_ops.backups.sidecar import Sidecar, write_sidecar
from migrations_ops.backups.store import BackupStore
from migrations_ops.journal.backup_uses import BackupUses
from migrations_ops.model.backup import Backup
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.project.environments import Environment

NOW = datetime(2026, 6, 1, tzinfo=UTC)
NONE = BackupUses()


def backup(name: str, age: float = 0, *, note: str = "", doubt: str = "") -> Backup:
    taken = (NOW - timedelta(days=age)).isoformat()
    return Backup(name, f"/b/{name}", "prod", taken, (), 1, "", note=note, doubt=doubt)


def names(count: int) -> list[str]:
    return [f"b{number}" for number in range(count)]


subsets = st.sets(st.sampled_from(names(8)))
policies = st.builds(Policy, st.integers(1, 3), st.integers(0, 40), st.booleans())


@given(
    ages=st.lists(st.integers(0, 60), max_size=8),
    policy=policies,
    sound=subsets,
    needed=subsets,
    failed=subsets,
)
def test_nothing_goes_that_is_the_newest_or_needed_or_not_replaced(
    ages: list[int], policy: Policy, sound: set[str], needed: set[str], failed: set[str]
) -> None:
    group = [backup(f"b{number}", age) for number, age in enumerate(sorted(ages, reverse=True))]
    uses = BackupUses(frozenset(needed), frozenset(failed))
    gone = choose_surplus(group, uses, policy, sound, NOW)
    assert not gone & needed
    in_order = [each.name for each in group]
    newest = [name for name in in_order if name in sound][-policy.keep :]
    assert not gone & set(newest)
    for number, each in enumerate(group):
        if each.name in gone:
            assert len(sound & set(in_order[number + 1 :])) >= policy.keep
            assert each.name in failed or not policy.failed_only
            old = NOW - datetime.fromisoformat(each.taken) > timedelta(days=policy.keep_days)
            assert each.name in failed or old or not policy.keep_days


def test_damaged_backup_is_counted_where_it_would_be_if_it_were_whole() -> None:
    whole, damaged = backup("a", 2), backup("b", 1, doubt=f"{DAMAGED}it has 0 bytes instead of 1")
    later, suspect = backup("c"), backup("d", doubt="half of r is applied in it")
    assert groups_of([whole, damaged, later, suspect], NONE) == [[whole, damaged, later], [suspect]]
    assert choose_surplus([whole, damaged], NONE, Policy(1), {"a"}, NOW) == set()
    assert choose_surplus([damaged, later], NONE, Policy(1), {"c"}, NOW) == {"b"}


@given(ages=st.lists(st.integers(0, 60), max_size=8), policy=policies, sound=subsets)
def test_nothing_goes_while_it_is_unclear_what_is_needed(
    ages: list[int], policy: Policy, sound: set[str]
) -> None:
    group = [backup(f"b{number}", age) for number, age in enumerate(ages)]
    failed = frozenset(each.name for each in group)
    assert (
        choose_surplus(group, BackupUses(failed=failed, unclear=True), policy, sound, NOW) == set()
    )


def test_what_is_beyond_the_count_goes_oldest_first() -> None:
    group = [backup(name, 10) for name in names(4)]
    assert choose_surplus(group, NONE, Policy(2), names(4), NOW) == {"b0", "b1"}
    for days in (10, 10**15):
        assert choose_surplus(group, NONE, Policy(2, keep_days=days), names(4), NOW) == set()
    assert choose_surplus(group, NONE, Policy(2), ["b0", "b1", "b2"], NOW) == {"b0"}


@pytest.mark.parametrize("taken", ["", "yesterday", "2026-01-01T00:00:00"])
def test_a_date_that_nobody_understands_makes_no_backup_old(taken: str) -> None:
    group = [replace(backup("b0"), taken=taken), backup("b1")]
    assert choose_surplus(group, NONE, Policy(1, keep_days=1), ["b1"], NOW) == set()
    assert choose_surplus(group, NONE, Policy(1), ["b1"], NOW) == {"b0"}


def test_groups_are_counted_separately() -> None:
    good, failed = backup("b0"), backup("b1")
    replaced = backup("b2", note=f"{BEFORE_RESTORE}b0")
    suspect, of_both = backup("b3", doubt="x"), backup("b4", doubt="x")
    uses = BackupUses(failed=frozenset({"b1", "b4"}))
    groups = groups_of([good, failed, replaced, suspect, of_both], uses)
    assert groups == [[good], [failed], [replaced], [suspect, of_both]]


@pytest.mark.parametrize(
    ("keep", "damaged", "content", "gone"),
    [(1, 2, b"good", 2), (1, 2, b"torn!", 1), (1, 2, b"rott", 1), (2, 1, b"torn!", 0)],
    ids=["none", "the newest in its size", "the newest in its content", "an older one"],
)
def test_a_backup_whose_file_was_damaged_replaces_no_other(
    tmp_path: Path, keep: int, damaged: int, content: bytes, gone: int
) -> None:
    store = BackupStore(
        tmp_path, Environment("prod", "sqlite:///prod.db", tmp_path), BackupNames("db"), keep
    )
    stored = [f"db_20260101_00000{number}.sqlite3" for number in range(3)]
    for number, name in enumerate(stored):
        (tmp_path / name).write_bytes(b"good")
        digest = hashlib.sha256(b"good").hexdigest()
        taken = f"2026-01-0{number + 1}T00:00:00.000Z"
        write_sidecar(
            store.sidecar(name), Sidecar(name, "prod", taken, 4, digest, Fingerprint.EMPTY)
        )
    (tmp_path / stored[damaged]).write_bytes(content)
    assert [each.name for each in surplus(store, NONE)] == stored[:gone]
