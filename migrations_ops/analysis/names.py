"""Tables and columns through their renames: which one of the beginning a name means now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from migrations_ops.analysis.schema_facts import Fact, lowered
from migrations_ops.child.protocol.sql import tokens


class Names:
    """Which of the first names stands behind a name; what came later stands for itself."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._now = {name: name for name in known}
        self._first = dict(self._now)

    def copy(self) -> Names:
        other = Names()
        other._now, other._first = dict(self._now), dict(self._first)
        return other

    def knows(self, first: str) -> bool:
        return first in self._now

    def current(self) -> set[str]:
        """All that have a name now, the names that they have."""
        return set(self._first)

    def first(self, name: str) -> str:
        """The first name; empty for something new under a name that had become free."""
        return self._first.get(name, "" if name in self._now else name)

    def now(self, first: str) -> str:
        """The name that it has; empty for what was dropped."""
        return self._now.get(first, first)

    def place(self, first: str) -> str:
        """The name that it has, or where something new may have taken its place; or empty."""
        return self.now(first) or ("" if first in self._first else first)

    def drop(self, first: str) -> None:
        if not self.knows(first):
            return
        old, self._now[first] = self._now[first], ""
        if self._first.get(old) == first:
            del self._first[old]

    def move(self, first: str, to: str) -> None:
        """Give it another name, or the name back under which it had been dropped."""
        if self.knows(first):
            self.drop(first)
            self._now[first], self._first[to] = to, first

    def moved(self) -> dict[str, str]:
        """The places of those that are not at their own any more, by the first name."""
        places = {first: self.place(first) for first in self._now}
        return {first: place for first, place in places.items() if place != first}


class Naming:
    """The tables and columns of a database, followed through what revisions say of them.

    All that is asked and told is in small letters. ``dropped`` are tables; ``rebuilt`` those that
    were replaced by hand: by one that was renamed, as SQLite's own documentation advises for a
    change that ALTER TABLE cannot make, or after they were renamed themselves.
    """

    def __init__(self, schema: Mapping[str, str]) -> None:
        facts = [Fact.of(key, "") for key in schema if key.startswith(("table ", "column "))]
        columns: dict[str, list[str]] = {fact.table: [] for fact in facts}
        for fact in facts:
            columns[fact.table] += fact.columns
        self._tables = Names(columns)
        self._columns = {table: Names(names) for table, names in columns.items()}
        # What was dropped last under a name, and whether that had been rebuilt before.
        self._fallen: dict[str, tuple[str, bool]] = {}
        self.dropped: set[str] = set()
        self.rebuilt: set[str] = set()

    def table(self, name: str) -> str:
        """The table of the beginning that has this name now; empty for a new one."""
        return self._tables.first(name)

    def current(self) -> set[str]:
        """The names of the tables of the beginning, as they are now."""
        return self._tables.current()

    def columns(self, table: str) -> Names:
        """The columns of a table, by its first name."""
        return self._columns.setdefault(table, Names())

    def columns_moved(self) -> dict[str, dict[str, str]]:
        """Where the columns of each table are now, that are not where they were."""
        moved = {table: names.moved() for table, names in self._columns.items()}
        return {table: columns for table, columns in moved.items() if columns}

    def table_now(self, first: str) -> str:
        """Its name, or that of the one that took its place; empty if it was dropped for good."""
        return self._tables.place(first)

    def rename_table(self, old: str, new: str) -> None:
        first = self._tables.first(old)
        if not first:
            return
        if self._tables.knows(first):
            other = self._tables.first(new)
            if other in self.rebuilt:  # it was taken for replaced; now its place is taken
                self._fall(other, new)
            self._tables.move(first, new)
        elif new in self._fallen:
            first, _ = self._rise(new)
            self.rebuilt.add(first)

    def drop_table(self, name: str) -> None:
        first = self._tables.first(name)
        if not first:
            return
        self._fall(first, name)
        if name != first and self._tables.place(first):
            # It was renamed to make room for another one; where none came, settle() knows.
            self._tables.move(first, first)
            self.dropped.discard(first)
            self.rebuilt.add(first)

    def replaced_by_batch(self, name: str) -> None:
        """Alembic's batch mode dropped a table and put a copy there: that was nobody's wish."""
        if name in self._fallen:
            first, was_rebuilt = self._rise(name)
            if not was_rebuilt:
                self.rebuilt.discard(first)

    def settle(self, after: Mapping[str, str]) -> None:
        """The end: what was taken for replaced and is not there was dropped."""
        there = {Fact.of(key, "").table for key in after if key.startswith("table ")}
        for table in [each for each in self.rebuilt if self._tables.now(each) not in there]:
            self._fall(table, self._tables.now(table))

    def _fall(self, first: str, name: str) -> None:
        self._tables.drop(first)
        self._fallen[name] = first, first in self.rebuilt
        self.dropped.add(first)
        self.rebuilt.discard(first)

    def _rise(self, name: str) -> tuple[str, bool]:
        first, was_rebuilt = self._fallen.pop(name)
        self._tables.move(first, name)
        self.dropped.discard(first)
        return first, was_rebuilt


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
