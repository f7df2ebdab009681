"""Foreign keys that a swap of tables would leave pointing at the wrong table.

InnoDB takes a key along with both of its tables. A key whose parent is missing, or lies in another
database, stays with the parent's name: that of a table that now belongs to another database.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pymysql

from migrations_ops.databases.mariadb.connect import Connection, ask, ask_each
from migrations_ops.databases.mariadb.errors import code_of
from migrations_ops.databases.mariadb.names import exactly, quoted
from migrations_ops.databases.mariadb.swap.record import Extra

KIND = "FOREIGN KEY"
# Names as this server compares them.
_FOLDED = "IF(@@lower_case_table_names, LOWER({0}), {0})"
_OUTWARD = f"""SELECT table_name, constraint_name FROM information_schema.referential_constraints
    WHERE constraint_schema = %s AND NOT (unique_constraint_schema = constraint_schema
        AND {exactly("unique_constraint_schema", "constraint_schema")}) ORDER BY 1, 2"""
_INWARD = f"""SELECT table_name, constraint_name, {_FOLDED.format("referenced_table_name")}
    FROM information_schema.referential_constraints
    WHERE constraint_schema = %s AND unique_constraint_schema = constraint_schema
        AND {exactly("unique_constraint_schema", "constraint_schema")} ORDER BY 1, 2"""
# What a key can refer to, wherever its engine looks for a table.
_PARENTS = f"""SELECT {_FOLDED.format("table_name")} FROM information_schema.tables
    WHERE table_schema = %s AND engine = 'InnoDB' AND create_options NOT LIKE '%%partitioned%%'"""
_ONE = """SELECT 1 FROM information_schema.referential_constraints
    WHERE constraint_schema = %s AND table_name = %s AND constraint_name = %s"""
# How SHOW CREATE TABLE has one, on a line of its own.
_LINE = re.compile(
    r"^  (CONSTRAINT (`(?:[^`]|``)*`) FOREIGN KEY (?:[^`\n]|`(?:[^`]|``)*`)*?),?$", re.MULTILINE
)
# The table, or a column of it, was dropped meanwhile.
_GONE = frozenset({1072, 1146})


def find_outward(connection: Connection, database: str) -> list[Extra]:
    """Its keys that refer to other databases."""
    found = ask(connection, _OUTWARD, database)
    return _defined(connection, database, [(str(table), str(name)) for table, name in found])


def find_dangling(connection: Connection, database: str) -> list[Extra]:
    """Its keys that refer to a table of its own which is not there."""
    there = set(ask(connection, _PARENTS, database))
    return _defined(
        connection,
        database,
        [
            (str(table), str(name))
            for table, name, parent in ask(connection, _INWARD, database)
            if (parent,) not in there
        ],
    )


def _defined(connection: Connection, database: str, keys: Sequence[tuple[str, str]]) -> list[Extra]:
    """Keys, given by table and name, with the statements that make them."""
    tables = list(dict.fromkeys(table for table, _ in keys))
    shown = ask_each(connection, [f"SHOW CREATE TABLE {_in(database, table)}" for table in tables])
    definitions = {
        (table, name): definition
        for table, row in zip(tables, shown, strict=True)
        for definition, name in _LINE.findall(str(row[1]))
    }
    return [
        Extra(
            KIND,
            name,
            f"ALTER TABLE {quoted(table)} ADD {definitions[table, quoted(name)]}",
            table=table,
        )
        for table, name in keys
    ]


def _in(database: str, table: str) -> str:
    return f"{quoted(database)}.{quoted(table)}"


def drop_keys(connection: Connection, database: str, keys: Sequence[Extra]) -> None:
    """Drop them; the rows, and the indexes, stay."""
    for each in keys:
        table = _in(database, each.table)
        ask(connection, f"ALTER TABLE {table} DROP FOREIGN KEY {quoted(each.name)}")


def make_key(connection: Connection, database: str, key: Extra) -> None:
    """Make it, unless it is there, or its table is gone.

    The session is in that database. Foreign keys must not be checked in it: a parent may be
    missing, as it was.
    """
    if ask(connection, _ONE, database, key.table, key.name):
        return
    try:
        ask(connection, key.statement)
    except pymysql.MySQLError as error:
        if code_of(error) not in _GONE:
            raise
