"""This repository's own Alembic project, in a folder of a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.own_history.support import EmptyDatabases, OwnProject


@pytest.fixture
def project(tmp_path: Path) -> OwnProject:
    return OwnProject.at(tmp_path)


@pytest.fixture(scope="session")
def at_revision(tmp_path_factory: pytest.TempPathFactory) -> EmptyDatabases:
    return EmptyDatabases(OwnProject.at(tmp_path_factory.mktemp("empty")))
