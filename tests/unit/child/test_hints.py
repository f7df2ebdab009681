"""A failure around env.py is answered with what its line does not say."""

from __future__ import annotations

import logging.config
import os
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from migrations_ops.child.hints import hint_for


def hint_of(run: Callable[[], object]) -> str:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - any
        run()
    error = caught.value
    return hint_for(error, traceback.extract_tb(error.__traceback__), "dev")


def source(folder: Path, text: str) -> Callable[[], object]:
    file = folder / "env.py"
    file.write_text(text)
    return lambda: exec(compile(text, str(file), "exec"), {})


def test_a_variable_that_is_not_set() -> None:
    hint = hint_of(lambda: os.environ["NO_SUCH_VARIABLE"])
    assert 'variables = { NO_SUCH_VARIABLE = "..." } to environments.dev' in hint


def test_an_ini_without_the_sections_of_logging(tmp_path: Path) -> None:
    ini = tmp_path / "alembic.ini"
    ini.write_text("[alembic]\nscript_location = alembic\n")
    with open(ini) as file:
        assert "lacks the section [formatters]" in hint_of(lambda: logging.config.fileConfig(file))


def test_an_argument_of_env_py_that_is_not_given(tmp_path: Path) -> None:
    text = (
        "def get_x_argument(as_dictionary): return {}\nget_x_argument(as_dictionary=True)['tenant']"
    )
    assert 'add x = ["tenant=VALUE"] to environments.dev' in hint_of(source(tmp_path, text))


def test_an_application_that_is_not_there(tmp_path: Path) -> None:
    text = "raise RuntimeError('Working outside of application context.')"
    assert "app.app_context()" in hint_of(source(tmp_path, text))


def test_any_other_failure_speaks_for_itself(tmp_path: Path) -> None:
    assert hint_of(source(tmp_path, "{}['a']")) == ""
    assert hint_of(source(tmp_path, "raise RuntimeError('x')")) == ""
