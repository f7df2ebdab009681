"""The first commands in a project of ``alembic init``, without models, data or their folder."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from tests.support import Ran, Sandbox

CONFIGURATION = """
[tool.migrations_ops]
selector = ""
[tool.migrations_ops.environments.laptop]
url = "sqlite:///データ/lap top.db"
ini_url = true
[tool.migrations_ops.environments.live]
url = "sqlite:///データ/live.db"
ini_url = true
"""
TASKS = """
from invoke import Collection
from migrations_ops.tasks import namespace

ns = Collection()
ns.add_collection(namespace(__file__), "app")
"""


@pytest.fixture
def project(tmp_path: Path) -> Sandbox:
    """Its path has spaces and letters of another script, its tasks a prefix."""
    made = Sandbox(tmp_path / "新しい プロジェクト")
    made.folder.mkdir()
    ran = made.run(sys.executable, "-m", "alembic", "init", "alembic")
    assert ran.code == 0, ran.err
    made.configure(CONFIGURATION)
    made.write("tasks.py", TASKS)
    return made


def typed(ran: Ran) -> list[str]:
    """The last command of what a refusal tells to do."""
    return shlex.split(ran.err.rstrip().splitlines()[-1].rpartition("invoke ")[2])


def test_each_refusal_leads_a_newcomer_to_the_first_release(project: Sandbox) -> None:
    data = project.folder / "データ"
    doctor = project.invoke("app.doctor")
    assert "laptop (データ/lap top.db) is missing, no revision pending" in doctor.out
    ran = project.invoke("app.verify")
    assert typed(ran) == ["app.revision", "--message", "begin"]
    ran = project.invoke(*typed(ran))
    assert ran.code == 1, ran.err
    assert "sets no target_metadata" in ran.err
    assert typed(ran) == ["app.revision", "--message", "begin", "--empty"]
    ran = project.invoke(*typed(ran))
    assert ran.code == 0, ran.err
    ran = project.invoke("app.alembic", "--env", "live", "--args", "current")
    assert ran.code == 0, ran.err
    assert not data.exists()  # to look creates nothing
    ran = project.invoke("app.release-migration", "app.verify", "app.verify", "--env", "live")
    assert ran.code == 0, ran.err
    assert {"lap top.db", "live.db"} <= {each.name for each in data.iterdir()}
