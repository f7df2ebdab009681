"""Tables and columns through their renames: which one of the beginning a name means now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from migrations_ops.analysis.renames import Naming
from migrations_ops.analysis.schema_facts import Fact, lowered
from migrations_ops.child.protocol.sql import tokens


@dataclass
class Resolver:
    """Which table or object a name in a statement means: the names of facts have their schema in
    them, unless that is the one where unqualified names go.

    ``path`` is the schema to which a statement has turned that.
    """

    _naming: Naming = field(default_factory=lambda: Naming({}))
    _objects: frozenset[str] = frozenset()
    _wholes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    _counting: Mapping[str, str] = field(default_factory=dict)
    _after: frozenset[str] = frozenset()
    path: str = ""

    @classmethod
    def of(cls, naming: Naming, before: Mapping[str, str], after: Mapping[str, str]) -> Resolver:
        facts = [Fact.of(key, was) for key, was in before.items()]
        wholes = {
            fact.table: frozenset(_wholes_of(before[f"table {fact.where}"]))
            for fact in facts
            if fact.kind == "table"
        }
        return cls(
            naming,
            frozenset(fact.name for fact in facts if fact.kind not in ("column", "check")),
            {table: _all_above(table, wholes) for table in wholes},
            {fact.name: fact.table for fact in facts if fact.kind == "sequence"},
            frozenset(Fact.of(key, "").table for key in after if key.startswith("table ")),
        )

    def knows(self, name: str) -> bool:
        """Whether a table of the beginning has this name now."""
        return self.table(name) in self._naming.current() or self.object(name) not in self._objects

    def table(self, name: str) -> str:
        return self._found(name, self._naming.current())

    def object(self, name: str) -> str:
        return self._found(name, self._objects)

    def _found(self, name: str, known: Iterable[str]) -> str:
        known = set(known)
        if name in known:
            return name
        schema, dot, rest = name.rpartition(".")
        if dot:
            there = any(each.startswith(f"{schema}.") for each in (*known, *self._after))
            return name if there else rest
        if f"{self.path}.{name}" in known:
            return f"{self.path}.{name}"
        others = [each for each in known if each.endswith(f".{name}")]
        return others[0] if len(others) == 1 and name not in self._after else name

    def new_name(self, old: str, to: str, does: str) -> str:
        """The name after a rename, or after a move to another schema."""
        schema, _, rest = old.rpartition(".")
        if does == "move":
            moved = f"{to}.{rest}"
            return rest if moved not in self._after and rest in self._after else moved
        if "." in to:
            return self.table(to)
        return f"{schema}.{to}" if schema else to

    def tables_in(self, schema: str) -> list[str]:
        return [name for name in self._naming.current() if name.startswith(f"{schema}.")]

    def wholes(self, table: str) -> frozenset[str]:
        """The tables of which this one is a part, by partition or by inheritance."""
        return self._wholes.get(table, frozenset())

    def parts(self, table: str) -> frozenset[str]:
        return frozenset(part for part, wholes in self._wholes.items() if table in wholes)

    def counting(self, name: str) -> set[str]:
        """The tables that count by a sequence of this name, or have the name themselves."""
        sequence, table = self.object(name), self._naming.table(self.table(name))
        return {table, self._counting.get(sequence, "")} - {""}


def _wholes_of(was: str) -> list[str]:
    """The tables that this one is a part of, as its fact tells them."""
    told = tokens(was, "facts")
    texts = lowered(told)
    for number in range(len(texts)):
        if texts[number : number + 2] == ["partition", "of"]:
            return texts[number + 2 : number + 3]
        if texts[number : number + 2] == ["inherits", "("]:
            return [text for text in texts[number + 2 : texts.index(")", number)] if text != ","]
    return []


def _all_above(table: str, wholes: Mapping[str, frozenset[str]]) -> frozenset[str]:
    found: set[str] = set()
    left = {table}
    while left:
        above = {each for name in left for each in wholes.get(name, ())}
        left, found = above - found, found | above
    return frozenset(found)
