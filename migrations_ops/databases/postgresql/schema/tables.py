"""Tables, columns, constraints, indexes, views and sequences of a PostgreSQL database, as facts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from migrations_ops.child.protocol.sql import located, shown, tokens
from migrations_ops.databases.postgresql.schema.catalog import Catalog, Facts, column_names

_ACTIONS = {
    "a": "NO ACTION",
    "r": "RESTRICT",
    "c": "CASCADE",
    "n": "SET NULL",
    "d": "SET DEFAULT",
}
_REPLICA_IDENTITIES = {"f": "REPLICA IDENTITY FULL", "n": "REPLICA IDENTITY NOTHING",
                       "i": "REPLICA IDENTITY INDEX"}  # fmt: skip
_STORAGES = {"p": "PLAIN", "e": "EXTERNAL", "m": "MAIN", "x": "EXTENDED"}
_COMPRESSIONS = {"p": "PGLZ", "l": "LZ4"}
# What a canceled DETACH PARTITION CONCURRENTLY leaves; no dump has it.
HALF_DETACHED = " DETACH PENDING"


def _among(oid: str) -> str:
    """A condition: one of the relations that are given.

    Without it, PostgreSQL prints the definitions of its own 150 views too, in 30 ms.
    """
    return f"{oid} = ANY(%s::oid[])"


def _tables(catalog: Catalog) -> Facts:
    pending = (
        "EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid AND inhdetachpending)"
        if catalog.version >= 140000
        else "false"
    )
    rows = catalog.ask(
        "SELECT c.oid::bigint, c.relpersistence::text, c.relrowsecurity, c.relforcerowsecurity,"
        " c.reloptions, c.relreplident::text,"
        " CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END,"
        " pg_get_expr(c.relpartbound, c.oid),"
        " CASE WHEN c.reloftype <> 0 THEN format_type(c.reloftype, NULL) END,"
        " (SELECT amname FROM pg_am WHERE oid = c.relam),"
        " (SELECT s.srvname FROM pg_foreign_table f JOIN pg_foreign_server s"
        "  ON s.oid = f.ftserver WHERE f.ftrelid = c.oid),"
        " ARRAY(SELECT inhparent::bigint FROM pg_inherits WHERE inhrelid = c.oid"
        f"  ORDER BY inhseqno), {pending}"
        " FROM pg_class c WHERE c.relkind IN ('r', 'p', 'f')"
    )
    for (oid, persistence, secured, forced, options, replicated, divided, bound, type_, method,
         server, parents, half) in rows:  # fmt: skip
        if oid not in catalog.relations:
            continue
        of = ", ".join(
            shown(catalog.relations[parent].name)
            for parent in parents
            if parent in catalog.relations
        )
        parts = (
            "UNLOGGED" if persistence == "u" else "",
            f"FOREIGN SERVER {shown(server)}" if server else "",
            f"OF {catalog.text(type_)}" if type_ else "",
            f"PARTITION BY {catalog.text(divided)}" if divided else "",
            f"PARTITION OF {of} {catalog.text(bound)}{HALF_DETACHED * half}" if bound else "",
            f"INHERITS ({of})" if of and not bound else "",
            "ROW SECURITY" if secured else "",
            "FORCED" if forced else "",
            "" if server else _REPLICA_IDENTITIES.get(replicated, ""),
            f"USING {method}" if method not in (None, "heap") else "",
            _options(options),
        )
        yield f"table {shown(catalog.relations[oid].name)}", " ".join(filter(None, parts))


def _columns(catalog: Catalog) -> Facts:
    unproved = (
        "EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = a.attrelid AND k.contype = 'n'"
        " AND k.conkey[1] = a.attnum AND NOT k.convalidated)"
        if catalog.version >= 180000
        else "false"
    )
    rows = catalog.ask(
        "SELECT a.attrelid::bigint, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,"
        f" {unproved},"
        " pg_get_expr(d.adbin, d.adrelid), a.attidentity::text, a.attgenerated::text,"
        " CASE WHEN a.attcollation <> t.typcollation THEN"
        "  CASE WHEN n.nspname = 'pg_catalog' THEN '' ELSE quote_ident(n.nspname) || '.' END"
        "  || quote_ident(o.collname) END,"
        " CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage::text END,"
        " a.attcompression::text"
        " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " JOIN pg_type t ON t.oid = a.atttypid"
        " LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
        " LEFT JOIN pg_collation o ON o.oid = a.attcollation"
        " LEFT JOIN pg_namespace n ON n.oid = o.collnamespace"
        " WHERE c.relkind IN ('r', 'p', 'f') AND a.attnum > 0 AND NOT a.attisdropped"
    )
    for (oid, name, type_, not_null, not_valid, default, identity, generated, collation, storage,
         compression) in rows:  # fmt: skip
        if oid not in catalog.relations:
            continue
        expression = catalog.text(default)
        parts = (
            catalog.text(type_),
            "NOT NULL" if not_null else "",
            "NOT VALID" if not_valid else "",
            f"DEFAULT {_guarded(expression)}" if default and not generated else "",
            {"a": "IDENTITY ALWAYS", "d": "IDENTITY BY DEFAULT"}.get(identity, ""),
            f"GENERATED ({expression})" if generated else "",
            "VIRTUAL" if generated == "v" else "",
            f"COLLATE {catalog.text(collation)}" if collation else "",
            f"STORAGE {_STORAGES[storage]}" if storage else "",
            f"COMPRESSION {_COMPRESSIONS[compression]}" if compression else "",
        )
        column = f"{shown(catalog.relations[oid].name)}.{shown(name)}"
        yield f"column {column}", " ".join(filter(None, parts))


def _guarded(expression: str) -> str:
    """In brackets where a word might be taken for what follows a default."""
    ends = ("IDENTITY", "GENERATED", "COLLATE", "STORAGE", "COMPRESSION", "KEY")
    if any(word.means(*ends) for word in tokens(expression, "facts")):
        return f"({expression})"
    return expression


def _constraints(catalog: Catalog) -> Facts:
    newer = catalog.version >= 180000
    enforced, period = ("c.conenforced", "c.conperiod") if newer else ("true", "false")
    rows = catalog.ask(
        "SELECT c.conrelid::bigint, c.contype::text, c.conname, pg_get_constraintdef(c.oid),"
        f" {column_names('c.conrelid', 'c.conkey')}, c.confrelid::bigint,"
        f" {column_names('c.confrelid', 'c.confkey')},"
        " c.confupdtype::text, c.confdeltype::text, c.confmatchtype::text,"
        f" {column_names('c.conrelid', 'c.confdelsetcols')},"
        " c.condeferrable, c.condeferred, c.convalidated, c.connoinherit,"
        f" {enforced}, {period}, {column_names('c.conrelid', 'x.indkey[x.indnkeyatts:]')},"
        " pg_get_expr(c.conbin, c.conrelid) FROM pg_constraint c"
        " LEFT JOIN pg_index x ON x.indexrelid = c.conindid"
        " WHERE c.contype IN ('p', 'u', 'f', 'c', 'x')"
        " AND c.conparentid = 0 AND (c.conislocal OR c.contype <> 'c')"
        f" AND {_among('c.conrelid')}",
        list(catalog.relations),
    )
    for row in rows:
        yield _Constraint(catalog, *row).fact()


@dataclass(frozen=True)
class _Constraint:
    catalog: Catalog
    table: int
    kind: str
    name: str
    definition: str
    columns: list[str]
    parent: int
    parent_columns: list[str]
    on_update: str
    on_delete: str
    match: str
    set_columns: list[str]
    deferrable: bool
    deferred: bool
    valid: bool
    no_inherit: bool
    enforced: bool
    period: bool
    included: list[str]
    expression: str | None

    def fact(self) -> tuple[str, str]:
        table = shown(self.catalog.relations[self.table].name)
        listed = f"{table}({_listed(self.columns)})"
        if self.kind == "f":
            parent = self.catalog.relations.get(self.parent)
            to = shown(parent.name) if parent else "elsewhere"
            return f"foreign key {listed} to {to}", self._text(self._reference())
        if self.kind in ("p", "u"):
            kind = "primary key" if self.kind == "p" else "unique"
            return f"{kind} {listed}", self._text(self._of_index())
        key = f"{table}: {shown(self.name)}"
        if self.kind == "x":
            return f"exclusion {key}", self.catalog.text(self.definition)
        no_inherit = "NO INHERIT" if self.no_inherit else ""
        parts = (self.catalog.text(self.expression), no_inherit, self._state())
        return f"check {key}", " ".join(filter(None, parts))

    def _reference(self) -> str:
        only = f" ({_listed(self.set_columns)})" if self.set_columns else ""
        parts = (
            f"({_listed(self.parent_columns)})",
            f"ON UPDATE {_ACTIONS[self.on_update]}",
            f"ON DELETE {_ACTIONS[self.on_delete]}{only}",
            "MATCH FULL" if self.match == "f" else "",
            "PERIOD" if self.period else "",
        )
        return " ".join(filter(None, parts))

    def _of_index(self) -> str:
        """What the index does besides comparing the columns."""
        distinct = not self.definition.startswith("UNIQUE NULLS NOT DISTINCT")
        parts = (
            "" if distinct else "NULLS NOT DISTINCT",
            "WITHOUT OVERLAPS" if self.period else "",
            f"include({','.join(map(shown, self.included))})" if self.included else "",
        )
        return " ".join(filter(None, parts))

    def _state(self) -> str:
        parts = (
            "DEFERRABLE" if self.deferrable else "",
            "INITIALLY DEFERRED" if self.deferred else "",
            "" if self.enforced else "NOT ENFORCED",
            "" if self.valid or not self.enforced else "NOT VALID",
        )
        return " ".join(filter(None, parts))

    def _text(self, what: str) -> str:
        parts = (what, self._state(), f"CONSTRAINT {shown(self.name)}")
        return " ".join(filter(None, parts))


def _indexes(catalog: Catalog) -> Facts:
    rows = catalog.ask(
        "SELECT x.indrelid::bigint, n.nspname, i.relname, x.indisunique, x.indisvalid,"
        " pg_get_indexdef(x.indexrelid) FROM pg_index x"
        " JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_namespace n ON n.oid = i.relnamespace"
        # What is not valid is not in a dump, unless other indexes can still make it valid. The
        # index of a partition that belongs to the whole's is made and dropped with that.
        " WHERE (x.indisvalid OR i.relkind = 'I') AND NOT i.relispartition"
        " AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = x.indexrelid"
        f"  AND c.contype IN ('p', 'u', 'x')) AND {_among('x.indrelid')}",
        list(catalog.relations),
    )
    for table, schema, name, unique, valid, definition in rows:
        index = shown(catalog.name(schema, name))
        words = located(definition, "postgresql")
        start = next(begin for begin, _, word in words if word.means("USING"))
        parts = (
            f"create {'unique ' if unique else ''}index {index}",
            f"on {shown(catalog.relations[table].name)} {catalog.text(definition[start:])}",
            "" if valid else "INVALID",
        )
        yield f"index {index}", " ".join(filter(None, parts))


def _views(catalog: Catalog) -> Facts:
    rows = catalog.ask(
        "SELECT c.oid::bigint, c.relispopulated, c.reloptions, pg_get_viewdef(c.oid)"
        f" FROM pg_class c WHERE c.relkind IN ('v', 'm') AND {_among('c.oid')}",
        list(catalog.relations),
    )
    for oid, filled, options, definition in rows:
        view = catalog.relations[oid]
        kind = "view" if view.kind == "v" else "materialized view"
        parts = (
            catalog.text(definition.rstrip().removesuffix(";")),
            _options(options),
            "" if filled else "WITH NO DATA",
        )
        yield f"{kind} {shown(view.name)}", " ".join(filter(None, parts))


def _sequences(catalog: Catalog) -> Facts:
    rows = catalog.ask(
        "SELECT s.seqrelid::bigint, format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement,"
        " s.seqmin, s.seqmax, s.seqcache, s.seqcycle, c.relpersistence::text,"
        " d.refobjid::bigint, a.attname"
        " FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid"
        " LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.seqrelid"
        "  AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')"
        "  AND d.refobjsubid > 0"
        " LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid"
    )
    for (oid, type_, start, step, low, high, cache, cycle, persistence, table,
         column) in rows:  # fmt: skip
        if oid not in catalog.relations or (table and table not in catalog.relations):
            continue
        owner = f"{shown(catalog.relations[table].name)}.{shown(column)}" if table else ""
        parts = (
            "UNLOGGED" if persistence == "u" else "",
            f"AS {type_} START {start} INCREMENT {step} MINVALUE {low} MAXVALUE {high}",
            f"CACHE {cache}",
            "CYCLE" if cycle else "",
            f"OWNED BY {owner}" if owner else "",
        )
        yield f"sequence {shown(catalog.relations[oid].name)}", " ".join(filter(None, parts))


def _options(options: list[str] | None) -> str:
    return f"WITH ({', '.join(sorted(options))})" if options else ""


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(map(shown, columns))


TABLES: tuple[Callable[[Catalog], Facts], ...] = (
    _tables,
    _columns,
    _constraints,
    _indexes,
    _views,
    _sequences,
)
