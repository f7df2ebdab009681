"""What the revisions of an upgrade said in so many words, by operation or by statement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from migrations_ops.databases.sql_words import Word, group, split, words
from migrations_ops.facts import CONSTRAINTS, Fact, lowered

# How Alembic calls the kinds of constraints, besides our own names.
_ALEMBIC_KINDS = {"foreignkey": "foreign key", "primary": "primary key"}
_TEMPORARY = "_alembic_tmp_"
_MAIN = ("main", ".")
_WRITES = ("UPDATE", "DELETE", "INSERT", "REPLACE")
_CLAUSES = ("WHERE", "FROM", "RETURNING", "ORDER", "LIMIT")


@dataclass
class Said:
    """What the revisions asked for.

    ``rebuilt`` are those of the ``tables`` that were renamed, or dropped and replaced by a renamed
    one: what SQLite's own documentation advises for a change that ALTER TABLE cannot make.
    ``constraints`` are (table, name, kind), the kind empty where it was not told; ``altered`` are
    (table, column, what of it); ``replaced`` the tables in which an INSERT may overwrite rows.
    ``table_renames`` and ``column_renames`` are in the order in which they were said.
    """

    tables: set[str] = field(default_factory=set)
    rebuilt: set[str] = field(default_factory=set)
    columns: set[tuple[str, str]] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    constraints: set[tuple[str, str, str]] = field(default_factory=set)
    altered: set[tuple[str, str, str]] = field(default_factory=set)
    emptied: set[str] = field(default_factory=set)
    inserted: set[str] = field(default_factory=set)
    replaced: set[str] = field(default_factory=set)
    updated: set[tuple[str, str]] = field(default_factory=set)
    table_renames: list[tuple[str, str]] = field(default_factory=list)
    column_renames: list[tuple[str, str, str]] = field(default_factory=list)

    @classmethod
    def by(
        cls, operations: Iterable[Mapping[str, Any]], statements: Iterable[Mapping[str, Any]]
    ) -> Said:
        said = cls()
        for statement in statements:
            sql = words(statement["sql"])
            said._read_statement(lowered(sql[:16]))
            said._read_write(sql)
        for operation in operations:
            said._read_operation(operation)
        return said

    def note_triggers(self, schema: Mapping[str, str]) -> None:
        """What the triggers of tables that were written to do on their own is said, too."""
        triggers = [
            (Fact.of(key, was).table, words(was))
            for key, was in schema.items()
            if key.startswith("trigger ")
        ]
        for _ in triggers:  # each may set off another one
            for table, sql in triggers:
                if self.writes({table}):
                    body = next((n for n, word in enumerate(sql) if word.means("BEGIN")), 0)
                    for statement in _statements(sql[body + 1 :]):
                        self._read_write(statement)

    # -- reading --------------------------------------------------------------------------------

    def _read_operation(self, operation: Mapping[str, Any]) -> None:
        table, name, to = ((operation.get(key) or "").lower() for key in ("table", "name", "to"))
        match operation["kind"]:
            case "drop_table" | "rename_table" if table:
                self.tables.add(table)
                if to:
                    self.table_renames.append((table, to))
            case "drop_column" | "rename_column":
                self.columns.add((table, name))
                if to:
                    self.column_renames.append((table, name, to))
            case "alter_column":
                self.altered |= {(table, name, what) for what in operation["changes"]}
            case "drop_constraint":
                kind = operation.get("type") or ""
                self.constraints.add((table, name, _ALEMBIC_KINDS.get(kind, kind)))
            case "drop_index":
                self.names.add(name)

    def _read_statement(self, sql: list[str]) -> None:
        match [word for word in sql if word not in ("if", "exists", *_MAIN)]:
            case ["drop", "table", table, *_]:
                self.tables.add(table)
                self.rebuilt.discard(table)
            case ["drop", "index" | "trigger" | "view", name, *_]:
                self.names.add(name)
            case ["alter", "table", old, "rename", "to", new, *_]:
                self._renamed(old, new)
            case ["alter", "table", table, "rename", "column", column, "to", new, *_]:
                self.columns.add((table, column))
                self.column_renames.append((table, column, new))
            case ["alter", "table", table, "rename", column, "to", new, *_]:
                self.columns.add((table, column))
                self.column_renames.append((table, column, new))
            case ["alter", "table", table, "drop", "column", column, *_]:
                self.columns.add((table, column))
            case ["alter", "table", table, "drop", column, *_]:
                self.columns.add((table, column))

    def _renamed(self, old: str, new: str) -> None:
        if old.startswith(_TEMPORARY):
            # Alembic's batch mode dropped the old table: that was not the revision's wish.
            self.tables.discard(new)
            return
        self.table_renames.append((old, new))
        self.tables.add(old)
        self.rebuilt.add(old)
        if new in self.tables:
            self.rebuilt.add(new)

    def _read_write(self, sql: list[Word]) -> None:
        """An UPDATE, DELETE, INSERT or REPLACE, also behind a WITH."""
        start = _outside(sql, _WRITES) if sql and sql[0].means("WITH") else 0
        sql = sql[start:]
        if not sql or not sql[0].means(*_WRITES):
            return
        verb, rest = sql[0].text.upper(), sql[1:]
        replaces = verb == "REPLACE"
        if rest and rest[0].means("OR"):
            replaces, rest = any(word.means("REPLACE") for word in rest[1:2]), rest[2:]
        if rest and rest[0].means("INTO", "FROM"):
            rest = rest[1:]
        if len(rest) > 2 and rest[1].means("."):
            rest = rest[2:]
        if not rest or rest[0].text.lower().startswith(_TEMPORARY):
            return  # batch mode copies a table: that is no wish to change it
        table = rest[0].text.lower()
        if replaces:
            self.replaced.add(table)
        if verb == "DELETE":
            self.emptied.add(table)
        elif verb == "UPDATE":
            self._read_set(table, rest)
        else:
            self.inserted.add(table)
            if _outside(rest, ("DO",)) < len(rest):
                self._read_set(table, rest[_outside(rest, ("DO",)) :])

    def _read_set(self, table: str, sql: list[Word]) -> None:
        sql = sql[_outside(sql, ("SET",)) + 1 :]
        for part in split(sql[: _outside(sql, _CLAUSES)]):
            names = split(group(part, 0)) if part[0].means("(") else [part]
            self.updated |= {(table, name[0].text.lower()) for name in names}

    # -- asking ---------------------------------------------------------------------------------

    def covers(self, fact: Fact, before: Iterable[Fact]) -> bool:
        """Whether the disappearance of an object follows from what was said.

        :param before: everything that was there.
        """
        if fact.kind == "table":
            return fact.table in self.tables
        if fact.kind in ("index", "trigger"):
            # Who writes a table anew by hand writes its columns and constraints again, but
            # easily forgets that its indexes and triggers go with the old one.
            gone = fact.table in self.tables - self.rebuilt
        else:
            gone = fact.table in self.tables or fact.parent in self.tables
        if gone or (fact.kind in ("index", "trigger", "view") and fact.name in self.names):
            return True
        if fact.kind != "trigger" and any(
            table == fact.table and column in fact.columns for table, column in self.columns
        ):
            return True
        return fact.kind in CONSTRAINTS and self._dropped(fact, before)

    def alters(self, fact: Fact, what: str) -> bool:
        """Whether this of a column (type, nullable, default) is changed by name."""
        return (fact.table, fact.name, what) in self.altered

    def moves_key_of(self, fact: Fact) -> bool:
        """Whether the primary key of the fact's table is dropped."""
        return any(
            table == fact.table and kind == "primary key" for table, _, kind in self.constraints
        )

    def removes_rows_of(self, names: set[str]) -> bool:
        """Whether rows of a table, under any of its names, are deleted or overwritten."""
        return bool(names & (self.emptied | self.replaced | (self.tables - self.rebuilt)))

    def writes(self, names: set[str]) -> bool:
        """Whether rows of a table, under any of its names, are added, changed or deleted."""
        written = self.emptied | self.inserted | self.replaced
        return bool(names & (written | {table for table, _ in self.updated}))

    def writes_anew(self, names: set[str]) -> bool:
        """Whether all values of a table, under any of its names, may be meant to change."""
        return bool(names & (self.replaced | (self.emptied & self.inserted)))

    def _dropped(self, fact: Fact, before: Iterable[Fact]) -> bool:
        names = {each.name for each in before if each.table == fact.table}
        for table, name, kind in self.constraints:
            if table != fact.table or kind not in ("", fact.kind):
                continue
            # A constraint without a name is dropped under the one that a naming convention
            # gives it, and which nothing in the database has.
            if name == fact.name or (not fact.name and name not in names):
                return True
        return False


def _outside(sql: list[Word], keywords: tuple[str, ...]) -> int:
    """Where the first of these keywords stands outside of brackets; the length if nowhere."""
    depth = 0
    for number, word in enumerate(sql):
        depth += word.means("(") - word.means(")")
        if not depth and word.means(*keywords):
            return number
    return len(sql)


def _statements(sql: list[Word]) -> list[list[Word]]:
    """The statements of a trigger's body."""
    parts: list[list[Word]] = [[]]
    for word in sql:
        if word.means(";"):
            parts.append([])
        else:
            parts[-1].append(word)
    return [part for part in parts if part]
