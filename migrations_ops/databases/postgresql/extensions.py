"""Tables that an extension made: which of their rows a dump holds, and its versions.

CREATE EXTENSION makes them again, with the rows of that moment. pg_dump adds those that the
extension itself asked for by pg_extension_config_dump(), and no others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from migrations_ops.child.protocol.sql import shown
from migrations_ops.databases.postgresql.connect import Connection
from migrations_ops.databases.postgresql.rows.sums import count_and_sum
from migrations_ops.databases.postgresql.rows.tables import Side
from migrations_ops.databases.postgresql.rows.values import hash_of
from migrations_ops.databases.postgresql.schema.catalog import OWN_SCHEMAS, READABLE
from migrations_ops.model.findings import EXTENSION_ROWS, Finding
from migrations_ops.model.fingerprint import Fingerprint


@dataclass(frozen=True)
class ExtensionTable:
    """A table of an extension of which a dump does not hold all rows.

    ``condition`` is the WHERE clause of those that it does; None where it holds none.
    """

    name: str
    extension: str
    condition: str | None


def find_tables(connection: Connection) -> list[ExtensionTable]:
    side = Side(connection)
    rows = side.ask(
        "SELECT n.nspname, c.relname, e.extname,"
        " e.extcondition[array_position(e.extconfig, c.oid)]"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid"
        " AND d.deptype = 'e' JOIN pg_extension e ON e.oid = d.refobjid"
        f" WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND {OWN_SCHEMAS}"
        f" AND {READABLE}"
        " ORDER BY 1, 2"
    )
    return [
        ExtensionTable(side.catalog.name(schema, name), extension, condition)
        for schema, name, extension, condition in rows
        if condition != ""
    ]


def find_left_out(here: Connection, copy: Connection, database: str) -> Iterator[Finding]:
    """The tables of which a restore would bring back other rows than there are.

    :param copy: to what was restored from a dump of that database.
    :param database: in words.
    """
    tables = find_tables(here)
    known = versions(copy)
    # What a revision has made since comes with its own rows.
    tables = [each for each in tables if each.extension in known]
    if not tables:
        return
    now, then = _outside(here, tables), _outside(copy, tables)
    for each in tables:
        if now[each.name] != then.get(each.name):
            yield EXTENSION_ROWS.found(
                shown(each.name), extension=shown(each.extension), database=database
            )


def _outside(
    connection: Connection, tables: list[ExtensionTable]
) -> Mapping[str, tuple[object, ...]]:
    """How many rows of each table no dump holds, and a sum of what is in them."""
    side, found = Side(connection), {}
    with side.comparable():
        known = side.tables([each.name for each in tables])
        for each in tables:
            if (table := known.get(each.name)) is None:
                continue
            row = hash_of(table.hashed())
            asked = f"SELECT count(*), coalesce(sum({row}), 0) FROM {table.rows}"
            [(rows, summed)] = side.ask(asked)
            if each.condition is not None:
                [(held, sum_of_held)] = side.ask(f"{asked} {each.condition}")
                rows, summed = rows - held, summed - sum_of_held
            found[each.name] = (rows, summed)
    return found


def as_held(taken: Fingerprint, copy: Connection, tables: list[ExtensionTable]) -> Fingerprint:
    """The fingerprint of a database as its backup holds it: with these tables as it restores them.

    :param copy: to what was restored from that backup.
    """
    names = {each.name for each in tables}
    there = [*Side(copy).tables([*names])]
    rows, sums = count_and_sum(copy, there)
    return Fingerprint(
        taken.revisions,
        taken.schema,
        {key: value for key, value in taken.rows.items() if key not in names} | rows,
        {key: value for key, value in taken.sums.items() if key not in names}
        | {name: sums[name] for name in there},
    )


def versions(connection: Connection) -> dict[str, str]:
    rows = connection.execute("SELECT extname, extversion FROM pg_extension").fetchall()
    return {str(name): str(version) for name, version in rows}


def find_outdated(connection: Connection) -> list[tuple[str, str, str]]:
    """The extensions of which a restore makes another version: CREATE EXTENSION takes the
    server's default one."""
    rows = connection.execute(
        "SELECT e.extname, e.extversion, a.default_version FROM pg_extension e"
        " JOIN pg_available_extensions a ON a.name = e.extname"
        " WHERE a.default_version <> e.extversion ORDER BY 1"
    ).fetchall()
    return [(str(name), str(has), str(gets)) for name, has, gets in rows]
