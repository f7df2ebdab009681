"""The schema as far as the revisions show it: what they created before a change."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from migrations_ops.analysis.lint.actions import (
    Action,
    AddColumn,
    AddConstraint,
    AlterColumn,
    Change,
    Column,
    Constraint,
    CreateIndex,
    CreateTable,
    CreateTrigger,
    CreateView,
    Drop,
    DropColumn,
    DropConstraint,
    Rename,
    ValidateConstraint,
)


@dataclass
class KnownTable:
    """What is known about a table; there may be more."""

    columns: dict[str, Column] = field(default_factory=dict)
    constraints: list[Constraint] = field(default_factory=list)
    indexes: list[CreateIndex] = field(default_factory=list)
    triggers: set[str] = field(default_factory=set)

    def has_index_on(self, columns: tuple[str, ...]) -> bool:
        """Whether an index, or a key, begins with these columns in any order."""
        keys = [each.columns for each in self.constraints
                if each.kind in ("primary key", "unique")]  # fmt: skip
        keys += [each.columns for each in self.indexes]
        keys += [(name,) for name, each in self.columns.items() if each.is_key or each.is_unique]
        return any(set(key[: len(columns)]) == set(columns) for key in keys if columns)


@dataclass
class KnownSchema:
    """The tables by name, without their schemas; and the views, with the words of their queries."""

    tables: dict[str, KnownTable] = field(default_factory=dict)
    views: dict[str, frozenset[str]] = field(default_factory=dict)
    # What earlier revisions could only do because env.py is made for it: constraints without a
    # name in a batch, by a naming convention; CONCURRENTLY, on a connection without transactions.
    names_by_convention: bool = False
    commits_each: bool = False

    def table(self, name: str) -> KnownTable:
        """What is known about a table: an empty one where that is nothing."""
        return self.tables.get(bare_name(name), KnownTable())

    def column(self, table: str, name: str) -> Column | None:
        return self.table(table).columns.get(name)

    def views_of(self, table: str) -> list[str]:
        name = bare_name(table)
        return sorted(view for view, words in self.views.items() if name in words)

    def referring_to(self, table: str) -> list[str]:
        """The other tables with a foreign key to this one."""
        name = bare_name(table)
        return sorted(
            other
            for other, known in self.tables.items()
            if other != name
            and any(bare_name(each.target) == name for each in foreign_keys_of(known))
        )

    def apply(self, change: Change) -> None:
        """Do what a change does."""
        action = change.action
        self.names_by_convention |= bool(unnamed_constraint(change))
        self.commits_each |= bool(getattr(action, "concurrently", False)) and not change.autocommit
        match action:
            case CreateTable():
                self.tables[bare_name(action.table)] = _made(action)
            case Drop("table", name):
                self.tables.pop(bare_name(name), None)
            case Drop("view" | "materialized view", name):
                self.views.pop(bare_name(name), None)
            case CreateView(name, words):
                self.views[bare_name(name)] = words
            case Rename("table", name, to):
                if known := self.tables.pop(bare_name(name), None):
                    self.tables[bare_name(to)] = known
            case Drop("index", name):
                for known in self.tables.values():
                    known.indexes = [each for each in known.indexes if each.name != name]
            case Drop("trigger", name):
                for known in self.tables.values():
                    known.triggers.discard(name)
            case _ if table := getattr(action, "table", ""):
                _change(self.tables.setdefault(bare_name(table), KnownTable()), action)


def unnamed_constraint(change: Change) -> str:
    """The kind of a constraint that a batch gives no name, or drops without; empty for none."""
    if not change.batch:
        return ""
    match change.action:
        case AddConstraint(_, Constraint(kind, "")):
            found = kind
        case DropConstraint(_, "", kind):
            found = kind or "constraint"
        case AddColumn(_, column) if column.references:
            found = "foreign key"
        case _:
            return ""
    return "" if found == "primary key" else found


def bare_name(name: str) -> str:
    """A name without its schema."""
    return name.rpartition(".")[2]


def foreign_keys_of(known: KnownTable) -> list[Constraint]:
    """The foreign keys of a table, also those that columns have."""
    inline = [foreign_key_of(each) for each in known.columns.values()]
    return [each for each in (*known.constraints, *inline) if each and each.kind == "foreign key"]


def foreign_key_of(column: Column) -> Constraint | None:
    """The foreign key that is written with a column."""
    if column.references is None:
        return None
    table, referred = column.references
    return Constraint("foreign key", "", (column.name,), table, (referred,) if referred else ())


def _made(action: CreateTable) -> KnownTable:
    indexes = [CreateIndex(name, action.table, columns) for name, columns in action.indexes]
    columns = {each.name: each for each in action.columns}
    return KnownTable(columns, list(action.constraints), indexes)


def _change(known: KnownTable, action: Action) -> None:
    match action:
        case AddColumn(_, column):
            known.columns[column.name] = column
        case DropColumn(_, name):
            known.columns.pop(name, None)
            known.indexes = [each for each in known.indexes if name not in each.columns]
            known.constraints = [each for each in known.constraints if name not in each.columns]
        case AlterColumn():
            _alter(known, action)
        case Rename("column", name, to):
            _rename_column(known, name, to)
        case CreateIndex():
            known.indexes.append(action)
        case AddConstraint(_, constraint):
            known.constraints.append(constraint)
        case DropConstraint(_, name, kind):
            known.constraints = [
                each for each in known.constraints
                if not (each.name == name if name else each.kind == kind)
            ]  # fmt: skip
        case ValidateConstraint(_, name):
            known.constraints = [
                replace(each, is_valid=True) if each.name == name else each
                for each in known.constraints
            ]
        case CreateTrigger(name):
            known.triggers.add(name)


def _alter(known: KnownTable, action: AlterColumn) -> None:
    was = known.columns.get(action.column.name)
    if was is None:
        return
    new, whole = action.column, action.by in ("MODIFY", "CHANGE")
    known.columns[was.name] = replace(
        was,
        type=new.type if new.type.name else was.type,
        nullable=new.nullable if whole or new.nullable is not None else was.nullable,
        default=new.default if whole or new.default is not None else was.default,
        attributes=new.attributes if whole else was.attributes | new.attributes,
    )
    if action.new_name:
        _rename_column(known, was.name, action.new_name)


def _rename_column(known: KnownTable, name: str, to: str) -> None:
    if column := known.columns.pop(name, None):
        known.columns[to] = replace(column, name=to)
    known.indexes = [
        replace(each, columns=tuple(to if column == name else column for column in each.columns))
        for each in known.indexes
    ]
