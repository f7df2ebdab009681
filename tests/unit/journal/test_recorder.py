"""The record on disk is written ahead: whoever finds it after a kill knows what had begun."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import pytest

from migrations_ops.cli.output.progress import Lines
from migrations_ops.journal import ids
from migrations_ops.journal import recorder as recorder_module
from migrations_ops.journal.marks import marked
from migrations_ops.journal.record import TaskRecord, read_record, write_record
from migrations_ops.journal.recorder import Recorder
from migrations_ops.journal.scratch import RESERVE
from migrations_ops.journal.unfinished import find_interrupted
from migrations_ops.model.errors import NeedsAPerson, Unresolved
from migrations_ops.model.findings import DRIFT, ORPHANS
from migrations_ops.model.plan import StepName


def on_disk(record: Recorder) -> TaskRecord:
    found = read_record(record.folder)
    assert isinstance(found, TaskRecord)
    return found


def test_a_step_is_on_disk_while_it_is_under_way(tmp_path: Path) -> None:
    record = Recorder(tmp_path, "restore", "dev", Lines())
    with record.step(StepName.RESTORE, "dev", "db"):
        written = on_disk(record).under_way
        assert written is not None
        assert (written.name, written.environment, written.backup) == ("restore", "dev", "db")
    assert on_disk(record).under_way is None


def test_what_is_about_to_be_committed_is_on_disk_before_it_is(tmp_path: Path) -> None:
    record = Recorder(tmp_path, "upgrade-dev", "dev", Lines())
    with record.step(StepName.UPGRADE, "dev"):
        record.record_partial_commit("dev")
        assert on_disk(record).committed == ("dev",)


def test_commands_are_on_disk_before_they_begin(tmp_path: Path) -> None:
    record = Recorder(tmp_path, "upgrade-dev", "dev", Lines())
    with record.step(StepName.UPGRADE, "dev"):
        record.begin_commands("dev")
        assert on_disk(record).commands == ("dev",)


def test_what_stops_a_task_is_noted_and_shown_before_what_does_not(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "release-migration", "prod", Lines())
    drift = DRIFT.found("add_column", environment="prod")
    lost = ORPHANS.found("t", rows=1, parent="p")
    recorder.add_findings([drift, replace(lost, severity="error"), drift])
    assert [each.severity for each in recorder.result.findings] == ["error", "warning", "warning"]


@pytest.mark.parametrize("first_ends", [False, True])
def test_two_tasks_that_begin_in_one_second_have_records_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first_ends: bool
) -> None:
    monkeypatch.setattr(ids, "local_stamp", lambda: "20260101_000000")
    first, second = (Recorder(tmp_path, "backup", each, Lines()) for each in ("dev", "prod"))
    assert first.result.id == second.result.id
    with first.step(StepName.BACK_UP, "dev"):
        pass
    if first_ends:
        first.finish("backed up")
    with second.step(StepName.BACK_UP, "prod"):
        assert on_disk(first).environment == "dev"
        assert on_disk(second).environment == "prod"
        assert second.result.id == "20260101_000000_2"
    first.finish("backed up")
    second.finish("backed up")
    assert marked(tmp_path) == []


def test_a_task_comes_after_those_from_the_future(tmp_path: Path) -> None:
    (tmp_path / "29990101_000000").mkdir()
    record = Recorder(tmp_path, "backup", "dev", Lines())
    assert record.result.id == "29990101_000000_2"


def test_disk_that_has_become_full_still_has_room_for_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The room is kept from the first line on, and given back when it is needed, or at the end."""
    record = Recorder(tmp_path, "upgrade-dev", "dev", Lines())
    reserve = record.folder / RESERVE

    def write(releases: Path, wanted: TaskRecord) -> None:
        if reserve.exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        write_record(releases, wanted)

    with record.step(StepName.UPGRADE, "dev"):
        assert reserve.stat().st_size > 100_000
        monkeypatch.setattr(recorder_module, "write_record", write)
    record.update(unresolved=(Unresolved("dev", "db"),))
    record.finish("failed, needs a person", NeedsAPerson("It failed."))
    assert on_disk(record).unresolved == (Unresolved("dev", "db"),)
    assert not reserve.exists()
    assert [each.id for each in find_interrupted(tmp_path)] == [record.result.id]
