"""What the revisions of an upgrade said in so many words, by operation or by statement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from migrations_ops.databases.sql_words import Word, words
from migrations_ops.facts import CONSTRAINTS, Fact, lowered
from migrations_ops.names import Names, Naming
from migrations_ops.writes import TEMPORARY, Write, statements_of

# How Alembic calls the kinds of constraints, besides our own names.
_ALEMBIC_KINDS = {"foreignkey": "foreign key", "primary": "primary key"}
_MAIN = ("main", ".")


@dataclass
class Said:
    """What the revisions asked for, of the tables and columns of the beginning.

    These are meant by the names that they had then, whatever they were called when a revision
    spoke of them: ``naming`` knows. ``columns`` are those that were dropped; ``names`` the indexes,
    triggers and views; ``constraints`` are (table, name, kind), the kind empty where it was not
    told; ``altered`` are (table, column, what of it); ``replaced`` the tables in which an INSERT
    may overwrite rows.
    """

    naming: Naming
    columns: set[tuple[str, str]] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    constraints: set[tuple[str, str, str]] = field(default_factory=set)
    altered: set[tuple[str, str, str]] = field(default_factory=set)
    emptied: set[str] = field(default_factory=set)
    inserted: set[str] = field(default_factory=set)
    replaced: set[str] = field(default_factory=set)
    updated: set[tuple[str, str]] = field(default_factory=set)
    _batch: tuple[int, Names] = field(default_factory=lambda: (0, Names()), repr=False)
    _announced: list[tuple[str, ...]] = field(default_factory=list, repr=False)

    @classmethod
    def by(
        cls,
        told: Iterable[Mapping[str, Any]],
        before: Mapping[str, str],
        after: Mapping[str, str],
    ) -> Said:
        """What follows from operations and statements, in the order in which they were told.

        :param before: the schema from which they started.
        :param after: the schema to which they led.
        """
        said = cls(Naming(before))
        for each in told:
            if "sql" in each:
                sql = words(each["sql"])
                said._read_statement(lowered(sql[:16]))
                said._read_write(sql)
            else:
                said._read_operation(each)
        said.naming.settle(after)
        said._note_triggers(before)
        return said

    # -- reading --------------------------------------------------------------------------------

    def _read_operation(self, operation: Mapping[str, Any]) -> None:
        table, name, to = ((operation.get(key) or "").lower() for key in ("table", "name", "to"))
        batch = operation.get("batch") or 0
        match operation["kind"]:
            case "drop_table" if table:
                self.naming.drop_table(table)
            case "rename_table" if table and to:
                self.naming.rename_table(table, to)
            case "drop_column":
                self._drop_column(table, name, batch)
            case "rename_column" if to:
                self._rename_column(table, name, to, batch)
            case "alter_column":
                first, column = self._column(table, name, batch)
                self.altered |= {(first, column, what) for what in operation["changes"]}
            case "drop_constraint":
                kind = operation.get("type") or ""
                first = self.naming.table(table)
                self.constraints.add((first, name, _ALEMBIC_KINDS.get(kind, kind)))
            case "drop_index":
                self.names.add(name)

    def _read_statement(self, sql: list[str]) -> None:
        match [word for word in sql if word not in ("if", "exists", *_MAIN)]:
            case ["drop", "table", table, *_]:
                self.naming.drop_table(table)
            case ["drop", "index" | "trigger" | "view", name, *_]:
                self.names.add(name)
            case ["alter", "table", old, "rename", "to", new, *_]:
                self._rename_table(old, new)
            case ["alter", "table", table, "rename", "column", column, "to", new, *_]:
                self._rename_column(table, column, new)
            case ["alter", "table", table, "rename", column, "to", new, *_]:
                self._rename_column(table, column, new)
            case ["alter", "table", table, "drop", "column", column, *_]:
                self._drop_column(table, column)
            case ["alter", "table", table, "drop", column, *_]:
                self._drop_column(table, column)

    def _rename_table(self, old: str, new: str) -> None:
        if old.startswith(TEMPORARY):
            self.naming.replaced_by_batch(new)
            self._announced = [each for each in self._announced if each[0] != new]
        else:
            self.naming.rename_table(old, new)

    def _rename_column(self, table: str, name: str, to: str, batch: int = 0) -> None:
        if self._is_announced((table, name, to), batch):
            return
        first, column = self._column(table, name, batch)
        if first and column:
            self.naming.columns(first).move(column, to)

    def _drop_column(self, table: str, name: str, batch: int = 0) -> None:
        if self._is_announced((table, name), batch):
            return
        first, column = self._column(table, name, batch)
        if first and column:
            self.naming.columns(first).drop(column)
            self.columns.add((first, column))

    def _is_announced(self, what: tuple[str, ...], batch: int) -> bool:
        """Whether a batch has told already what a statement does now.

        By then the names have changed: the batch may have given this one to another column.
        """
        if batch:
            self._announced.append(what)
        elif what in self._announced:
            self._announced.remove(what)
            return True
        return False

    def _column(self, table: str, name: str, batch: int = 0) -> tuple[str, str]:
        """The first names of a column and its table; empty for what is new.

        All operations of a batch mean the names that there were when it began.
        """
        first = self.naming.table(table)
        names = self.naming.columns(first)
        if batch and batch != self._batch[0]:
            self._batch = (batch, names.copy())
        return first, (self._batch[1] if batch else names).first(name)

    def _read_write(self, sql: list[Word]) -> None:
        write = Write.of(sql)
        if write is not None:
            columns = {self._column(write.table, column) for column in write.columns}
            self._note_write(write, self.naming.table(write.table), columns)

    def _note_write(self, write: Write, table: str, columns: set[tuple[str, str]]) -> None:
        self.updated |= columns
        for said, tables in (
            (write.replaces, self.replaced),
            (write.deletes, self.emptied),
            (write.inserts, self.inserted),
        ):
            if said:
                tables.add(table)

    def _note_triggers(self, schema: Mapping[str, str]) -> None:
        """What the triggers of tables that were written to do on their own is said, too."""
        triggers = [
            (Fact.of(key, was).table, statements_of(words(was)))
            for key, was in schema.items()
            if key.startswith("trigger ")
        ]
        for _ in triggers:  # each may set off another one
            for table, statements in triggers:
                for write in map(Write.of, statements if self.writes(table) else ()):
                    if write is not None:
                        columns = {(write.table, column) for column in write.columns}
                        self._note_write(write, write.table, columns)

    # -- asking ---------------------------------------------------------------------------------

    def covers(self, fact: Fact, before: Iterable[Fact]) -> bool:
        """Whether the disappearance of an object follows from what was said.

        :param before: everything that was there.
        """
        dropped = self.naming.dropped
        if fact.kind == "table":
            return fact.table in dropped
        if fact.kind in ("index", "trigger"):
            # Who writes a table anew by hand writes its columns and constraints again, but
            # easily forgets that its indexes and triggers go with the old one.
            gone = fact.table in dropped
        else:
            gone = fact.table in dropped | self.naming.rebuilt or fact.parent in dropped
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

    def removes_rows_of(self, table: str) -> bool:
        """Whether rows of a table are deleted or overwritten."""
        return table in self.emptied | self.replaced | self.naming.dropped

    def writes(self, table: str) -> bool:
        """Whether rows of a table are added, changed or deleted."""
        written = self.emptied | self.inserted | self.replaced
        return table in written or any(table == each for each, _ in self.updated)

    def writes_anew(self, table: str) -> bool:
        """Whether all values of a table may be meant to change."""
        by_hand = self.naming.rebuilt | self.naming.dropped
        return table in by_hand | self.replaced | (self.emptied & self.inserted)

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
