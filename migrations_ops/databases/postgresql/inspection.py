"""The state of a PostgreSQL database, as one connection sees it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import psycopg
from psycopg import sql

from migrations_ops.databases.ledger import OTHER_FORMAT_ADVICE
from migrations_ops.databases.postgresql.connect import Connection
from migrations_ops.databases.postgresql.ledger import read_ledger
from migrations_ops.model.inspection import Inspection

# The tables; whether there is a version table, and whether it is Alembic's; other version tables;
# how long an id may be.
_STATE = """
SELECT
    (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\\_%%'
        AND n.nspname <> 'information_schema' AND NOT EXISTS (
            SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
            AND d.objid = c.oid AND d.deptype = 'e')),
    to_regclass(%(name)s) IS NOT NULL,
    EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass(%(name)s)
            AND attname = 'version_num' AND NOT attisdropped),
    ARRAY(SELECT c.oid::regclass::text
          FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid
          WHERE relkind = 'r' AND attnum > 0 AND NOT attisdropped
              AND c.oid IS DISTINCT FROM to_regclass(%(name)s)
          GROUP BY c.oid HAVING array_agg(attname::text) = ARRAY['version_num'] ORDER BY 1),
    (SELECT atttypmod - 4 FROM pg_attribute WHERE attrelid = to_regclass(%(name)s)
        AND attname = 'version_num' AND NOT attisdropped AND atttypmod > 4
        AND atttypid IN ('varchar'::regtype, 'bpchar'::regtype))
"""


def inspect_database(connection: Connection, version_table: str, schema: str | None) -> Inspection:
    """Its revision, its environment and how many tables there are."""
    name = (
        sql.Identifier(version_table) if schema is None else sql.Identifier(schema, version_table)
    )
    row = connection.execute(_STATE, {"name": name.as_string()}).fetchone()
    assert row is not None
    tables, versioned, is_of_alembic = int(row[0]), bool(row[1]), bool(row[2])
    if versioned and not is_of_alembic:
        trouble = f"its table {version_table} is not Alembic's: it has no column version_num"
        advice = "Name the version table of this environment: version_table"
        return Inspection(exists=True, tables=tables, trouble=trouble, advice=advice)
    revisions: list[tuple[Any, ...]] = []
    if versioned:
        revisions = connection.execute(
            sql.SQL("SELECT version_num FROM {}").format(name)
        ).fetchall()
    ledger = read_ledger(connection, schema, version_table)
    return Inspection(
        exists=True,
        versioned=versioned,
        revisions=tuple(sorted(str(row[0]) for row in revisions)),
        tables=tables - versioned,
        trouble=ledger.unreadable,
        advice=OTHER_FORMAT_ADVICE if ledger.unreadable else "",
        environment=ledger.environment,
        other_versions={each: _revisions(connection, each) for each in row[3]},
        begun=ledger.begun,
        version_width=row[4],
    )


def _revisions(connection: Connection, table: str) -> tuple[str, ...]:
    """What another version table holds, as far as this role may read it.

    :param table: quoted already.
    """
    with suppress(psycopg.errors.InsufficientPrivilege):
        rows = connection.execute(f"SELECT version_num FROM {table}".encode()).fetchall()
        return tuple(sorted(str(name) for (name,) in rows))
    return ()


def read_sizes(connection: Connection) -> dict[str, int]:
    """The bytes of each table, without its indexes: a dump does not hold these."""
    rows = connection.execute(
        """
        SELECT n.nspname || '.' || c.relname, pg_table_size(c.oid)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'm') AND n.nspname NOT LIKE 'pg\\_%'
            AND n.nspname <> 'information_schema'
        """
    ).fetchall()
    return {str(name): int(size or 0) for name, size in rows}
