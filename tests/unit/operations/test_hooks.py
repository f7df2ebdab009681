"""Hooks: which one runs when, what it gets, and that its failure is a warning."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from migrations_ops.cli.output.progress import Lines
from migrations_ops.journal.record import TaskRecord, read_record
from migrations_ops.model.errors import ExitCode, Refused, StepFailed
from migrations_ops.model.findings import Finding
from migrations_ops.model.plan import StepName
from migrations_ops.operations import hooks
from migrations_ops.operations.doctor import _hooks as find_missing_hooks
from migrations_ops.operations.run import Finished, run_recorded
from migrations_ops.operations.session import Session
from migrations_ops.project.hooks import MOMENTS, Hooks

ALL = Hooks(("page", "on"), ("page", "off"), ("tell",), timeout=5)


class Started:
    """Stands for the processes of hooks."""

    def __init__(self, answers: Mapping[str, tuple[int | None, str]]) -> None:
        self.answers = answers
        self.argvs: list[tuple[str, ...]] = []
        self.given: list[Any] = []
        self.variables: list[Mapping[str, str]] = []
        self.releases = Path()

    def __call__(
        self,
        argv: Sequence[str],
        variables: Mapping[str, str],
        directory: Path,
        log: Path,
        *,
        timeout: float,
        text: str,
    ) -> tuple[int | None, str]:
        self.argvs.append(tuple(argv))
        self.given.append(json.loads(text))
        self.variables.append(variables)
        answer = self.answers.get(" ".join(argv), (0, ""))
        if answer == (None, "Ctrl-C"):
            raise KeyboardInterrupt
        return answer


Run = Callable[..., Finished]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    made = Started({})
    monkeypatch.setattr(hooks, "run_watched", made)
    return made


def run(
    folder: Path,
    how: str,
    error: BaseException | None = None,
    configured: Hooks = ALL,
) -> Finished:
    """A release that is refused by its checks, has nothing to do, or gets as far as its steps."""
    settings: Any = SimpleNamespace(
        root=folder, releases=folder, backups=folder / "backups", path=(), hooks=configured
    )
    project: Any = SimpleNamespace(settings=settings, opened_databases=list)

    def body(session: Session) -> None:
        with session.record.step(StepName.PREFLIGHT, "all"):
            if how == "checks" and error is not None:
                raise error
        if how == "nothing to do":
            return
        hooks.run_first_hook(settings, session.record)
        hooks.run_first_hook(settings, session.record)
        with session.record.step(StepName.BACK_UP, "prod"):
            if error is not None:
                raise error
        session.record.update(outcome="released")

    return run_recorded(project, "upgrade-prod", "prod", Lines(), body, hooks=True)


def stored(folder: Path, finished: Finished) -> TaskRecord:
    record = read_record(folder / finished.result.id)
    assert isinstance(record, TaskRecord)
    return record


@pytest.mark.parametrize(
    ("how", "error", "ran"),
    [
        ("steps", None, ["page on", "page off"]),
        ("steps", StepFailed("It failed."), ["page on", "tell"]),
        ("steps", Refused("It was refused."), ["page on", "tell"]),
        ("steps", KeyboardInterrupt(), ["page on", "tell"]),
        ("steps", ValueError("a bug"), ["page on", "tell"]),
        ("nothing to do", None, []),
        ("checks", Refused("Another release runs."), []),
        ("checks", KeyboardInterrupt(), []),
    ],
)
def test_a_release_that_begins_has_one_hook_before_and_one_at_its_end(
    tmp_path: Path, started: Started, how: str, error: BaseException | None, ran: list[str]
) -> None:
    finished = run(tmp_path, how, error)
    assert [" ".join(argv) for argv in started.argvs] == ran
    if ran:
        record = stored(tmp_path, finished)
        assert [" ".join(each.argv) for each in record.hooks] == ran
        assert {each.outcome for each in record.hooks} == {"done"}
        assert record.outcome == finished.result.outcome
    # The first has no outcome yet, as the record on disk.
    assert [each["outcome"] for each in started.given] == [None, finished.result.outcome][
        : len(ran)
    ]


def test_the_last_hook_follows_though_there_is_none_before(
    tmp_path: Path, started: Started
) -> None:
    run(tmp_path, "steps", StepFailed("It failed."), Hooks(failed=("tell",)))
    assert started.argvs == [("tell",)]


@pytest.mark.parametrize(
    ("answer", "reason", "exit"),
    [
        ((3, ""), "ended with exit code 3", 3),
        ((-9, ""), "was killed by signal 9", -9),
        ((None, "it cannot be started: No such file"), "it cannot be started", None),
    ],
)
@pytest.mark.parametrize("which", ["page on", "page off"])
def test_a_hook_that_fails_is_a_warning_and_the_release_arrives(
    tmp_path: Path,
    started: Started,
    which: str,
    answer: tuple[int | None, str],
    reason: str,
    exit: int | None,
) -> None:
    started.answers = {which: answer}
    finished = run(tmp_path, "steps")
    assert (finished.error, finished.result.outcome) == (None, "released")
    [found] = finished.result.findings
    assert (found.code, found.severity) == ("hook-failed", "warning")
    assert reason in found.message
    record = stored(tmp_path, finished)
    assert record.findings == (found,)
    [failed] = [each for each in record.hooks if each.outcome == "failed"]
    assert (" ".join(failed.argv), failed.exit) == (which, exit)


def test_ctrl_c_in_a_hook_ends_the_release_as_anywhere(tmp_path: Path, started: Started) -> None:
    started.answers = {"page on": (None, "Ctrl-C")}
    finished = run(tmp_path, "steps")
    assert finished.error is not None
    assert finished.error.exit_code == ExitCode.INTERRUPTED
    assert finished.result.outcome == "interrupted"
    assert not any(each.name == StepName.BACK_UP for each in finished.result.steps)
    assert started.argvs == [("page", "on"), ("tell",)]


def test_ctrl_c_in_the_last_hook_leaves_the_release_done(tmp_path: Path, started: Started) -> None:
    started.answers = {"page off": (None, "Ctrl-C")}
    finished = run(tmp_path, "steps")
    assert finished.error is not None
    assert finished.error.exit_code == ExitCode.INTERRUPTED
    assert finished.result.outcome == "released"
    # It is not run once more, and neither is the one for failures.
    assert started.argvs == [("page", "on"), ("page", "off")]
    assert [each.outcome for each in stored(tmp_path, finished).hooks] == ["done", "interrupted"]


def test_a_hook_gets_the_variables_that_are_named_and_no_others(
    tmp_path: Path, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_TOKEN", "t0ken")
    monkeypatch.setenv("EXEC_ENV", "prod")
    run(tmp_path, "steps", None, Hooks(after=("tell",), passed_variables=("CHAT_TOKEN",)))
    [variables] = started.variables
    assert variables["CHAT_TOKEN"] == "t0ken"
    assert "EXEC_ENV" not in variables


def test_a_hook_whose_variable_is_not_set_is_not_started(
    tmp_path: Path, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHAT_TOKEN", raising=False)
    hook = Hooks(after=("tell",), passed_variables=("CHAT_TOKEN",))
    [found] = run(tmp_path, "steps", None, hook).result.findings
    assert "the variable CHAT_TOKEN of hooks.pass is not set" in found.message
    assert started.argvs == []


def missing_in(folder: Path, program: str) -> list[Finding]:
    settings: Any = SimpleNamespace(hooks=Hooks(before=(program, "x")), root=folder)
    return find_missing_hooks(settings)


def test_doctor_names_a_hook_whose_program_does_not_exist(tmp_path: Path) -> None:
    program = tmp_path / "here"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for there in ("./here", str(program), "python"):
        assert missing_in(tmp_path, there) == []
    for lacking in ("./there", "nobody-has-this", "here"):
        [found] = missing_in(tmp_path, lacking)
        assert (found.code, found.severity, found.where) == ("hook-missing", "warning", "before")
        assert lacking in found.message


def test_each_moment_has_a_key() -> None:
    assert [ALL.argv(moment)[0] for moment in MOMENTS] == ["page", "page", "tell"]
