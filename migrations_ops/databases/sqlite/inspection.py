"""The state of a SQLite database, as one connection sees it."""

from __future__ import annotations

import sqlite3

from migrations_ops.databases.ledger import OTHER_FORMAT_ADVICE
from migrations_ops.databases.sqlite.connect import quoted
from migrations_ops.databases.sqlite.errors import RESTORE
from migrations_ops.databases.sqlite.lacking import ask
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.inspection import Inspection


def inspect_database(connection: sqlite3.Connection, version_table: str) -> Inspection:
    """Its revision, its environment and what else is there."""
    from migrations_ops.databases.sqlite.ledger import read_ledger
    from migrations_ops.databases.sqlite.schema import table_names

    names = table_names(connection)
    versioned = version_table in names
    if versioned and not _is_of_alembic(connection, version_table):
        trouble = f"its table {version_table} is not Alembic's: it has no column version_num"
        return Inspection(exists=True, trouble=trouble, advice=RESTORE, tables=len(names))
    ledger = read_ledger(connection, version_table)
    return Inspection(
        exists=True,
        versioned=versioned,
        revisions=_revisions(connection, version_table) if versioned else (),
        tables=len(names) - versioned,
        leftovers=tuple(find_leftovers(names)),
        trouble=ledger.unreadable,
        advice=OTHER_FORMAT_ADVICE if ledger.unreadable else "",
        environment=ledger.environment,
        begun=ledger.begun,
        other_versions=_other_versions(connection, names, version_table),
    )


def find_leftovers(tables: list[str]) -> list[str]:
    """The temporary tables that a failed batch operation of Alembic left."""
    return [name for name in tables if name.startswith("_alembic_tmp_")]


def read_fingerprint(connection: sqlite3.Connection, version_table: str) -> Fingerprint:
    """The fingerprint of what the connection sees; call it inside a snapshot."""
    from migrations_ops.databases.sqlite.schema import read_schema

    tables, versioned = _tables(connection, version_table)
    return Fingerprint(
        revisions=_revisions(connection, version_table) if versioned else (),
        schema=read_schema(connection, tables),
        rows={name: count for name in tables if (count := _rows(connection, name)) is not None},
    )


def read_own_schema(connection: sqlite3.Connection, version_table: str) -> dict[str, str]:
    """The schema of the fingerprint."""
    from migrations_ops.databases.sqlite.schema import read_schema

    return read_schema(connection, _tables(connection, version_table)[0])


def _tables(connection: sqlite3.Connection, version_table: str) -> tuple[list[str], bool]:
    """The tables but Alembic's; and whether that is there."""
    from migrations_ops.databases.sqlite.schema import table_names

    names = table_names(connection)
    versioned = version_table in names and _is_of_alembic(connection, version_table)
    # One of that name which Alembic did not make is kept and compared like any other table.
    return [name for name in names if name != version_table or not versioned], versioned


def _is_of_alembic(connection: sqlite3.Connection, version_table: str) -> bool:
    columns = connection.execute("SELECT name FROM pragma_table_info(?)", (version_table,))
    return any(name.lower() == "version_num" for (name,) in columns)


def _other_versions(
    connection: sqlite3.Connection, tables: list[str], version_table: str
) -> dict[str, tuple[str, ...]]:
    """The other tables that have the form of Alembic's and name a revision, with these."""
    made = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%version_num%'"
        " AND sql NOT LIKE 'CREATE VIRTUAL%'"
    )
    found = {}
    for (name,) in made.fetchall():
        if name in tables and name != version_table:
            columns = connection.execute("SELECT name FROM pragma_table_info(?)", (name,))
            if [each.lower() for (each,) in columns] == ["version_num"]:
                found[name] = _revisions(connection, name)
    return {name: revisions for name, revisions in found.items() if revisions}


def _revisions(connection: sqlite3.Connection, version_table: str) -> tuple[str, ...]:
    rows = connection.execute(f"SELECT version_num FROM {quoted(version_table)}")
    return tuple(sorted(str(row[0]) for row in rows))


def _rows(connection: sqlite3.Connection, table: str) -> int | None:
    try:
        return int(ask(connection, f"SELECT count(*) FROM {quoted(table)}")[0][0])
    except sqlite3.OperationalError as error:
        if "no such module" in str(error):
            return None  # a virtual table: its rows are in ordinary tables, and counted there
        raise
