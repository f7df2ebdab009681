"""A URL that a command prints, and a configuration that is broken: real processes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from migrations_ops.model.errors import ConfigurationError
from migrations_ops.project.environments import UrlFromCommand
from tests.support import Sandbox
from tests.unit.project.test_settings import resolved, with_url


def test_a_url_may_come_from_a_variable_or_a_command_which_gets_what_is_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_URL", " sqlite:///a.db ")
    monkeypatch.setenv("STORE_KEY", "b")
    monkeypatch.setenv("NOT_PASSED", "c")
    wanted = f"sqlite:///{(tmp_path / 'a.db').as_posix()}"
    assert resolved(with_url(tmp_path, '{ variable = "SOME_URL" }')) == wanted
    code = (
        "import os; print('sqlite:///' + os.environ['STORE_KEY'] + str('NOT_PASSED' in os.environ))"
    )
    command = json.dumps([sys.executable, "-c", code])
    found = with_url(tmp_path, f"{{ command = {command} }}", 'pass = ["STORE_KEY"]')
    assert resolved(found) == f"sqlite:///{(tmp_path / 'bFalse').as_posix()}"
    assert isinstance(found.path[0].url, UrlFromCommand)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise SystemExit(3)", "exit code 3"),
        ("print('sqlite:///a.db'); raise SystemExit(1)", "exit code 1"),
        ("pass", "printed nothing"),
        ("print('sqlite:///a.db'); print('sqlite:///b.db')", "more than one line"),
        (None, "No such file"),
    ],
)
def test_a_command_that_prints_no_url_is_an_error(
    tmp_path: Path, code: str | None, reason: str
) -> None:
    argv = [sys.executable, "-c", code] if code is not None else [str(tmp_path / "missing")]
    found = with_url(tmp_path, f"{{ command = {json.dumps(argv)} }}")
    with pytest.raises(ConfigurationError, match=reason):
        resolved(found)


def test_a_broken_configuration_leaves_every_task_in_place(shop: Sandbox) -> None:
    """Completion and --list still work, and the task itself says what is wrong."""
    shop.configure("[tool.migrations_ops\n[tool.migrations_ops.environments.staging]\n")
    listed = shop.invoke("--list")
    assert listed.code == 0
    for task in ("release-migration", "backup", "upgrade-staging", "status-all"):
        assert task in listed.out
