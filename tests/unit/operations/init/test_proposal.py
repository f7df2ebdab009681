"""What init proposes, for every kind of URL, way, section and file: without a project."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from migrations_ops.model.errors import ConfigurationError, Refused
from migrations_ops.operations.init.facts import Facts, KnownUrl, Section, Tried, Wanted, Way
from migrations_ops.operations.init.proposal import Proposal, parse_urls, propose
from migrations_ops.revisions.env_py import EnvPy

PLAIN = Facts("alembic.ini", (Section("alembic"),))
INI = Tried(Way(ini_url=True), works=True)
SECRET = "postgresql://me:s3cr3t@db/shop"
ENV = (KnownUrl(".env", "DATABASE_URL", SECRET),)


def proposed(facts: Facts = PLAIN, tried: Tried = INI, **wanted: Any) -> Proposal:
    return propose(facts, Wanted(**wanted), tried)


def urls(made: Proposal) -> dict[str, Any]:
    return {name: each["url"] for name, each in made.environments.items()}


def section(url: str) -> Facts:
    return replace(PLAIN, sections=(Section("alembic", url),))


DEV, PROD = {"variable": "DEV_DATABASE_URL"}, {"variable": "PROD_DATABASE_URL"}


@pytest.mark.parametrize(
    ("facts", "wanted", "expected"),
    [
        (PLAIN, {}, {"dev": DEV, "prod": PROD}),
        (PLAIN, {"environments": ("prod",)}, {"prod": PROD}),
        # The database that a bare alembic reaches is production's; the others are beside it.
        (section("sqlite:///data/app.db"), {},
         {"dev": "sqlite:///data/app.dev.db", "prod": "sqlite:///data/app.db"}),
        (section("sqlite+aiosqlite:///app?x=1"), {},
         {"dev": "sqlite+aiosqlite:///app.dev?x=1", "prod": "sqlite+aiosqlite:///app?x=1"}),
        (section("sqlite:///a.db"), {"environments": ("test", "live")},
         {"test": "sqlite:///a.test.db", "live": "sqlite:///a.db"}),
        (section("sqlite://"), {"environments": ("prod",)}, {"prod": "sqlite://"}),
        # Whose the one of a server is nobody tells, unless there is one environment.
        (section("postgresql://db/shop"), {}, {"dev": DEV, "prod": PROD}),
        (section("postgresql://db/shop"), {"environments": ("prod",)},
         {"prod": "postgresql://db/shop"}),
        (section(SECRET), {"environments": ("prod",)}, {"prod": PROD}),
        (replace(PLAIN, known_urls=ENV), {}, {"dev": DEV, "prod": PROD}),
        (replace(PLAIN, known_urls=ENV), {"environments": ("prod",)},
         {"prod": {"file": ".env", "key": "DATABASE_URL"}}),
        # What is given comes first.
        (section("sqlite:///a.db"), {"urls": {"dev": "sqlite:///x.db", "prod": "PG_URL"}},
         {"dev": "sqlite:///x.db", "prod": {"variable": "PG_URL"}}),
        (PLAIN, {"urls": {"dev": "mysql://db/a", "prod": SECRET}},
         {"dev": "mysql://db/a", "prod": PROD}),
        (PLAIN, {"urls": {"dev": "mysql://db/a?password=x", "prod": "postgresql://me@db/a"}},
         {"dev": DEV, "prod": "postgresql://me@db/a"}),
    ],
)  # fmt: skip
def test_where_each_url_comes_from(
    facts: Facts, wanted: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert urls(proposed(facts, **wanted)) == expected


def test_the_urls_of_an_async_env_py_name_the_driver_with_which_it_was_tried() -> None:
    facts = replace(section("sqlite:///a.db"), env_py=EnvPy(is_async=True))
    expected = {"dev": "sqlite+aiosqlite:///a.dev.db", "prod": "sqlite+aiosqlite:///a.db"}
    assert urls(proposed(facts)) == expected
    given = {"dev": "sqlite+aiosqlite:///x.db", "prod": "postgresql://db/a"}
    assert urls(proposed(facts, urls=given)) == given
    # What was not seen to work is left as it is.
    failed = Tried(Way(ini_url=True), works=False, reason="it does not import")
    assert urls(proposed(facts, failed))["prod"] == "sqlite:///a.db"


def test_a_note_names_the_driver_that_the_variables_of_an_async_env_py_need() -> None:
    note = "env.py opens an async engine"
    for is_async in (True, False):
        made = proposed(replace(PLAIN, env_py=EnvPy(is_async=is_async)))
        assert any(note in each for each in made.notes) == is_async


def test_a_password_is_in_nothing_that_is_written_or_shown() -> None:
    given = {"dev": "mysql://db/a", "prod": SECRET}
    for made in (
        proposed(urls=given),
        proposed(section(SECRET), environments=("prod",)),
    ):
        assert made.to_set == {"PROD_DATABASE_URL": SECRET}
        assert "s3cr3t" not in repr(made)
        assert "Set before a release: PROD_DATABASE_URL." in made.notes


@pytest.mark.parametrize(
    ("way", "settings"),
    [
        (Way(ini_url=True), {"ini_url": True}),
        (Way(variable="A_URL"), {"variables": {"A_URL": "{url}"}}),
        (Way(x="db"), {"x": ["db=sqlite:///a.db"]}),
        (Way(selector="STAGE"), {}),
        (
            Way(variable="A", flask="shop:app", python=".venv/bin/python"),
            {"python": ".venv/bin/python", "flask": "shop:app", "variables": {"A": "{url}"}},
        ),
    ],
)
def test_the_settings_of_each_way(way: Way, settings: dict[str, Any]) -> None:
    made = proposed(
        tried=Tried(way, works=True), environments=("prod",), urls={"prod": "sqlite:///a.db"}
    )
    assert made.environments == {"prod": {"url": "sqlite:///a.db", **settings}}
    assert made.table == {
        "alembic": "alembic.ini",
        "selector": way.selector,
        "backups": ".migrations_ops/backups",
    }


def test_a_secret_is_never_handed_over_by_an_argument() -> None:
    with pytest.raises(Refused, match="every user of the machine can read"):
        proposed(tried=Tried(Way(x="db"), works=True))


def test_each_section_has_environments_of_its_own() -> None:
    facts = replace(
        PLAIN,
        sections=(Section("users", version_table="uv"), Section("orders", "sqlite:///o.db")),
        directory="backend",
        known_urls=ENV,
    )
    made = proposed(facts, urls={"dev-users": "sqlite:///u.db"})
    assert list(made.environments) == ["dev-users", "prod-users", "dev-orders", "prod-orders"]
    assert made.environments["dev-users"] == {
        "url": "sqlite:///u.db",
        "section": "users",
        "directory": "backend",
        "ini_url": True,
        "version_table": "uv",
    }
    assert made.environments["prod-orders"]["url"] == "sqlite:///o.db"
    assert made.environments["dev-orders"]["url"] == "sqlite:///o.dev.db"
    assert made.environments["prod-users"]["url"] == {"variable": "PROD_USERS_DATABASE_URL"}


def test_several_databases_in_one_run_are_refused() -> None:
    with pytest.raises(Refused, match="several databases in one run"):
        proposed(replace(PLAIN, env_py=EnvPy(has_several_databases=True)))


@pytest.mark.parametrize(
    ("wanted", "what"),
    [
        ({"environments": ("",)}, "--envs is ''"),
        ({"environments": ("a b",)}, "--envs is 'a b'"),
        ({"environments": ("a", "a")}, "--envs is 'a,a'"),
        ({"urls": {"prdo": "sqlite:///a"}}, "did you mean 'prod'"),
        ({"urls": {"prod": "a=b"}}, "neither a URL nor the name of a variable"),
    ],
)
def test_what_is_mistyped_is_named(wanted: dict[str, Any], what: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        proposed(**wanted)
    assert what in caught.value.what
    assert caught.value.next


@pytest.mark.parametrize("text", ["sqlite:///a.db", "prod", "prod=", "=x", "sqlite:///a?b=c"])
def test_a_url_without_its_environment_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="NAME=URL"):
        parse_urls([text])
    assert parse_urls(["a=x://?b=c", "b=V"]) == {"a": "x://?b=c", "b": "V"}


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        (PLAIN, ""),
        (replace(PLAIN, dependencies="project"), "migrations-ops"),
        (replace(PLAIN, dependencies="project", has_dependency=True), ""),
        (replace(PLAIN, dependencies="poetry", known_urls=ENV), "migrations-ops[postgresql]"),
        (replace(section("mysql://db/a"), dependencies="project"), "migrations-ops[mariadb]"),
    ],
)  # fmt: skip
def test_the_dependency_has_the_driver_of_its_server(facts: Facts, line: str) -> None:
    assert proposed(facts).dependency == line


@pytest.mark.parametrize(
    ("ignored", "url", "lines"),
    [
        (None, "sqlite:///a.db", ()),
        ((), "postgresql://db/a", ("/.migrations_ops/",)),
        (("/.migrations_ops/",), "postgresql://db/a", ()),
        ((".migrations_ops",), "sqlite:////srv/a.db", ()),
        (("# x", ".*"), "sqlite:///../a.db", ()),
        ((), "sqlite:///d/a.db", ("/.migrations_ops/", "/d/a.db*", ".*.release-lock*")),
        (("*.db",), "sqlite:///d/a.db", ("/.migrations_ops/", ".*.release-lock*")),
        (("d/", ".*"), "sqlite:///d/a.db", ()),
    ],
)
def test_what_holds_rows_is_ignored_by_git(
    ignored: tuple[str, ...] | None, url: str, lines: tuple[str, ...]
) -> None:
    facts = replace(PLAIN, ignored=ignored)
    assert proposed(facts, environments=("prod",), urls={"prod": url}).ignored == lines


@pytest.mark.parametrize(
    ("uses", "asked", "has", "ours"), list(itertools.product([False, True], repeat=4))
)
def test_a_tasks_py_is_written_for_invoke_and_never_over_another(
    uses: bool, asked: bool, has: bool, ours: bool
) -> None:
    facts = replace(PLAIN, uses_invoke=uses, has_tasks=has, tasks_are_ours=ours)
    made = proposed(facts, tasks=asked)
    wants = uses or asked
    assert made.tasks is (wants and not has)
    assert any("tasks.py is yours" in note for note in made.notes) is (wants and has and not ours)


@pytest.mark.parametrize(
    ("tried", "note"),
    [
        (INI, "takes its URL from sqlalchemy.url: it opened a throw-away database"),
        (Tried(Way(variable="A"), works=False, reason="no module app"), "failed: no module app."),
        (Tried(Way(selector="STAGE"), works=False), "chooses its database by STAGE; doctor"),
        (Tried(Way(), works=False), "does not show how it gets its URL; doctor tries it"),
        (Tried(Way(x="a"), works=True), "takes its URL from -x a=...: it opened"),
        (Tried(Way(variable="A"), works=True), "takes its URL from the variable A: it opened"),
    ],
)
def test_a_note_has_what_was_found_out_about_env_py(tried: Tried, note: str) -> None:
    given = {"dev": "sqlite:///a.db", "prod": "sqlite:///b.db"}
    assert note in proposed(tried=tried, urls=given).notes[0]


def test_an_env_py_that_puts_its_url_together_gets_advice() -> None:
    facts = replace(PLAIN, env_py=EnvPy(parts=("DB_HOST", "DB_NAME")))
    assert "from DB_HOST, DB_NAME: add" in proposed(facts, Tried(Way(), works=False)).notes[0]


def test_the_file_is_pyproject_where_there_is_one() -> None:
    assert proposed().file == "migrations_ops.toml"
    assert proposed(replace(PLAIN, has_pyproject=True)).file == "pyproject.toml"
