"""What the readers of a PostgreSQL schema share: the catalogs, and names as facts have them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.rows import tuple_row

from migrations_ops.databases.postgresql.text import canonical

Facts = Iterator[tuple[str, str]]
# Tables of which this role may see the rows; it need not be that of those that extensions made.
READABLE = "has_table_privilege(c.oid, 'SELECT')"
# Schemas that are the project's.
OWN_SCHEMAS = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"


def not_of_extension(catalog: str, oid: str, kinds: str = "e") -> str:
    """A condition: what an extension made comes with it, and is left out."""
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    return (
        f"NOT EXISTS (SELECT FROM pg_depend WHERE classid = '{catalog}'::regclass"
        f" AND objid = {oid} AND deptype IN ({listed}))"
    )


def column_names(table: str, numbers: str) -> str:
    """An expression: the names of a table's columns, by an array of their numbers."""
    return (
        f"ARRAY(SELECT a.attname::text FROM unnest({numbers}) WITH ORDINALITY k(attnum, number)"
        f" JOIN pg_attribute a ON a.attrelid = {table} AND a.attnum = k.attnum ORDER BY k.number)"
    )


@dataclass(frozen=True)
class Relation:
    """A table, view or sequence; ``kind`` is PostgreSQL's letter."""

    name: str
    kind: str


@dataclass(frozen=True)
class Catalog:
    """What the readers of each kind share.

    ``schema`` is the one whose names go without it; ``relations`` are those that
    facts are about, by their object identifiers.
    """

    connection: psycopg.Connection[Any]
    schema: str
    relations: Mapping[int, Relation] = field(default_factory=dict)

    @property
    def version(self) -> int:
        return self.connection.info.server_version

    def ask(self, sql: str, *values: Any) -> Iterable[tuple[Any, ...]]:
        with self.connection.cursor(row_factory=tuple_row) as cursor:
            # Without values, so that a percent sign is only a character.
            return cursor.execute(sql.encode(), values or None).fetchall()

    def name(self, schema: str, name: str) -> str:
        """A name as fingerprints have it: with its schema, in one word, unless that is the own."""
        return name if schema == self.schema else f"{schema}.{name}"

    def text(self, sql: str | None) -> str:
        return canonical(sql or "", self.schema)


def find_default_schema(connection: psycopg.Connection[Any]) -> str:
    """Where unqualified names go."""
    [(schema,)] = Catalog(connection, "").ask("SELECT coalesce(current_schema(), 'public')")
    return str(schema)


@contextmanager
def reading(connection: psycopg.Connection[Any]) -> Iterator[str]:
    """Let PostgreSQL print all names but those of one schema with their schemas."""
    with connection.transaction():
        schema = find_default_schema(connection)
        catalog = Catalog(connection, schema)
        [(path, jit)] = catalog.ask("SELECT current_setting('search_path'), current_setting('jit')")
        # Queries on catalogs look dear, and are done before they are compiled.
        choose = "SELECT set_config('search_path', %s, true), set_config('jit', %s, true)"
        catalog.ask(choose, '"{}"'.format(schema.replace('"', '""')), "off")
        yield schema
        catalog.ask(choose, path, jit)
