"""The variables of a step: what the configuration names, and nothing that a shell happens to hold.

The list of what every process gets stands here a second time, so that nobody adds to it in
passing.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrations_ops.model.errors import ConfigurationError, ExitCode
from migrations_ops.project.environments import Environment
from migrations_ops.project.variables import step_variables
from migrations_ops.system.variables import base_variables

ALLOWED = {
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR",
    "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
}  # fmt: skip
if sys.platform == "win32":
    ALLOWED = {
        "PATH", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "TEMP", "TMP",
        "USERPROFILE", "APPDATA", "LOCALAPPDATA", "USERNAME", "TZ",
    }  # fmt: skip
FIXED = {"PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8"}
# What has sent a migration elsewhere, or changed how it runs.
HOSTILE = (
    "EXEC_ENV", "DATABASE_URL", "SQLALCHEMY_DATABASE_URL", "ALEMBIC_CONFIG", "PGHOST", "PGPORT",
    "PGSERVICE", "PGSERVICEFILE", "PGOPTIONS", "PGDATABASE", "PGUSER", "MYSQL_HOST",
    "MYSQL_TCP_PORT", "MYSQL_UNIX_PORT", "MYSQL_PWD", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME",
    "PYTHONINSPECT", "PYTHONOPTIMIZE", "PYTHONWARNINGS", "PYTHONBREAKPOINT", "PYTHONUTF8",
    "PYTHONIOENCODING", "PYTHONUSERBASE", "BASH_ENV", "ENV", "INVOKE_RUN_WARN", "INVOKE_RUN_DRY",
    "INVOKE_TASKS_DEDUPE", "VIRTUAL_ENV", "LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "SQLITE_TMPDIR",
)  # fmt: skip

names = st.one_of(
    st.sampled_from(HOSTILE),
    st.sampled_from(sorted(ALLOWED)),
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True),
)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
shells = st.dictionaries(names, texts, max_size=20)


def environment(
    passed: tuple[str, ...] = (), variables: dict[str, str] | None = None, name: str = "dev"
) -> Environment:
    url = "sqlite:///a.db"
    return Environment(name, url, Path(), passed_variables=passed, variables=variables or {})


@given(shell=shells, selector=names)
def test_nothing_but_the_named_gets_through(shell: dict[str, str], selector: str) -> None:
    variables = step_variables(environment(), selector, "sqlite:///a.db", shell)
    assert variables[selector] == "dev"
    others = {name: value for name, value in variables.items() if name != selector}
    for name, value in others.items():
        assert name in ALLOWED | set(FIXED)
        assert value == (FIXED[name] if name in FIXED else shell[name])
    assert set(FIXED) <= set(others) | {selector}


def test_a_project_without_a_selector_gets_none() -> None:
    assert "dev" not in step_variables(environment(), "", "sqlite:///a.db", {}).values()


@given(
    shell=shells,
    passed=st.lists(names, unique=True, max_size=4),
    own=st.dictionaries(names, texts.filter(str.strip), max_size=4),
    selector=names,
)
def test_what_is_passed_comes_from_the_shell_and_what_is_configured_wins(
    shell: dict[str, str], passed: list[str], own: dict[str, str], selector: str
) -> None:
    one = environment(tuple(passed), own)
    missing = [name for name in passed if not shell.get(name, "").strip()]
    if missing:
        with pytest.raises(ConfigurationError, match=missing[0]):
            step_variables(one, selector, "sqlite:///a.db", shell)
        return
    variables = step_variables(one, selector, "sqlite:///a.db", shell)
    for name, value in variables.items():
        if name in own:
            assert value == own[name].replace("{url}", "sqlite:///a.db")
        elif name == selector:
            assert value == "dev"
        elif name in passed:
            assert value == shell[name]
        else:
            assert name in ALLOWED | set(FIXED)


@given(shell=shells)
def test_shell_itself_is_not_changed(shell: dict[str, str]) -> None:
    before = dict(shell)
    step_variables(environment(), "EXEC_ENV", "sqlite:///a.db", shell)
    assert shell == before


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_variable_of_the_process_itself_stays_outside(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the dictionary that is really read where none is handed in."""
    monkeypatch.setenv(name, "hostile")
    assert "hostile" not in base_variables().values()
    assert "hostile" not in step_variables(environment(), "EXEC_ENV", "sqlite://").values()


@pytest.mark.parametrize("value", [None, "", "  ", "\t\n"])
def test_variable_to_pass_that_is_missing_or_empty_is_refused(value: str | None) -> None:
    shell = {} if value is None else {"TOKEN": value}
    with pytest.raises(ConfigurationError) as refused:
        step_variables(environment(("TOKEN",)), "EXEC_ENV", "sqlite://", shell)
    assert refused.value.exit_code == ExitCode.USAGE
    state = "not set" if value is None else "empty"
    assert refused.value.what == f"The variable TOKEN, which dev passes on, is {state}."
    assert "pass in environments.dev" in refused.value.next


@pytest.mark.parametrize("value", ["", "  "])
def test_configured_variable_that_is_empty_is_refused(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"DATABASE_URL of .* is empty"):
        step_variables(environment(variables={"DATABASE_URL": value}), "EXEC_ENV", "sqlite://", {})


def test_url_fills_the_place_that_is_kept_for_it() -> None:
    one = environment(variables={"DB": "x={url};", "PLAIN": "{other}"})
    variables = step_variables(one, "EXEC_ENV", "sqlite:///a%20b.db", {})
    assert (variables["DB"], variables["PLAIN"]) == ("x=sqlite:///a%20b.db;", "{other}")


def test_selector_that_is_passed_does_not_decide() -> None:
    variables = step_variables(
        environment(("EXEC_ENV",)), "EXEC_ENV", "sqlite://", {"EXEC_ENV": "prod"}
    )
    assert variables["EXEC_ENV"] == "dev"
