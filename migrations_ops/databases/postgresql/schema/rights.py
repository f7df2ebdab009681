"""What roles may do with the objects of a PostgreSQL database, as facts."""

from __future__ import annotations

from collections.abc import Callable

from migrations_ops.child.protocol.sql import shown
from migrations_ops.databases.postgresql.schema.catalog import (
    OWN_SCHEMAS,
    Catalog,
    Facts,
    not_of_extension,
)

# Rights of the owner and of the reading role are left out: that role owns a copy.
_GRANTED = (
    "SELECT CASE g.grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(g.grantee)::text END AS role,"
    " string_agg(g.privilege_type"
    "  || CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END,"
    "  ', ' ORDER BY g.privilege_type) AS rights FROM aclexplode(o.acl) g"
    " WHERE g.grantee NOT IN (o.owner, (SELECT u.oid FROM pg_roles u WHERE rolname = current_user))"
    " GROUP BY 1"
)
# What every role may do with a new object, ``usual``, unless that was taken away.
_FOR_ALL = (
    " UNION ALL SELECT 'public', 'NONE' WHERE o.usual IS NOT NULL AND NOT EXISTS"
    " (SELECT FROM aclexplode(o.acl) WHERE grantee = 0)"
)
_KIND = """
CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
    ELSE 'table' END
"""
# What rights are on: the kind of the object, its relation, its schema and its name; and its
# column, or what it takes.
_ON = (
    f"SELECT {_KIND} AS kind, c.oid::bigint AS relation, n.nspname, c.relname AS name,"
    " '' AS detail, c.relowner AS owner, c.relacl AS acl, NULL AS usual"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace",
    "SELECT 'column', c.oid::bigint, n.nspname, c.relname, a.attname, c.relowner, a.attacl, NULL"
    " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
    " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT a.attisdropped",
    "SELECT CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END, NULL, n.nspname,"
    " p.proname, oidvectortypes(p.proargtypes), p.proowner, p.proacl, 'EXECUTE'"
    " FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
    f" WHERE {OWN_SCHEMAS} AND {not_of_extension('pg_proc', 'p.oid', 'ei')}",
    "SELECT CASE t.typtype WHEN 'd' THEN 'domain' ELSE 'type' END, NULL, n.nspname, t.typname, '',"
    " t.typowner, t.typacl, 'USAGE' FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace"
    f" WHERE {OWN_SCHEMAS} AND {not_of_extension('pg_type', 't.oid', 'ei')}",
    "SELECT 'schema', NULL, NULL, n.nspname, '', n.nspowner,"
    " coalesce(n.nspacl, acldefault('n', n.nspowner)),"
    " CASE n.nspname WHEN 'public' THEN 'USAGE' ELSE 'NONE' END"
    f" FROM pg_namespace n WHERE {OWN_SCHEMAS} AND {not_of_extension('pg_namespace', 'n.oid')}",
)


def _on_objects(catalog: Catalog) -> Facts:
    rows = catalog.ask(
        "SELECT o.kind, o.relation, o.nspname, o.name, o.detail, x.role, x.rights"
        f" FROM ({' UNION ALL '.join(_ON)}) o, LATERAL ({_GRANTED}{_FOR_ALL}) x"
        " WHERE o.acl IS NOT NULL AND (x.role, x.rights) IS DISTINCT FROM ('public', o.usual)"
    )
    for kind, relation, schema, name, detail, role, rights in rows:
        if relation and relation not in catalog.relations:
            continue
        what = f"{kind} {shown(catalog.name(schema or catalog.schema, name))}"
        if kind == "column":
            what += f".{shown(detail)}"
        elif kind in ("function", "procedure"):
            what += f"({catalog.text(detail)})"
        yield f"privilege {what} to {shown(role)}", rights


def _on_new_objects(catalog: Catalog) -> Facts:
    kinds = {"r": "tables", "S": "sequences", "f": "functions", "T": "types", "n": "schemas"}
    rows = catalog.ask(
        "SELECT o.kind, o.nspname, o.role, x.role, x.rights FROM (SELECT n.nspname,"
        " d.defaclobjtype::text AS kind, pg_get_userbyid(d.defaclrole)::text AS role,"
        " d.defaclrole AS owner, d.defaclacl AS acl FROM pg_default_acl d"
        " LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace) o,"
        f" LATERAL ({_GRANTED}) x"
    )
    for kind, schema, owner, role, rights in rows:
        where = f" in {shown(schema)}" if schema else ""
        what = f"default {kinds.get(kind, kind)} of {shown(owner)}{where}"
        yield f"privilege {what} to {shown(role)}", rights


RIGHTS: tuple[Callable[[Catalog], Facts], ...] = (_on_objects, _on_new_objects)
