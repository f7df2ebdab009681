"""The ledger of a PostgreSQL database, as the parent reads and continues it: a view that carries
its content as JSON."""

from __future__ import annotations

from psycopg import errors, sql

from migrations_ops.child.protocol.ledger import NAME as LEDGER
from migrations_ops.child.protocol.ledger import from_text, postgresql_view
from migrations_ops.databases.ledger import extended, ledger_of
from migrations_ops.databases.postgresql.connect import Connection
from migrations_ops.model.ledger import Ledger, LedgerEntry


def read_ledger(connection: Connection, schema: str | None, version_table: str) -> Ledger:
    """What the ledger knows of a version table; an empty one where there is none, or something
    else of its name.

    :param schema: where the version table is; None for the schema of unqualified names.
    """
    where = schema or _usual(connection)
    return ledger_of(_read(connection, where) if where else None, version_table)


def add_to_ledger(connection: Connection, schema: str | None, entry: LedgerEntry) -> None:
    """Add to the ledger in one transaction; it is made, and gets its identity, if it has none.

    :raises psycopg.Error: it may not be written; or something has its name that is no ledger.
    """
    with connection.transaction():
        where = schema or _usual(connection)
        if not where:
            raise errors.InvalidSchemaName("no schema is in the search_path")
        text = _read(connection, where)
        before = None if text is None else from_text(text)
        if before is None and _is_taken(connection, where):
            raise errors.DuplicateTable(f"{LEDGER} exists and is not a ledger")
        runs = extended(before, entry)
        connection.execute(sql.SQL(postgresql_view(where, runs)))


def _usual(connection: Connection) -> str:
    """The schema of unqualified names; empty where there is none."""
    row = connection.execute("SELECT current_schema()").fetchone()
    return str(row[0] or "") if row else ""


def _read(connection: Connection, where: str) -> str | None:
    """The content of the ledger; None where there is none, or something else of its name."""
    name = sql.Identifier(where, LEDGER)
    found = connection.execute(
        """
        SELECT count(*) FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid AND attnum = 1
        WHERE c.oid = to_regclass(%s) AND relkind = 'v' AND attname = 'ledger'
            AND atttypid = 'text'::regtype
        """,
        (name.as_string(),),
    ).fetchone()
    if found != (1,):
        return None
    rows = connection.execute(sql.SQL("SELECT ledger FROM {} LIMIT 2").format(name)).fetchall()
    return str(rows[0][0]) if len(rows) == 1 else None


def _is_taken(connection: Connection, where: str) -> bool:
    """Whether something that is no ledger has its name."""
    name = sql.Identifier(where, LEDGER).as_string()
    return connection.execute("SELECT to_regclass(%s)", (name,)).fetchone() != (None,)
