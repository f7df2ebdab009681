"""What the fact of a schema has become where tables and columns were renamed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from migrations_ops.analysis.schema_facts import ATTACHED, CONSTRAINTS, Fact, lowered
from migrations_ops.child.protocol.sql import Token, tokens

_OF_TABLES = CONSTRAINTS | {"table", "column"}


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


class Renames:
    """Follows the facts of a schema to the one that came out of it."""

    def __init__(self, naming: Naming, after: Mapping[str, str]) -> None:
        self._naming, self._after = naming, after
        self._columns = naming.columns_moved()
        self._by_words: dict[tuple[str, ...], str] = {}

    def key(self, key: str, fact: Fact) -> str | None:
        """Under which key the same is there after; None if it is not."""
        told = fact.told()
        expected = self._expected(fact, told)
        if expected == told:
            return key if key in self._after else None
        if not self._by_words:
            self._by_words = {Fact.of(each, "").told(): each for each in self._after}
        return self._by_words.get(expected)

    def words(self, fact: Fact, was: str) -> list[str]:
        """What is told of it, by the names of after, in small letters."""
        told = tokens(was, "facts")
        mentioned = {fact.table, *lowered(told)}
        names = {table: self._naming.table_now(table) or table for table in mentioned}
        for table in mentioned & set(self._columns):
            names |= self._columns[table]
        return [_renamed(word, names) for word in told]

    def stale(self, fact: Fact, was: str, now: str) -> dict[str, str]:
        """Columns that it still names as they were called before, with their new names.

        A rebuild copies a condition as it stands: in quotes, a name that no column has any more
        is a text to SQLite, so that the condition holds always or never, and nothing fails.
        """
        moved = self._columns.get(fact.parent or fact.table, {})
        if not moved or fact.kind not in ("index", "check", "foreign key"):
            return {}
        named, still = _columns_in(fact.kind, was), _columns_in(fact.kind, now)
        expected = {moved.get(name, name) for name in named}
        return {name: moved[name] for name in sorted(named & still & set(moved) - expected)}

    def _expected(self, fact: Fact, told: tuple[str, ...]) -> tuple[str, ...]:
        """What it has to be told from the others by; without names for what was displaced."""
        columns = self._columns.get(fact.table, {})
        table = self._naming.table_now(fact.table) or fact.table
        if fact.kind in ("index", "sequence"):
            told = (fact.kind, _moved(told[1], fact.table, table), *told[2:])
        if fact.kind in ATTACHED:
            names = {fact.table: table} | (columns if fact.kind == "privilege" else {})
            return (*told[:2], *_listed(told[2:], names))
        if fact.kind not in _OF_TABLES:
            return told
        start: tuple[str, ...] = (fact.kind, self._naming.table_now(fact.table))
        match fact.kind:
            case "table":
                return start
            case "check" | "exclusion" if fact.name:
                return start + told[2:]
            case "check":
                where = tokens(fact.where, "facts")[1:]
                return start + tuple(_renamed(word, columns) for word in where)
            case "foreign key":
                parent = self._naming.table_now(fact.parent) or fact.parent
                return (*start, *_listed(told[2:-2], columns), "to", parent)
        return start + _listed(told[2:], columns)


def _columns_in(kind: str, was: str) -> frozenset[str]:
    """The words among which an index, a check or a foreign key names columns, there if so."""
    told = lowered(tokens(was, "facts"))
    if kind == "index":
        return frozenset(told[told.index("on") + 2 :])
    return frozenset(told[: told.index(")")] if kind == "foreign key" else told)


def _moved(name: str, before: str, after: str) -> str:
    """The name of what goes along when its table moves to another schema."""
    old, new = (table.rpartition(".")[0] for table in (before, after))
    if old == new or name.rpartition(".")[0] != old:
        return name
    rest = name.rpartition(".")[2]
    return f"{new}.{rest}" if new else rest


def _listed(told: Iterable[str], columns: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(columns.get(word, word) for word in told)


def _renamed(word: Token, names: Mapping[str, str]) -> str:
    text = word.text.lower()
    return text if word.literal else names.get(text, text)
