"""What the fact of a schema has become where tables and columns were renamed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from migrations_ops.analysis.names import Naming
from migrations_ops.analysis.schema_facts import ATTACHED, CONSTRAINTS, Fact, lowered
from migrations_ops.child.protocol.sql import Token, tokens

_OF_TABLES = CONSTRAINTS | {"table", "column"}


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
