"""What is at work and what was broken off is known by one look, and the two are told apart."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from migrations_ops.cli.output.progress import Lines
from migrations_ops.journal.marks import find_unfinished, sweep
from migrations_ops.journal.record import Record
from tests.contract.databases.support import running

_WORK = """
import sys
from pathlib import Path
from migrations_ops.journal.record import Record
from migrations_ops.cli.output.progress import Lines
record = Record(Path(sys.argv[1]), "upgrade-prod", "prod", Lines())
with record.step("upgrade", "prod"):
    print("at work", flush=True)
    sys.stdin.readline()
record.finish("released")
print("done", flush=True)
sys.stdin.readline()
"""


def test_a_task_at_work_is_running_and_a_killed_one_was_broken_off(tmp_path: Path) -> None:
    with running(_WORK, str(tmp_path)) as process:
        [one] = find_unfinished(tmp_path)
        name = one.document["id"]
        assert str(one) == f"upgrade-prod {name} is running during upgrade of prod."
        process.send_signal(signal.SIGKILL if os.name != "nt" else signal.SIGTERM)
        process.wait()
        [one] = find_unfinished(tmp_path)
        assert str(one) == (
            f"upgrade-prod {name} was broken off during upgrade of prod:"
            " invoke release-migration finishes or undoes it."
        )


def test_a_finished_task_leaves_no_mark(tmp_path: Path) -> None:
    with running(_WORK, str(tmp_path)) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "done\n"
        assert find_unfinished(tmp_path) == []
        assert list((tmp_path / ".unfinished").iterdir()) == []


def test_looking_takes_no_lock_that_a_task_would_miss(tmp_path: Path) -> None:
    with running(_WORK, str(tmp_path)):
        for _ in range(3):
            [one] = find_unfinished(tmp_path)
            assert one.running


def test_a_task_that_only_looks_leaves_neither_record_nor_mark(tmp_path: Path) -> None:
    record = Record(tmp_path, "verify", "dev", Lines())
    with record.step("verify", "dev"):
        assert list(tmp_path.iterdir()) == []
    record.finish("nothing to do")
    assert list(tmp_path.iterdir()) == []


def test_a_record_that_cannot_be_finished_keeps_its_mark(tmp_path: Path) -> None:
    """A full disk at the very end: the record has no outcome, and somebody has to take it up."""
    record = Record(tmp_path, "restore", "dev", Lines())
    with record.step("restore", "dev"):
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
    assert str(one).startswith(f"restore {record.result.id} was broken off after restore of dev:")


def test_a_mark_without_a_record_is_swept_when_it_is_old(tmp_path: Path) -> None:
    marks = tmp_path / ".unfinished"
    marks.mkdir()
    (marks / "new").touch()
    (marks / "old").touch()
    os.utime(marks / "old", (1, 1))
    assert find_unfinished(tmp_path) == []
    sweep(tmp_path)
    assert [each.name for each in marks.iterdir()] == ["new"]


@pytest.mark.parametrize("name", ["releases", "nowhere/at/all"])
def test_where_nothing_was_ever_released_nothing_is_unfinished(tmp_path: Path, name: str) -> None:
    assert find_unfinished(tmp_path / name) == []
    sweep(tmp_path / name)
