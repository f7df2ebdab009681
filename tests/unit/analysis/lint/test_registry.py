"""Other distributions add rules by an entry point; what is wrong with one is said."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint

import pytest

from migrations_ops.analysis.lint import registry
from migrations_ops.analysis.lint.registry import BUILT_IN, GROUP, find_rules, known_codes
from migrations_ops.analysis.lint.rule import Hit, Rule, Situation
from migrations_ops.model.errors import ConfigurationError
from migrations_ops.model.findings import CODES, NEEDS_BATCH, Entry


def check(situation: Situation) -> Iterator[Hit]:
    yield from ()


OWN = Rule(check, (Entry("own-name", "warning", "{where}", "Take another."),))
SEVERAL = (OWN, OWN)
TAKEN = Rule(check, (NEEDS_BATCH,))
NO_RULE = "a text"


def register(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    entry = EntryPoint("own", f"{__name__}:{name}", GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: (entry,))


@pytest.mark.parametrize(("name", "count"), [("OWN", 1), ("SEVERAL", 2)])
def test_rules_that_are_registered_come_after_those_of_the_package(
    monkeypatch: pytest.MonkeyPatch, name: str, count: int
) -> None:
    register(monkeypatch, name)
    assert find_rules() == (*BUILT_IN, *[OWN] * count)
    assert known_codes() == CODES.keys() | {"own-name"}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("MISSING", "AttributeError"),
        ("NO_RULE", "neither a Rule nor a tuple of them"),
        ("TAKEN", "the code needs-batch is taken"),
    ],
)
def test_what_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, name: str, why: str) -> None:
    register(monkeypatch, name)
    with pytest.raises(ConfigurationError, match=f"own .*{name}.*{why}"):
        find_rules()
