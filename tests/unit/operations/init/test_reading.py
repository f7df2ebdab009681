"""What init learns from the files of a project, without running any of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from migrations_ops.model.errors import OpsError
from migrations_ops.operations.init.facts import Facts, KnownUrl, Section
from migrations_ops.operations.init.reading import find_alembic, read_facts
from migrations_ops.project.flask_application import find_applications
from tests.support import PROJECTS

ENV_PY = "from alembic import context\n"


def write(folder: Path, **files: str) -> None:
    """Files by their path, with _ for a slash where it is doubled."""
    for name, text in files.items():
        file = folder / name.replace("__", "/").replace("_DOT_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def facts(folder: Path) -> Facts:
    return read_facts(*find_alembic(folder))


def project(name: str, folder: Path) -> Facts:
    shutil.copytree(PROJECTS / name, folder, dirs_exist_ok=True)
    return facts(folder)


def test_the_nearest_project_upward_counts(tmp_path: Path) -> None:
    write(tmp_path, alembic_DOT_ini="[alembic]", api__src__x="")
    assert find_alembic(tmp_path / "api/src") == (tmp_path, "alembic.ini")
    write(tmp_path, api__pyproject_DOT_toml="[tool.alembic]")
    assert find_alembic(tmp_path / "api/src") == (tmp_path / "api", "pyproject.toml")
    # Beyond the repository nothing is looked for.
    (tmp_path / "api/src/.git").mkdir()
    with pytest.raises(OpsError, match="no Alembic project"):
        find_alembic(tmp_path / "api/src")


@pytest.mark.parametrize("hidden", [".tox", "node_modules", "site-packages"])
def test_a_project_below_counts_where_it_is_the_only_one(tmp_path: Path, hidden: str) -> None:
    (tmp_path / ".git").mkdir()
    write(tmp_path, back__db__alembic_DOT_ini="[alembic]")
    write(tmp_path / hidden, x__alembic_DOT_ini="[alembic]")
    assert find_alembic(tmp_path) == (tmp_path, "back/db/alembic.ini")
    write(tmp_path, other__alembic_DOT_ini="[alembic]")
    with pytest.raises(OpsError) as caught:
        find_alembic(tmp_path)
    assert "back/db/alembic.ini, other/alembic.ini" in caught.value.args[0]
    assert caught.value.next.endswith("cd back/db")


def test_settings_of_pydantic_with_a_file_of_variables(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        '# A_DB_URL=x://\nexport ORDERS_DATABASE_URL="sqlite:///o.db"\nB=1'
    )
    found = project("settings", tmp_path)
    assert found.env_py.imported == ("ORDERS_DATABASE_URL", "ORDERS_REDIS_URL")
    assert not found.env_py.reads_ini
    assert found.known_urls == (KnownUrl(".env", "ORDERS_DATABASE_URL", "sqlite:///o.db"),)
    assert (found.dependencies, found.has_dependency) == ("project", False)
    assert found.has_pyproject
    assert not found.configured


def test_settings_of_its_own(tmp_path: Path) -> None:
    found = project("sqlmodel", tmp_path).env_py
    assert (found.imported, found.selectors) == (("SQLALCHEMY_DATABASE_URI",), ("SHOP_ENV",))


def test_alembic_in_pyproject_alone(tmp_path: Path) -> None:
    found = project("toml", tmp_path)
    assert found.alembic == "pyproject.toml"
    assert found.sections == (Section("alembic", version_table="app_version"),)
    assert found.env_py.addresses == ("APP_DB_URL",)


def test_several_sections_and_their_version_tables(tmp_path: Path) -> None:
    assert project("sections", tmp_path).sections == (
        Section("users", "", "users_version"),
        Section("orders", "", "orders_version"),
    )


def test_a_src_layout(tmp_path: Path) -> None:
    found = project("src", tmp_path)
    assert found.sections == (Section("alembic", "sqlite:///data/shop.db"),)
    assert found.env_py.reads_ini


def test_the_application_of_flask(tmp_path: Path) -> None:
    shutil.copytree(PROJECTS / "flask", tmp_path, dirs_exist_ok=True)
    write(
        tmp_path,
        migrations__alembic_DOT_ini="[alembic]\n",
        migrations__env_DOT_py="from flask import current_app\n",
        migrations__versions__x="",
        _DOT_flaskenv="FLASK_APP=shop:create_app\nDATABASE_URL=sqlite:///a.db\n",
    )
    found = facts(tmp_path)
    assert (found.alembic, found.env_py.imported) == ("migrations/alembic.ini", ("DATABASE_URL",))
    assert found.flask == ("shop:create_app", "shop")
    # Flask-SQLAlchemy's files are relative to this folder.
    assert found.known_urls[0].url == "sqlite:///instance/a.db"


@pytest.mark.parametrize(
    ("file", "text", "applications"),
    [
        (".env.example", "FLASK_APP=src/main.py\n", ("src/main.py",)),
        ("src/app.py", "app = Flask(__name__)\n", ("src/app.py",)),
        ("src/shop/__init__.py", "def create_app():\n", ("src/shop",)),
        ("src/tool.py", "import os\n", ()),
    ],
)
def test_an_application_of_flask_below_src(
    tmp_path: Path, file: str, text: str, applications: tuple[str, ...]
) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text)
    assert find_applications(tmp_path) == applications


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("driver://user:pass@localhost/dbname", ""),
        ("sqlite:///%(here)s/a.db", "sqlite:///back/a.db"),
        ("sqlite:///a.db", "sqlite:///back/a.db"),
        ("sqlite:////srv/a.db", "sqlite:////srv/a.db"),
        ("postgresql://db/a", "postgresql://db/a"),
        ("%(nothing)s", ""),
    ],
)
def test_a_url_of_the_ini_is_relative_to_the_project(
    tmp_path: Path, written: str, url: str
) -> None:
    ini = f"[alembic]\nscript_location = scripts\nsqlalchemy.url = {written}\n"
    write(tmp_path, back__alembic_DOT_ini=ini, back__scripts__env_DOT_py=ENV_PY)
    found = facts(tmp_path)
    assert (found.directory, found.sections[0].url) == ("back", url)


@pytest.mark.parametrize(
    ("files", "uses"),
    [
        ({}, False),
        ({"tasks_DOT_py": "from celery import app"}, False),
        ({"tasks_DOT_py": "from invoke import task"}, True),
        ({"invoke_DOT_yaml": ""}, True),
        ({"pyproject_DOT_toml": "[project]\ndependencies = ['Invoke>=2']"}, True),
        ({"pyproject_DOT_toml": "[dependency-groups]\ndev = ['invoke']"}, True),
        ({"pyproject_DOT_toml": "[project]\ndependencies = ['invoke-x']"}, False),
    ],
)
def test_who_uses_invoke(tmp_path: Path, files: dict[str, str], uses: bool) -> None:
    write(tmp_path, alembic_DOT_ini="[alembic]\nscript_location = s", s__env_DOT_py=ENV_PY, **files)
    assert facts(tmp_path).uses_invoke is uses


def test_scripts_that_are_not_there_are_named(tmp_path: Path) -> None:
    write(tmp_path, alembic_DOT_ini="[alembic]\nscript_location = nowhere\n")
    with pytest.raises(OpsError, match="nowhere"):
        facts(tmp_path)
