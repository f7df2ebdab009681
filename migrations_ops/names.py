"""Tables and columns through their renames: which one of the beginning a name means now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from migrations_ops.facts import Fact


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
