"""Packages of a project whose steps run in an interpreter of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from migrations_ops.model.errors import ConfigurationError
from migrations_ops.project.interpreters import find_package
from migrations_ops.system.variables import base_variables
from tests.support import Sandbox, dump

venv = pytest.importorskip("venv", reason="an embedded Python of Windows has none")
PYTHON = Path(sys.executable)


def test_package_is_found_where_that_interpreter_would_import_it(tmp_path: Path) -> None:
    package = tmp_path / "elsewhere/shop_models"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('nobody asked for an import')")
    variables = base_variables() | {"PYTHONPATH": str(package.parent)}
    assert find_package(PYTHON, "shop_models", variables, tmp_path) == package
    assert find_package(PYTHON, "shop_models", base_variables(), tmp_path) is None


def test_working_directory_is_no_place_of_packages(tmp_path: Path) -> None:
    """As in the step itself, whose script is started by its path."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here/__init__.py").touch()
    assert find_package(PYTHON, "here", base_variables(), tmp_path) is None


def test_what_an_interpreter_prints_while_it_starts_is_no_answer(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('/not/a/package')")
    variables = base_variables() | {"PYTHONPATH": str(tmp_path)}
    found = find_package(PYTHON, "invoke", variables, tmp_path)
    assert found is not None
    assert (found / "__init__.py").is_file()
    assert find_package(PYTHON, "no_such_package", variables, tmp_path) is None


@pytest.mark.skipif(sys.platform == "win32", reason="has scripts of POSIX")
@pytest.mark.parametrize(
    ("script", "says"), [(None, "No such file"), ("#!/bin/sh\nexit 3\n", "exit code 3")]
)
def test_interpreter_that_does_not_work_is_an_error_of_the_configuration(
    filled: Sandbox, script: str | None, says: str
) -> None:
    if script is not None:
        filled.write("no-python", script).chmod(0o755)
    ini = (filled.folder / "alembic.ini").read_text()
    filled.write("packaged.ini", ini.replace("%(here)s/alembic", "a:b"))
    filled.configure(
        "[tool.migrations_ops]\nalembic = 'packaged.ini'\n"
        "[tool.migrations_ops.environments.prod]\n"
        "url = 'sqlite:///data/repom/db.sqlite3'\npython = 'no-python'\n"
    )
    ran = filled.invoke("release-migration", "--json")
    assert ran.code == 2, ran.err
    assert "The interpreter" in ran.json["error"]["what"]
    assert says in ran.json["error"]["what"]


def test_interpreter_without_alembic_is_reported_in_one_sentence(filled: Sandbox) -> None:
    venv.EnvBuilder().create(filled.folder / "bare")
    python = "bare/Scripts/python.exe" if sys.platform == "win32" else "bare/bin/python"
    filled.configure(
        "[tool.migrations_ops.environments.prod]\n"
        f"url = 'sqlite:///data/repom/db.sqlite3'\npython = '{python}'\n"
    )
    before = dump(filled.prod)
    ran = filled.invoke("release-migration", "--json")
    assert ran.code == 1, ran.err
    assert "lacks what a step needs: No module named 'alembic'" in ran.json["error"]["what"]
    assert "Traceback" not in ran.err
    assert dump(filled.prod) == before


def test_error_is_one_sentence_and_says_where_to_look(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        find_package(tmp_path / "none", "x", {}, tmp_path)
    assert raised.value.exit_code == 2
    assert "Check python" in raised.value.next
