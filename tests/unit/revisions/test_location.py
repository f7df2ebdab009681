"""Where the scripts are: the same ini and pyproject.toml, read by Alembic and without it."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from migrations_ops.model.errors import ConfigurationError, ExitCode
from migrations_ops.revisions.loader import ScriptLocation, find_scripts, read_history


def put(folder: Path, name: str, source: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(source, encoding="utf-8")
    return file


def place_by_alembic(
    monkeypatch: pytest.MonkeyPatch, ini: Path, section: str, directory: Path
) -> ScriptLocation:
    """The place that Alembic itself finds, started in that directory."""
    with monkeypatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.chdir(directory)
        patch.setattr(sys, "path", [*sys.path])
        # Alembic imports the packages of locations, from folders relative to this project.
        patch.setattr(sys, "path_importer_cache", {})
        sys.modules.pop("shop", None)
        is_toml = ini.name == "pyproject.toml"
        config = Config(
            directory / "alembic.ini" if is_toml else ini,
            toml_file=ini if is_toml else directory / "pyproject.toml",
            ini_section=section,
        )
        scripts = ScriptDirectory.from_config(config)
        return ScriptLocation(
            tuple(scripts._version_locations),
            scripts.recursive_version_locations,
            scripts.sourceless,
        )


FOLDERS = ("scripts", "scripts/versions", "one", "two", "three", "a b")

SCRIPTS = "[alembic]\nscript_location = scripts\n"
INIS = {
    "relative": SCRIPTS,
    "here": "[alembic]\nscript_location = %(here)s/scripts\n",
    "absolute": "[alembic]\nscript_location = {root}/scripts\n",
    "own interpolation": "[alembic]\nbase = %(here)s\nscript_location = %(base)s/scripts\n",
    "default section": "[DEFAULT]\nscript_location = scripts\n[alembic]\n",
    "dots": "[alembic]\nscript_location = ./scripts/../scripts\n",
    "case of keys": "[alembic]\nScript_Location = scripts\n",
    "inline comment is text": SCRIPTS + "# comment\n; comment\n",
    "no separator": SCRIPTS + "version_locations = one two, three\n",
    "no separator, odd": SCRIPTS + "version_locations = one  two,  three\n",
    "space": SCRIPTS + "version_locations = one  two\npath_separator = space\n",
    "colon": SCRIPTS + "version_locations = one:two\npath_separator = :\n",
    "semicolon": (SCRIPTS + "version_locations = one; two ;a b\npath_separator = ;\n"),
    "os": (SCRIPTS + f"version_locations = %(here)s/one{os.pathsep}two\npath_separator = os\n"),
    "newline": (
        SCRIPTS + "version_locations =\n  one\n  %(here)s/two\n  a b\npath_separator = newline\n"
    ),
    "old separator": (SCRIPTS + "version_locations = one:two\nversion_path_separator = :\n"),
    "both separators": (
        SCRIPTS + "version_locations = one;two\nversion_path_separator = :\npath_separator = ;\n"
    ),
    "one of them missing": (SCRIPTS + "version_locations = one:missing\npath_separator = :\n"),
    "empty locations": SCRIPTS + "version_locations =\n",
    "recursive": SCRIPTS + "recursive_version_locations = true\n",
    "recursive, but not lower": SCRIPTS + "recursive_version_locations = True\n",
    "sourceless": SCRIPTS + "sourceless = true\n",
    "not sourceless": SCRIPTS + "sourceless = false\n",
    "no versions yet": "[alembic]\nscript_location = one\n",
    "package": "[alembic]\nscript_location = alembic:templates/generic\n",
    "package, more tokens": "[alembic]\nscript_location = alembic:templates:generic\n",
    "package below": "[alembic]\nscript_location = alembic.testing:suite\n",
    "package versions": SCRIPTS + "version_locations = alembic:op one\npath_separator = space\n",
    "prepended": (
        "[alembic]\nscript_location = shop:moves\nprepend_sys_path = .\npath_separator = os\n"
    ),
    "prepended, old split": (
        "[alembic]\nscript_location = shop:moves\nprepend_sys_path = one . two\n"
    ),
}

TOMLS = {
    "toml": '[tool.alembic]\nscript_location = "scripts"\n',
    "toml here": '[tool.alembic]\nscript_location = "%(here)s/scripts"\n',
    "toml percent": '[tool.alembic]\nscript_location = "scripts/%%"\n',
    "toml lists": (
        '[tool.alembic]\nscript_location = "scripts"\n'
        'version_locations = ["%(here)s/one", "two", "a b"]\n'
        "recursive_version_locations = true\nsourceless = true\n"
    ),
    "toml prepended": (
        '[tool.alembic]\nscript_location = "shop:moves"\nprepend_sys_path = ["."]\n'
    ),
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Folders for every configuration below, and a package that must not be run."""
    root = tmp_path / "project"
    for name in (*FOLDERS, "scripts/%"):
        (root / name).mkdir(parents=True, exist_ok=True)
    put(root / "shop" / "moves" / "versions", "ae1.py", "revision = 'ae1'\ndown_revision = None\n")
    put(root / "shop", "__init__.py", "")
    return root


