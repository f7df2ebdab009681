"""What is at work and what was interrupted is known by one look, and the two are told apart."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from migrations_ops.journal.record import TaskRecord
from migrations_ops.journal.unfinished import find_unfinished
from tests.contract.databases.support import running

_WORK = """
import sys
from pathlib import Path
from migrations_ops.journal.record import TaskRecord
from migrations_ops.journal.recorder import Recorder
from migrations_ops.cli.output.progress import Lines
record = Recorder(Path(sys.argv[1]), "upgrade-prod", "prod", Lines())
with record.step("upgrade", "prod"):
    print("at work", flush=True)
    sys.stdin.readline()
record.finish("released")
print("done", flush=True)
sys.stdin.readline()
"""


def test_a_task_at_work_is_running_and_a_killed_one_was_interrupted(tmp_path: Path) -> None:
    with running(_WORK, str(tmp_path)) as process:
        [one] = find_unfinished(tmp_path)
        assert isinstance(one.record, TaskRecord)
        name = one.record.id
        assert str(one) == f"upgrade-prod {name} is running during upgrade of prod."
        process.send_signal(signal.SIGKILL if os.name != "nt" else signal.SIGTERM)
        process.wait()
        [one] = find_unfinished(tmp_path)
        assert str(one) == (
            f"upgrade-prod {name} was interrupted during upgrade of prod:"
            " invoke upgrade-prod finishes or undoes it."
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
