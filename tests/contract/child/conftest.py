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


@pytest.fixture(autouse=True)
def _hashed_as_pg8000_wants(request: pytest.FixtureRequest) -> None:
    """The tests' servers let a password be hashed once; pg8000 refuses less than 4,096 times."""
    if "pg8000" not in request.node.name:
        return
    server = request.getfixturevalue("postgres")
    [[version]] = server.execute("SHOW server_version_num")
    if int(version) >= 160000:
        role = f"ALTER ROLE {server.administrator} PASSWORD '{server.password}'"
        server.execute(f"SET LOCAL scram_iterations = 4096; {role}")
