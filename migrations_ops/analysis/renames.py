"""Follows tables, columns and the facts about them through renames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from migrations_ops.analysis.schema_facts import ATTACHED, CONSTRAINTS, Fact, lowered
from migrations_ops.child.protocol.sql import Token, tokens

_OF_TABLES = CONSTRAINTS | {"table", "column"}


class Names:
    """Maps current names to first names; an object that was added later keeps its own."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._now = {name: name for name in known}
        self._first = dict(self._now)

    def copy(self) -> Names:
        other = Names()
        other._now, other._first = dict(self._now), dict(self._first)
        return other

    def knows(self, first: str) -> bool:
        return first in self._now

    def known(self) -> list[str]:
        """The first names."""
        return list(self._now)

    def current(self) -> set[str]:
        """The current names."""
        return set(self._first)

    def first(self, name: str) -> str:
        """The first name; empty for a new object that took a free name."""
        return self._first.get(name, "" if name in self._now else name)

    def now(self, first: str) -> str:
        """The current name; empty for what was dropped."""
        return self._now.get(first, first)

    def successor(self, first: str) -> str:
        """The current name; of what was dropped, the first one if something new may have it."""
        return self.now(first) or ("" if first in self._first else first)

    def successors(self) -> dict[str, str]:
        """All names, each with its successor."""
        return {first: self.successor(first) for first in self._now}

    def drop(self, first: str) -> None:
        if not self.knows(first):
            return
        old, self._now[first] = self._now[first], ""
        if self._first.get(old) == first:
            del self._first[old]

    def rename(self, first: str, to: str) -> None:
        """Rename it, or restore what had been dropped."""
        if self.knows(first):
            self.drop(first)
            self._now[first], self._first[to] = to, first

    def renamed(self) -> dict[str, str]:
        """The first names that changed, with their successors."""
        return {first: name for first, name in self.successors().items() if name != first}


class Naming:
    """The names of the tables and columns of a database, followed through an upgrade.

    All names are in lower case. ``dropped`` are tables; ``rebuilt`` are tables that were replaced
    by hand: by a renamed copy, as SQLite's documentation advises for a change that ALTER TABLE
    cannot make, or after they were renamed themselves. ``kept`` are those that are still there
    under another name, beside a copy that has theirs.
    """

    def __init__(self, schema: Mapping[str, str]) -> None:
        facts = [Fact.of(key, "") for key in schema if key.startswith(("table ", "column "))]
        columns: dict[str, list[str]] = {fact.table: [] for fact in facts}
        for fact in facts:
            columns[fact.table] += fact.columns
        self._tables = Names(columns)
        self._columns = {table: Names(names) for table, names in columns.items()}
        # The table that was dropped last under a name, and whether it had been rebuilt before.
        self._last_dropped: dict[str, tuple[str, bool]] = {}
        self.dropped: set[str] = set()
        self.rebuilt: set[str] = set()
        self.kept: set[str] = set()

    def table(self, name: str) -> str:
        """The first name of the table that has this name now; empty for a new table."""
        return self._tables.first(name)

    def first_names(self) -> list[str]:
        """The names of the tables before the upgrade."""
        return self._tables.known()

    def current(self) -> set[str]:
        """The current names of the tables from before the upgrade."""
        return self._tables.current()

    def columns(self, table: str) -> Names:
        """The columns of a table, by its first name."""
        return self._columns.setdefault(table, Names())

    def renamed_columns(self) -> dict[str, dict[str, str]]:
        """The new names of the columns of each table that have one."""
        moved = {table: names.renamed() for table, names in self._columns.items()}
        return {table: columns for table, columns in moved.items() if columns}

    def table_after(self, first: str) -> str:
        """Its current name, or that of its replacement; empty if it was dropped for good."""
        return first if first in self.kept else self._tables.successor(first)

    def whereabouts(self, first: str) -> str:
        """Its current name, or that of its replacement where it is not there any more."""
        return self._tables.successor(first)

    def rename_table(self, old: str, new: str) -> str:
        """:return: the first name of the table that a new one replaces; empty for none."""
        first = self._tables.first(old)
        if not first:
            return ""
        if self._tables.knows(first):
            other = self._tables.first(new)
            if other in self.rebuilt:  # it seemed to be replaced; now its name is taken
                self._mark_dropped(other, new)
            self._tables.rename(first, new)
        elif new in self._last_dropped:
            first, _ = self._bring_back(new)
            self.rebuilt.add(first)
            return first
        return ""

    def drop_table(self, name: str) -> str:
        """:return: the first name of the table that a new one replaces; empty for none."""
        first = self._tables.first(name)
        if not first:
            return ""
        self._mark_dropped(first, name)
        if name != first and self._tables.successor(first):
            # It was renamed to make room for another one; where none came, finish() finds out.
            self._tables.rename(first, first)
            self.dropped.discard(first)
            self.rebuilt.add(first)
            return first
        return ""

    def rebuilt_by_batch(self, name: str) -> None:
        """Alembic's batch mode dropped a table and put a copy there: no drop was intended."""
        if name in self._last_dropped:
            first, was_rebuilt = self._bring_back(name)
            if not was_rebuilt:
                self.rebuilt.discard(first)

    def rebuilt_in_place(self, first: str) -> None:
        """A table was dropped, and made once more with rows that had been kept in another one."""
        self._tables.rename(first, self._tables.successor(first))
        self.dropped.discard(first)
        self.rebuilt.add(first)

    def finish(self, after: Mapping[str, str]) -> None:
        """At the end, count a table as dropped if its replacement never appeared."""
        there = {Fact.of(key, "").table for key in after if key.startswith("table ")}
        for table in [each for each in self.rebuilt if self._tables.now(each) not in there]:
            self._mark_dropped(table, self._tables.now(table))

    def _mark_dropped(self, first: str, name: str) -> None:
        self._tables.drop(first)
        self._last_dropped[name] = first, first in self.rebuilt
        self.dropped.add(first)
        self.rebuilt.discard(first)

    def _bring_back(self, name: str) -> tuple[str, bool]:
        first, was_rebuilt = self._last_dropped.pop(name)
        self._tables.rename(first, name)
        self.dropped.discard(first)
        return first, was_rebuilt


