"""Foreign keys that an exchange of tables would leave pointing at the wrong table.

InnoDB takes a key along with both of its tables. A key whose parent is missing, or lies in another
database, stays with the parent's name: that of a table that now belongs to another database.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pymysql

from migrations_ops.databases.mariadb.connect import Connection, ask, ask_each
from migrations_ops.databases.mariadb.errors import code_of
from migrations_ops.databases.mariadb.names import quoted
from migrations_ops.databases.mariadb.qualified import renamed
from migrations_ops.databases.server_copies import OWN

_KEYS = """SELECT table_name, constraint_name, unique_constraint_schema, referenced_table_name
    FROM information_schema.referential_constraints WHERE constraint_schema = %s ORDER BY 1, 2"""
# What a key can refer to, wherever its engine looks for a table.
_PARENTS = """SELECT table_name FROM information_schema.tables WHERE table_schema = %s
    AND engine = 'InnoDB' AND create_options NOT LIKE '%%partitioned%%'"""
# How SHOW CREATE TABLE has one, on a line of its own.
_LINE = re.compile(
    r"^  (CONSTRAINT (`(?:[^`]|``)*`) FOREIGN KEY (?:[^`\n]|`(?:[^`]|``)*`)*?),?$", re.MULTILINE
)
# The table, or a column of it, was dropped meanwhile.
_GONE = frozenset({1072, 1146})


@dataclass(frozen=True)
class Key:
    """A foreign key of a table, and the table to which it refers."""

    table: str
    name: str
    definition: str
    schema: str = ""
    parent: str = ""

    def of(self, source: str, target: str) -> Key:
        """The same, referring to another database wherever it refers to ``source``."""
        return replace(self, definition=renamed(self.definition, source, target))


def _folding(connection: Connection) -> Callable[[str], str]:
    """How names are compared on this server."""
    [(folded,)] = ask(connection, "SELECT @@lower_case_table_names")
    return str.lower if folded else str


def find_outward(connection: Connection, database: str) -> list[Key]:
    """Its keys that refer to other databases."""
    fold = _folding(connection)
    return _defined(
        connection,
        database,
        [each for each in _read(connection, database) if fold(each.schema) != fold(database)],
    )


def find_dangling(connection: Connection, database: str) -> list[Key]:
    """Its keys that refer to a table of its own which is not there."""
    fold = _folding(connection)
    there = {fold(str(name)) for (name,) in ask(connection, _PARENTS, database)}
    return _defined(
        connection,
        database,
        [
            each
            for each in _read(connection, database)
            if fold(each.schema) == fold(database) and fold(each.parent) not in there
        ],
    )


def drop_keys(connection: Connection, database: str, keys: Sequence[Key]) -> None:
    """Drop them; the rows, and the indexes, stay."""
    for each in keys:
        ask(
            connection, f"ALTER TABLE {_place(database, each)} DROP FOREIGN KEY {quoted(each.name)}"
        )


def make_keys(connection: Connection, database: str, keys: Sequence[Key]) -> None:
    """Make those that are missing, or that refer to a database of this tool's.

    Foreign keys must not be checked in this session: a parent may be missing, as it was.
    """
    if not keys:
        return
    ask(connection, f"USE {quoted(database)}")
    there = {(each.table, each.name): each for each in _read(connection, database)}
    # One that was written down again, after a kill, is to be made once.
    for place, each in {(each.table, each.name): each for each in keys}.items():
        found = there.get(place)
        if found is None:
            _make(connection, database, each)
        elif found.schema.startswith(OWN) and f"{quoted(found.schema)}." not in each.definition:
            drop_keys(connection, database, [each])
            _make(connection, database, each)


def _make(connection: Connection, database: str, key: Key) -> None:
    try:
        ask(connection, f"ALTER TABLE {_place(database, key)} ADD {key.definition}")
    except pymysql.MySQLError as error:
        if code_of(error) not in _GONE:
            raise


def _place(database: str, key: Key) -> str:
    return f"{quoted(database)}.{quoted(key.table)}"


def _read(connection: Connection, database: str) -> list[Key]:
    """All keys of its tables, without their definitions."""
    return [
        Key(str(table), str(name), "", str(schema), str(parent))
        for table, name, schema, parent in ask(connection, _KEYS, database)
    ]


def _defined(connection: Connection, database: str, keys: Sequence[Key]) -> list[Key]:
    """The same, as they are defined."""
    tables = {each.table: f"SHOW CREATE TABLE {_place(database, each)}" for each in keys}
    shown = ask_each(connection, list(tables.values()))
    definitions = {
        (table, name): definition
        for table, row in zip(tables, shown, strict=True)
        for definition, name in _LINE.findall(str(row[1]))
    }
    return [replace(each, definition=definitions[each.table, quoted(each.name)]) for each in keys]
