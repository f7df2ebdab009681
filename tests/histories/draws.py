"""What Hypothesis draws: names, values, and the schema with which a history begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st

from tests.histories.model import Column, Model, Table, Thing, Value, q

T = TypeVar("T")

WORDS = (
    "loans", "books", "order", "group", "with space", "Mixed", "naïve", "數據", "it's", "select",
    "a-b", "x.y", "_alembic", "table", "índice", "9lives", "to", "column", "index", 'say "a"',
)  # fmt: skip
TYPES = ("INTEGER", "TEXT", "REAL", "BLOB", "NUMERIC", "BOOLEAN", "DATETIME", "VARCHAR(20)")
STRICT_TYPES = ("INTEGER", "TEXT", "REAL", "BLOB", "ANY")
_OF_TYPE: dict[str, tuple[Value, ...]] = {
    "INTEGER": (0, 1, -1, 2**63 - 1, -(2**63)),
    "REAL": (0.0, -1.5, 1e308, 5e-324),
    "TEXT": ("", "a", "it's", "ünïcode 🙂", "two\nlines", "12abc", '"q"', "NULL", "%s :x"),
    "BLOB": (b"", b"\x00\xff", b"\x00" * 40),
}
_ANY = tuple(value for values in _OF_TYPE.values() for value in values)


class Chance:
    """Draws in words; each is one of Hypothesis' own, so that a failure shrinks."""

    def __init__(self, draw: Any) -> None:
        self._draw = draw
        self._used: set[str] = {"alembic_version"}

    def one(self, of: Sequence[T]) -> T:
        return self._draw(st.sampled_from(of))  # type: ignore[no-any-return]

    def number(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))  # type: ignore[no-any-return]

    def rarely(self, one_in: int = 5) -> bool:
        return self.number(0, one_in - 1) == one_in - 1

    def name(self) -> str:
        """A name that nothing in this history has, whatever its case."""
        word = name = self.one(WORDS)
        while name.lower() in self._used:
            name = f"{word}{len(self._used)}"
        self._used.add(name.lower())
        return name

    def value(self, column: Column, *, strict: bool) -> Value:
        """Something that the column takes; SQLite's types bind only in a STRICT table."""
        if not column.not_null and self.rarely(4):
            return None
        return self.one(_OF_TYPE.get(column.type, _ANY) if strict else _ANY)


def draw_model(chance: Chance) -> Model:
    """One to four tables, with the things on them."""
    model = Model()
    for _ in range(chance.number(1, 4)):
        table = draw_table(chance, model)
        model.tables[table.name] = table
    for _ in range(chance.number(0, 4)):
        add_thing(chance, model)
    for thing in model.things.values():
        thing.is_new = False
    return model


def draw_table(chance: Chance, model: Model) -> Table:
    name, strict = chance.name(), chance.rarely()
    shape = chance.one(["rowid", "rowid", "rowid", "counted", "pair", "pair", "none"])
    columns = [Column(chance.name(), "INTEGER", bound=True)]
    key = {"rowid": "PRIMARY KEY", "counted": "PRIMARY KEY AUTOINCREMENT"}.get(shape, "")
    table = Table(name, columns, key, origin=name)
    if shape == "pair":
        columns.append(Column(chance.name(), "TEXT", bound=True, not_null=True))
        columns[0].not_null = True
        table.constraints.append(f"PRIMARY KEY ({q(columns[1].name)}, {q(columns[0].name)})")
        if chance.rarely(2):
            table.endings.append("WITHOUT ROWID")
    table.endings += ["STRICT"] if strict else []
    columns += [_column(chance, table) for _ in range(chance.number(0, 4))]
    if chance.rarely(6):
        columns.append(generated(chance, table, chance.one(["VIRTUAL", "STORED"])))
    _add_check(chance, table)
    _add_parent(chance, table, model)
    for column in columns:
        column.origin = (name, column.name)
    for place, column in enumerate(table.stored()):
        column.place = place
    for number in range(1, chance.number(0, 6) + 1):
        table.rows.append(_row(chance, table, number))
    return table


def _column(chance: Chance, table: Table) -> Column:
    strict = "STRICT" in table.endings
    column = Column(chance.name(), chance.one(STRICT_TYPES if strict else TYPES))
    column.not_null = chance.rarely()
    if column.type == "TEXT" and chance.rarely():
        column.collate = "NOCASE"
    if column.type == "TEXT" and chance.rarely():
        column.default = "'it''s'"
    return column


def generated(chance: Chance, table: Table, kind: str) -> Column:
    """A column that is computed from the first one."""
    expression = f"{q(table.columns[0].name)} + 1"
    return Column(chance.name(), "INTEGER", generated=kind, expression=expression)


def _add_check(chance: Chance, table: Table) -> None:
    kind = chance.one(["", "", "", "named", "named", "unnamed"])
    if kind:
        column = chance.one(table.columns)
        table.checks.append((chance.name() if kind == "named" else "", column.name))


def _add_parent(chance: Chance, table: Table, model: Model) -> None:
    parents = [each for each in model.tables.values() if each.key]
    if not parents or chance.rarely(2):
        return
    parent = chance.one(parents)
    table.columns.append(Column(chance.name(), "INTEGER", bound=True))
    action = chance.one(["", " ON DELETE CASCADE", " ON DELETE SET NULL"])
    table.parent, table.inline = parent.name, chance.rarely(2)
    table.link = (table.columns[-1].name, parent.columns[0].name, action)
    table.parent_keys = [row[0] for row in parent.rows]


def _row(chance: Chance, table: Table, number: int) -> tuple[Value, ...]:
    strict = "STRICT" in table.endings
    row: list[Value] = []
    for position, column in enumerate(table.stored()):
        if position == 0:
            row.append(number)
        elif column.bound and column.type == "TEXT":
            row.append(f"{number % 2}")
        elif column.bound:
            row.append(chance.one([None, *table.parent_keys]))
        else:
            row.append(chance.value(column, strict=strict))
    return tuple(row)


def add_thing(chance: Chance, model: Model) -> Thing | None:
    """An index, a trigger or a view on one of the tables."""
    if not model.tables:
        return None
    table = chance.one(list(model.tables.values()))
    columns = [chance.one(table.columns).name]
    kind = chance.one(["index", "index", "trigger", "view"])
    thing = Thing(kind, chance.name(), table.name, columns)
    if thing.kind == "index" and chance.rarely(3):
        thing.more = f" WHERE {q(columns[0])} IS NOT NULL"
    if thing.kind == "index":
        thing.order = chance.one(["", "", "", " DESC", " COLLATE NOCASE"])
        thing.function = chance.one(["", "", "", "lower"])
    model.things[thing.name] = thing
    return thing
