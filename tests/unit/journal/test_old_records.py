"""Old records go, but for those that something refers to; what they tell of backups is pure."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrations_ops.journal import old_records
from migrations_ops.journal.backup_uses import BackupUses, find_open
from migrations_ops.journal.old_records import choose_old_records
from migrations_ops.journal.record import TaskRecord, write_record
from migrations_ops.model.outcome import LEFT_UNCHANGED, Outcome
from tests.records import task_record

names = st.sampled_from(["a", "b", "c"])
steps = st.tuples(
    st.sampled_from(["back up", "upgrade", "verify"]),
    st.sampled_from(["dev", "prod"]),
    st.sampled_from(["done", "failed"]),
)


@st.composite
def histories(draw: st.DrawFn) -> list[TaskRecord]:
    """Records, newest first."""
    return [
        task_record(
            str(number),
            draw(st.sampled_from([*get_args(Outcome), None])),
            draw(st.lists(names, max_size=2)),
            draw(st.lists(steps, max_size=3)),
            commands=tuple(draw(st.lists(st.sampled_from(["dev", "prod"]), max_size=1))),
        )
        for number in reversed(range(draw(st.integers(0, 8))))
    ]


@given(records=histories(), backups=st.sets(names), keep=st.integers(0, 4))
def test_no_record_goes_that_something_refers_to(
    records: list[TaskRecord], backups: set[str], keep: int
) -> None:
    gone = choose_old_records(records, backups, keep)
    left = [record for record in records if record.id not in gone]
    assert not gone & {record.id for record in records[:keep]}
    assert not any(record.is_open for record in records if record.id in gone)
    for name in backups:
        # A backup stays in its row: what the records tell of it is what they told.
        told = any(name in record.backups for record in records)
        assert told is any(name in record.backups for record in left)
    assert set(BackupUses.of(left).failed) & backups == set(BackupUses.of(records).failed) & backups
    assert BackupUses.of(left).needed >= BackupUses.of(records).needed
    for environment in ("dev", "prod"):
        done = ("upgrade", environment, "done")
        upgrades = [
            record.id
            for record in records
            if any((step.name, step.environment, step.outcome) == done for step in record.steps)
        ]
        assert not gone & set(upgrades[:1])


@given(records=histories())
def test_what_an_open_record_has_taken_is_needed_and_only_failed_attempts_are_failed(
    records: list[TaskRecord],
) -> None:
    uses = BackupUses.of(records)
    for record in find_open(records):
        assert uses.needed >= set(record.backups)
    for record in records:
        if record.is_open:
            assert uses.needed >= set(record.backups)
        if record.outcome not in LEFT_UNCHANGED:
            assert not uses.failed & set(record.backups)


@pytest.mark.parametrize("name", ["notes.txt", "mine.log", "rehearsal-notes.txt", "a.part"])
def test_a_folder_with_a_file_that_no_task_made_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(old_records, "RECORDS_KEPT", 0)
    monkeypatch.setattr(old_records, "LOGS_KEPT", 0)
    for number in range(2):
        folder = tmp_path / f"20260101_00000{number}"
        write_record(tmp_path, task_record(folder.name))
        (folder / "dev.upgrade.log").touch()
    (tmp_path / "20260101_000000" / name).write_text("mine")
    old_records.prune_records(tmp_path, tmp_path / "backups")
    assert [each.name for each in tmp_path.iterdir()] == ["20260101_000000"]
    assert len(list((tmp_path / "20260101_000000").iterdir())) == 3
