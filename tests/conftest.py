"""Fixtures of all tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.memory import temporary_root
from tests.servers.process import MISSING
from tests.support import R2, Sandbox, copy_project, query

# A busy machine must not fail a property: no test asserts how long something takes.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

pytest_plugins = ["tests.servers.fixtures"]

# pytest asks for it when the first test wants a folder; whoever has set it is obeyed.
if (root := temporary_root()) is not None:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", root)


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """One worker more than there are cores: tests wait for processes, servers and locks."""
    return (yield) + ("PYTEST_XDIST_AUTO_NUM_WORKERS" not in os.environ)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for a newcomer: which servers were missing, and what brings them."""
    reasons = [
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", ())
        if isinstance(report.longrepr, tuple) and MISSING in report.longrepr[2]
    ]
    if reasons:
        ways = " ".join(sorted(set(reasons)))
        terminalreporter.write_line(f"{len(reasons)} tests were skipped. {ways}")


@pytest.fixture
def shop(tmp_path: Path) -> Sandbox:
    """The tiny project, without any database yet."""
    return copy_project("shop", tmp_path / "shop")


@pytest.fixture(scope="session")
def _filled(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    made = copy_project("shop", tmp_path_factory.mktemp("filled") / "shop")
    for name in ("dev", "prod"):
        ran = made.alembic("upgrade", R2, EXEC_ENV=name)
        assert ran.code == 0, ran.err
    for file in (made.dev, made.prod):
        for number in range(1, 21):
            query(file, "INSERT INTO parents VALUES (?, ?)", number, f"parent {number}")
            query(file, "INSERT INTO children VALUES (?, ?)", number, number)
    return made


@pytest.fixture
def filled(_filled: Sandbox, tmp_path: Path) -> Sandbox:
    """The tiny project with both databases at the second of its three revisions, with rows."""
    shutil.copytree(_filled.folder, tmp_path / "shop")
    return Sandbox(tmp_path / "shop")
