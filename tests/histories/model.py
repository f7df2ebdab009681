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
    that its values are not those of then; ``lossy`` why they would not survive what was done to
    them. ``place`` is where a row of then has its value; ``generated`` is how its expression is
    kept, VIRTUAL or STORED.
    """

    name: str
    type: str
    origin: tuple[str, str] | None = None
    default: str = ""
    not_null: bool = False
    collate: str = ""
    bound: bool = False
    changed: bool = False
    lossy: str = ""
    place: int = -1
    generated: str = ""
    expression: str = ""

    def sql(self) -> str:
        parts = [q(self.name), self.type]
        parts += [f"GENERATED ALWAYS AS ({self.expression})"] if self.generated else []
        parts += [self.generated] if self.generated else []
        parts += ["NOT NULL"] if self.not_null else []
        parts += [f"DEFAULT {self.default}"] if self.default else []
        parts += [f"COLLATE {self.collate}"] if self.collate else []
        return " ".join(part for part in parts if part)


@dataclass
class Table:
    """``key`` is how its primary key is written, where that stands with the first column.

    ``parent`` is the table that ``link`` (column, column there, action) refers to, behind the
    column if ``inline``; ``checks`` are (name or nothing, column); ``forgotten`` what a rebuild
    left out, with the column that it was on; ``origin`` the table's name as the history began,
    and ``recounted`` tells that its rows are not those of then.
    """

    name: str
    columns: list[Column]
    key: str
    endings: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    parent: str = ""
    link: tuple[str, str, str] = ("", "", "")
    parent_keys: list[Value] = field(default_factory=list)
    inline: bool = False
    checks: list[tuple[str, str]] = field(default_factory=list)
    forgotten: list[tuple[str, Column]] = field(default_factory=list)
    rows: list[tuple[Value, ...]] = field(default_factory=list)
    origin: str = ""
    recounted: bool = False

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    def stored(self) -> list[Column]:
        """The columns that take a value."""
        return [column for column in self.columns if not column.generated]

    def fragile(self) -> list[str]:
        """What a rebuild by Alembic is known to lose, or to fail at, as it shows in the SQL."""
        found = ["AUTOINCREMENT"] if "AUTOINCREMENT" in self.key else []
        found += ["COLLATE"] if any(column.collate for column in self.columns) else []
        found += ["GENERATED"] if any(column.generated for column in self.columns) else []
        found += ["CHECK"] if any(not name for name, _ in self.checks) else []
        return found + ([self.link[2].strip()] if self.inline and self.link[2] else [])

    def sql(self) -> str:
        parts = [column.sql() for column in self.columns]
        if self.key:
            parts[0] = f"{parts[0]} {self.key}"
        ends = list(self.constraints)
        for name, checked in self.checks:
            ends.append(f"{f'CONSTRAINT {q(name)} ' if name else ''}{check(checked)}")
        if self.parent:
            column, there, action = self.link
            words = f"REFERENCES {q(self.parent)} ({q(there)}){action}"
            if self.inline:
                place = self.columns.index(self.column(column))
                parts[place] = f"{parts[place]} {words}"
            else:
                ends.append(f"FOREIGN KEY ({q(column)}) {words}")
        parts += ends
        ending = f" {', '.join(self.endings)}" if self.endings else ""
        return f"CREATE TABLE {q(self.name)} ({', '.join(parts)}){ending}"


def check(column: str) -> str:
    """A check that no value fails."""
    return f"CHECK (typeof({q(column)}) <> 'nothing')"


@dataclass
class Thing:
    """An index, a trigger or a view: what it is on, and the columns that it needs.

    ``order`` is how an index sorts and ``function`` what it is on an expression for, which a
    rebuild by Alembic is known to lose.
    """

    kind: str
    name: str
    table: str
    columns: list[str]
    more: str = ""
    order: str = ""
    function: str = ""
    is_new: bool = True

    def sql(self) -> str:
        columns = ", ".join(q(column) for column in self.columns)
        if self.kind == "index":
            columns = f"{self.function}({columns})" if self.function else columns
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
