"""What a database should be made of: the model that a history builds, and its words in SQL."""

from __future__ import annotations

from dataclasses import dataclass, field

Value = None | int | float | str | bytes


def q(name: str) -> str:
    """A name as SQL."""
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


@dataclass
class Column:
    """``origin`` is (table, column) as the history began; None for one that came later.

    ``bound`` tells that it is part of a key or a check, so that it stays as it is; ``changed``
    that its values are not those of then.
    """

    name: str
    type: str
    origin: tuple[str, str] | None = None
    default: str = ""
    not_null: bool = False
    collate: str = ""
    bound: bool = False
    changed: bool = False

    def sql(self) -> str:
        parts = [q(self.name), self.type]
        parts += ["NOT NULL"] if self.not_null else []
        parts += [f"DEFAULT {self.default}"] if self.default else []
        parts += [f"COLLATE {self.collate}"] if self.collate else []
        return " ".join(part for part in parts if part)


@dataclass
class Table:
    """``key`` is how its primary key is written, where that stands with the first column.

    ``fragile`` is what a rebuild by Alembic is known to lose; ``parent`` is the table that the
    last of ``link`` (column, column there, action) refers to; ``origin`` its name as the history
    began, and ``recounted`` tells that its rows are not those of then.
    """

    name: str
    columns: list[Column]
    key: str
    endings: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    parent: str = ""
    link: tuple[str, str, str] = ("", "", "")
    parent_keys: list[Value] = field(default_factory=list)
    fragile: str = ""
    rows: list[tuple[Value, ...]] = field(default_factory=list)
    origin: str = ""
    recounted: bool = False

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    def sql(self) -> str:
        parts = [column.sql() for column in self.columns]
        if self.key:
            parts[0] = f"{parts[0]} {self.key}"
        parts += self.constraints
        if self.parent:
            column, there, action = self.link
            parts.append(
                f"FOREIGN KEY ({q(column)}) REFERENCES {q(self.parent)} ({q(there)}){action}"
            )
        ending = f" {', '.join(self.endings)}" if self.endings else ""
        return f"CREATE TABLE {q(self.name)} ({', '.join(parts)}){ending}"


@dataclass
class Thing:
    """An index, a trigger or a view: what it is on, and the columns that it needs.

    ``order`` is how an index sorts, which a rebuild by Alembic is known to lose.
    """

    kind: str
    name: str
    table: str
    columns: list[str]
    more: str = ""
    order: str = ""

    def sql(self) -> str:
        columns = ", ".join(q(column) for column in self.columns)
        if self.kind == "index":
            return (
                f"CREATE INDEX {q(self.name)} ON {q(self.table)} ({columns}{self.order}){self.more}"
            )
        if self.kind == "view":
            return f"CREATE VIEW {q(self.name)} AS SELECT {columns} FROM {q(self.table)}"
        return (
            f"CREATE TRIGGER {q(self.name)} AFTER UPDATE OF {columns} ON {q(self.table)}"
            " BEGIN SELECT 1; END"
        )


@dataclass
class Model:
    """All tables, and the things on them."""

    tables: dict[str, Table] = field(default_factory=dict)
    things: dict[str, Thing] = field(default_factory=dict)

    def on(self, table: str, kind: str = "") -> list[Thing]:
        return [
            thing
            for thing in self.things.values()
            if thing.table == table and kind in ("", thing.kind)
        ]

    def using(self, table: str, column: str) -> list[Thing]:
        return [thing for thing in self.on(table) if column in thing.columns]

    def children(self, table: str) -> list[Table]:
        return [each for each in self.tables.values() if each.parent == table]

    def statements(self) -> list[str]:
        """What builds it from nothing."""
        tables = [table.sql() for table in self.tables.values()]
        return tables + [thing.sql() for thing in self.things.values()]

    def names(self) -> set[tuple[str, ...]]:
        """What a database of this model holds, by name."""
        found: set[tuple[str, ...]] = {(thing.kind, thing.name) for thing in self.things.values()}
        for table in self.tables.values():
            found.add(("table", table.name))
            found |= {("column", table.name, column.name) for column in table.columns}
        return found
