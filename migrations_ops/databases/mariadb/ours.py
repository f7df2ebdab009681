"""What of a database is not its role's alone: others have defined it, or others refer to it."""

from __future__ import annotations

from collections.abc import Sequence

import pymysql

from migrations_ops.databases import LEDGER
from migrations_ops.databases.mariadb.connect import (
    Connection,
    account_of,
    ask,
    may_name_definers,
)
from migrations_ops.errors import StepFailed

_SHOWN = 3
# Who has defined what in a database, but for the ledger, which whoever writes it defines.
_DEFINED = f"""
SELECT table_name, definer FROM information_schema.views
    WHERE table_schema = %(database)s AND table_name <> '{LEDGER}'
UNION ALL SELECT routine_name, definer FROM information_schema.routines
    WHERE routine_schema = %(database)s
UNION ALL SELECT trigger_name, definer FROM information_schema.triggers
    WHERE trigger_schema = %(database)s
UNION ALL SELECT event_name, definer FROM information_schema.events
    WHERE event_schema = %(database)s ORDER BY 1"""
# The server's own list; its names are written as those of files are.
_REFERRING = """SELECT FOR_NAME FROM information_schema.INNODB_SYS_FOREIGN
    WHERE HEX(REF_NAME) LIKE CONCAT(HEX(CONVERT(%s USING filename)), '2F%%')
    AND HEX(FOR_NAME) NOT LIKE CONCAT(HEX(CONVERT(%s USING filename)), '2F%%') ORDER BY 1"""
# What every role may ask, of the tables that it sees.
_REFERRING_SEEN = """SELECT CONCAT(constraint_schema, '/', table_name)
    FROM information_schema.referential_constraints
    WHERE unique_constraint_schema = %s AND constraint_schema <> %s ORDER BY 1"""


def why_not_ours(connection: Connection, database: str) -> str:
    """Why the tables of a database could not give way to others; empty where they could.

    :raises pymysql.MySQLError: the server cannot be asked.
    """
    foreign = [] if may_name_definers(connection) else _defined_by_others(connection, database)
    if foreign:
        grant = f"GRANT SET USER ON *.* TO {account_of(connection)}"
        return f"others have defined {_listed(foreign)}, and may not be named by this role. {grant}"
    outside = find_referring(connection, database)
    if outside:
        return (
            f"foreign keys of other databases refer to it, and would follow its old tables:"
            f" {_listed(outside)}. Drop these foreign keys, and create them again afterwards"
        )
    return ""


def require_ours(connection: Connection, database: str) -> None:
    """:raises StepFailed: its tables could not give way to others."""
    why = why_not_ours(connection, database)
    if why:
        what, _, cure = why.partition(". ")
        raise StepFailed(
            f"No backup can take the place of {database}: {what}.",
            untouched=f"{database} is as it was.",
            next=f"{cure}; and try again.",
        )


def _defined_by_others(connection: Connection, database: str) -> list[str]:
    user = str(ask(connection, "SELECT CURRENT_USER()")[0][0])
    with connection.cursor() as cursor:
        cursor.execute(_DEFINED, {"database": database})
        return [str(name) for name, definer in cursor.fetchall() if definer != user]


def find_referring(connection: Connection, database: str) -> list[str]:
    """The tables of other databases that have foreign keys to this one, as far as they are seen."""
    try:
        rows = ask(connection, _REFERRING, database, database)
    except pymysql.MySQLError:  # it takes the right PROCESS
        rows = ask(connection, _REFERRING_SEEN, database, database)
    return list(dict.fromkeys(str(name).replace("/", ".", 1) for (name,) in rows))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"