class Renames:
    """Finds the facts of a schema in the schema after the upgrade."""

    def __init__(self, naming: Naming, after: Mapping[str, str], *, any_case: bool = False) -> None:
        """:param any_case: whether names mean the same in upper and lower case, as in SQLite."""
        self._naming, self._after, self._any_case = naming, after, any_case
        self._columns = naming.renamed_columns()
        self._by_identity: dict[tuple[str, ...], str] = {}

    def key(self, key: str, fact: Fact) -> str | None:
        """The key that the same object has afterwards; None if it is gone."""
        identity = fact.identity()
        expected = self._expected(fact, identity)
        if key in self._after and expected == identity:
            return key
        if expected == identity and not self._any_case:
            return None
        if not self._by_identity:
            self._by_identity = {Fact.of(each, "").identity(): each for each in self._after}
        return self._by_identity.get(expected)

    def words(self, fact: Fact, was: str) -> list[str]:
        """The words of a fact with the new names, in lower case."""
        identity = tokens(was, "facts")
        mentioned = {fact.table, *lowered(identity)}
        names = {table: self._naming.whereabouts(table) or table for table in mentioned}
        for table in mentioned & set(self._columns):
            names |= self._columns[table]
        return [_renamed(word, names) for word in identity]

    def stale(self, fact: Fact, was: str, now: str) -> dict[str, str]:
        """Columns that it still calls by their old names, with their new names.

        A rebuild copies a condition verbatim. SQLite reads a quoted name that matches no column
        as a string, so the condition becomes always true or always false, without an error.
        """
        moved = self._columns.get(fact.parent or fact.table, {})
        if not moved or fact.kind not in ("index", "check", "foreign key"):
            return {}
        named, still = _columns_in(fact.kind, was), _columns_in(fact.kind, now)
        expected = {moved.get(name, name) for name in named}
        return {name: moved[name] for name in sorted(named & still & set(moved) - expected)}

    def _expected(self, fact: Fact, identity: tuple[str, ...]) -> tuple[str, ...]:
        """Its identity after the upgrade; without names for what was replaced."""
        columns = self._columns.get(fact.table, {})
        # What is on a table, and a key that refers to it, stay with it wherever it is.
        table = self._naming.whereabouts(fact.table) or fact.table
        if fact.kind in ("index", "sequence"):
            identity = (fact.kind, _with_new_schema(identity[1], fact.table, table), *identity[2:])
        if fact.kind in ATTACHED:
            names = {fact.table: table} | (columns if fact.kind == "privilege" else {})
            return (*identity[:2], *_listed(identity[2:], names))
        if fact.kind not in _OF_TABLES:
            return identity
        start: tuple[str, ...] = (fact.kind, self._naming.table_after(fact.table))
        match fact.kind:
            case "table":
                return start
            case "check" | "exclusion" if fact.name:
                return start + identity[2:]
            case "check":
                where = tokens(fact.where, "facts")[1:]
                return start + tuple(_renamed(word, columns) for word in where)
            case "foreign key":
                parent = self._naming.whereabouts(fact.parent) or fact.parent
                return (*start, *_listed(identity[2:-2], columns), "to", parent)
        return start + _listed(identity[2:], columns)


def _columns_in(kind: str, was: str) -> frozenset[str]:
    """The words among which an index, a check or a foreign key names columns."""
    identity = lowered(tokens(was, "facts"))
    if kind == "index":
        return frozenset(identity[identity.index("on") + 2 :])
    return frozenset(identity[: identity.index(")")] if kind == "foreign key" else identity)


def _with_new_schema(name: str, before: str, after: str) -> str:
    """The new name of an object that changes schema together with its table."""
    old, new = (table.rpartition(".")[0] for table in (before, after))
    if old == new or name.rpartition(".")[0] != old:
        return name
    rest = name.rpartition(".")[2]
    return f"{new}.{rest}" if new else rest


def _listed(identity: Iterable[str], columns: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(columns.get(word, word) for word in identity)


def _renamed(word: Token, names: Mapping[str, str]) -> str:
    text = word.text.lower()
    return text if word.literal else names.get(text, text)
