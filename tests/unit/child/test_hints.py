"""A failure around env.py is answered with what its line does not say."""

from __future__ import annotations

import logging.config
import os
import sys
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
    assert 'flask = "MODULE:create_app", or what else' in hint_of(source(tmp_path, text))


@pytest.mark.parametrize(
    ("there", "hint"),
    [
        ("", f"{sys.executable} does not have no_such_shop: install what the project requires"),
        ("no_such_shop.py", "set prepend_sys_path = . in the ini"),
        ("src/no_such_shop", "set prepend_sys_path = src in the ini"),
    ],
)
def test_a_module_that_is_not_found(
    there: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if there:
        (tmp_path / there).mkdir(parents=True)
    assert hint in hint_of(source(tmp_path, "import no_such_shop.models"))


def test_a_url_whose_driver_does_not_fit_the_engine_of_env_py(tmp_path: Path) -> None:
    imports = "from sqlalchemy.ext.asyncio import create_async_engine\n"
    hint = hint_of(source(tmp_path, f"{imports}create_async_engine('sqlite:///a.db')"))
    assert "the url of environments.dev name an async driver, such as sqlite+aiosqlite" in hint
    imports = "from sqlalchemy import create_engine\n"
    connect = f"create_engine('sqlite+aiosqlite:///{tmp_path.as_posix()}/a.db').connect()"
    assert "name no async driver" in hint_of(source(tmp_path, imports + connect))


def test_any_other_failure_speaks_for_itself(tmp_path: Path) -> None:
    assert hint_of(source(tmp_path, "{}['a']")) == ""
    assert hint_of(source(tmp_path, "raise RuntimeError('x')")) == ""
