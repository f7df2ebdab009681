"""The public API: small, loaded when it is used, and with the errors of the tasks."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import migrations_ops
from migrations_ops.model.errors import ConfigurationError, Interrupted, Refused
from migrations_ops.model.outcome import VerifyReport
from migrations_ops.operations import api
from migrations_ops.operations.run import Finished
from tests.support import REPOSITORY

PAGE = (REPOSITORY / "docs/api.md").read_text(encoding="utf-8")
TABLE = '[tool.migrations_ops.environments.prod]\nurl = "sqlite:///a.db"\n'


def test_each_name_is_there_and_documented() -> None:
    for name in migrations_ops.__all__:
        assert getattr(migrations_ops, name).__doc__
        assert f"`{name}" in PAGE
    with pytest.raises(AttributeError, match="no_such_name"):
        migrations_ops.no_such_name  # noqa: B018


def test_each_parameter_is_documented() -> None:
    for name in ("status", "plan", "release", "backup", "restore", "verify"):
        [row] = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}(")]
        for parameter in inspect.signature(getattr(migrations_ops, name)).parameters:
            assert parameter in row or parameter == "reporter"


def test_the_project_is_the_nearest_upward(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(TABLE)
    below = tmp_path / "src/app"
    below.mkdir(parents=True)
    assert migrations_ops.Project.load(below).settings.root == tmp_path
    assert migrations_ops.Project.load(str(tmp_path)).settings.last.name == "prod"


def test_an_unknown_code_or_environment_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(TABLE)
    project = migrations_ops.Project.load(tmp_path)
    for call in (
        lambda: api.release(project, allow=["no-such-code"]),
        lambda: api.plan(project, allow=["no-such-code"]),
        lambda: api.release(project, "prdo"),
        lambda: api.backup(project, "prdo"),
        lambda: api.restore(project, "prdo", "latest"),
        lambda: api.verify(project, "prdo"),
        lambda: api.status(project, "prdo"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            call()
        assert int(caught.value.exit_code) == 2
        assert all([caught.value.what, caught.value.untouched, caught.value.next])
    assert [file.name for file in tmp_path.iterdir()] == ["pyproject.toml"]


def test_what_stopped_a_task_is_raised() -> None:
    error = Refused("No.", next="Do this.")
    with pytest.raises(Refused) as caught:
        api._result(Finished(_record(), error))
    assert caught.value is error
    assert api._result(Finished(record := _record())) is record


@pytest.mark.parametrize(
    ("passed", "error", "raises"),
    [
        (True, None, False),
        (False, Refused("It does not pass."), False),
        (True, Interrupted("Interrupted."), True),
        (None, Refused("It cannot be read."), True),
    ],
)
def test_a_database_that_does_not_pass_is_a_result_and_no_error(
    monkeypatch: pytest.MonkeyPatch, passed: bool | None, error: Any, raises: bool
) -> None:
    report: Any = None if passed is None else SimpleNamespace(passed=passed)
    monkeypatch.setattr(api, "verify_environment", lambda *_: (Finished(_record(), error), report))
    project: Any = SimpleNamespace(settings=SimpleNamespace(path=[SimpleNamespace(name="dev")]))
    if raises:
        with pytest.raises(type(error)):
            api.verify(project)
    else:
        found: VerifyReport = api.verify(project)
        assert found is report


def _record() -> Any:
    return SimpleNamespace(id="1")
