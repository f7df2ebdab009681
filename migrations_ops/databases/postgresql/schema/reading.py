"""The schema of a PostgreSQL database as plain facts, one a line, that can be compared.

Each kind of object is read by one query on the catalogs, so that 500 tables take a fraction of a
second. A copy that was restored from a dump has the same facts: owners, object identifiers, the
versions of extensions and the order of columns are none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg

from migrations_ops.child.protocol.ledger import NAME as LEDGER
from migrations_ops.databases.postgresql.schema.catalog import (
    OWN_SCHEMAS,
    READABLE,
    Catalog,
    Relation,
    not_of_extension,
    reading,
)
from migrations_ops.databases.postgresql.schema.objects import OBJECTS
from migrations_ops.databases.postgresql.schema.rights import RIGHTS
from migrations_ops.databases.postgresql.schema.tables import HALF_DETACHED, TABLES


def read_schema(
    connection: psycopg.Connection[Any],
    version_table: str,
    version_schema: str | None = None,
) -> dict[str, str]:
    """Everything that a migration can make or lose, with what it is.

    Call it inside of a snapshot.

    :param version_table: Alembic's, which is left out, like the ledger.
    :param version_schema: where that is; None: in the default schema.
    """
    with reading(connection) as schema:
        relations = _relations(Catalog(connection, schema), version_table, version_schema)
        catalog = Catalog(connection, schema, relations)
        found: dict[str, list[str]] = {}
        for read in (*TABLES, *OBJECTS, *RIGHTS):
            for key, text in read(catalog):
                found.setdefault(key, []).append(text)
    return {key: "; ".join(sorted(texts)) for key, texts in sorted(found.items())}


def read_tables(
    connection: psycopg.Connection[Any],
    version_table: str,
    version_schema: str | None = None,
) -> list[str]:
    """The tables that hold rows of their own: not the partitions, whose rows are the whole's.

    Those of extensions are among them: what is in them may be a project's.
    """
    with reading(connection) as schema:
        catalog = Catalog(connection, schema)
        relations = _relations(catalog, version_table, version_schema, of_extensions=True)
        whole = {
            oid
            for (oid,) in catalog.ask(
                "SELECT oid FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
            )
        }
    return sorted(relation.name for oid, relation in relations.items() if oid in whole)


def _relations(
    catalog: Catalog,
    version_table: str,
    version_schema: str | None,
    *,
    of_extensions: bool = False,
) -> dict[int, Relation]:
    own = not_of_extension("pg_class", "c.oid")
    if of_extensions:
        own = f"({own} OR {READABLE})"
    rows = catalog.ask(
        "SELECT c.oid::bigint, n.nspname, c.relname, c.relkind::text FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = c.relnamespace"
        f" WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.relpersistence <> 't'"
        f" AND {OWN_SCHEMAS} AND {own}"
    )
    version = (version_schema or catalog.schema, version_table)
    return {
        oid: Relation(catalog.name(schema, name), kind)
        for oid, schema, name, kind in rows
        if (schema, name) != version and not (kind == "v" and name == LEDGER)
    }


def as_dumped(schema: Mapping[str, str]) -> dict[str, str]:
    """These facts as a copy has them that was restored from a dump."""
    return {
        key: text.replace(HALF_DETACHED, "") if key.startswith("table ") else text
        for key, text in schema.items()
    }
