"""What a table that was rebuilt by hand leaves out on purpose, and what it has instead.

A rebuild (``CREATE TABLE new``, ``INSERT``, ``DROP TABLE t``, ``RENAME``) easily forgets what the
old table had: a default, a check, an index. A column that the new table lacks was left out on
purpose, and so was a constraint or an index that another one replaces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from migrations_ops.analysis.renames import Naming
from migrations_ops.analysis.schema_facts import CONSTRAINTS, Fact, lowered
from migrations_ops.child.protocol.sql import tokens

# These are not part of a CREATE TABLE, and are easily forgotten.
_BESIDE = ("trigger", "policy", "rule", "privilege")
_PLAIN = frozenset({"(", ")", ",", "using", "btree"})


@dataclass(frozen=True)
class Rebuilt:
    """What of a table's facts its replacement lacks on purpose.

    :param left_out: the columns that it does not have.
    :param replaced: the facts instead of which it has others.
    :param has_new_key: whether it has another primary key.
    """

    left_out: frozenset[str]
    replaced: frozenset[Fact]
    has_new_key: bool

    def lacks(self, fact: Fact) -> bool:
        if fact.kind in _BESIDE:
            return False
        return fact in self.replaced or bool(self.left_out & fact.columns)


def read_rebuilt(
    first: str, table: str, naming: Naming, before: Mapping[str, str], after: Mapping[str, str]
) -> Rebuilt:
    """Compare a table with the one that replaced it.

    :param first: its name before; ``table``: the name of the new one.
    """
    names = naming.columns(first).successors()
    first_names = {now: each for each, now in names.items() if now}
    old, new = _facts_of(first, before), _facts_of(table, after)
    there = {fact.name for fact in new if fact.kind == "column"}
    keys = _row_numbers(new)
    has_new_key = bool(keys) and keys != {names[each] for each in _row_numbers(old)}
    same = {fact.identity(): was for fact, was in old.items()}
    anew = {}
    for fact, was in new.items():
        # A check with the name of another one has another condition.
        is_known = fact.identity() in same and fact.kind not in ("index", "statistics")
        if not is_known or (fact.kind == "check" and same[fact.identity()] != was):
            columns = frozenset(first_names.get(each, each) for each in fact.columns & there)
            anew[fact] = (columns, was)
            has_new_key |= fact.kind == "primary key"
    replaced = frozenset(
        fact
        for fact, was in old.items()
        if _is_replaced(fact, was, anew, names) or (fact.kind == "primary key" and has_new_key)
    )
    left_out = frozenset(each for each, now in names.items() if now not in there)
    return Rebuilt(left_out, replaced, has_new_key)


def _facts_of(table: str, schema: Mapping[str, str]) -> dict[Fact, str]:
    facts = {Fact.of(key, was): was for key, was in schema.items()}
    return {fact: was for fact, was in facts.items() if fact.table == table}


def _is_replaced(
    fact: Fact, was: str, anew: Mapping[Fact, tuple[frozenset[str], str]], names: Mapping[str, str]
) -> bool:
    """Whether the new table has something that does the same, or that was written instead.

    Whether a sequence still numbers a column is visible in the column's default.
    """
    if fact.kind == "sequence":
        return True
    if fact.kind in ("index", "statistics"):
        return any(is_like(fact, was, each, text, names) for each, (_, text) in anew.items())
    if fact.kind not in CONSTRAINTS:
        return False
    kinds = (fact.kind, "primary key") if fact.kind == "unique" else (fact.kind,)
    return any(
        bool(columns & fact.columns)
        and (each.kind in kinds or (fact.kind == "unique" and is_unique_index(each, text)))
        for each, (columns, text) in anew.items()
    )


def is_unique_index(fact: Fact, was: str) -> bool:
    return fact.kind == "index" and was.startswith("create unique ")


def is_like(fact: Fact, was: str, other: Fact, text: str, names: Mapping[str, str]) -> bool:
    """Whether another index, or a key, serves as this one does, whatever its name is.

    :param names: the columns before, with their new names.
    """
    definition = [names.get(word, word) for word in _definition(fact, was)]
    is_unique = is_unique_index(fact, was)
    if other.kind in ("unique", "primary key"):
        columns = [word for word in definition if word not in _PLAIN]
        return fact.kind == "index" and sorted(columns) == sorted(other.columns - _PLAIN)
    return (
        other.kind == fact.kind
        and definition == _definition(other, text)
        and (not is_unique or is_unique_index(other, text))
    )


def _definition(fact: Fact, was: str) -> list[str]:
    """What an index or statistics consist of, without their name and table."""
    words = lowered(tokens(was, "facts"))
    if fact.kind == "statistics" or "on" not in words:
        return [word for word in words if word != fact.table]
    return words[words.index("on") + 2 :]


def _row_numbers(facts: Mapping[Fact, str]) -> set[str]:
    """The primary key in SQLite, where it is no constraint: INTEGER PRIMARY KEY."""
    return {
        fact.name for fact, was in facts.items() if fact.kind == "column" and "KEY" in was.split()
    }
