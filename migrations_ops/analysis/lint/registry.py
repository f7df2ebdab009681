"""The rules that there are: those of this package, and those that other distributions register."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points

from migrations_ops.analysis.lint.rule import Rule
from migrations_ops.analysis.lint.rules import any_engine, mariadb, postgresql, sqlite
from migrations_ops.model.errors import ConfigurationError
from migrations_ops.model.findings import CODES, Entry

GROUP = "migrations_ops.rules"
BUILT_IN = (*any_engine.RULES, *postgresql.RULES, *mariadb.RULES, *sqlite.RULES)


def find_rules() -> tuple[Rule, ...]:
    """All rules.

    :raises ConfigurationError: one that is registered cannot be imported, is none, or takes a code
        that there is.
    """
    found = list(BUILT_IN)
    for each in sorted(entry_points(group=GROUP), key=lambda each: each.name):
        found += _load(each)
    return tuple(found)


def entries_of(rules: Iterable[Rule]) -> dict[str, Entry]:
    """The entries of these rules by their codes."""
    return {code: entry for rule in rules for entry in rule.entries for code in entry.codes}


def known_codes() -> frozenset[str]:
    """All codes: those of the catalogue, and those of rules that are registered.

    :raises ConfigurationError: as ``find_rules``.
    """
    return frozenset(CODES) | entries_of(find_rules()).keys()


def _load(registered: EntryPoint) -> Sequence[Rule]:
    try:
        loaded = registered.load()
    except Exception as error:
        raise _unusable(registered, f"{type(error).__name__}: {error}") from None
    rules = (loaded,) if isinstance(loaded, Rule) else loaded
    if not isinstance(rules, Sequence) or not all(isinstance(each, Rule) for each in rules):
        raise _unusable(registered, "it is neither a Rule nor a tuple of them")
    taken = sorted(entries_of(rules).keys() & CODES.keys())
    if taken:
        raise _unusable(registered, f"the code {taken[0]} is taken")
    return rules


def _unusable(registered: EntryPoint, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"The lint rules {registered.name} ({registered.value}) cannot be used: {why}.",
        next="Fix the distribution that registers them, or uninstall it.",
    )
