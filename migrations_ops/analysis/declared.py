"""What the revisions of an upgrade declared, by operations or statements."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from migrations_ops.analysis.rebuilds import Rebuilt, is_unique_index
from migrations_ops.analysis.renames import Naming
from migrations_ops.analysis.resolver import Hierarchy
from migrations_ops.analysis.schema_facts import ATTACHED, CONSTRAINTS, Fact
from migrations_ops.child.protocol.sql import Syntax
from migrations_ops.databases.row_changes import TypeChange

_WORDS = re.compile(r"'(?:[^']|'')*'|\w+")


@dataclass
class Declared:
    """What revisions declared about the tables and columns that were there before the upgrade.

    All names are those from before the upgrade, even where a revision used a later name: ``naming``
    translates.

    :param facts: all facts from before the upgrade.
    :param columns: columns that were dropped, as (table, column).
    :param replaced_columns: those of them whose names new columns took, and
    :param copied_columns: those of these that got nothing but the values of the old one.
    :param columns_anew: tables with replaced columns, with what these have instead.
    :param names: objects of other kinds that were dropped or renamed, as (name, table); the table
        may be empty.
    :param changed: objects that were changed and are still there, in the same form.
    :param schemas: schemas that were dropped or renamed.
    :param constraints: constraints that were dropped, as (table, name, kind); the kind is empty
        where the revision does not name it.
    :param created: constraints that were created, as (table, name, kind, columns): they may replace
        others.
    :param rebuilt: tables that were rebuilt by hand, with what their replacements lack on purpose.
    :param collated: those of them whose replacements name their collation.
    :param discarded: tables that op.drop_table() dropped, even where another one replaced them.
    :param dropped_in: the revision that dropped a table or a column, by (table, column); the column
        is empty for the table.
    :param altered: altered properties of columns, as (table, column, property).
    :param converted: tables whose texts got another character set.
    :param emptied: tables from which rows were deleted.
    :param deleted: how many rows were deleted from a table, and
    :param touched: in how many rows a column was updated; None where that is unknown.
    :param triggers: the trigger that deleted rows of a table, empty where a statement did, too.
    :param inserted: tables into which rows were inserted.
    :param replaced: tables in which an INSERT may overwrite rows.
    :param updated: columns that were updated, as (table, column).
    :param only_cast: those of them that a CAST gave another type, and nothing else.
    :param retyped: columns that got another type while their rows were copied.
    :param refilled: columns that got other values where rows were deleted and inserted.
    :param revoked: rights that were revoked, as (object, role).
    :param recounted: tables whose sequences were set.
    :param types: what was done to types, in that order.
    :param renamed: new names of types, values and the like, as written in the texts of other facts.
    """

    naming: Naming
    hierarchy: Hierarchy
    facts: tuple[Fact, ...]
    syntax: Syntax = "sqlite"
    columns: set[tuple[str, str]] = field(default_factory=set)
    replaced_columns: set[tuple[str, str]] = field(default_factory=set)
    copied_columns: set[tuple[str, str]] = field(default_factory=set)
    columns_anew: dict[str, Rebuilt] = field(default_factory=dict)
    names: set[tuple[str, str]] = field(default_factory=set)
    changed: set[tuple[str, str]] = field(default_factory=set)
    schemas: set[str] = field(default_factory=set)
    constraints: set[tuple[str, str, str]] = field(default_factory=set)
    created: set[tuple[str, str, str, frozenset[str]]] = field(default_factory=set)
    rebuilt: dict[str, Rebuilt] = field(default_factory=dict)
    collated: set[str] = field(default_factory=set)
    discarded: set[str] = field(default_factory=set)
    dropped_in: dict[tuple[str, str], str] = field(default_factory=dict)
    altered: set[tuple[str, str, str]] = field(default_factory=set)
    converted: set[str] = field(default_factory=set)
    emptied: set[str] = field(default_factory=set)
    deleted: dict[str, int | None] = field(default_factory=dict)
    touched: dict[tuple[str, str], int | None] = field(default_factory=dict)
    triggers: dict[str, str] = field(default_factory=dict)
    inserted: set[str] = field(default_factory=set)
    replaced: set[str] = field(default_factory=set)
    updated: set[tuple[str, str]] = field(default_factory=set)
    only_cast: set[tuple[str, str]] = field(default_factory=set)
    retyped: set[tuple[str, str]] = field(default_factory=set)
    refilled: set[tuple[str, str]] = field(default_factory=set)
    revoked: set[tuple[str, str]] = field(default_factory=set)
    recounted: set[str] = field(default_factory=set)
    types: list[TypeChange] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)

    # -- the schema -----------------------------------------------------------------------------

    def drops(self, fact: Fact) -> bool:
        """Whether the disappearance of an object follows from what was declared."""
        dropped = self.naming.dropped
        if fact.kind == "table":
            return fact.table in dropped
        if self._drops_by_name(fact) or (fact.kind == "privilege" and self._revokes(fact)):
            return True
        if fact.table in dropped or (fact.kind not in ATTACHED and fact.parent in dropped):
            return True
        if self.leaves_out(fact):
            return True
        if fact.kind not in ("trigger", "policy", "rule") and any(
            table == fact.table and column in fact.columns for table, column in self.columns
        ):
            return True
        return fact.kind in CONSTRAINTS and (
            self._drops_constraint(fact) or self._replaces_constraint(fact)
        )

    def revision_that_drops(self, table: str, column: str = "") -> str:
        """Empty where none is known: a column may also go with the table that is replaced."""
        whole = self.dropped_in.get((table, ""), "")
        return self.dropped_in.get((table, column), whole)

    def drops_and_adds(self, table: str, column: str) -> bool:
        """Whether a column was dropped and made anew under its name, without its values."""
        filled = self.copied_columns | self.replaced_columns
        return (table, column) in self.columns - filled

    def rebuilds(self, table: str) -> bool:
        """Whether a table was rebuilt by hand, so that all of its definition was written again."""
        return table in self.rebuilt

    def leaves_out(self, fact: Fact) -> bool:
        """Whether a table that was rebuilt by hand lacks this on purpose, or has a replacement."""
        return self.rebuilds(fact.table) and self.rebuilt[fact.table].lacks(fact)

    def changes(self, fact: Fact) -> bool:
        """Whether a statement changes this very object without dropping it."""
        name = fact.name or fact.table
        return bool({(name, ""), (name, fact.table)} & self.changed)

    def alters(self, fact: Fact, what: str) -> bool:
        """Whether this property of a column (type, nullable, default...) is altered by name."""
        converted = what == "type" and fact.table in self.converted
        return converted or (fact.table, fact.name, what) in self.altered

    def drops_primary_key(self, table: str) -> bool:
        dropped = {(each, kind) for each, _, kind in self.constraints}
        created = {(each, kind) for each, _, kind, _ in self.created}
        has_another = self.rebuilds(table) and self.rebuilt[table].has_new_key
        return has_another or (table, "primary key") in dropped | created

    def has_other_key(self, fact: Fact) -> bool:
        """Whether a column was in the primary key, and the new table has another key."""
        keys = [each for each in self.facts if each.kind == "primary key"]
        was_in_it = any(each.table == fact.table and fact.name in each.columns for each in keys)
        return was_in_it and self.rebuilt[fact.table].has_new_key

    def drops_with_table(self, fact: Fact, was: str) -> bool:
        """Whether op.drop_table() dropped an index that means nothing to the rows.

        A revision that drops a table by an operation declares that its indexes go, too; but one
        that is unique keeps rows out, whatever else it does.
        """
        return (
            fact.kind == "index" and fact.table in self.discarded and not is_unique_index(fact, was)
        )

    def drops_with_column(self, fact: Fact) -> bool:
        """Whether a key or an index goes with a dropped column, and not with its replacement."""
        columns = {column for table, column in self.replaced_columns if table == fact.table}
        if not columns & fact.columns or fact.table in self.naming.dropped:
            return False
        by_name = self._drops_by_name(fact) or self._drops_constraint(fact)
        return not by_name and fact not in self.columns_anew[fact.table].replaced

    def with_new_names(self, text: str) -> str:
        """The text of a fact, with the new names of types, values and sequences."""

        def new_name(found: re.Match[str]) -> str:
            word = found.group()
            inside = self.renamed.get(word.strip("'"), word)
            quoted = f"'{inside}'" if word.startswith("'") and inside != word else inside
            return self.renamed.get(word, quoted)

        return _WORDS.sub(new_name, text) if self.renamed else text

    def _drops_by_name(self, fact: Fact) -> bool:
        """Whether it, its schema or the object that it is on is dropped or renamed by name."""
        schemas = {(fact.table or fact.name).partition(".")[0], fact.name.partition(".")[0]}
        if fact.kind == "schema":
            return fact.name in self.schemas
        if schemas & self.schemas:
            return True
        if fact.kind == "object":
            return any(name in fact.identity() for name, _ in self.names)
        # An index of a materialized view, and a rule of a view.
        if fact.kind in ATTACHED and fact.kind != "privilege" and (fact.table, "") in self.names:
            return True
        if fact.kind in CONSTRAINTS or fact.kind in ("column", "privilege"):
            return False
        return bool({(fact.name, ""), (fact.name, fact.table)} & self.names)

    def _revokes(self, fact: Fact) -> bool:
        identity = {*fact.identity()}
        schema = fact.table.rpartition(".")[0]
        return any(
            role == fact.name and (not name or name in identity or name in (schema, "public"))
            for name, role in self.revoked
        )

    def _drops_constraint(self, fact: Fact) -> bool:
        names = {each.name for each in self.facts if each.table == fact.table}
        for table, name, kind in self.constraints:
            if table not in (fact.table, *self.hierarchy.above(fact.table)):
                continue
            if kind not in ("", fact.kind):
                continue
            # A constraint without a name is dropped under the one that a naming convention
            # gives it, and which nothing in the database has.
            if name == fact.name or (not fact.name and name not in names):
                return True
        return False

    def _replaces_constraint(self, fact: Fact) -> bool:
        """Whether another constraint replaced it.

        A table has one primary key; of the others, a batch replaces what has the same name. A
        unique constraint without a name can be known by its columns alone.
        """
        return any(
            (fact.table, fact.kind) == (table, kind)
            and (
                kind == "primary key"
                or (name == fact.name if fact.name else kind == "unique" and columns & fact.columns)
            )
            for table, name, kind, columns in self.created
        )

    # -- the rows -------------------------------------------------------------------------------

    def removes_rows_of(self, table: str) -> bool:
        """Whether rows of a table are deleted or overwritten."""
        partitions = self.hierarchy.below(table) & self.naming.dropped
        return bool(partitions) or table in self.emptied | self.replaced | self.naming.dropped

    def rows_removed(self, table: str) -> int | None:
        """How many rows of a table are deleted or overwritten at most; None if that is unknown."""
        if not self.removes_rows_of(table):
            return 0
        partitions = self.hierarchy.below(table) & self.naming.dropped
        if partitions or table in self.replaced | self.naming.dropped:
            return None
        return self.deleted.get(table)

    def writes_to(self, table: str) -> bool:
        """Whether rows of a table are inserted, updated or deleted."""
        written = self.emptied | self.inserted | self.replaced
        return table in written or any(table == each for each, _ in self.updated)

    def may_retype(self, table: str, column: str) -> bool:
        """Whether a column may get another type: it is altered, or its table is rebuilt."""
        by_hand = table in self.naming.rebuilt | self.naming.dropped
        return by_hand or self.retypes(table, column)

    def retypes(self, table: str, column: str) -> bool:
        """Whether revisions name another type for a column, and mean no other values by that."""
        by_copy = (table, column) in self.retyped | self.copied_columns
        return by_copy or (table, column, "type") in self.altered

    def rewritten(self, table: str) -> frozenset[str]:
        """The columns of a table whose values revisions write by name.

        This includes rows that replace deleted ones while other columns of theirs are copied:
        ``INSERT INTO t SELECT new_id(id), v FROM t``, ``DELETE FROM t ...``.
        """
        columns = {each.name for each in self.facts if (each.kind, each.table) == ("column", table)}
        copied = columns - {column for each, column in self.refilled if each == table}
        written = self.updated | self.columns | (self.refilled if copied else set())
        return frozenset(column for each, column in written if each == table)

    def values_changed(self, table: str, column: str) -> int | None:
        """How many values of a column revisions change at most, also by dropping it and adding it
        under the same name; None if that is unknown."""
        dropped = self.columns - self.copied_columns
        if table in self.replaced or (table, column) in dropped | self.refilled:
            return None
        return self.touched.get((table, column)) if (table, column) in self.updated else 0
