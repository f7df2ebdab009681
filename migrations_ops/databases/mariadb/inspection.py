"""The state of a MariaDB database, as one connection sees it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pymysql

from migrations_ops.databases.ledger import OTHER_FORMAT_ADVICE
from migrations_ops.databases.mariadb.connect import Connection, ask
from migrations_ops.databases.mariadb.ledger import read_ledger
from migrations_ops.databases.mariadb.lock import find_other
from migrations_ops.databases.mariadb.names import quoted
from migrations_ops.model.inspection import Inspection


def inspect_database(
    connection: Connection, version_table: str, *, locked: bool = False
) -> Inspection:
    """Its revision, its environment and how many tables there are.

    :param locked: whether this process has the lock of a release.
    """
    rows = ask(
        connection,
        "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
        " AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')",
    )
    names = {str(name) for (name,) in rows}
    versioned = version_table in names
    revisions: list[tuple[Any, ...]] = []
    width: int | None = None
    if versioned:
        columns = ask(
            connection,
            "SELECT character_maximum_length FROM information_schema.columns"
            " WHERE table_schema = DATABASE() AND table_name = %s AND column_name = 'version_num'",
            version_table,
        )
        if not columns:
            trouble = f"its table {version_table} is not Alembic's: it has no column version_num"
            advice = "Name the version table of this environment: version_table"
            return Inspection(exists=True, tables=len(names), trouble=trouble, advice=advice)
        width = columns[0][0]
        revisions = ask(connection, f"SELECT version_num FROM {quoted(version_table)}")
    others = ask(
        connection,
        "SELECT table_name FROM information_schema.columns WHERE table_schema = DATABASE()"
        " AND table_name <> %s GROUP BY table_name"
        " HAVING count(*) = 1 AND max(column_name) = 'version_num'",
        version_table,
    )
    ledger = read_ledger(connection, version_table)
    return Inspection(
        exists=True,
        versioned=versioned,
        revisions=tuple(sorted(str(row[0]) for row in revisions)),
        tables=len(names) - versioned,
        trouble=ledger.unreadable,
        advice=OTHER_FORMAT_ADVICE if ledger.unreadable else "",
        environment=ledger.environment,
        other_versions={str(name): _revisions(connection, str(name)) for (name,) in others},
        begun=ledger.begun,
        version_width=width,
        at_work=find_other(connection) if ledger.begun and not locked else "",
    )


def _revisions(connection: Connection, table: str) -> tuple[str, ...]:
    """What another version table holds, as far as this role may read it."""
    with suppress(pymysql.err.OperationalError):
        rows = ask(connection, f"SELECT version_num FROM {quoted(table)}")
        return tuple(sorted(str(name) for (name,) in rows))
    return ()
