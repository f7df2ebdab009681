"""The function that gives a connection what the application's have is found, or it is said why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from migrations_ops.databases.sqlite.database import SQLite
from migrations_ops.model.errors import ConfigurationError
from migrations_ops.project.connect_function import with_connect_function
from migrations_ops.project.environments import Environment


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.setattr("sys.path", ["/nowhere"])
    monkeypatch.setattr("sys.modules", __import__("sys").modules.copy())
    (tmp_path / "app").mkdir()
    (tmp_path / "app/inside.py").write_text(
        "print('noise')\nimport beside\ndef register(connection):\n    connection.seen = beside\n"
    )
    (tmp_path / "beside.py").write_text("name = 'beside'\nraise_here = 1\n")
    (tmp_path / "failing.py").write_text("1 / 0\n")
    return Environment("prod", "sqlite:///a.db", tmp_path / "app")


class Connection:
    seen: Any = None


def test_it_is_imported_from_the_directory_and_from_the_configurations_folder(
    environment: Environment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = SQLite(tmp_path / "a.db", "a.db")
    named = replace(environment, connect="inside:register")
    found = with_connect_function(database, named, tmp_path)
    assert isinstance(found, SQLite)
    assert found.also is not None
    connection: Any = Connection()
    found.also(connection)
    assert connection.seen.name == "beside"
    assert "noise" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nowhere_at_all:x", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("inside:unknown", "AttributeError"),
        ("failing:x", "ZeroDivisionError"),
        ("beside:name", "is not a function"),
    ],
)
def test_what_cannot_be_found_is_refused(
    environment: Environment, tmp_path: Path, name: str, reason: str
) -> None:
    database = SQLite(tmp_path / "a.db", "a.db")
    with pytest.raises(ConfigurationError, match=reason) as caught:
        with_connect_function(database, replace(environment, connect=name), tmp_path)
    assert f"connect of environments.prod, {name}" in str(caught.value)


def test_a_server_needs_none(environment: Environment, tmp_path: Path) -> None:
    database: Any = SimpleNamespace(label="shop on db.example")
    with pytest.raises(ConfigurationError, match="is for SQLite"):
        with_connect_function(database, replace(environment, connect="a:b"), tmp_path)
