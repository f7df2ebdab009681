"""The project that a child works on, over whatever database a test asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.child.engines import ENGINE_OF, ENGINES, Database, FileDatabase, installed
from tests.contract.child.project import ChildProject, make_project


@pytest.fixture
def project(request: pytest.FixtureRequest, tmp_path: Path) -> ChildProject:
    """A project at the first of its revisions; its parameter is an engine or a driver."""
    engine = ENGINES.get(request.param) or ENGINE_OF[request.param]
    driver = installed(engine.usual if request.param in ENGINES else request.param)
    folder = tmp_path / "project"
    folder.mkdir()
    database: Database = (
        request.getfixturevalue(engine.fixture)
        if engine.is_server
        else FileDatabase(folder / "shop.db")
    )
    return make_project(folder, database, driver)