@pytest.mark.parametrize("text", INIS.values(), ids=INIS.keys())
def test_an_ini_names_the_place_that_alembic_uses(
    project: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    ini = put(project, "alembic.ini", text.replace("{root}", project.as_posix()))
    theirs = place_by_alembic(monkeypatch, ini, "alembic", project)
    assert find_scripts(ini, directory=project) == theirs


@pytest.mark.parametrize("text", TOMLS.values(), ids=TOMLS.keys())
def test_pyproject_names_the_place_that_alembic_uses(
    project: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    toml = put(project, "pyproject.toml", text)
    theirs = place_by_alembic(monkeypatch, toml, "alembic", project)
    assert find_scripts(toml, directory=project) == theirs
    ini = put(project, "alembic.ini", "[alembic]\nsqlalchemy.url = x\n")
    assert find_scripts(ini, directory=project) == theirs
    ini = put(project, "alembic.ini", "[loggers]\nkeys = root\n")
    assert find_scripts(ini, directory=project) == theirs


def test_the_ini_comes_before_pyproject(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml = put(
        project,
        "pyproject.toml",
        '[tool.alembic]\nscript_location = "one"\nversion_locations = ["two"]\nsourceless = true\n',
    )
    ini = put(project, "alembic.ini", "[alembic]\nscript_location = scripts\nsourceless = false\n")
    for file in (ini, toml):
        theirs = place_by_alembic(monkeypatch, file, "alembic", project)
        assert find_scripts(file, directory=project) == theirs
        assert theirs == ScriptLocation((project / "two",))


def test_sections_have_places_of_their_own(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ini = put(
        project,
        "alembic.ini",
        "[alembic]\nscript_location = scripts\n[orders]\nscript_location = one\n",
    )
    for section in ("alembic", "orders"):
        theirs = place_by_alembic(monkeypatch, ini, section, project)
        assert find_scripts(ini, section, directory=project) == theirs


def test_relative_locations_start_from_the_directory(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ini = put(project / "config", "alembic.ini", "[alembic]\nscript_location = scripts\n")
    theirs = place_by_alembic(monkeypatch, ini, "alembic", project)
    assert find_scripts(ini, directory=project) == theirs
    assert find_scripts(Path("config/alembic.ini"), directory=project) == theirs


def test_a_package_is_found_without_running_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = project / "ran"
    put(project / "shop", "__init__.py", f"open({str(ran)!r}, 'w')\n")
    monkeypatch.delitem(sys.modules, "shop", raising=False)
    monkeypatch.syspath_prepend(project)
    ini = put(project, "alembic.ini", "[alembic]\nscript_location = shop:moves\n")
    place = find_scripts(ini, directory=project)
    assert list(read_history(place).revisions) == ["ae1"]
    assert not ran.exists()
    assert "shop" not in sys.modules


def test_a_package_in_several_folders(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        (project / name / "wide_open").mkdir()
        monkeypatch.syspath_prepend(project / name)
    (project / "one" / "wide_open" / "moves").mkdir()
    ini = put(project, "alembic.ini", "[alembic]\nscript_location = wide_open:moves\n")
    expected = (project / "one" / "wide_open" / "moves" / "versions",)
    assert find_scripts(ini, directory=project).folders == expected


def test_another_interpreters_packages(project: Path) -> None:
    ini = put(project, "alembic.ini", "[alembic]\nscript_location = store.db:moves\n")
    (project / "lib" / "store" / "db" / "moves").mkdir(parents=True)
    asked = []

    def find(name: str) -> Path:
        asked.append(name)
        return project / "lib" / name

    place = find_scripts(ini, directory=project, find_package=find)
    assert place.folders == (project / "lib" / "store" / "db" / "moves" / "versions",)
    assert asked == ["store"]


MISCONFIGURED = {
    "no section": ("[loggers]\n", r"has no section \[alembic\]; it has \[loggers\]"),
    "no location": ("[alembic]\n", "sets no script_location"),
    "no folder": ("[alembic]\nscript_location = nowhere\n", "nowhere .* does not exist"),
    "no version folder": (
        "[alembic]\nscript_location = scripts\nversion_locations = nowhere\n",
        "No folder of version_locations",
    ),
    "no package": ("[alembic]\nscript_location = nowhere:x\n", "package nowhere .* is not found"),
    "no such separator": (
        "[alembic]\nscript_location = scripts\nversion_locations = one\npath_separator = |\n",
        r"path_separator .* is '\|'",
    ),
    "a percent sign": ("[alembic]\nscript_location = 50%\n", "cannot be filled in"),
    "an unknown name": ("[alembic]\nscript_location = %(home)s/x\n", "cannot be filled in"),
    "no ini at all": ("script_location = scripts\n", "cannot be read: File contains no section"),
    "twice": ("[alembic]\n[alembic]\n", "cannot be read"),
}


MISCONFIGURED_TOML = {
    "no table": ("[tool]\nalembic = 3\n", "is not a table"),
    "no location": ("[tool.alembic]\n", "sets no script_location"),
    "a list": ("[tool.alembic]\nscript_location = []\n", "script_location .* is not a str"),
    "text for a list": (
        '[tool.alembic]\nscript_location = "scripts"\nversion_locations = "one"\n',
        "version_locations .* is not a list",
    ),
    "text for a flag": (
        '[tool.alembic]\nscript_location = "scripts"\nsourceless = "true"\n',
        "sourceless .* is not a bool",
    ),
    "numbers": (
        '[tool.alembic]\nscript_location = "scripts"\nversion_locations = [1]\n',
        "cannot be filled in",
    ),
    "an unknown name": ('[tool.alembic]\nscript_location = "%(x)s"\n', "cannot be filled in"),
    "no toml": ("[tool.alembic\n", "is not valid TOML"),
}


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        pytest.param(name, *given, id=f"{name}-{key}")
        for name, table in (("alembic.ini", MISCONFIGURED), ("pyproject.toml", MISCONFIGURED_TOML))
        for key, given in table.items()
    ],
)
def test_a_configuration_that_leads_nowhere_is_a_usage_error(
    project: Path, name: str, text: str, reason: str
) -> None:
    file = put(project, name, text)
    with pytest.raises(ConfigurationError, match=reason) as caught:
        find_scripts(file, directory=project)
    assert caught.value.exit_code == ExitCode.USAGE
    assert caught.value.next


def test_a_version_folder_that_git_did_not_keep_is_to_be_created(project: Path) -> None:
    file = put(project, "alembic.ini", MISCONFIGURED["no version folder"][0])
    with pytest.raises(ConfigurationError) as caught:
        find_scripts(file, directory=project)
    assert caught.value.next.startswith("If there are no revisions yet, create it")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no FIFO in a folder")
def test_an_env_py_that_alembic_would_wait_for_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = scripts\n")
    (tmp_path / "scripts").mkdir()
    os.mkfifo(tmp_path / "scripts/env.py")
    with pytest.raises(ConfigurationError, match=r"env\.py is a named pipe"):
        find_scripts(Path("alembic.ini"), directory=tmp_path)


def test_an_ini_that_is_missing_is_a_usage_error(project: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        find_scripts(project / "alembic.ini", directory=project)
    assert str(caught.value) == (
        f"There is no file {project / 'alembic.ini'}. Nothing was started."
        ' Check "alembic" in [tool.migrations_ops].'
    )


def test_an_ini_that_is_missing_points_to_a_pyproject_that_would_do(project: Path) -> None:
    put(project, "pyproject.toml", '[tool.alembic]\nscript_location = "scripts"\n')
    with pytest.raises(ConfigurationError, match=r'set alembic = "pyproject\.toml"'):
        find_scripts(project / "alembic.ini", directory=project)
