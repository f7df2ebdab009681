"""Whatever ends with exit code 4 leaves something that the tasks that follow read."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from migrations_ops.cli.output.progress import Lines
from migrations_ops.journal.record import TaskRecord, read_record
from migrations_ops.journal.unfinished import find_interrupted, find_left
from migrations_ops.model.errors import (
    ExitCode,
    Interrupted,
    Memory,
    NeedsAPerson,
    Unresolved,
)
from migrations_ops.model.plan import CHANGING, StepName
from migrations_ops.operations.run import Finished, run_recorded
from migrations_ops.operations.session import Session
from tests.support import REPOSITORY

LEFT = Unresolved("prod", "db_1.sqlite3")


def run(folder: Path, body: Callable[[Session], None]) -> Finished:
    settings = SimpleNamespace(root=folder, releases=folder, backups=folder / "backups", path=())
    project: Any = SimpleNamespace(settings=settings, opened_databases=list)
    return run_recorded(project, "upgrade-prod", "prod", Lines(), body)


def raising(error: BaseException, name: StepName = StepName.UPGRADE) -> Callable[[Session], None]:
    def body(session: Session) -> None:
        with session.record.step(name, "prod"):
            raise error

    return body


def left_in(folder: Path) -> TaskRecord:
    record = find_left(folder, "prod")
    assert record is not None
    return record


@pytest.mark.parametrize("memory", Memory)
def test_each_memory_is_read_by_the_next_task_where_the_record_is_one(
    tmp_path: Path, memory: Memory
) -> None:
    finished = run(tmp_path, raising(NeedsAPerson("It failed.", memory=memory, unresolved=(LEFT,))))
    assert finished.error is not None
    assert finished.error.exit_code == ExitCode.NEEDS_A_PERSON
    if memory is Memory.RECORD:
        assert left_in(tmp_path).unresolved_in("prod") == LEFT
    elif memory is Memory.NEXT_TASK:
        assert left_in(tmp_path).unfinished == ("prod",)
    else:  # the database, or the evidence
        assert find_interrupted(tmp_path) == []


@pytest.mark.parametrize("name", sorted(CHANGING))
@pytest.mark.parametrize(
    "error",
    [NeedsAPerson("It failed."), OSError(28, "No space left"), ValueError("a fault of ours")],
)
def test_what_no_step_has_dealt_with_is_inspected_by_the_next_task(
    tmp_path: Path, error: Exception, name: StepName
) -> None:
    finished = run(tmp_path, raising(error, name))
    assert finished.error is not None
    assert finished.error.exit_code == ExitCode.NEEDS_A_PERSON
    assert left_in(tmp_path).unfinished == ("prod",)
    assert "as it was" not in str(finished.error)


def test_interrupt_between_upgrade_and_verify_is_left_to_the_next_task(tmp_path: Path) -> None:
    def body(session: Session) -> None:
        with session.record.step(StepName.UPGRADE, "prod"):
            pass
        raise KeyboardInterrupt

    finished = run(tmp_path, body)
    assert isinstance(finished.error, Interrupted)
    assert left_in(tmp_path).unfinished == ("prod",)


def test_what_was_verified_or_put_back_is_no_longer_left(tmp_path: Path) -> None:
    def body(session: Session) -> None:
        with session.record.step(StepName.UPGRADE, "prod"):
            pass
        with session.record.step(StepName.VERIFY, "prod") as step:
            step.outcome = "passed"
        raise OSError(28, "No space left")

    finished = run(tmp_path, body)
    assert finished.error is not None
    assert finished.error.exit_code == ExitCode.FAILED
    assert find_interrupted(tmp_path) == []


def test_older_record_that_reminds_already_is_not_doubled(tmp_path: Path) -> None:
    error = NeedsAPerson("It failed.", memory=Memory.RECORD, unresolved=(LEFT,))
    first = run(tmp_path, raising(error)).result
    second = run(tmp_path, raising(error)).result
    assert [each.id for each in find_interrupted(tmp_path)] == [first.id]
    assert isinstance(read_record(tmp_path / second.id), TaskRecord)


def test_each_place_that_needs_a_person_is_known() -> None:
    """One that is new says by what it is remembered, or the next task inspects what was changed."""
    package = REPOSITORY / "migrations_ops"
    found = {
        file.relative_to(package).as_posix()
        for file in package.rglob("*.py")
        if re.search(r"NeedsAPerson\(\n?", file.read_text(encoding="utf-8"))
    }
    assert found == {
        "databases/mariadb/copies.py",  # the server has a record of the swap
        "databases/mariadb/database.py",  # operations/restore.py remembers it
        "databases/sqlite/dump.py",  # operations/restore.py remembers it
        "model/errors.py",
        "operations/failure/messages.py",  # operations/failure/reconcile.py remembers it
        "operations/other_environments.py",
        "operations/redo.py",  # the next task inspects
        "operations/restore.py",
        "operations/run.py",  # the next task inspects
    }


@pytest.mark.parametrize("name", ["stamp.sqlite3", "rehearsal.sqlite3-wal", "stdout.txt"])
def test_signal_right_after_a_scratch_file_was_made_leaves_none_behind(
    tmp_path: Path, name: str
) -> None:
    made: list[Path] = []

    def body(session: Session) -> None:
        made.append(session.scratch(name))
        made[0].write_bytes(b"rows")
        raise KeyboardInterrupt

    finished = run(tmp_path, body)
    assert isinstance(finished.error, Interrupted)
    assert not made[0].exists()
    assert sorted(each.name for each in made[0].parent.iterdir()) == ["release.json"]


def test_interrupt_while_a_thread_is_started_is_an_interrupt(tmp_path: Path) -> None:
    """A signal may come just before ``threading`` gets its lock back, and then never leaves it."""

    def body(session: Session) -> None:
        condition = threading.Condition()

        def interrupted(_: object) -> None:
            raise KeyboardInterrupt

        condition._acquire_restore = interrupted  # type: ignore[attr-defined]
        with condition:
            condition.wait(0.001)

    finished = run(tmp_path, body)
    assert isinstance(finished.error, Interrupted)
    assert finished.result.outcome == "interrupted"


def test_fault_of_ours_on_the_way_out_of_an_interrupt_is_no_interrupt(tmp_path: Path) -> None:
    def body(session: Session) -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise RuntimeError("a fault of ours")

    finished = run(tmp_path, body)
    assert isinstance(finished.error, NeedsAPerson)
