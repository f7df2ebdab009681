"""Which columns a statement copies from other tables into one, and which it computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from migrations_ops.analysis.statements.casts import unwrapped
from migrations_ops.analysis.statements.queries import (
    Item,
    Select,
    computed_within,
    selects_of,
)
from migrations_ops.analysis.statements.rows import name_of, outside, without_modifiers
from migrations_ops.child.protocol.sql import Token, group, split

_CONSTRAINTS = ("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN", "LIKE", "KEY", "INDEX",
                "EXCLUDE", "FULLTEXT", "SPATIAL", "PERIOD")  # fmt: skip
_ROWS = ("SELECT", "WITH", "VALUES", "VALUE", "SET", "DEFAULT", "TABLE", "(")


@dataclass
class Copied:
    """Where the values of a table's columns come from; names are in lower case.

    :param table: the table that gets the rows.
    :param computed: the columns whose values do not come unchanged from a column of the same name.
    :param columns: the columns that get exactly those, each with its table, empty if unknown.
    :param cast: those of them that get another type on the way.
    :param stars: the tables of which all columns are copied.
    :param everything: whether the values of all columns come from elsewhere.
    :param is_definition: whether the statement makes the table, which has what it selects.
    :param is_program: whether a program inserts the rows: then it is responsible for what it leaves
        out, too.
    """

    table: str
    computed: set[str] = field(default_factory=set)
    columns: set[tuple[str, str]] = field(default_factory=set)
    cast: set[str] = field(default_factory=set)
    stars: set[str] = field(default_factory=set)
    everything: bool = False
    is_definition: bool = False
    is_program: bool = False


def created_columns(statement: Sequence[Token]) -> tuple[str, list[str]] | None:
    """The table that a statement creates, and its columns in their order."""
    table, rest = _created(statement)
    if not rest or not rest[0].means("("):
        return None
    return table, [part[0].text.lower() for part in _definitions(rest)]


def nullable_columns(statement: Sequence[Token]) -> set[str]:
    """The columns of a new table whose definition has the word NULL, so that it is meant."""
    _, rest = _created(statement)
    return {
        part[0].text.lower()
        for part in _definitions(rest)
        for before, word in pairwise(part)
        if word.means("NULL") and not before.means("NOT", "DEFAULT", "SET", "IS", "(", ",")
    }


def collated_table(statement: Sequence[Token]) -> str:
    """The table that a statement creates with a character set or a collation of its own."""
    table, rest = _created(statement)
    named = outside(rest, ("COLLATE", "CHARSET", "CHARACTER"))
    return table if named < outside(rest, ("SELECT", "AS")) else ""


def _definitions(rest: list[Token]) -> list[list[Token]]:
    """Of the columns, from what follows the name of a new table."""
    parts = split(group(rest, 0)) if rest and rest[0].means("(") else []
    return [part for part in parts if not part[0].means(*_CONSTRAINTS)]


def read_copy(statement: list[Token], layouts: Mapping[str, Sequence[str]]) -> Copied | None:
    """What a statement puts into a table; None if that is nothing.

    :param layouts: the columns of the tables that revisions made, in their order.
    """
    table, rest = _created(statement)
    if table:
        start = outside(rest, ("SELECT", "WITH"))
        if start == len(rest):
            rest = unwrapped(rest[outside(rest, ("AS",)) + 1 :])
            start = outside(rest, ("SELECT", "WITH"))
        # Such a table has the columns of its SELECT, under their names.
        made = _queried(table, rest[start:]) if start < len(rest) else None
        return None if made is None else replace(made, is_definition=True)
    if (into := _selected_into(statement)) is not None:
        return into
    start = 0
    if statement and statement[0].means("WITH"):
        start = outside(statement, ("INSERT", "REPLACE", "SELECT"))
    if start == len(statement) or not statement[start].means("INSERT", "REPLACE"):
        return None
    found = _inserted(without_modifiers(statement[start + 1 :]), layouts)
    if found is not None:
        found.computed.update(computed_within(statement[:start]))
    return found


def _created(statement: Sequence[Token]) -> tuple[str, list[Token]]:
    """The table that a statement creates, and what follows its name; empty for any other one."""
    head = next((n for n, word in enumerate(statement[:5]) if word.means("TABLE")), 0)
    if not head or not statement[0].means("CREATE"):
        return "", []
    rest = list(statement[head + 1 :])
    while len(rest) > 1 and rest[0].means("IF", "NOT", "EXISTS"):
        rest = rest[1:]
    table = name_of(rest) if rest else ""
    return table, rest[2 * table.count(".") + 1 :]


def _selected_into(statement: list[Token]) -> Copied | None:
    """What SELECT ... INTO puts into the table that it makes; None for any other statement."""
    start = outside(statement, ("INTO",))
    is_query = bool(statement) and statement[0].means("SELECT", "WITH")
    if not is_query or start > outside(statement, ("INSERT", "REPLACE", "FROM")):
        return None
    named = statement[start + 1 :]
    while len(named) > 1 and named[0].means("TEMPORARY", "TEMP", "UNLOGGED", "TABLE"):
        named = named[1:]
    if not named or not named[0].is_name or named[0].means("OUTFILE", "DUMPFILE"):
        return None
    table = name_of(named)
    query = statement[:start] + named[2 * table.count(".") + 1 :]
    return replace(_queried(table, query), is_definition=True)


def _inserted(words: list[Token], layouts: Mapping[str, Sequence[str]]) -> Copied | None:
    if not words:
        return None
    table = name_of(words)
    words = words[2 * table.count(".") + 1 :]
    if words and words[0].means("AS"):
        words = words[2:]
    listed: list[str] = []
    inside = group(words, 0) if words and words[0].means("(") else []
    if inside and not inside[0].means("SELECT", "WITH", "("):
        listed = [part[0].text.lower() for part in split(inside)]
        words = words[len(inside) + 2 :]
    words = unwrapped(words[outside(words, _ROWS) :])
    if words and words[0].means("SELECT", "WITH", "("):
        return _queried(table, words, listed, layouts.get(table, ()))
    if words and words[0].means("TABLE"):
        return Copied(table, stars={name_of(words[1:])})
    return Copied(table, computed=set(listed), everything=not listed, is_program=True)


def _queried(
    table: str, query: list[Token], listed: Sequence[str] = (), layout: Sequence[str] = ()
) -> Copied:
    """:param listed: the columns that the statement names; ``layout``: those of the table."""
    found = Copied(table)
    for select in selects_of(query):
        found.computed |= select.computed
        places_known = True
        for place, item in enumerate(select.items):
            if item.is_star:
                every = {select.tables.get(item.qualifier, "")} if item.qualifier else None
                found.stars |= set(select.tables.values()) if every is None else every
                places_known = False  # of what follows
            else:
                names = (each[place : place + 1] if places_known else () for each in
                         (listed, () if listed else layout))  # fmt: skip
                given, in_order = ("".join(each) for each in names)
                _note(found, select, item, given, in_order)
    return found


def _note(found: Copied, select: Select, item: Item, given: str, in_order: str) -> None:
    """:param given: the column that the statement names; ``in_order``: the one in this place."""
    if not item.column:
        # Of a place that is unknown, it is one of the columns that it is computed from.
        target = given or in_order or item.alias
        found.computed |= {target} if target else item.mentioned
        return
    target = given or in_order or item.alias or item.column
    if target == item.column:
        tables = {*select.tables.values()}
        only = next(iter(tables)) if len(tables) == 1 else ""
        found.columns.add((target, select.tables.get(item.qualifier, only)))
        found.cast |= {target} if item.is_cast else set()
    elif given or item.alias == target:
        found.computed.add(target)  # another column on purpose: both are written out
