"""Reads what revisions declared from the operations and statements that the child reported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from migrations_ops.analysis.columns_anew import ColumnsAnew
from migrations_ops.analysis.declared import Declared
from migrations_ops.analysis.rebuilds import Rebuilt, read_rebuilt
from migrations_ops.analysis.refills import Refills
from migrations_ops.analysis.renames import Names, Naming
from migrations_ops.analysis.resolver import Hierarchy, Resolver
from migrations_ops.analysis.schema_facts import Fact, lowered
from migrations_ops.analysis.statements.blocks import (
    statements_in_block,
    statements_in_trigger,
    statements_of,
)
from migrations_ops.analysis.statements.casts import assignments
from migrations_ops.analysis.statements.rows import (
    TEMPORARY,
    Write,
    assigned_columns,
    writes_compiled,
    writes_of,
)
from migrations_ops.analysis.statements.schema import SchemaAction, schema_actions
from migrations_ops.analysis.triggers import body_of, deleting_triggers, written_uncounted
from migrations_ops.child.protocol.events import (
    STATEMENTS_SENT,
    OperationAsked,
    StatementRan,
    TableWrite,
    Traced,
)
from migrations_ops.child.protocol.sql import Syntax, Token, group, tokens
from migrations_ops.databases.row_changes import TypeChange

# Alembic's names for the kinds of constraints, where they differ from ours.
_ALEMBIC_KINDS = {"foreignkey": "foreign key", "primary": "primary key"}


def read_declared(
    events: Iterable[Traced],
    before: Mapping[str, str],
    after: Mapping[str, str],
    syntax: Syntax = "sqlite",
) -> Declared:
    """Read what operations and statements declare.

    :param events: the operations and statements, in the order in which they ran.
    :param before: the schema from which they started.
    :param after: the schema after them.
    :param syntax: whose SQL the statements are.
    """
    reader, compiled = _Reader(before, after, syntax), False
    events = [*events]
    sent = Counter(each.revision for each in events if isinstance(each, StatementRan))
    for event in events:
        reader.revision = event.revision
        if isinstance(event, StatementRan):
            compiled |= event.writes is not None
            statements = statements_of(event.sql, syntax)
            # Of a revision that ran more statements, some were not sent.
            complete = len(statements) == 1 and sent[event.revision] < STATEMENTS_SENT
            for statement in statements:
                reader.read_statement(statement, event.writes, event.rows if complete else None)
        else:
            reader.read_operation(event)
    reader.finish(before, after)
    if not compiled:  # where SQLite reported its writes, foreign keys were off
        reader.add_cascades(before)
        reader.add_triggers(before, after)
    return reader.declared


class _Reader:
    def __init__(self, before: Mapping[str, str], after: Mapping[str, str], syntax: Syntax) -> None:
        self._naming, self._hierarchy = Naming(before), Hierarchy(before)
        self._resolver = Resolver.of(self._naming, before, after)
        self._refills = Refills(self._naming, self._resolver)
        self._columns_anew = ColumnsAnew(self._naming)
        facts = tuple(Fact.of(key, was) for key, was in before.items())
        self.declared = Declared(self._naming, self._hierarchy, facts, syntax)
        self._uncounted = {*written_uncounted(before), *written_uncounted(after)}
        self._deleting = deleting_triggers(after) | deleting_triggers(before)
        # The one that is being read.
        self.revision = ""
        # The number of the batch that is being read, and the names from before it.
        self._batch: tuple[int, Names] = (0, Names())
        # Columns that got other values, and not only another type.
        self._computed: set[tuple[str, str]] = set()
        # Declarations of operations whose statements have not come yet.
        self._announced: list[tuple[str, ...]] = []

    def read_operation(self, operation: OperationAsked) -> None:
        names = (operation.table, operation.name, operation.to)
        table, name, to = ((each or "").lower() for each in names)
        batch = operation.batch
        if operation.schema:
            table = f"{operation.schema.lower()}.{table}"
        table = self._resolver.table(table) if table else ""
        match operation.kind:
            case "drop_table" if table:
                self.declared.discarded.add(self._naming.table(table))
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
                changes = {*operation.changes}
                if "default" in changes:  # SQLAlchemy has both in server_default
                    changes.add("on-update")
                self._alter(first, column, changes)
                # A statement that redefines the whole column alters only this.
                self._announced.append((table, name, "all"))
            case "drop_constraint":
                kind = operation.type or ""
                first = self._naming.table(table)
                self.declared.constraints.add((first, name, _ALEMBIC_KINDS.get(kind, kind)))
            case "create_constraint" if table:
                kind = _ALEMBIC_KINDS.get(operation.type or "", operation.type or "")
                columns = {
                    self._column(table, each.lower(), batch)[1] for each in operation.columns
                }
                first = self._naming.table(table)
                self.declared.created.add((first, name, kind, frozenset(columns)))
            case "drop_index":
                self.declared.names.add((self._resolver.object(name), self._first(table)))

    def read_statement(
        self,
        statement: list[Token],
        compiled: Iterable[TableWrite] | None = None,
        rows: int | None = None,
    ) -> None:
        """
        :param compiled: what it writes according to the engine; None where only its text is known.
        :param rows: how many rows it wrote; None if that is unknown.
        """
        self._refills.read(statement)
        for action in schema_actions(statement):
            self._read_action(action)
        writes: Iterable[Write] = [*writes_of(statement)]
        written = {each.table.rpartition(".")[2] for each in writes}
        own = self._counted(statement, writes) if rows is not None else None
        if own is not None and rows == 0:
            return  # it declares what it found, which is nothing
        if compiled is not None and not statement[0].means("EXPLAIN"):
            writes = writes_compiled(compiled, writes)
        sources = assignments(statement)
        cast = {each for each, (source, is_cast) in sources.items() if is_cast and source == each}
        for write in writes:
            table = self._resolver.table(write.table)
            self._refills.update(table, write.columns, cast)
            self._add_cast(table, write.columns, cast)
            self._columns_anew.update(self._naming.table(table), write.columns, sources)
            columns = {self._column(table, column) for column in write.columns}
            if write.deletes:
                # SQLite reports what a trigger deletes with what the statement does itself.
                by_trigger = compiled is not None and write.table not in written
                self._add_trigger(self._naming.table(table), by_trigger)
            is_own = own is not None and own.explains(write)
            self._add_write(write, self._naming.table(table), columns, rows if is_own else None)

    def _add_cast(self, table: str, columns: Iterable[str], cast: Collection[str]) -> None:
        """Distinguish columns that get another type from those that get another value."""
        for each in columns:
            kind = self.declared.only_cast if each in cast else self._computed
            kind.add(self._column(table, each))

    def _add_trigger(self, table: str, by_trigger: bool) -> None:
        if not by_trigger:
            self.declared.triggers[table] = ""
        elif name := self._deleting.get(table):
            self.declared.triggers.setdefault(table, name)

    def _counted(self, statement: list[Token], writes: Iterable[Write]) -> Write | None:
        """What a statement writes, if its count covers all rows of that table which it changes.

        SQLite counts neither what a trigger or a key writes nor what a trigger does instead.
        """
        match [*writes]:
            case [write] if statement[0].means("UPDATE", "DELETE") and not write.replaces:
                table = self._resolver.table(write.table)
                known = table in self._naming.current()
                uncounted = {table, self._naming.table(table)} & self._uncounted
                return write if known and not uncounted else None
        return None

    def finish(self, before: Mapping[str, str], after: Mapping[str, str]) -> None:
        self._naming.finish(after)
        self._find_kept(after)
        for first in [*self._naming.dropped]:
            if table := self._naming.table_after(first):  # it was dropped, and made once more
                if self._refills.is_copied(table, first):
                    self._naming.rebuilt_in_place(first)
                self._add_updated(self._refills.replaced(table, first))
        for first in self.declared.emptied & self.declared.inserted:
            table = self._naming.table_after(first)
            self.declared.refilled |= self._refills.emptied(table, first)
        self._add_rebuilt(before, after)

    def _add_rebuilt(self, before: Mapping[str, str], after: Mapping[str, str]) -> None:
        """Declare what the tables and columns that were rebuilt leave out, or have instead."""
        found, refills, columns = self.declared, self._refills, self._columns_anew
        found.altered |= {(*each, "nullable") for each in refills.nullable}
        found.collated |= refills.collated
        found.retyped |= refills.cast
        found.only_cast -= self._computed
        found.copied_columns |= columns.copied
        found.replaced_columns |= columns.replaced

        def compare(first: str) -> Rebuilt:
            table = self._naming.table_after(first)
            return read_rebuilt(first, table, self._naming, before, after)

        for first in self._naming.rebuilt | self._naming.kept:
            rebuilt = compare(first)
            if first in refills.whole:  # SELECT * leaves out none on purpose
                rebuilt = replace(rebuilt, left_out=frozenset())
            found.rebuilt[first] = rebuilt
        for first in {table for table, _ in columns.replaced}:
            found.columns_anew[first] = compare(first)

    def _find_kept(self, after: Mapping[str, str]) -> None:
        """Find tables that are still there, while a copy has their name from now on."""
        there = {Fact.of(key, "").table for key in after if key.startswith("table ")}
        for first in self._naming.first_names():
            has_copy = first in there and self._refills.is_copied(first, first)
            if has_copy and self._naming.whereabouts(first) in there - {first}:
                self._add_updated(self._refills.replaced(first, first))
                self._naming.kept.add(first)

    def _read_action(self, action: SchemaAction) -> None:
        table = self._resolver.table(action.table) if action.table else ""
        match action:
            case SchemaAction("drop", name, "table"):
                self._drop_table(self._resolver.table(name))
            case SchemaAction("drop" | "rename", name, "schema", _, to):
                self._drop_schema(name, to)
            case SchemaAction("rename" | "move", name, "table", _, to) if self._resolver.knows(
                name
            ):
                old = self._resolver.table(name)
                self._rename_table(old, self._resolver.new_name(old, to, action.verb))
            case SchemaAction("rename", name, "value", of, to):
                self.declared.renamed[name] = to
                self._change_type(of, "rename value", name, to)
            case SchemaAction("add attribute" | "drop attribute" | "rename attribute", name):
                self._change_type(action.table, action.verb, name, action.to)
                self._change_typed_tables(action)
            case SchemaAction("drop" | "rename" | "move", name):
                self.declared.names.add((self._resolver.object(name), self._first(table)))
                if action.kind == "type" and action.to:
                    self._change_type(name, action.verb, "", action.to)
                if action.verb == "rename":
                    to = action.to.rpartition(".")[2]
                    self.declared.renamed[name.rpartition(".")[2]] = to
            case SchemaAction("convert", name):
                self.declared.converted.add(self._naming.table(self._resolver.table(name)))
                self.declared.changed.add((self._resolver.object(name), ""))
            case SchemaAction("drop constraint", name):
                self.declared.constraints.add((self._naming.table(table), name, action.kind))
            case SchemaAction("truncate" | "detach"):
                self._empty(table or self._resolver.table(action.name), action)
            case SchemaAction("revoke", name):
                self.declared.revoked.add((name, action.to))
            case SchemaAction("drop owned", role):
                self.declared.revoked.add(("", role))
            case SchemaAction("search path", name):
                self._resolver.search_path = name
            case SchemaAction("set sequence", name):
                self.declared.recounted |= self._resolver.tables_with_sequence(name)
            case SchemaAction("change", name):
                self.declared.changed.add((self._resolver.object(name), self._first(table)))
            case _:
                self._read_column_action(table, action)

    def _read_column_action(self, table: str, action: SchemaAction) -> None:
        name = action.name
        match action.verb, action.to:
            case "drop column", _:
                self._drop_column(table, name)
            case "rename column", to:
                self._rename_column(table, name, to)
            case "compute column", _:
                first, column = self._column(table, name)
                tables = (first, *self._hierarchy.below(first))
                self._add_updated((each, column) for each in tables)
            case "rewrite column", named:
                if not self._is_announced((table, name, "all")):
                    self._alter(*self._column(table, name), named.split())
            case "alter column", what:
                self._is_announced((table, name, "all"))
                self._alter(*self._column(table, name), [what])

    def _change_type(self, of: str, verb: str, name: str, to: str) -> None:
        change = TypeChange(self._resolver.object(of), verb, name, to)
        self.declared.types.append(change)

    def _change_typed_tables(self, action: SchemaAction) -> None:
        """Apply changes of a type's attributes to the columns of its tables."""
        for first in self._hierarchy.of_type(self._resolver.object(action.table)):
            table = self._naming.table_after(first)
            if action.verb == "drop attribute":
                self._drop_column(table, action.name)
            elif action.verb == "rename attribute":
                self._rename_column(table, action.name, action.to)

    def _first(self, table: str) -> str:
        return self._naming.table(table) if table else ""

    def _drop_table(self, table: str) -> None:
        first = self._naming.table(table)
        self.declared.dropped_in[first, ""] = self.revision
        for partition in self._hierarchy.below(first):
            self.declared.dropped_in[partition, ""] = self.revision
            self._naming.drop_table(self._naming.table_after(partition))
        self._refills.drop(table)
        if first := self._naming.drop_table(table):
            self._add_updated(self._refills.replaced(first, first))

    def _drop_schema(self, name: str, to: str) -> None:
        """Everything in a schema is dropped or renamed with it.

        :param to: the new name; empty where the schema is dropped.
        """
        self.declared.schemas.add(name)
        for table in self._resolver.tables_in(name):
            if to:
                self._naming.rename_table(table, f"{to}.{table.partition('.')[2]}")
            else:
                self.declared.dropped_in[self._naming.table(table), ""] = self.revision
                self._naming.drop_table(table)

    def _rename_table(self, old: str, new: str) -> None:
        if old.startswith(TEMPORARY):
            self._naming.rebuilt_by_batch(new)
            self._refills.rebuilt_by_batch(new)
            self._announced = [each for each in self._announced if each[0] != new]
            return
        self._refills.rename(old, new)
        if first := self._naming.rename_table(old, new):
            self._add_updated(self._refills.replaced(new, first))

    def _rename_column(self, table: str, name: str, to: str, batch: int = 0) -> None:
        if self._is_announced((table, name, to), batch):
            return
        first, column = self._column(table, name, batch)
        if first and column:
            for each in (first, *self._hierarchy.below(first)):
                self._columns_anew.rename(each, column, to)
                self._naming.columns(each).rename(column, to)

    def _drop_column(self, table: str, name: str, batch: int = 0) -> None:
        if self._is_announced((table, name), batch):
            return
        first, column = self._column(table, name, batch)
        if first and column:
            for each in (first, *self._hierarchy.below(first)):
                self._naming.columns(each).drop(column)
                self.declared.columns.add((each, column))
                self.declared.dropped_in[each, column] = self.revision

    def _alter(self, first: str, column: str, properties: Iterable[str]) -> None:
        for each in (first, *self._hierarchy.below(first)):
            self.declared.altered |= {(each, column, what) for what in properties}

    def _is_announced(self, what: tuple[str, ...], batch: int = 0) -> bool:
        """Whether an operation has already declared what this statement does.

        The names have changed by then: a batch may have given this name to another column.
        """
        if batch:
            self._announced.append(what)
        elif what in self._announced:
            self._announced.remove(what)
            return True
        return False

    def _column(self, table: str, name: str, batch: int = 0) -> tuple[str, str]:
        """The first names of a column and its table; empty for what is new.

        All operations of a batch use the names from its start.
        """
        first = self._naming.table(table)
        names = self._naming.columns(first)
        if batch and batch != self._batch[0]:
            self._batch = (batch, names.copy())
        return first, (self._batch[1] if batch else names).first(name)

    def _empty(self, table: str, action: SchemaAction) -> None:
        first = self._naming.table(table)
        self.declared.emptied |= {first, *self._hierarchy.above(first)}
        if action.to == "restart":
            self.declared.recounted.add(first)

    def _add_write(
        self,
        write: Write,
        table: str,
        columns: set[tuple[str, str]],
        rows: int | None = None,
    ) -> None:
        # Writing to a partition is writing to the whole table, and vice versa.
        tables = {table, *self._hierarchy.above(table), *self._hierarchy.below(table)}
        self._add_updated({(each, column) for each in tables for _, column in columns}, rows)
        for each in tables if write.deletes else ():
            self.declared.deleted[each] = _sum(self.declared.deleted.get(each, 0), rows)
        for happens, found in (
            (write.replaces, self.declared.replaced),
            (write.deletes, self.declared.emptied),
            (write.inserts, self.declared.inserted),
        ):
            if happens:
                found |= tables

    def _add_updated(self, columns: Iterable[tuple[str, str]], rows: int | None = None) -> None:
        for each in columns:
            self.declared.updated.add(each)
            self.declared.touched[each] = _sum(self.declared.touched.get(each, 0), rows)

    def add_cascades(self, before: Mapping[str, str]) -> None:
        """Declare the columns that follow an updated key by ON UPDATE CASCADE."""
        keys = [
            (fact, tokens(was, "facts"))
            for fact, was in zip(self.declared.facts, before.values(), strict=True)
            if fact.kind == "foreign key" and "ON UPDATE CASCADE" in was.upper()
        ]
        for _ in keys:  # each may be referred to
            for fact, words in keys:
                referred = {(fact.parent, name) for name in lowered(group(words, 0))}
                if referred & self.declared.updated:
                    self._add_updated((fact.table, name) for name in fact.columns - {","})

    def add_triggers(self, before: Mapping[str, str], after: Mapping[str, str]) -> None:
        """Declare what the triggers of written tables do.

        A trigger that the upgrade creates may have existed in time or not: the texts do not show
        it.
        """
        triggers = [
            (Fact.of(key, was).table, body_of(was, schema), is_new)
            for is_new, schema, facts in (
                (False, before, before.items()),
                (True, after, after.items() - before.items()),
            )
            for key, was in facts
            if key.startswith("trigger ")
        ]
        for _ in triggers:  # each may fire another one
            for name, body, is_new in triggers:
                table = self._first(name) if is_new else name
                if not self.declared.writes_to(table):
                    continue
                assigned = {self._in_trigger(name, each, is_new) for each in assigned_columns(body)}
                self._add_updated(assigned)
                inside = statements_in_block(body) + statements_in_trigger(body)
                for write in (each for statement in inside for each in writes_of(statement)):
                    to = self._resolver.table(write.table)
                    columns = {self._in_trigger(to, each, is_new) for each in write.columns}
                    self._add_write(write, self._first(to) if is_new else to, columns)

    def _in_trigger(self, table: str, column: str, is_new: bool) -> tuple[str, str]:
        """The first names of what a trigger writes; a trigger from before has them in its text."""
        return self._column(table, column) if is_new else (table, column)


def _sum(count: int | None, rows: int | None) -> int | None:
    return None if count is None or rows is None else count + rows
