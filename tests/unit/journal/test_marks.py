"""A mark stays as long as a record has no outcome, and no longer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from migrations_ops.cli.output.progress import Lines
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


def test_a_mark_without_a_record_is_swept_when_it_is_old(tmp_path: Path) -> None:
    marks = tmp_path / ".unfinished"
    marks.mkdir()
    for name in ("20260101_000000", "20260101_000001", "notes.txt"):
        (marks / name).touch()
        os.utime(marks / name, (1, 1))
    os.utime(marks / "20260101_000001")
    assert find_unfinished(tmp_path) == []
    sweep(tmp_path)
    assert sorted(each.name for each in marks.iterdir()) == ["20260101_000001", "notes.txt"]


@pytest.mark.parametrize("name", ["releases", "nowhere/at/all"])
def test_where_nothing_was_ever_released_nothing_is_unfinished(tmp_path: Path, name: str) -> None:
    assert find_unfinished(tmp_path / name) == []
    sweep(tmp_path / name)
