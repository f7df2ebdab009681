"""Which ways of handing env.py its URL are tried, in which order, and which one is chosen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from migrations_ops.operations.init.facts import Facts, KnownUrl, Section, Tried, Way
from migrations_ops.operations.init.ways import MOST_TRIALS, chosen, ways_of
from migrations_ops.revisions.env_py import EnvPy

PLAIN = Facts("alembic.ini", (Section("alembic"),))
KNOWN = (KnownUrl(".env", "DB_URL", "sqlite:///a.db"),)


@pytest.mark.parametrize(
    ("env_py", "ways"),
    [
        (EnvPy(), [Way(variable="DB_URL"), Way(ini_url=True)]),
        (EnvPy(reads_ini=True), [Way(ini_url=True)]),
        (EnvPy(reads_ini=True, imported=("A_URL",)), [Way(ini_url=True), Way(variable="A_URL")]),
        (
            EnvPy(imported=("A_URL",)),
            [Way(variable="A_URL"), Way(variable="DB_URL"), Way(ini_url=True)],
        ),
        (
            EnvPy(addresses=("DB_URL",), imported=("A_URL",), reads_ini=True),
            [Way(variable="DB_URL"), Way(ini_url=True), Way(variable="A_URL")],
        ),
        # What is no address is no way to hand one over.
        (EnvPy(reads_ini=True, x=("tenant",)), [Way(ini_url=True)]),
        (EnvPy(reads_ini=True, x=("db_url",)), [Way(ini_url=True), Way(x="db_url")]),
        (
            EnvPy(reads_ini=True, selectors=("APP_ENV", "STAGE")),
            [Way(ini_url=True, selector="APP_ENV")],
        ),
    ],
)
def test_the_likeliest_way_comes_first(env_py: EnvPy, ways: list[Way]) -> None:
    assert list(ways_of(replace(PLAIN, env_py=env_py, known_urls=KNOWN))) == ways


def test_each_application_of_flask_is_tried_with_each_variable() -> None:
    env_py = EnvPy(is_flask=True, reads_ini=True, imported=("A_URL",))
    facts = replace(PLAIN, env_py=env_py, flask=("one", "two"))
    tried = [(way.flask, way.variable) for way in ways_of(facts)]
    assert tried == [("one", "A_URL"), ("one", ""), ("two", "A_URL"), ("two", "")]


def test_the_projects_own_interpreter_comes_after_this_one() -> None:
    facts = replace(PLAIN, env_py=EnvPy(reads_ini=True), other_python=".venv/bin/python")
    assert [way.python for way in ways_of(facts)] == ["", ".venv/bin/python"]


def test_an_application_with_many_variables_is_not_tried_forever() -> None:
    many = EnvPy(imported=tuple(f"A{number}_URL" for number in range(99)))
    assert len(ways_of(replace(PLAIN, env_py=many))) == MOST_TRIALS


def test_the_way_that_works_is_chosen_and_else_the_likeliest() -> None:
    one = Tried(Way(variable="A_URL"), works=False, reason="it opened a.db", elsewhere=True)
    failed = Tried(Way(variable="B_URL"), works=False, reason="no module app")
    two = Tried(Way(ini_url=True), works=True)
    by_selector = replace(PLAIN, env_py=EnvPy(selectors=("STAGE",)))
    assert chosen(PLAIN, [one, two]) == two
    assert chosen(PLAIN, [one]) == one
    assert chosen(by_selector, [one, two]) == two
    # It knows its databases itself: a throw-away one proves nothing.
    assert chosen(by_selector, [one]) == Tried(Way(selector="STAGE"), works=False)
    # An env.py that fails has opened nothing yet.
    assert chosen(by_selector, [failed, one]) == failed
    by_parts = replace(PLAIN, env_py=EnvPy(parts=("DB_HOST", "DB_NAME")))
    assert chosen(by_parts, [failed, two]) == two
    assert chosen(by_parts, [failed]) == Tried(Way(), works=False)
    assert chosen(PLAIN, []) == Tried(Way(), works=False)
