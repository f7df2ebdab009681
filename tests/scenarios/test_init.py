"""Projects that know nothing of this tool are configured by init, and released by it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.scenarios.test_json_schemas import validate
from tests.support import PROJECTS, Ran, Sandbox, copy_project

SCRIPT = (sys.executable, "-m", "migrations_ops")
ORDERS = PROJECTS / "settings/migrations/versions/o1_orders.py"
GIVEN = ("--url", "dev=sqlite:///dev.db", "--url", "prod=sqlite:///prod.db")


def ops(project: Sandbox, *arguments: str, **variables: str) -> Ran:
    return project.run(*SCRIPT, *arguments, cwd=None, **variables)


def from_template(template: str, folder: Path) -> Sandbox:
    """What ``alembic init`` makes, with a revision."""
    folder.mkdir()
    project = Sandbox(folder)
    assert project.alembic("init", "-t", template, "migrations").code == 0
    project.write("migrations/versions/o1_orders.py", ORDERS.read_text())
    return project


def settings(folder: Path) -> Sandbox:
    pytest.importorskip("pydantic_settings")
    project = copy_project("settings", folder)
    project.write(".env", "ORDERS_DATABASE_URL=sqlite:///orders.db\nORDERS_SECRET_KEY=x\n")
    return project


def flask(folder: Path) -> Sandbox:
    pytest.importorskip("flask_migrate")
    project = copy_project("flask", folder)
    assert project.run(sys.executable, "-m", "flask", "--app", "shop", "db", "init").code == 0
    project.write("migrations/versions/o1.py", ORDERS.read_text().replace('"orders"', '"item"'))
    return project


def selector(folder: Path) -> Sandbox:
    """An env.py that knows its databases by the name of the environment."""
    project = copy_project("shop", folder)
    (folder / "pyproject.toml").unlink()
    (folder / "tasks.py").unlink()
    return project


def monorepo(folder: Path) -> Sandbox:
    """The second of two projects below one folder, which has a configuration of its own."""
    for name in ("api", "billing"):
        copy_project("toml", folder / name)
    (folder / "pyproject.toml").write_text("[tool.ruff]\nline-length = 100\n")
    refused = ops(Sandbox(folder), "init", "--yes")
    assert refused.code == 1
    return Sandbox(folder / "billing")


MADE = {
    "generic": lambda folder: from_template("generic", folder),
    "pyproject": lambda folder: from_template("pyproject", folder),
    "async": lambda folder: from_template("async", folder),
    "settings": settings,
    "sqlmodel": lambda folder: copy_project("sqlmodel", folder),
    "flask": flask,
    "toml": lambda folder: copy_project("toml", folder),
    "sections": lambda folder: copy_project("sections", folder),
    "src": lambda folder: copy_project("src", folder),
    "monorepo": monorepo,
    "selector": selector,
}
SECTIONS = [
    part
    for name in ("dev-users", "prod-users", "dev-orders", "prod-orders")
    for part in ("--url", f"{name}=sqlite:///data.{name[:3]}.{name[-6:]}.db")
]
FLAGS = {
    "async": [each.replace("sqlite:", "sqlite+aiosqlite:") for each in GIVEN],
    "settings": [],  # from .env
    "sections": SECTIONS,
    "selector": [
        *("--url", "dev=sqlite:///data/repom/db.dev.sqlite3"),
        *("--url", "prod=sqlite:///data/repom/db.sqlite3"),
    ],
    "src": [],  # from the ini
    "toml": ["--envs", "prod", "--url", "prod=DATABASE_URL"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MADE)
def test_a_project_is_released_after_init_alone(name: str, tmp_path: Path) -> None:
    project = MADE[name](tmp_path / "project")
    env_py = {file: file.read_bytes() for file in project.folder.rglob("*.py")}
    variables = {"DATABASE_URL": "sqlite:///prod.db"}
    ran = ops(project, "init", "--yes", "--json", *FLAGS.get(name, GIVEN), **variables)
    assert ran.code == 0, ran.err
    validate(ran.json, "init")
    found = "by EXEC_ENV; doctor tries it" if name == "selector" else "opened a throw-away database"
    assert found in ran.json["notes"][0]
    assert ran.json["doctor"]["passed"]
    released = ops(project, "release-migration", "--json", **variables)
    assert (released.code, released.json["outcome"]) == (0, "released"), released.err
    assert ops(project, "status-all", "--check", **variables).code == 0
    assert {file: file.read_bytes() for file in env_py} == env_py


@pytest.mark.slow
def test_several_databases_in_one_run_are_refused_with_the_reason(tmp_path: Path) -> None:
    project = from_template("multidb", tmp_path / "project")
    before = sorted(project.folder.rglob("*"))
    ran = ops(project, "init", "--yes")
    assert ran.code == 1
    assert "migrates several databases in one run" in ran.err
    assert sorted(project.folder.rglob("*")) == before


def test_nothing_is_written_without_consent_and_nothing_twice(tmp_path: Path) -> None:
    project = copy_project("toml", tmp_path / "project")
    pyproject = project.folder / "pyproject.toml"
    text = pyproject.read_text()
    shown = ops(project, "init", *GIVEN)
    assert shown.code == 1
    assert "+[tool.migrations_ops.environments.prod]\n" in shown.out
    assert "Add --yes" in shown.err
    assert pyproject.read_text() == text
    assert ops(project, "init", "--yes", *GIVEN).code == 0
    written = pyproject.read_text()
    assert written.startswith(text)
    again = ops(project, "init", "--yes", "--envs", "staging", "--json")
    assert again.code == 0
    assert json.loads(again.out)["files"] == []
    assert pyproject.read_text() == written
