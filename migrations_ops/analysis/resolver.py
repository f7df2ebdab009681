"""Which table or object the name in a statement means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from migrations_ops.analysis.renames import Naming
from migrations_ops.analysis.schema_facts import Fact, lowered
from migrations_ops.child.protocol.sql import tokens


class Hierarchy:
    """Which tables belong to which others, as their partitions or by inheritance, and which were
    created from a type."""

    def __init__(self, schema: Mapping[str, str]) -> None:
        parents = {
            Fact.of(key, "").table: _parents(was)
            for key, was in schema.items()
            if key.startswith("table ")
        }
        self._above = {table: _all_above(table, parents) for table in parents}
        self._types = {
            Fact.of(key, "").table: _type_of(was)
            for key, was in schema.items()
            if key.startswith("table ")
        }

    def above(self, table: str) -> frozenset[str]:
        """The tables that this one belongs to, directly or indirectly."""
        return self._above.get(table, frozenset())

    def below(self, table: str) -> frozenset[str]:
        """The tables that belong to this one."""
        return frozenset(each for each, above in self._above.items() if table in above)

    def of_type(self, name: str) -> list[str]:
        """The tables that are made of this type: CREATE TABLE ... OF."""
        return [table for table, type_ in self._types.items() if type_ == name]


@dataclass
class Resolver:
    """Resolves the names in statements to the names of facts.

    The names of facts include the schema, unless it is the default one.

    :param search_path: the default schema, as a statement has set it.
    """

    _naming: Naming
    _objects: frozenset[str]
    _table_of_sequence: Mapping[str, str]
    _tables_after: frozenset[str]
    search_path: str = ""

    @classmethod
    def of(cls, naming: Naming, before: Mapping[str, str], after: Mapping[str, str]) -> Resolver:
        facts = [Fact.of(key, was) for key, was in before.items()]
        return cls(
            naming,
            frozenset(fact.name for fact in facts if fact.kind not in ("column", "check")),
            {fact.name: fact.table for fact in facts if fact.kind == "sequence"},
            frozenset(Fact.of(key, "").table for key in after if key.startswith("table ")),
        )

    def knows(self, name: str) -> bool:
        """Whether a table from before the upgrade has this name now."""
        return self.table(name) in self._naming.current() or self.object(name) not in self._objects

    def table(self, name: str) -> str:
        return self._resolved(name, self._naming.current())

    def object(self, name: str) -> str:
        return self._resolved(name, self._objects)

    def _resolved(self, name: str, known: Iterable[str]) -> str:
        known = set(known)
        if name in known:
            return name
        schema, dot, rest = name.rpartition(".")
        if dot:
            exists = any(each.startswith(f"{schema}.") for each in (*known, *self._tables_after))
            return name if exists else rest
        if f"{self.search_path}.{name}" in known:
            return f"{self.search_path}.{name}"
        others = [each for each in known if each.endswith(f".{name}")]
        return others[0] if len(others) == 1 and name not in self._tables_after else name

    def new_name(self, old: str, to: str, verb: str) -> str:
        """The name after a rename, or after a move to another schema."""
        schema, _, rest = old.rpartition(".")
        if verb == "move":
            moved = f"{to}.{rest}"
            is_default = moved not in self._tables_after and rest in self._tables_after
            return rest if is_default else moved
        if "." in to:
            return self.table(to)
        return f"{schema}.{to}" if schema else to

    def tables_in(self, schema: str) -> list[str]:
        return [name for name in self._naming.current() if name.startswith(f"{schema}.")]

    def tables_with_sequence(self, name: str) -> set[str]:
        """The tables whose ids come from a sequence of this name, or that have this name."""
        sequence, table = self.object(name), self._naming.table(self.table(name))
        return {table, self._table_of_sequence.get(sequence, "")} - {""}


def _parents(was: str) -> list[str]:
    """The tables that a table directly belongs to, from its fact."""
    texts = lowered(tokens(was, "facts"))
    for number in range(len(texts)):
        if texts[number : number + 2] == ["partition", "of"]:
            return texts[number + 2 : number + 3]
        if texts[number : number + 2] == ["inherits", "("]:
            return [text for text in texts[number + 2 : texts.index(")", number)] if text != ","]
    return []


def _type_of(was: str) -> str:
    """The type that a table is created from, by its fact; empty for none."""
    match lowered(tokens(was.removeprefix("UNLOGGED "), "facts")):
        case ["of", schema, ".", name, *_]:
            return f"{schema}.{name}"
        case ["of", name, *_]:
            return name
    return ""


def _all_above(table: str, parents: Mapping[str, Iterable[str]]) -> frozenset[str]:
    found: set[str] = set()
    left = {table}
    while left:
        above = {each for name in left for each in parents.get(name, ())}
        left, found = above - found, found | above
    return frozenset(found)
