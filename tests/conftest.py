"""Fixtures of all tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support import R2, Sandbox, copy_project, query

pytest_plugins = ["tests.servers.fixtures"]


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
