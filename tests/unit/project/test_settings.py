"""The configuration: each documented key counts, and whatever else stands there is said."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from migrations_ops.databases.sqlite.database import SQLite
from migrations_ops.model.errors import ConfigurationError, ExitCode
from migrations_ops.project.config_file import environment_names, find_file
from migrations_ops.project.environments import (
    Command,
    Environment,
    UrlFromFile,
    UrlFromVariable,
)
from migrations_ops.project.hooks import Hooks
from migrations_ops.project.settings import Settings, read
from migrations_ops.project.urls import resolve_url

NO_SUCH_NAME = pytest.mark.skipif(os.name == "nt", reason="no folder of Windows has this name")
ANY_NAME = pytest.mark.skipif(os.name == "nt", reason="a file of Windows may have this name")


def configured(folder: Path, text: str, name: str = "pyproject.toml") -> Settings:
    (folder / name).write_text(text, encoding="utf-8")
    return read(folder)


def with_url(folder: Path, url: str, *more: str) -> Settings:
    """A configuration of one environment whose url is this TOML value."""
    lines = ["[tool.migrations_ops.environments.prod]", f"url = {url}", *more]
    return configured(folder, "\n".join(lines))


def resolved(found: Settings) -> str:
    return resolve_url(found.path[0].url, found.path[0], found.root)


def refusal(folder: Path, text: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        configured(folder, text)
    return caught.value


# -- what is documented -----------------------------------------------------------------------

FULL = """
[tool.migrations_ops]
alembic = "conf/alembic.ini"
selector = "STAGE"
backups = "store/backups"
keep = 3
wait = 2.5

[tool.migrations_ops.hooks]
before = ["page", "on"]
after = ["page", "off"]
failed = ["tell"]
pass = ["TOKEN"]
timeout = 5

[tool.migrations_ops.environments.dev]
url = { variable = "DEV_URL" }

