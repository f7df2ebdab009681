"""Functions that name what went: PostgreSQL knows of no dependence of a body that is text."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from migrations_ops.child.protocol.sql import shown, tokens
from migrations_ops.databases.broken import name_that_went
from migrations_ops.databases.postgresql.connect import Connection
from migrations_ops.databases.postgresql.schema.catalog import (
    OWN_SCHEMAS,
    Catalog,
    not_of_extension,
    reading,
)
from migrations_ops.model.findings import BROKEN, Finding


def find_broken(connection: Connection, gone: Collection[str]) -> Iterator[Finding]:
    """:raises psycopg.Error: the server cannot be asked."""
    if not gone:
        return
    with reading(connection) as schema:
        catalog = Catalog(connection, schema)
        rows = catalog.ask(
            "SELECT n.nspname, p.proname, p.prokind::text, p.prosrc,"
            " ARRAY(SELECT t.relname::text FROM pg_trigger g JOIN pg_class t ON t.oid = g.tgrelid"
            " WHERE g.tgfoid = p.oid) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
            " JOIN pg_language l ON l.oid = p.prolang AND l.lanname IN ('plpgsql', 'sql')"
            f" WHERE {OWN_SCHEMAS} AND {not_of_extension('pg_proc', 'p.oid', 'ei')} ORDER BY 1, 2"
        )
        for nsp, name, kind, source, on in rows:
            named = name_that_went(
                tokens(source or "", "postgresql"), gone, {each.lower() for each in on}
            )
            if named:
                yield BROKEN.found(
                    shown(catalog.name(nsp, name)),
                    kind="procedure" if kind == "p" else "function",
                    reason=f"it names {named}, which is gone",
                )
