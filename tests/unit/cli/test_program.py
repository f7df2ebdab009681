"""``migrations-ops``: the same tasks without a tasks.py; usage errors end with 2, as JSON too."""

from __future__ import annotations

import json
import os
import sys
import tomllib
from pathlib import Path

import pytest

from migrations_ops import __main__ as script
from migrations_ops.cli.usage import asks_for_json
from tests.support import REPOSITORY

CONFIGURATION = """
[tool.migrations_ops.environments.dev]
url = "sqlite:///dev.db"
[tool.migrations_ops.environments.live]
url = "sqlite:///live.db"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without a tasks.py; the working directory is a folder below it."""
    (tmp_path / "pyproject.toml").write_text(CONFIGURATION)
    below = tmp_path / "src/app"
    below.mkdir(parents=True)
    # A file that this tool cannot use must not stop the way up.
    (below / "pyproject.toml").write_text("[project]\nname = 'app'\n")
    monkeypatch.chdir(below)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str, name: str = "migrations-ops") -> int:
    """The exit code of the command."""
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    try:
        script.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_the_script_is_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"migrations-ops": "migrations_ops.__main__:main"}


@pytest.mark.usefixtures("project")
def test_the_tasks_are_those_of_the_nearest_project_upward(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--list") == 0
    listed = capsys.readouterr().out
    assert "\n  upgrade-live " in listed
    assert "upgrade-prod" not in listed


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("arguments", "what", "next_"),
    [
        (["statsu"], "There is no task 'statsu'; did you mean 'status'?", "--list"),
        (["upgrade-liev"], "There is no task 'upgrade-liev'; did you mean 'upgrade-live'?", "--l"),
        (["qqqqq"], "There is no task 'qqqqq'.", "--list"),
        (["status", "--evn", "live"], "status has no flag --evn; did you mean '--env'?", "--help"),
        (["status", "--evn=live"], "status has no flag --evn; did you mean '--env'?", "--help"),
        (["--lsit"], "migrations-ops has no flag --lsit; did you mean '--list'?", "--help"),
        (["status", "-x"], "status has no flag -x.", "--help status"),
        (["status", "live"], "'live' is an environment, and no task.", "status --env live"),
        (["heads", "it's"], 'There is no task "it\'s"', "--list"),
        (["status", "--env"], "--env needs a value.", "--help status"),
        (["restore", "--env", "liev", "--backup", "latest"], "did you mean 'live'?", ""),
    ],
)
def test_a_usage_error_names_the_nearest_and_ends_with_2(
    arguments: list[str],
    what: str,
    next_: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, *arguments) == 2
    out, err = capsys.readouterr()
    assert not out
    assert what in err
    assert "Nothing was started." in err
    assert not next_ or f"Type: migrations-ops {next_}" in err
    assert run(monkeypatch, *arguments, "--json", name="/x/migrations_ops/__main__.py") == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["exit"] == 2
    assert what.removesuffix("?") in error["what"]
    assert not next_ or f"Type: python -m migrations_ops {next_}" in error["next"]


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--help", "statsu"], "There is no task 'statsu'; did you mean 'status'?"),
        (["--list", "shop"], "Sub-collection 'shop' not found!"),
    ],
)
def test_what_is_asked_of_the_program_itself_is_refused_as_well(
    arguments: list[str],
    what: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, *arguments) == 2
    assert what in capsys.readouterr().err


def test_without_a_configuration_each_task_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "status-all") == 2
    assert f"migrations_ops is not configured in {tmp_path}." in capsys.readouterr().err


def test_variables_and_files_of_invoke_decide_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INVOKE_RUNTIME_CONFIG", "/no/such/file.yaml")
    monkeypatch.setenv("INVOKE_TASKS_EXECUTOR_CLASS", "no_such_module.Executor")
    (project / ".invoke.json").write_text("no JSON at all")
    monkeypatch.setenv("HOME", str(project))
    monkeypatch.setenv("USERPROFILE", str(project))
    assert run(monkeypatch, "backups") == 0
    assert "no backup" in capsys.readouterr().out.lower()


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [(["--json"], True), (["-j"], True), (["-yj"], True), (["--jso"], False), (["j"], False)],
)
def test_json_is_seen_in_arguments_that_cannot_be_parsed(arguments: list[str], asked: bool) -> None:
    assert asks_for_json(["status", *arguments]) is asked


def test_reader_of_the_list_may_leave(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["migrations-ops", "--list"])
    with os.fdopen(writer, "w", buffering=1) as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        script.main()
