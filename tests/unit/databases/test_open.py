"""An engine is found by the scheme of a URL; any distribution can bring one."""

from __future__ import annotations

import importlib.metadata
import sys
import tomllib
from pathlib import Path
from typing import NoReturn

import pytest

from migrations_ops.databases.address import Address
from migrations_ops.databases.open import BUILT_IN, GROUP, open_database
from migrations_ops.databases.sqlite.database import SQLite
from migrations_ops.model.errors import ConfigurationError

ROOT = Path(__file__).parents[3]
ENGINE = '''
"""An engine that is somebody else's."""

def open_database(url, root, schema, scratch_url):
    return url, root, schema, scratch_url
'''


def install(folder: Path, name: str, entry: str) -> None:
    """A distribution as pip leaves it: a module, and a dist-info folder with an entry point."""
    (folder / f"{name}.py").write_text(ENGINE)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{entry}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_an_engine_of_another_distribution_is_opened(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, "fourth_engine", "oracle = fourth_engine:open_database")
    monkeypatch.delitem(sys.modules, "fourth_engine", raising=False)
    opened: object = open_database("oracle+driver://u@h/d", tmp_path, "shop", "oracle://u@h/c")
    assert opened == ("oracle+driver://u@h/d", tmp_path, "shop", "oracle://u@h/c")


def test_an_unknown_scheme_is_refused_with_the_known_ones(site: Path, tmp_path: Path) -> None:
    install(site, "another_engine", "db2 = another_engine:open_database")
    with pytest.raises(ConfigurationError, match="db2, mariadb, mysql, postgresql, sqlite") as no:
        open_database("oracle://u:hidden@h/d", tmp_path)
    assert "'oracle'" in str(no.value)
    assert "hidden" not in str(no.value)


def test_an_engine_that_cannot_be_loaded_is_refused(site: Path, tmp_path: Path) -> None:
    install(site, "broken_engine", "oracle = broken_engine:no_such_name")
    with pytest.raises(ConfigurationError, match="broken_engine:no_such_name, cannot be loaded"):
        open_database("oracle://u@h/d", tmp_path)


def test_two_engines_for_one_scheme_are_refused(site: Path, tmp_path: Path) -> None:
    install(site, "one_engine", "oracle = one_engine:open_database")
    install(site, "two_engine", "oracle = two_engine:open_database")
    with pytest.raises(ConfigurationError, match="one_engine:open_database, two_engine:"):
        open_database("oracle://u@h/d", tmp_path)


def test_nobody_takes_the_place_of_a_built_in_engine(site: Path, tmp_path: Path) -> None:
    install(site, "false_engine", "sqlite = false_engine:open_database")
    assert isinstance(open_database("sqlite:///a.db", tmp_path), SQLite)


def test_built_in_engines_are_found_without_reading_metadata(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scan(**_: object) -> NoReturn:
        raise AssertionError("the metadata of everything installed was read")

    monkeypatch.setattr(importlib.metadata, "entry_points", scan)
    for scheme in ("postgresql", "mariadb", "mysql"):
        assert open_database(f"{scheme}://u@h/d", tmp_path).is_server
    assert not open_database("sqlite:///a.db", tmp_path).is_server


def test_the_built_in_engines_are_those_of_the_distribution() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert declared["project"]["entry-points"][GROUP] == BUILT_IN


@pytest.mark.parametrize(
    ("scheme", "module", "extra"),
    [
        ("postgresql", "psycopg", "postgresql"),
        ("mariadb", "pymysql", "mariadb"),
        ("mysql", "pymysql", "mariadb"),
    ],
)
def test_a_missing_driver_names_what_to_install(
    scheme: str, module: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigurationError, match=f"need {module}") as refused:
        open_database(f"{scheme}://u@h/d", tmp_path)
    assert f'pip install "migrations-ops[{extra}]"' in refused.value.next


@pytest.mark.parametrize("text", ["hunter2", "hunter2@db:5432/shop", ":hunter2", "hunter2+x/y:z"])
def test_a_text_that_is_no_url_is_not_quoted(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as no:
        open_database(text, tmp_path)
    assert "hunter2" not in str(no.value)
    with pytest.raises(ConfigurationError) as no:
        Address.of(text)
    assert "hunter2" not in str(no.value)
