"""What of a database is not its role's alone: others have defined it, or others refer to it."""

from __future__ import annotations

from collections.abc import Sequence

import pymysql

from migrations_ops.child.protocol.ledger import NAME as LEDGER
from migrations_ops.databases.mariadb.connect import Connection, ask
from migrations_ops.databases.mariadb.names import exactly, quoted
from migrations_ops.databases.mariadb.server import (
    account_of,
    is_mariadb,
    may_name_definers,
    server_version,
)
from migrations_ops.model.errors import StepFailed

_SHOWN = 3
# The definers in a database; but for the ledger, whose definer is the role that writes it.
_DEFINED = f"""
SELECT table_name, definer FROM information_schema.views
    WHERE table_schema = %(database)s AND table_name <> '{LEDGER}'
UNION ALL SELECT routine_name, definer FROM information_schema.routines
    WHERE routine_schema = %(database)s
UNION ALL SELECT trigger_name, definer FROM information_schema.triggers
    WHERE trigger_schema = %(database)s AND {exactly("trigger_schema", "%(database)s")}
UNION ALL SELECT event_name, definer FROM information_schema.events
    WHERE event_schema = %(database)s AND {exactly("event_schema", "%(database)s")} ORDER BY 1"""
# The server's own list; its names are written as those of files are.
_REFERRING = """SELECT DISTINCT FOR_NAME FROM information_schema.INNODB_SYS_FOREIGN
    WHERE HEX(REF_NAME) LIKE CONCAT(HEX(CONVERT(%s USING filename)), '2F%%')
    AND HEX(FOR_NAME) NOT LIKE CONCAT(HEX(CONVERT(%s USING filename)), '2F%%') ORDER BY 1"""
# What every role may ask, of the tables that it sees.
_REFERRING_SEEN = """SELECT DISTINCT constraint_schema, table_name
    FROM information_schema.referential_constraints
    WHERE unique_constraint_schema = %s AND constraint_schema <> %s ORDER BY 1, 2"""

_KEYS = """SELECT constraint_name FROM information_schema.referential_constraints
    WHERE constraint_schema = %s AND table_name = %s AND unique_constraint_schema = %s ORDER BY 1"""


def why_not_owned(connection: Connection, database: str) -> str:
    """Why the tables of a database could not give way to others; empty where they could.

    :raises pymysql.MySQLError: the server cannot be asked.
    """
    foreign = [] if may_name_definers(connection) else _defined_by_others(connection, database)
    if foreign:
        grant = f"GRANT SET USER ON *.* TO {account_of(connection)}"
        return f"others have defined {_listed(foreign)}, and may not be named by this role. {grant}"
    referring = _find_referring(connection, database)
    return _why_not_free(connection, database, referring) if referring else ""


def _why_not_free(
    connection: Connection, database: str, referring: Sequence[tuple[str, str]]
) -> str:
    drops = [
        f"ALTER TABLE {quoted(schema)}.{quoted(table)} DROP FOREIGN KEY {quoted(str(key))}"
        for schema, table in referring[:_SHOWN]
        for (key,) in ask(connection, _KEYS, schema, table, database)
    ]
    return (
        "foreign keys of other databases refer to it, and would follow its old tables:"
        f" {_listed([f'{schema}.{table}' for schema, table in referring])}. Drop these foreign"
        " keys, and create them again afterwards unless their tables are only kept"
        f"{': ' if drops else ''}{'; '.join(drops)}"
    )


def why_not_seen(connection: Connection, database: str) -> str:
    """Why a backup could not hold all of a database; empty where it could.

    :raises pymysql.MySQLError: the server cannot be asked.
    """
    rows = ask(
        connection,
        "SELECT DISTINCT routine_name FROM information_schema.routines"
        " WHERE routine_schema = %s AND routine_definition IS NULL ORDER BY 1",
        database,
    )
    if not rows:
        return ""
    grant = "GRANT SELECT ON mysql.proc"
    if is_mariadb(connection) and server_version(connection) >= (11, 3):
        grant = f"GRANT SHOW CREATE ROUTINE ON {quoted(database)}.*"
    return (
        f"this role may not see the text of {_listed([str(name) for (name,) in rows])}, which"
        f" others have defined. {grant} TO {account_of(connection)}"
    )


def require_owned(connection: Connection, database: str) -> None:
    """:raises StepFailed: its tables could not give way to others."""
    why = why_not_owned(connection, database)
    if why:
        what, _, advice = why.partition(". ")
        raise StepFailed(
            f"No backup can take the place of {database}: {what}.",
            untouched=f"{database} is unchanged.",
            next=f"{advice}; and try again.",
        )


def _defined_by_others(connection: Connection, database: str) -> list[str]:
    user = str(ask(connection, "SELECT CURRENT_USER()")[0][0])
    with connection.cursor() as cursor:
        cursor.execute(_DEFINED, {"database": database})
        return [str(name) for name, definer in cursor.fetchall() if definer != user]


def _find_referring(connection: Connection, database: str) -> list[tuple[str, str]]:
    """The tables of other databases that have foreign keys to this one, each with its schema.

    Without the right PROCESS, these are tables that the role may do more with than read.
    """
    try:
        rows = ask(connection, _REFERRING, database, database)
    except pymysql.MySQLError:
        found = ask(connection, _REFERRING_SEEN, database, database)
        return [(str(schema), str(table)) for schema, table in found]
    # The server's own list has names as those of files.
    parts = [str(name).split("/") for (name,) in rows]
    return [(_decoded(connection, schema), _decoded(connection, table)) for schema, table in parts]


def _decoded(connection: Connection, name: str) -> str:
    """The name of what has a file of that name."""
    hexadecimal = name.encode().hex()
    return str(ask(connection, f"SELECT CONVERT(_filename 0x{hexadecimal} USING utf8mb4)")[0][0])


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"
