"""What a role must be allowed to do for a database to be restored by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from migrations_ops.databases.postgresql.connect import Connection

# What belongs to an extension comes and goes with it.
_OWN = """o.oid >= 16384 AND NOT EXISTS
    (SELECT FROM pg_depend WHERE classid = o.tableoid AND objid = o.oid AND deptype = 'e')"""
_OWNERS = f"""
SELECT pg_get_userbyid(owner), min(what) FROM (
    SELECT relowner AS owner, CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
        WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END
        || ' ' || o.oid::regclass::text AS what
    FROM pg_class o WHERE {_OWN} AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        AND relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_')
    UNION ALL SELECT proowner, CASE prokind WHEN 'p' THEN 'PROCEDURE' WHEN 'a' THEN 'AGGREGATE'
        ELSE 'FUNCTION' END || ' ' || o.oid::regprocedure::text FROM pg_proc o WHERE {_OWN}
    UNION ALL SELECT typowner, 'TYPE ' || o.oid::regtype::text FROM pg_type o
    WHERE {_OWN} AND typrelid = 0 AND typcategory <> 'A'
    UNION ALL SELECT nspowner, 'SCHEMA ' || quote_ident(nspname) FROM pg_namespace o
    WHERE {_OWN} AND nspname !~ '^pg_'
        OR nspname = 'public' AND pg_get_userbyid(nspowner) <> 'pg_database_owner'
) AS owned GROUP BY 1 ORDER BY 1
"""
_SPECIAL = f"""
SELECT 'the extension ' || quote_ident(extname) FROM pg_extension
JOIN pg_available_extension_versions v ON v.name = extname AND v.version = extversion
WHERE v.superuser AND NOT v.trusted
UNION ALL SELECT 'the event trigger ' || quote_ident(evtname) FROM pg_event_trigger o WHERE {_OWN}
UNION ALL SELECT 'the foreign data wrapper ' || quote_ident(fdwname)
FROM pg_foreign_data_wrapper o WHERE {_OWN}
UNION ALL SELECT 'the function ' || quote_ident(proname) FROM pg_proc o
WHERE {_OWN} AND prokind <> 'a'
    AND prolang IN (SELECT oid FROM pg_language WHERE NOT lanpltrusted)
ORDER BY 1
"""


@dataclass(frozen=True)
class Needs:
    """What whoever restores a database must be able to do.

    ``owners`` are the roles that its things belong to, each with one of them, as ALTER names it;
    ``special`` is what a superuser alone can make.
    """

    owners: Mapping[str, str] = field(default_factory=dict)
    special: Sequence[str] = ()


def find_needs(connection: Connection) -> Needs:
    """:raises psycopg.Error: the server cannot be asked."""
    owners = connection.execute(_OWNERS).fetchall()
    special = connection.execute(_SPECIAL).fetchall()
    return Needs(
        {str(owner): str(what) for owner, what in owners}, [str(row[0]) for row in special]
    )


def why_not(connection: Connection, needs: Needs) -> str:
    """Why the role of this session could not restore that; empty where it could.

    :raises psycopg.Error: the server cannot be asked.
    """
    [(user, is_super)] = connection.execute(
        "SELECT quote_ident(rolname), rolsuper FROM pg_roles WHERE rolname = current_user"
    ).fetchall()
    if needs.special and not is_super:
        more = f" and {len(needs.special) - 1} more" if len(needs.special) > 1 else ""
        return (
            f"{needs.special[0]}{more} can be made by a superuser alone. Name a database for the"
            " copies, of this or of another server, with such a role: scratch_url"
        )
    # From version 16 on, whoever is a member may still not be allowed to act as the other one.
    way = "SET" if connection.info.server_version >= 160000 else "MEMBER"
    rows = connection.execute(
        "SELECT name, quote_ident(name), rolname IS NULL, rolsuper FROM unnest(%s::text[]) AS name"
        " LEFT JOIN pg_roles ON rolname = name"
        " WHERE rolname IS NULL OR NOT pg_has_role(current_user, rolname, %s) ORDER BY 1",
        (list(needs.owners), way),
    ).fetchall()
    for name, quoted, is_missing, is_of_superuser in rows:
        what = needs.owners[name]
        if is_missing:
            return f"its server does not know the owner of the {what}. CREATE ROLE {quoted}"
        # Whoever may act as a superuser is one.
        cure = f"ALTER {what} OWNER TO {user}" if is_of_superuser else f"GRANT {quoted} TO {user}"
        return f"{user} may not give the {what} to its owner {quoted}. {cure}"
    return ""