[tool.migrations_ops.environments.prod]
url = "sqlite:///data/app.db"
inspect_url = { file = "secrets.toml", key = "db.url" }
directory = "app"
connect = "app.database:register"
variables = { APP_CONFIG = "prod.toml", APP_URL = "{url}" }
x = ["tenant=a"]
section = "main"
ini_url = true
python = "venv/bin/python"
pass = ["SECRET"]
version_table = "versions"
version_table_schema = "public"
lock_timeout = 3
statement_timeout = 60.5
commands = [["app", "upgrade"], { argv = ["app", "check"], success = [0, 2] }]
target = "app@head"
heads = ["abc"]
drift = "strict"
allow = ["lost-rows:tokens"]
timeout = 600
protected = false
ask = true
"""


def test_each_documented_key_is_accepted_and_paths_are_relative_to_the_file(
    tmp_path: Path,
) -> None:
    found = configured(tmp_path, FULL)
    assert (found.alembic, found.selector) == (tmp_path / "conf/alembic.ini", "STAGE")
    assert (found.backups, found.releases) == (
        tmp_path / "store/backups",
        tmp_path / "store/releases",
    )
    assert (found.keep, found.wait) == (3, 2.5)
    hooks = Hooks(("page", "on"), ("page", "off"), ("tell",), ("TOKEN",), 5)
    assert found.hooks == hooks
    assert [moment for moment, _ in hooks.configured()] == ["before", "after", "failed"]
    dev, prod = found.path
    assert dev.url == UrlFromVariable("DEV_URL")
    assert prod.inspect_url == UrlFromFile(tmp_path / "secrets.toml", "db.url")
    assert (prod.directory, prod.python) == (tmp_path / "app", tmp_path / "venv/bin/python")
    assert prod.variables == {"APP_CONFIG": "prod.toml", "APP_URL": "{url}"}
    assert prod.connect == "app.database:register"
    assert (prod.x, prod.section, prod.ini_url) == (("tenant=a",), "main", True)
    assert prod.passed_variables == ("SECRET",)
    assert (prod.version_table, prod.version_table_schema) == ("versions", "public")
    assert (prod.lock_timeout, prod.statement_timeout, prod.timeout) == (3, 60.5, 600)
    assert prod.commands == (Command(("app", "upgrade")), Command(("app", "check"), (0, 2)))
    assert (prod.target, prod.heads, prod.drift) == ("app@head", ("abc",), "strict")
    assert (prod.allow, prod.protected, prod.ask) == (("lost-rows:tokens",), False, True)


def test_a_project_may_have_no_selector(tmp_path: Path) -> None:
    table = '[tool.migrations_ops.environments.prod]\nurl = "sqlite:///prod.db"\n'
    found = configured(tmp_path, f'[tool.migrations_ops]\nselector = ""\n{table}')
    assert found.selector == ""


def test_what_is_not_configured_has_the_documented_default(tmp_path: Path) -> None:
    text = '[tool.migrations_ops.environments.{}]\nurl = "sqlite:///{}.db"\n'
    found = configured(tmp_path, "".join(text.format(name, name) for name in ("dev", "prod")))
    assert found.alembic == tmp_path / "alembic.ini"
    assert found.backups == tmp_path / "data/repom/backups"
    assert (found.selector, found.keep) == ("EXEC_ENV", 10)
    assert [(each.name, each.protected) for each in found.path] == [("dev", False), ("prod", True)]
    assert (found.path[0].target, found.path[0].drift) == ("head", "warn")
    assert found.path[0].directory == tmp_path


@pytest.mark.parametrize(
    ("names", "default"),
    [(["dev", "prod", "archive"], "prod"), (["a", "b"], "b"), (["only"], "only")],
)
def test_the_default_environment_is_prod_or_the_last(
    tmp_path: Path, names: list[str], default: str
) -> None:
    lines = (f'[environments.{name}]\nurl = "sqlite:///{name}.db"' for name in names)
    found = configured(tmp_path, "\n".join(lines), "migrations_ops.toml")
    assert found.default.name == default
    assert found.last.name == names[-1]
    assert [each.name for each in found.before(found.last)] == names[:-1]


@pytest.mark.parametrize("prefix", ["", "tool.migrations_ops."], ids=["short", "long"])
def test_the_own_file_comes_first_and_may_leave_out_the_prefix(tmp_path: Path, prefix: str) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.migrations_ops]\nkeep = 1\n")
    text = f'[{prefix}environments.prod]\nurl = "sqlite:///a.db"'
    assert configured(tmp_path, text, "migrations_ops.toml").path[0].name == "prod"


# -- where a URL comes from -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "key"),
    [
        ("a.toml", '[db]\nurl = "sqlite:///x.db"', "db.url"),
        ("a.json", '{"db": {"url": "sqlite:///x.db"}}', "db.url"),
        ("a.ini", "[alembic]\nsqlalchemy.url = sqlite:///x.db", "alembic.sqlalchemy.url"),
        ("a.cfg", "[db]\nurl: sqlite:///x.db", "db.url"),
        ("b.ini", "[db]\nurl = sqlite:///%(here)s/x.db", "db.url"),
        (".env", "# comment\nOTHER=1\nexport DB_URL='sqlite:///x.db'\n", "DB_URL"),
        ("prod.env", 'DB_URL="sqlite:///x.db"\n', "DB_URL"),
    ],
)
def test_a_url_may_stand_under_a_key_of_a_file(
    tmp_path: Path, name: str, text: str, key: str
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    found = with_url(tmp_path, f'{{ file = "{name}", key = "{key}" }}')
    assert resolved(found) == f"sqlite:///{(tmp_path / 'x.db').as_posix()}"


def test_a_bare_percent_sign_in_an_ini_file_is_taken_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "a.ini").write_text("[db]\nurl = postgresql://u:50%@h/d")
    found = with_url(tmp_path, '{ file = "a.ini", key = "db.url" }')
    assert resolved(found) == "postgresql://u:50%@h/d"


@pytest.mark.parametrize(
    ("name", "text", "key", "reason"),
    [
        ("missing.toml", None, "url", "No such file"),
        ("a.toml", "url = = hunter2", "url", "not a valid TOML file"),
        ("a.json", '{"url": hunter2', "url", "not a valid JSON file"),
        ("a.json", "[" * 100_000, "url", "not a valid JSON file"),
        ("a.ini", "url = hunter2", "db.url", "not a valid INI file"),
        ("a.toml", "url = 1", "url", "no text"),
        ("a.toml", 'url = " "', "url", "empty"),
        ("a.toml", 'url = "x"', "db.url", "no such key"),
        ("a.toml", 'db = "x"', "db.url", "no such key"),
        ("a.json", '["x"]', "url", "no such key"),
        ("a.ini", "[db]\nname = x", "db.url", "no such key"),
        (".env", "OTHER=1", "URL", "no such key"),
        (".env", "URL=", "URL", "empty"),
        ("a.json", '{"url": "sqlite:///a\\u0000.db"}', "url", "control character"),
        pytest.param(
            "a.json",
            '{"url": "sqlite:///a\\ud800.db"}',
            "url",
            "control character",
            marks=ANY_NAME,
        ),
    ],
)
def test_a_file_that_holds_no_url_is_an_error_that_shows_no_secret(
    tmp_path: Path, name: str, text: str | None, key: str, reason: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = with_url(tmp_path, f'{{ file = "{name}", key = "{key}" }}')
    with pytest.raises(ConfigurationError) as caught:
        resolved(found)
    assert reason in str(caught.value)
    assert "prod" in caught.value.what
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "reason"), [(None, "is not set"), ("", "is empty"), ("  ", "is empty")]
)
def test_a_missing_or_empty_variable_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None, reason: str
) -> None:
    monkeypatch.delenv("SOME_URL", raising=False)
    if value is not None:
        monkeypatch.setenv("SOME_URL", value)
    found = with_url(tmp_path, '{ variable = "SOME_URL" }')
    with pytest.raises(ConfigurationError, match=reason):
        resolved(found)


@pytest.mark.parametrize(
    "url", ["postgresql://h/d", "sqlite://", "sqlite:///:memory:", "sqlite:///file:a?uri=true"]
)
def test_a_url_that_names_no_sqlite_file_is_not_rewritten(tmp_path: Path, url: str) -> None:
    assert resolved(with_url(tmp_path, json.dumps(url))) == url


@pytest.mark.parametrize(
    "text",
    [
        "a.db",
        "data/a b.db",
        "a%20b.db",
        "100%.db",
        "日本.db",
        "a.db?timeout=5",
        "../up.db",
        "a#b.db",
    ],
)
@pytest.mark.parametrize(
    "folder",
    ["", "a b/100%", pytest.param("50%20off?", marks=NO_SUCH_NAME)],
)
def test_a_url_leads_to_the_file_that_sqlalchemy_would_open(
    tmp_path: Path, folder: str, text: str
) -> None:
    """Two readings of one URL would be two databases."""
    from sqlalchemy import __version__, make_url

    if "%20" in folder + text and __version__.startswith("2.0"):
        pytest.skip("SQLAlchemy 2.0 does not take %20 for a blank")
    root = tmp_path / folder
    root.mkdir(parents=True, exist_ok=True)
    url = resolved(with_url(root, json.dumps(f"sqlite:///{text}", ensure_ascii=False)))
    database = make_url(url).database
    assert database is not None
    assert SQLite.from_url(url, root).path == Path(database)
    assert Path(database).parent.resolve() in (root, root.parent, root / "data")


# -- what is not understood -------------------------------------------------------------------

PROD = '[tool.migrations_ops.environments.prod]\nurl = "sqlite:///a.db"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f'[tool.migrations_ops]\nbakups = "x"\n{PROD}', ["bakups", "'backups'"]),
        (f"{PROD}protcted = true", ["environments.prod.protcted", "'protected'"]),
        (f"{PROD}qqqq = true", ["environments.prod.qqqq in pyproject.toml is not a key"]),
        (f"{PROD}databases = []", ["environments.prod.databases"]),
        (f"{PROD}protected = 'yes'", ["true or false", "'yes'"]),
        (f"{PROD}pass = 'SECRET'", ["a list of variable names"]),
        (f"{PROD}pass = ['']", ["a list of variable names"]),
        (f"{PROD}variables = {{ 'A=B' = 'x' }}", ["a table of variables"]),
        (f"{PROD}variables = {{ A = 1 }}", ["a table of variables with string values."]),
        (f"{PROD}timeout = inf", ["a number of seconds"]),
        (f"{PROD}timeout = nan", ["a number of seconds"]),
        (f"{PROD}timeout = -1", ["a number of seconds"]),
        (f"{PROD}timeout = true", ["a number of seconds"]),
        (f"{PROD}drift = 'strikt'", ["'strikt'", "'strict'"]),
        (f"{PROD}section = ''", ["a text"]),
        (f'{PROD}directory = "a\\u0000b"', ["a text"]),
        (f"{PROD}commands = [[]]", ["commands of environments.prod"]),
        (f"{PROD}commands = [{{ argv = ['a'], succes = [0] }}]", ["commands of"]),
        (f"{PROD}commands = [['app', '{{url}}']]", ["{url} in an argument"]),
        (f"[tool.migrations_ops]\nkeep = 1.5\n{PROD}", ["keep", "a whole number"]),
        (f"[tool.migrations_ops]\nkeep = '{'9' * 400}'\n{PROD}", ["keep", "999..."]),
        ("[tool.migrations_ops]", ["configures no environment"]),
        ("[tool.migrations_ops.environments]", ["configures no environment"]),
        ("[tool.migrations_ops]\nenvironments = []", ["environments", "a table"]),
        ("[tool.migrations_ops.environments]\nprod = 'x'", ["environments.prod in", "a table"]),
        ("[tool.migrations_ops.environments.prod]", ["environments.prod", "no url"]),
        ("[tool.migrations_ops.environments.'a b']\nurl = 'sqlite:///a'", ["'a b'", "task name"]),
        ("[tool.migrations_ops.environments.prod]\nurl = 1", ["url of environments.prod"]),
        ("[tool.migrations_ops.environments.prod]\nurl = ' '", ["url of environments.prod"]),
        ("[tool.migrations_ops.environments.prod]\nurl = { variable = '' }", ["url of"]),
        ("[tool.migrations_ops.environments.prod]\nurl = { file = 'a' }", ["url of"]),
        ("[tool.migrations_ops.environments.prod]\nurl = { command = [] }", ["url of"]),
        ("tool = 'tool.migrations_ops'", ["tool in pyproject.toml must be a table"]),
        ("[tool]\nmigrations_ops = 1 # tool.migrations_ops", ["migrations_ops", "a table"]),
        ("# tool.migrations_ops\na = = 1", ["not valid TOML", "line 2"]),
        (f"# tool.migrations_ops\na = {'9' * 5000}", ["not valid TOML"]),
        (f"# tool.migrations_ops\na = {'[' * 50_000}", ["not valid TOML"]),
        ("", ["migrations_ops is not configured"]),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_reported_with_what_to_do(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    error = refusal(tmp_path, text)
    assert error.exit_code == ExitCode.USAGE
    assert "\n" not in error.what
    assert error.untouched
    assert error.next
    for word in words:
        assert word in str(error)


@pytest.mark.parametrize("line", ['backups = "{}"', 'alembic = "a/{}"'])
def test_a_name_that_no_file_can_have_is_an_error_of_configuration(
    tmp_path: Path, line: str
) -> None:
    # On Windows, a path may be as long as that.
    for long in ("a" * 300, *(["b/" * 3000] if os.name != "nt" else [])):
        text = f"{line.format(long)}\n[environments.prod]\nurl = 'sqlite:///a.db'"
        with pytest.raises(ConfigurationError, match="too long") as raised:
            configured(tmp_path, text, "migrations_ops.toml")
        assert len(str(raised.value)) < 300


def test_a_url_of_a_file_that_cannot_be_is_an_error_of_configuration(tmp_path: Path) -> None:
    long_url = with_url(tmp_path, f"'sqlite:///{'a' * 300}'")
    with pytest.raises(ConfigurationError, match="too long"):
        resolved(long_url)


def test_a_file_that_is_no_text_is_reported(tmp_path: Path) -> None:
    (tmp_path / "migrations_ops.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="not valid TOML"):
        read(tmp_path)


def test_an_unknown_environment_is_an_error_that_suggests_the_nearest(tmp_path: Path) -> None:
    found = configured(tmp_path, PROD)
    with pytest.raises(ConfigurationError, match="did you mean 'prod'"):
        found.environment("prd")


def test_a_pyproject_of_another_project_configures_nothing(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\nline-length = 100\n")
    assert find_file(tmp_path) is None
    assert environment_names(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (f"{PROD}", ["prod"]),
        (f"a = = 1\n{PROD}", ["prod"]),
        ("a = = 1\n[ tool.migrations_ops.environments.prod]\n", []),
        ('a = = 1\n[tool.migrations_ops.environments."pre-prod"]\n', ["pre-prod"]),
        (f"a = = 1\n{PROD}{PROD}", ["prod"]),
        ("[tool.migrations_ops.environments.'a b']\n[tool.migrations_ops.environments.b]", ["b"]),
        ("[tool.migrations_ops]\nenvironments = [1]", []),
        ("tool = 'tool.migrations_ops'", []),
    ],
)
def test_the_names_for_the_tasks_are_found_in_whatever_can_be_read(
    tmp_path: Path, text: str, names: list[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    assert environment_names(tmp_path) == names


# -- anything at all --------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
values = st.recursive(
    st.one_of(
        texts, st.integers(-(10**30), 10**30), st.floats(), st.booleans(),
        st.sampled_from(["sqlite:///a.db", "~nobody-here/x", "head", "strict", "{url}", "a\0b"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(texts, st.sampled_from(["variable", "file", "key", "command", "argv"])),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=6,
)  # fmt: skip
TOP = ["alembic", "selector", "backups", "keep", "wait", "hooks", "lint_after", "lint_thresholds"]
EACH = [
    "inspect_url", "directory", "variables", "x", "section", "ini_url", "python", "pass",
    "version_table", "version_table_schema", "lock_timeout", "statement_timeout", "commands",
    "target", "heads", "drift", "allow", "timeout", "protected", "ask",
]  # fmt: skip


def tables(keys: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    known = st.dictionaries(st.sampled_from(keys), values, max_size=3)
    return st.one_of(known, known, st.dictionaries(texts, values, max_size=3))


environments = st.dictionaries(
    st.one_of(st.sampled_from(["dev", "prod"]), texts),
    st.one_of(
        tables(EACH).map(lambda table: {"url": "sqlite:///a.db"} | table),
        st.builds(lambda table, url: table | {"url": url}, tables(EACH), values),
        values,
    ),
    max_size=3,
)
documents = st.one_of(
    st.builds(lambda table, each: table | {"environments": each}, tables(TOP), environments),
    st.builds(lambda each: {"environments": each}, environments),
    values,
).map(lambda table: {"tool": {"migrations_ops": table}})


def as_toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return f"[{', '.join(map(as_toml, value))}]"
    if isinstance(value, dict):
        pairs = (f"{as_toml(key)} = {as_toml(each)}" for key, each in value.items())
        return f"{{{', '.join(pairs)}}}"
    return repr(value)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(document=documents)
@example(document={"tool": {"migrations_ops": {"environments": {"prod": {"url": "~x\0"}}}}})
def test_any_configuration_is_read_or_refused_and_nothing_else(
    folder: Path, document: dict[str, Any]
) -> None:
    lines = [f"{as_toml(key)} = {as_toml(value)}" for key, value in document.items()]
    (folder / "migrations_ops.toml").write_text("\n".join(lines), encoding="utf-8")
    assert all(isinstance(name, str) for name in environment_names(folder))
    try:
        found = read(folder)
    except ConfigurationError as error:
        refused = error
    else:
        assert found.path
        for environment in found.path:
            with suppress(ConfigurationError):
                assert resolve_url(environment.url, environment, found.root)
        return
    assert refused.exit_code == ExitCode.USAGE
    assert refused.what.endswith((".", "?"))


def test_what_is_served_is_never_taken_back(tmp_path: Path) -> None:
    def environment(name: str, scripts: str, *, protected: bool = False) -> Environment:
        return Environment(name, "x", tmp_path, scripts=scripts, protected=protected)

    path = (
        environment("dev", "a"),
        environment("other-dev", "b"),
        environment("staging", "a", protected=True),
        environment("prod", "a"),
        environment("other-prod", "b"),
    )
    here = Settings(tmp_path, tmp_path, "EXEC_ENV", tmp_path, tmp_path, 1, 0, 1, path)
    taken = [each.name for each in path if here.may_be_taken_back(each)]
    assert taken == ["dev", "other-dev"]
    assert [each.name for each in here.before(path[3])] == ["dev", "staging"]
    assert [each.name for each in path if here.is_rehearsed(each)] == [
        "staging",
        "prod",
        "other-prod",
    ]
