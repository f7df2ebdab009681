"""What ended a command is the error that the project can fix."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from migrations_ops.child.failures import failed
from migrations_ops.child.protocol.events import Failed


def event_of(folder: Path, application: str) -> Failed:
    """What is reported where Flask loads an application."""
    cli = pytest.importorskip("flask.cli")
    with pytest.raises(cli.NoAppException) as caught:
        cli.ScriptInfo(app_import_path=str(folder / application)).load_app()
    return failed(caught.value, "", None, "dev")


@pytest.fixture(autouse=True)
def imports(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Flask adds to the path of imports is gone after the test."""
    monkeypatch.setattr(sys, "path", [*sys.path])


def test_an_import_that_fails_in_an_application_of_flask_is_named_with_its_line(
    tmp_path: Path,
) -> None:
    (tmp_path / "no_such_wsgi.py").write_text("import os\nimport no_such_module\n")
    event = event_of(tmp_path, "no_such_wsgi.py")
    assert event.message == "No module named 'no_such_module'"
    assert event.where == f"{tmp_path / 'no_such_wsgi.py'}:2"
    assert "does not have no_such_module" in event.next


def test_an_application_of_flask_that_does_not_exist_is_named_by_flask(tmp_path: Path) -> None:
    event = event_of(tmp_path, "no_such_application")
    assert event.type == "NoAppException"
    assert "no_such_application" in event.message
