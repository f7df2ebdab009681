"""What the revisions of an upgrade said in so many words, by operation or by statement."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from migrations_ops.analysis.renames import Names, Naming
from migrations_ops.analysis.resolver import Resolver
from migrations_ops.analysis.schema_facts import ATTACHED, CONSTRAINTS, Fact, lowered
from migrations_ops.analysis.statements.blocks import (
    statements_in_block,
    statements_in_trigger,
    statements_of,
    unquoted,
)
from migrations_ops.analysis.statements.rows import TEMPORARY, Write, assigned, writes_of
from migrations_ops.analysis.statements.schema import Phrase, phrases
from migrations_ops.child.protocol.sql import Syntax, Token, tokens

# How Alembic calls the kinds of constraints, besides our own names.
_ALEMBIC_KINDS = {"foreignkey": "foreign key", "primary": "primary key"}
_WORDS = re.compile(r"'(?:[^']|'')*'|\w+")
_ALL_OF_A_COLUMN = ("type", "nullable", "default")


@dataclass
class Declared:
    """What the revisions asked for, of the tables and columns of the beginning.

    These are meant by the names that they had then, whatever they were called when a revision
    spoke of them: ``naming`` knows. ``columns`` are those that were dropped; ``names`` are objects
    of other kinds that were dropped or renamed, and ``touched`` those that were changed, each with
    its table or with none; ``constraints`` are (table, name, kind), the kind empty where it was not
    told; ``altered`` are (table, column, what of it); ``converted`` the tables
    whose texts got another character set; ``replaced`` the tables in which an INSERT
    may overwrite rows; ``revoked`` are (what, role); ``recounted`` tables whose sequences were set;
    ``renamed`` types and the like, as the texts of other facts have them.
    """

    naming: Naming
    syntax: Syntax = "sqlite"
    columns: set[tuple[str, str]] = field(default_factory=set)
    names: set[tuple[str, str]] = field(default_factory=set)
    touched: set[tuple[str, str]] = field(default_factory=set)
    constraints: set[tuple[str, str, str]] = field(default_factory=set)
    altered: set[tuple[str, str, str]] = field(default_factory=set)
    converted: set[str] = field(default_factory=set)
    emptied: set[str] = field(default_factory=set)
    inserted: set[str] = field(default_factory=set)
    replaced: set[str] = field(default_factory=set)
    updated: set[tuple[str, str]] = field(default_factory=set)
    revoked: set[tuple[str, str]] = field(default_factory=set)
    recounted: set[str] = field(default_factory=set)
    renamed: dict[str, str] = field(default_factory=dict)
    _schemas: set[str] = field(default_factory=set, repr=False)
    _resolver: Resolver = field(default_factory=Resolver, repr=False)
    _batch: tuple[int, Names] = field(default_factory=lambda: (0, Names()), repr=False)
    _announced: list[tuple[str, ...]] = field(default_factory=list, repr=False)

    @classmethod
    def by(
        cls,
        told: Iterable[Mapping[str, Any]],
        before: Mapping[str, str],
        after: Mapping[str, str],
        syntax: Syntax = "sqlite",
    ) -> Declared:
        """What follows from operations and statements, in the order in which they were told.

        :param before: the schema from which they started.
        :param after: the schema to which they led.
        :param syntax: whose SQL the statements are.
        """
        naming = Naming(before)
        declared = cls(naming, syntax, _resolver=Resolver.of(naming, before, after))
        for each in told:
            if "sql" in each:
                for sql in statements_of(each["sql"], syntax):
                    declared._read_statement(sql)
            else:
                declared._read_operation(each)
        declared.naming.settle(after)
        declared._note_triggers(before)
        return declared

    # -- reading --------------------------------------------------------------------------------

    def _read_operation(self, operation: Mapping[str, Any]) -> None:
        table, name, to = ((operation.get(key) or "").lower() for key in ("table", "name", "to"))
        batch = operation.get("batch") or 0
        if operation.get("schema"):
            table = f"{operation['schema'].lower()}.{table}"
        table = self._resolver.table(table) if table else ""
        match operation["kind"]:
            case "drop_table" if table:
                self._drop_table(table)
            case "rename_table" if table and to:
                self._rename_table(table, to)
            case "drop_column":
                self._drop_column(table, name, batch)
            case "rename_column" if to:
                self._rename_column(table, name, to, batch)
                self._announced.append((table, to, "all"))
            case "alter_column":
                first, column = self._column(table, name, batch)
                self._alter(first, column, operation["changes"])
                # Where a statement writes the whole column anew, that alone was asked for.
                self._announced.append((table, name, "all"))
            case "drop_constraint":
                kind = operation.get("type") or ""
                first = self.naming.table(table)
                self.constraints.add((first, name, _ALEMBIC_KINDS.get(kind, kind)))
            case "drop_index":
                self.names.add((self._resolver.object(name), self._attached_to(table)))

    def _read_statement(self, sql: list[Token]) -> None:
        for phrase in phrases(sql):
            self._read_phrase(phrase)
        for write in writes_of(sql):
            table = self._resolver.table(write.table)
            columns = {self._column(table, column) for column in write.columns}
            self._note_write(write, self.naming.table(table), columns)

    def _read_phrase(self, phrase: Phrase) -> None:
        table = self._resolver.table(phrase.table) if phrase.table else ""
        match phrase:
            case Phrase("drop", name, "table"):
                self._drop_table(self._resolver.table(name))
            case Phrase("drop" | "rename", name, "schema", _, to):
                self._leave_schema(name, to)
            case Phrase("rename" | "move", name, "table", _, to) if self._resolver.knows(name):
                old = self._resolver.table(name)
                self._rename_table(old, self._resolver.new_name(old, to, phrase.does))
            case Phrase("rename", name, "value", _, to):
                self.renamed[name] = to
            case Phrase("drop" | "rename" | "move", name):
                self.names.add((self._resolver.object(name), self._attached_to(table)))
                if phrase.does == "rename":
                    self.renamed[name.rpartition(".")[2]] = phrase.to.rpartition(".")[2]
            case Phrase("drop column", name):
                self._drop_column(table, name)
            case Phrase("rename column", name):
                self._rename_column(table, name, phrase.to)
            case Phrase("alter column", name, _, _, "all"):
                if not self._is_announced((table, name, "all")):
                    self._alter(*self._column(table, name), _ALL_OF_A_COLUMN)
            case Phrase("alter column", name):
                self._alter(*self._column(table, name), [phrase.to])
            case Phrase("convert", name):
                self.converted.add(self.naming.table(self._resolver.table(name)))
                self.touched.add((self._resolver.object(name), ""))
            case Phrase("drop constraint", name):
                self.constraints.add((self.naming.table(table), name, phrase.kind))
            case Phrase("truncate" | "detach"):
                self._empty(table or self._resolver.table(phrase.name), phrase)
            case Phrase("revoke" | "disown", name, _, _, to):
                self.revoked.add((name, to) if phrase.does == "revoke" else ("", name))
            case Phrase("path", name):
                self._resolver.path = name
            case Phrase("count", name):
                self.recounted |= self._resolver.counting(name)
            case Phrase("touch", name):
                self.touched.add((self._resolver.object(name), self._attached_to(table)))

    def _attached_to(self, table: str) -> str:
        return self.naming.table(table) if table else ""

    def _drop_table(self, table: str) -> None:
        for part in self._resolver.parts(self.naming.table(table)):
            self.naming.drop_table(self.naming.table_now(part))
        self.naming.drop_table(table)

    def _leave_schema(self, name: str, to: str) -> None:
        """All of a schema goes with it, or gets its new name."""
        self._schemas.add(name)
        for table in self._resolver.tables_in(name):
            if to:
                self.naming.rename_table(table, f"{to}.{table.partition('.')[2]}")
            else:
                self.naming.drop_table(table)

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
            for each in (first, *self._resolver.parts(first)):
                self.naming.columns(each).move(column, to)

    def _drop_column(self, table: str, name: str, batch: int = 0) -> None:
        if self._is_announced((table, name), batch):
            return
        first, column = self._column(table, name, batch)
        if first and column:
            for each in (first, *self._resolver.parts(first)):
                self.naming.columns(each).drop(column)
                self.columns.add((each, column))

    def _alter(self, first: str, column: str, changes: Iterable[str]) -> None:
        for each in (first, *self._resolver.parts(first)):
            self.altered |= {(each, column, what) for what in changes}

    def _is_announced(self, what: tuple[str, ...], batch: int = 0) -> bool:
        """Whether an operation has told already what a statement does now.

        By then the names have changed: a batch may have given this one to another column.
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

    def _empty(self, table: str, phrase: Phrase) -> None:
        first = self.naming.table(table)
        self.emptied |= {first, *self._resolver.wholes(first)}
        if phrase.to == "restart":
            self.recounted.add(first)

    def _note_write(self, write: Write, table: str, columns: set[tuple[str, str]]) -> None:
        # What is written to a part is written to the whole, and the other way round.
        tables = {table, *self._resolver.wholes(table), *self._resolver.parts(table)}
        self.updated |= {(each, column) for each in tables for _, column in columns}
        for declared, noted in (
            (write.replaces, self.replaced),
            (write.deletes, self.emptied),
            (write.inserts, self.inserted),
        ):
            if declared:
                noted |= tables

    def _note_triggers(self, schema: Mapping[str, str]) -> None:
        """What the triggers of tables that were written to do on their own is said, too."""
        triggers = [
            (Fact.of(key, was).table, self._body(was, schema))
            for key, was in schema.items()
            if key.startswith("trigger ")
        ]
        for _ in triggers:  # each may set off another one
            for table, body in triggers:
                if not self.writes(table):
                    continue
                self.updated |= {(table, column) for column in assigned(body)}
                inside = statements_in_block(body) + statements_in_trigger(body)
                for write in (each for sql in inside for each in writes_of(sql)):
                    written = self._resolver.table(write.table)
                    columns = {(written, column) for column in write.columns}
                    self._note_write(write, written, columns)

    def _body(self, trigger: str, schema: Mapping[str, str]) -> list[Token]:
        """The statements of a trigger: its own ones, or those of the function that it calls."""
        told = tokens(trigger, "facts")
        texts = lowered(told)
        if "execute" not in texts:
            return told
        for number, word in enumerate(texts[:-1]):
            if word == "function":
                name = told[number + 1].shown()
                if texts[number + 2 : number + 3] == ["."]:
                    name = f'"{texts[number + 1]}.{texts[number + 3]}"'
                function = tokens(schema.get(f"function {name}()", ""), "facts")
                if function and function[-1].literal:
                    return tokens(unquoted(function[-1]), "postgresql")
        return told

    # -- asking ---------------------------------------------------------------------------------

    def covers(self, fact: Fact, before: Iterable[Fact]) -> bool:
        """Whether the disappearance of an object follows from what was said.

        :param before: everything that was there.
        """
        dropped = self.naming.dropped
        if fact.kind == "table":
            return fact.table in dropped
        if self._is_named(fact) or (fact.kind == "privilege" and self._is_revoked(fact)):
            return True
        if fact.kind in ATTACHED:
            # Who writes a table anew by hand writes its columns and constraints again, but
            # easily forgets that its indexes, triggers and rights go with the old one.
            gone = fact.table in dropped
        else:
            gone = fact.table in dropped | self.naming.rebuilt or fact.parent in dropped
        if gone:
            return True
        if fact.kind not in ("trigger", "policy", "rule") and any(
            table == fact.table and column in fact.columns for table, column in self.columns
        ):
            return True
        return fact.kind in CONSTRAINTS and self._dropped(fact, before)

    def touches(self, fact: Fact) -> bool:
        """Whether a statement changes this very object, without taking it away."""
        name = fact.name or fact.table
        return bool({(name, ""), (name, fact.table)} & self.touched)

    def alters(self, fact: Fact, what: str) -> bool:
        """Whether this of a column (type, nullable, default) is changed by name."""
        converted = what == "type" and fact.table in self.converted
        return converted or (fact.table, fact.name, what) in self.altered

    def moves_key_of(self, fact: Fact) -> bool:
        """Whether the primary key of the fact's table is dropped."""
        return any(
            table == fact.table and kind == "primary key" for table, _, kind in self.constraints
        )

    def removes_rows_of(self, table: str) -> bool:
        """Whether rows of a table are deleted or overwritten."""
        parts = self._resolver.parts(table) & self.naming.dropped
        return bool(parts) or table in self.emptied | self.replaced | self.naming.dropped

    def writes(self, table: str) -> bool:
        """Whether rows of a table are added, changed or deleted."""
        written = self.emptied | self.inserted | self.replaced
        return table in written or any(table == each for each, _ in self.updated)

    def writes_anew(self, table: str) -> bool:
        """Whether all values of a table may be meant to change."""
        by_hand = self.naming.rebuilt | self.naming.dropped
        return table in by_hand | self.replaced | (self.emptied & self.inserted)

    def _is_named(self, fact: Fact) -> bool:
        """Whether it is dropped or renamed by its name, or its schema is, or what it is on."""
        schemas = {(fact.table or fact.name).partition(".")[0], fact.name.partition(".")[0]}
        if fact.kind == "schema":
            return fact.name in self._schemas
        if schemas & self._schemas:
            return True
        if fact.kind == "object":
            return any(name in fact.told() for name, _ in self.names)
        # An index of a materialized view, and a rule of a view.
        if fact.kind in ATTACHED and fact.kind != "privilege" and (fact.table, "") in self.names:
            return True
        if fact.kind in CONSTRAINTS or fact.kind in ("column", "privilege"):
            return False
        return bool({(fact.name, ""), (fact.name, fact.table)} & self.names)

    def _is_revoked(self, fact: Fact) -> bool:
        told = {*fact.told()}
        schema = fact.table.rpartition(".")[0]
        return any(
            role == fact.name and (not name or name in told or name in (schema, "public"))
            for name, role in self.revoked
        )

    def _dropped(self, fact: Fact, before: Iterable[Fact]) -> bool:
        names = {each.name for each in before if each.table == fact.table}
        for table, name, kind in self.constraints:
            if table not in (fact.table, *self._resolver.wholes(fact.table)):
                continue
            if kind not in ("", fact.kind):
                continue
            # A constraint without a name is dropped under the one that a naming convention
            # gives it, and which nothing in the database has.
            if name == fact.name or (not fact.name and name not in names):
                return True
        return False

    def now(self, text: str) -> str:
        """The text of a fact, with the new names of types, values and sequences."""

        def new_name(found: re.Match[str]) -> str:
            word = found.group()
            inside = self.renamed.get(word.strip("'"), word)
            quoted = f"'{inside}'" if word.startswith("'") and inside != word else inside
            return self.renamed.get(word, quoted)

        return _WORDS.sub(new_name, text) if self.renamed else text
