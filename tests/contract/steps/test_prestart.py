"""Children that are started ahead: how many wait, when the next one starts, and what may fail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from migrations_ops.cli.output.progress import Lines
from migrations_ops.journal.recorder import Recorder
from migrations_ops.model.errors import ConfigurationError
from migrations_ops.model.plan import StepName
from migrations_ops.operations.release import ReleaseOptions, release_all, upgrade_environment
from migrations_ops.operations.session import Session, listener
from migrations_ops.project.project import Project
from migrations_ops.steps import prestart
from migrations_ops.steps.instructions import instructions_for
from migrations_ops.steps.prestart import Prestart
from migrations_ops.steps.step import Step
from tests.contract.child.steps import is_alive
from tests.support import R3, Sandbox, query

INSPECTED = (("current",),)
ALEMBIC = StepName.ALEMBIC


@pytest.fixture
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prestart, "CORES", 1)


@pytest.fixture
def session(filled: Sandbox) -> Iterator[Session]:
    project = Project.read(filled.folder)
    made = Session(project, Recorder(project.settings.releases, "test", "prod", Lines()))
    yield made
    made.prestart.close()


def started(session: Session) -> set[str]:
    """The children that were started, by the logs that they write."""
    return {log.stem for log in session.record.folder.glob("*.log")}


@pytest.mark.usefixtures("one_core")
def test_at_most_one_child_for_each_core_waits(session: Session) -> None:
    dev, prod = session.project.settings.path
    session.prestart.request(dev, ALEMBIC, INSPECTED)
    session.prestart.request(prod, ALEMBIC, INSPECTED)
    assert started(session) == {"dev.alembic"}
    session.prestart.start_next()
    assert started(session) == {"dev.alembic"}


@pytest.mark.usefixtures("one_core")
def test_next_child_starts_while_the_one_before_it_works(session: Session) -> None:
    dev, prod = session.project.settings.path
    session.prestart.request(dev, ALEMBIC, INSPECTED)
    session.prestart.request(prod, ALEMBIC, INSPECTED)
    step = session.prestart.take(dev, ALEMBIC, INSPECTED)
    assert started(session) == {"dev.alembic"}
    try:
        assert step.run(instructions_for(session.project, dev), listener(session)).finished
        assert started(session) == {"dev.alembic", "prod.alembic"}
    finally:
        step.close()


@pytest.mark.usefixtures("one_core")
def test_child_that_cannot_start_ahead_says_so_in_its_own_turn(session: Session) -> None:
    dev, prod = session.project.settings.path
    broken = replace(prod, python=Path("no-such-interpreter").absolute())
    session.prestart.request(dev, ALEMBIC, INSPECTED)
    session.prestart.request(broken, ALEMBIC, INSPECTED)
    step = session.prestart.take(dev, ALEMBIC, INSPECTED)
    try:
        assert step.run(instructions_for(session.project, dev), listener(session)).finished
    finally:
        step.close()
    with pytest.raises(ConfigurationError, match="no-such-interpreter"):
        session.prestart.take(broken, ALEMBIC, INSPECTED)


def test_children_that_are_not_needed_leave(session: Session) -> None:
    dev, prod = session.project.settings.path
    session.prestart.request(dev, ALEMBIC, INSPECTED)
    session.prestart.request(prod, ALEMBIC, INSPECTED)
    pids = [step._child.pid for _, step in session.prestart._waiting.values()]
    assert pids
    assert all(map(is_alive, pids))
    session.prestart.close()
    assert not any(map(is_alive, pids))
    session.prestart.start_next()
    assert not session.prestart._waiting


def test_child_of_a_verify_that_is_not_reached_leaves(
    filled: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prestart, "CORES", 2)
    pids: dict[str, int] = {}
    start = Prestart._start

    def noted(self: Prestart, request: Any) -> Step:
        step = start(self, request)
        pids[request.name] = step._child.pid
        return step

    monkeypatch.setattr(Prestart, "_start", noted)
    filled.add_revision("r4dddddddddd", R3, "    raise ValueError")
    project = Project.read(filled.folder)
    finished = upgrade_environment(project, project.settings.path[0], ReleaseOptions(), Lines())
    assert finished.error is not None
    assert pids.keys() == {"dev.upgrade", "dev.verify"}
    assert not any(map(is_alive, pids.values()))


@pytest.mark.usefixtures("one_core")
def test_release_arrives_on_a_single_core(filled: Sandbox) -> None:
    project = Project.read(filled.folder)
    finished = release_all(project, ReleaseOptions(), Lines())
    assert finished.error is None
    for file in (filled.dev, filled.prod):
        assert query(file, "SELECT version_num FROM alembic_version") == [(R3,)]


@pytest.mark.parametrize(
    ("cores", "started"), [(1, {"dev.upgrade"}), (2, {"dev.upgrade", "dev.verify"})]
)
def test_children_of_a_single_upgrade_start_before_the_backup(
    filled: Sandbox, monkeypatch: pytest.MonkeyPatch, cores: int, started: set[str]
) -> None:
    monkeypatch.setattr(prestart, "CORES", cores)
    project = Project.read(filled.folder)
    report = FirstSteps(project.settings.releases)
    finished = upgrade_environment(project, project.settings.path[0], ReleaseOptions(), report)
    assert finished.error is None
    assert report.logs["back up"] == started


class FirstSteps(Lines):
    """Notes which children had been started when each step began."""

    def __init__(self, releases: Path) -> None:
        super().__init__()
        self._releases = releases
        self.logs: dict[str, set[str]] = {}

    def begin(self, step: str, environment: str) -> None:
        super().begin(step, environment)
        self.logs[step] = {log.stem for log in self._releases.glob("*/*.log")}


def test_env_py_may_import_what_is_hidden_from_mako(filled: Sandbox) -> None:
    file = filled.folder / "alembic/env.py"
    file.write_text("from pygments.lexers import PythonLexer\n" + file.read_text("utf-8"), "utf-8")
    project = Project.read(filled.folder)
    finished = upgrade_environment(project, project.settings.path[0], ReleaseOptions(), Lines())
    assert finished.error is None
    assert query(filled.dev, "SELECT version_num FROM alembic_version") == [(R3,)]
