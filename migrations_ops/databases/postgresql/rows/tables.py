"""What the tables of a PostgreSQL database are made of, as far as their rows are concerned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from migrations_ops.child.protocol.sql import quoted
from migrations_ops.databases.postgresql.rows.values import Column
from migrations_ops.databases.postgresql.schema.catalog import (
    OWN_SCHEMAS,
    Catalog,
    column_names,
    find_default_schema,
    not_of_extension,
)

# Settings that format each value alike on every server, and that hide no row.
_SETTINGS = {
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "xmloption": "content",
    "row_security": "off",
    "jit": "off",
    "work_mem": "64MB",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}
# The sequence from which a column takes its values: its own, or the one that its default names.
_COUNTERS = """
SELECT o.place::bigint, a.attname, n.nspname, s.relname FROM (
    SELECT d.refobjid AS place, d.refobjsubid AS number, d.objid AS sequence FROM pg_depend d
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
    AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
    UNION
    SELECT f.adrelid, f.adnum, d.refobjid FROM pg_depend d
    JOIN pg_attrdef f ON f.oid = d.objid
    WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass
    AND d.refobjsubid = 0) o
JOIN pg_class s ON s.oid = o.sequence AND s.relkind = 'S'
JOIN pg_sequence q ON q.seqrelid = s.oid AND q.seqincrement > 0 AND NOT q.seqcycle
JOIN pg_namespace n ON n.oid = s.relnamespace
JOIN pg_attribute a ON a.attrelid = o.place AND a.attnum = o.number
WHERE a.atttypid IN (20, 21, 23, 1700)
"""


@dataclass(frozen=True)
class Table:
    """One table: how SQL names it, its columns, and those that identify a row.

    ``rows`` is what comes after FROM: a table that others inherit from is asked for its own rows
    only, a partitioned one for those of its parts. ``key`` is empty if there is none.
    """

    name: str
    oid: int
    rows: str
    size: int
    columns: Mapping[str, Column] = field(default_factory=dict)
    key: tuple[str, ...] = ()

    def hashed(self) -> list[str]:
        """What goes into the hash of a whole row, in an order that a copy has, too."""
        return [self.columns[name].hashed() for name in sorted(self.columns)]


@dataclass(frozen=True)
class Reference:
    """A foreign key; ``valid`` tells that the server has made sure of all rows."""

    child: str
    parent: str
    columns: tuple[str, ...]
    parent_columns: tuple[str, ...]
    valid: bool = True


class Side:
    """One of the databases that are compared, in one transaction."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self.catalog = Catalog(connection, find_default_schema(connection))

    def ask(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return list(self.catalog.ask(sql, *values))

    def number(self, sql: str, *values: Any) -> int:
        [(found,)] = self.ask(sql, *values)
        return int(found)

    def do(self, sql: str) -> None:
        """Run a statement that returns nothing."""
        self.connection.execute(sql.encode())

    def copy(self, rows: str, into: Side, place: str) -> None:
        """Bring what one COPY sends to what another one takes, block by block."""
        with (
            closing(self.connection.cursor()) as reading,
            closing(into.connection.cursor()) as writing,
            reading.copy(f"{rows} (FORMAT BINARY)".encode()) as blocks,
            writing.copy(f"{place} (FORMAT BINARY)".encode()) as taking,
        ):
            for block in blocks:
                taking.write(block)

    @contextmanager
    def comparable(self, time_zone: str = "", *, writes: bool = False) -> Iterator[None]:
        """A transaction, or a savepoint of the caller's, with settings that format values alike.

        :param writes: it may make temporary tables, of which nothing stays.
        """
        with (
            self._snapshot(read_only=not writes),
            self.connection.transaction(force_rollback=writes),
        ):
            chosen = _SETTINGS | ({"TimeZone": time_zone} if time_zone else {})
            listed = ", ".join("set_config(%s, %s, true)" for _ in chosen)
            self.ask(f"SELECT {listed}", *(text for pair in chosen.items() for text in pair))
            if writes:
                self._silence_event_triggers()
            yield

    def _silence_event_triggers(self) -> None:
        """Disable event triggers until the rollback: they could write to a log table when a
        temporary table is created, and use up sequence numbers for good.

        A role without that right has restored no event triggers into its copy.
        """
        names = self.ask(
            "SELECT quote_ident(evtname) FROM pg_event_trigger WHERE evtenabled <> 'D'"
        )
        with suppress(psycopg.errors.InsufficientPrivilege), self.connection.transaction():
            for (name,) in names:
                self.do(f"ALTER EVENT TRIGGER {name} DISABLE")

    @contextmanager
    def _snapshot(self, *, read_only: bool) -> Iterator[None]:
        """What a transaction that begins inside sees does not change."""
        connection = self.connection
        if connection.info.transaction_status != TransactionStatus.IDLE:
            yield
            return
        was = connection.isolation_level, connection.read_only
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = read_only
        try:
            yield
        finally:
            if connection.info.transaction_status == TransactionStatus.IDLE:
                connection.isolation_level, connection.read_only = was

    def time_zone(self) -> str:
        [(name,)] = self.ask("SHOW TimeZone")
        return str(name)

    def tables(self, names: Sequence[str]) -> dict[str, Table]:
        """Those of these tables that are there, by name."""
        wanted, found = set(names), {}
        for oid, schema, name, whole, size in self.ask(
            "SELECT c.oid::bigint, n.nspname, c.relname, c.relkind = 'p',"
            " CASE WHEN c.relkind = 'p' THEN (SELECT coalesce(sum(pg_table_size(relid)), 0)"
            "  FROM pg_partition_tree(c.oid)) ELSE pg_table_size(c.oid) END::bigint"
            " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            f" WHERE c.relkind IN ('r', 'p') AND {OWN_SCHEMAS}"
        ):
            known = self.catalog.name(schema, name)
            if known in wanted:
                rows = f"{'' if whole else 'ONLY '}{quoted(schema)}.{quoted(name)}"
                found[known] = Table(known, oid, rows, size)
        columns = self._columns([table.oid for table in found.values()])
        keys = self._keys([table.oid for table in found.values()])
        return {
            name: Table(name, each.oid, each.rows, each.size, columns.get(each.oid, {}),
                        keys.get(each.oid, ()))
            for name, each in found.items()
        }  # fmt: skip

    def _columns(self, tables: list[int]) -> dict[int, dict[str, Column]]:
        found: dict[int, dict[str, Column]] = {}
        for oid, *column in self.ask(
            "SELECT a.attrelid::bigint, a.attname, a.atttypid::bigint,"
            " format_type(a.atttypid, NULL),"
            " CASE WHEN t.typcategory = 'A' THEN t.typelem::bigint ELSE 0 END,"
            " coalesce(NOT o.collisdeterministic, false), a.attgenerated <> '', a.attnotnull"
            " FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid"
            " LEFT JOIN pg_collation o ON o.oid = a.attcollation"
            " WHERE a.attrelid = ANY(%s) AND a.attnum > 0 AND NOT a.attisdropped",
            tables,
        ):
            made = Column(*column)
            found.setdefault(oid, {})[made.name] = made
        return found

    def _keys(self, tables: list[int]) -> dict[int, tuple[str, ...]]:
        """The primary key, or else the shortest unique index without NULLs, of each table."""
        found: dict[int, tuple[str, ...]] = {}
        for oid, columns in self.ask(
            "SELECT x.indrelid::bigint,"
            f" {column_names('x.indrelid', 'x.indkey[0:x.indnkeyatts - 1]')}"
            " FROM pg_index x WHERE x.indisunique AND x.indisvalid AND x.indimmediate"
            " AND x.indpred IS NULL AND x.indexprs IS NULL AND x.indrelid = ANY(%s)"
            " AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = x.indrelid"
            "  AND a.attnum = ANY(x.indkey) AND NOT a.attnotnull)"
            " ORDER BY x.indisprimary DESC, x.indnkeyatts, x.indexrelid",
            tables,
        ):
            found.setdefault(oid, tuple(columns))
        return found

    def counters(self) -> dict[tuple[int, str], str]:
        """The sequences from which columns count up, as SQL names them, by table and column."""
        return {
            (table, column): f"{quoted(schema)}.{quoted(name)}"
            for table, column, schema, name in self.ask(_COUNTERS)
        }

    def sequences(self) -> dict[str, str]:
        """How SQL names each sequence, by its name."""
        rows = self.ask(
            "SELECT n.nspname, c.relname FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'S'"
            f" AND c.relpersistence <> 't' AND {OWN_SCHEMAS}"
            f" AND {not_of_extension('pg_class', 'c.oid')}"
        )
        return {
            self.catalog.name(schema, name): f"{quoted(schema)}.{quoted(name)}"
            for schema, name in rows
        }

    def references(self) -> list[Reference]:
        """All foreign keys, each of a partitioned table once."""
        rows = self.ask(
            "SELECT cn.nspname, c.relname, pn.nspname, p.relname,"
            f" {column_names('x.conrelid', 'x.conkey')},"
            f" {column_names('x.confrelid', 'x.confkey')}, x.convalidated"
            " FROM pg_constraint x JOIN pg_class c ON c.oid = x.conrelid"
            " JOIN pg_namespace cn ON cn.oid = c.relnamespace"
            " JOIN pg_class p ON p.oid = x.confrelid"
            " JOIN pg_namespace pn ON pn.oid = p.relnamespace"
            " WHERE x.contype = 'f' AND x.conparentid = 0"
        )
        name = self.catalog.name
        return [
            Reference(name(*child), name(*parent), tuple(columns), tuple(others), valid)
            for *child, parent_schema, parent_name, columns, others, valid in rows
            for parent in [(parent_schema, parent_name)]
        ]
