"""A mark stays as long as a record has no outcome, and no longer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from migrations_ops.cli.output.progress import Lines
from migrations_ops.journal import marks
from migrations_ops.journal.marks import Mark, is_running, marked
from migrations_ops.journal.recorder import Recorder
from migrations_ops.journal.unfinished import find_unfinished, sweep
from migrations_ops.model.plan import StepName


def test_a_task_that_only_looks_leaves_neither_record_nor_mark(tmp_path: Path) -> None:
    record = Recorder(tmp_path, "verify", "dev", Lines())
    with record.step(StepName("verify"), "dev"):
        assert list(tmp_path.iterdir()) == []
    record.finish("nothing to do")
    assert list(tmp_path.iterdir()) == []


def test_a_record_that_cannot_be_finished_keeps_its_mark(tmp_path: Path) -> None:
    """A full disk at the very end: the record has no outcome, and somebody has to take it up."""
    record = Recorder(tmp_path, "restore", "dev", Lines())
    with record.step(StepName("restore"), "dev"):
        pass
    file = record.folder / "release.json"
    content = file.read_bytes()
    file.unlink()
    file.mkdir()  # no file can be renamed to it
    record.finish("released")
    file.rmdir()
    file.write_bytes(content)
    [one] = find_unfinished(tmp_path)
    assert not one.running
    assert str(one).startswith(f"restore {record.result.id} was interrupted after restore of dev:")


def test_a_mark_without_a_record_is_swept_at_once_and_what_is_no_mark_stays(
    tmp_path: Path,
) -> None:
    folder = tmp_path / ".unfinished"
    folder.mkdir()
    for name in ("20260101_000000", "20260101_000001", "notes.txt"):
        (folder / name).touch()
    assert find_unfinished(tmp_path) == []
    sweep(tmp_path)
    assert sorted(each.name for each in folder.iterdir()) == ["notes.txt"]


def test_a_mark_of_a_task_that_has_no_record_yet_is_not_swept(tmp_path: Path) -> None:
    mark = Mark(tmp_path, "20260101_000000")
    mark.create_mark()
    sweep(tmp_path)
    assert is_running(tmp_path, "20260101_000000")
    mark.close_mark(finished=True)
    assert marked(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows removes no file that is open")
def test_a_mark_that_is_swept_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweeper cannot tell a mark of this instant from that of a killed task."""
    original = marks._lock
    swept: list[bool] = []

    def lock(descriptor: int) -> None:
        if not swept:
            swept.append(True)
            sweep(tmp_path)
        original(descriptor)

    monkeypatch.setattr(marks, "_lock", lock)
    mark = Mark(tmp_path, "20260101_000000")
    mark.create_mark()
    assert swept
    assert is_running(tmp_path, "20260101_000000")
    mark.close_mark(finished=True)


@pytest.mark.parametrize("name", ["releases", "nowhere/at/all"])
def test_where_nothing_was_ever_released_nothing_is_unfinished(tmp_path: Path, name: str) -> None:
    assert find_unfinished(tmp_path / name) == []
    sweep(tmp_path / name)
