"""What a role must be allowed to do for a database to be restored by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from migrations_ops.databases.postgresql.connect import Connection

# What belongs to an extension comes and goes with it; what the server makes as a part of something
# else, the constructors of a range type for instance, with that. (The sequence of an identity
# column is one, too, and may have rights of its own.)
_OWN = """o.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend
    WHERE classid = o.tableoid AND objid = o.oid
    AND (deptype = 'e' OR deptype = 'i' AND classid <> 'pg_class'::regclass))"""
# What there is with an owner, as ALTER names it, and the schema that it is in.
_OWNED = f"""
    SELECT relowner AS owner, CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
        WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END
        || ' ' || o.oid::regclass::text AS what, relnamespace AS place
    FROM pg_class o WHERE {_OWN} AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        AND relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_')
    UNION ALL SELECT proowner, CASE prokind WHEN 'p' THEN 'PROCEDURE' WHEN 'a' THEN 'AGGREGATE'
        ELSE 'FUNCTION' END || ' ' || o.oid::regprocedure::text, pronamespace
    FROM pg_proc o WHERE {_OWN}
    UNION ALL SELECT typowner, 'TYPE ' || o.oid::regtype::text, typnamespace FROM pg_type o
    WHERE {_OWN} AND typrelid = 0 AND typcategory <> 'A'
    UNION ALL SELECT collowner, 'COLLATION ' || o.oid::regcollation, collnamespace
    FROM pg_collation o WHERE {_OWN}
    UNION ALL SELECT stxowner, 'STATISTICS ' || quote_ident(nspname) || '.' || quote_ident(stxname),
        stxnamespace
    FROM pg_statistic_ext o JOIN pg_namespace n ON n.oid = stxnamespace WHERE {_OWN}
    UNION ALL SELECT cfgowner, 'TEXT SEARCH CONFIGURATION ' || o.oid::regconfig, cfgnamespace
    FROM pg_ts_config o WHERE {_OWN}
    UNION ALL SELECT dictowner, 'TEXT SEARCH DICTIONARY ' || o.oid::regdictionary, dictnamespace
    FROM pg_ts_dict o WHERE {_OWN}
    UNION ALL SELECT oprowner, 'OPERATOR ' || o.oid::regoperator, oprnamespace
    FROM pg_operator o WHERE {_OWN}
    UNION ALL SELECT conowner, 'CONVERSION ' || quote_ident(nspname) || '.' || quote_ident(conname),
        connamespace
    FROM pg_conversion o JOIN pg_namespace n ON n.oid = connamespace WHERE {_OWN}
    UNION ALL SELECT srvowner, 'SERVER ' || quote_ident(srvname), NULL FROM pg_foreign_server o
    WHERE {_OWN}
    UNION ALL SELECT lomowner, 'LARGE OBJECT ' || oid, NULL FROM pg_largeobject_metadata
    UNION ALL SELECT nspowner, 'SCHEMA ' || quote_ident(nspname), NULL FROM pg_namespace o
    WHERE {_OWN} AND nspname !~ '^pg_'
        OR nspname = 'public' AND pg_get_userbyid(nspowner) <> 'pg_database_owner'
"""
_OWNERS = f"SELECT pg_get_userbyid(owner), min(what) FROM ({_OWNED}) AS owned GROUP BY 1 ORDER BY 1"
# What belongs to a role that may make nothing in its schema but by a right that was granted: those
# come back last, and nothing can be given to its owner before. The schema `public` of a copy is
# the one's who restores it.
_STRANGERS = f"""
SELECT pg_get_userbyid(owner), min(what) FROM ({_OWNED}) AS owned
JOIN pg_namespace n ON n.oid = place JOIN pg_roles r ON r.oid = owner
WHERE NOT rolsuper AND NOT pg_has_role(owner,
    CASE WHEN pg_get_userbyid(nspowner) <> 'pg_database_owner' THEN nspowner
    ELSE to_regrole(quote_ident(current_user)) END, 'USAGE')
GROUP BY 1 ORDER BY 1
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
UNION ALL SELECT 'the operator family ' || quote_ident(opfname) FROM pg_opfamily o WHERE {_OWN}
UNION ALL SELECT 'the text search template ' || quote_ident(tmplname) FROM pg_ts_template o
WHERE {_OWN}
UNION ALL SELECT 'the text search parser ' || quote_ident(prsname) FROM pg_ts_parser o
WHERE {_OWN}
UNION ALL SELECT 'the access method ' || quote_ident(amname) FROM pg_am o WHERE {_OWN}
UNION ALL SELECT 'the publication ' || quote_ident(pubname) || ' of whole schemas or of all tables'
FROM pg_publication o WHERE puballtables
    OR EXISTS (SELECT FROM pg_publication_namespace WHERE pnpubid = o.oid)
ORDER BY 1
"""
# Roles that granted something that they do not own: pg_restore must become that role to repeat
# it, which only a superuser may do.
_GRANTS = f"""
SELECT DISTINCT pg_get_userbyid(a.grantor), what FROM (
    SELECT relowner AS owner, relacl AS acl, o.oid::regclass::text AS what FROM pg_class o
    WHERE {_OWN}
    UNION ALL SELECT relowner, attacl, o.oid::regclass::text
    FROM pg_class o JOIN pg_attribute ON attrelid = o.oid WHERE {_OWN}
    UNION ALL SELECT proowner, proacl, o.oid::regprocedure::text FROM pg_proc o WHERE {_OWN}
    UNION ALL SELECT typowner, typacl, o.oid::regtype::text FROM pg_type o WHERE {_OWN}
    UNION ALL SELECT nspowner, nspacl, 'schema ' || quote_ident(nspname) FROM pg_namespace o
    WHERE {_OWN} OR nspname = 'public'
    UNION ALL SELECT srvowner, srvacl, 'server ' || quote_ident(srvname) FROM pg_foreign_server o
    WHERE {_OWN}
    UNION ALL SELECT lomowner, lomacl, 'large object ' || oid FROM pg_largeobject_metadata
) AS granted, aclexplode(acl) AS a WHERE a.grantor <> owner ORDER BY 1, 2
"""
# To change what a role grants by default, one must have that role.
_DEFAULTS = "SELECT DISTINCT pg_get_userbyid(defaclrole) FROM pg_default_acl ORDER BY 1"
# What is in a tablespace of its own, and not in that of its database.
_TABLESPACES = f"""
SELECT spcname, min(CASE relkind WHEN 'i' THEN 'INDEX' WHEN 'I' THEN 'INDEX'
    WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END || ' ' || o.oid::regclass::text)
FROM pg_class o JOIN pg_tablespace s ON s.oid = reltablespace
WHERE {_OWN} AND relkind IN ('r', 'p', 'm', 'i', 'I') GROUP BY 1 ORDER BY 1
"""
_PUBLICATIONS = "SELECT pg_get_userbyid(pubowner), quote_ident(pubname) FROM pg_publication"
# Tables of which this role sees the rows alone that a policy lets it see.
_VEILED = """
SELECT min(oid::regclass::text), count(*) FROM pg_class
WHERE relrowsecurity AND relkind IN ('r', 'p') AND row_security_active(oid)
"""


@dataclass(frozen=True)
class Needs:
    """What the role that restores a database must be able to do.

    ``owners`` are the roles that its things belong to, each with one of them, as ALTER names it;
    ``special`` is what a superuser alone can make, ``grants`` what some role has granted that does
    not own it, ``defaults`` the roles with default privileges, ``publications`` their owners;
    ``strangers`` own what a restore could not give them before they are granted anything;
    ``tablespaces`` are those in which things are, each with one of them.
    """

    owners: Mapping[str, str] = field(default_factory=dict)
    special: Sequence[str] = ()
    grants: Sequence[tuple[str, str]] = ()
    defaults: Sequence[str] = ()
    publications: Sequence[tuple[str, str]] = ()
    strangers: Sequence[tuple[str, str]] = ()
    tablespaces: Mapping[str, str] = field(default_factory=dict)


def find_needs(connection: Connection) -> Needs:
    """:raises psycopg.Error: the server cannot be asked."""
    owners = connection.execute(_OWNERS).fetchall()
    return Needs(
        {str(owner): str(what) for owner, what in owners},
        [str(row[0]) for row in connection.execute(_SPECIAL)],
        [(str(grantor), str(what)) for grantor, what in connection.execute(_GRANTS)],
        [str(row[0]) for row in connection.execute(_DEFAULTS)],
        [(str(owner), str(name)) for owner, name in connection.execute(_PUBLICATIONS)],
        [(str(owner), str(what)) for owner, what in connection.execute(_STRANGERS)],
        {str(name): str(what) for name, what in connection.execute(_TABLESPACES)},
    )


def why_unseen(connection: Connection) -> str:
    """Why the role of this session does not see all rows; empty where it does.

    :raises psycopg.Error: the server cannot be asked.
    """
    [(table, count)] = connection.execute(_VEILED).fetchall()
    if not count:
        return ""
    [(user,)] = connection.execute("SELECT quote_ident(current_user)").fetchall()
    more = f" and {count - 1} more" if count > 1 else ""
    return (
        f"row level security hides rows of {table}{more} from {user}. ALTER ROLE {user} BYPASSRLS"
    )


def why_not(connection: Connection, needs: Needs, way: str) -> str:
    """Why the role of this session could not restore that; empty where it could.

    :param way: what to do where a superuser alone could.
    :raises psycopg.Error: the server cannot be asked.
    """
    [(name, user, is_super)] = connection.execute(
        "SELECT rolname, quote_ident(rolname), rolsuper FROM pg_roles WHERE rolname = current_user"
    ).fetchall()
    if why := _why_not_placed(connection, needs, user):
        return why
    if is_super:
        return _why_not_owned(connection, needs, user)
    if needs.special:
        more = f" and {len(needs.special) - 1} more" if len(needs.special) > 1 else ""
        return f"{needs.special[0]}{more} can be made by a superuser alone. {way}"
    for grantor, what in needs.grants:
        if grantor != name:
            return (
                f"what {grantor} has granted on {what}, without owning it, can be granted again by"
                f" a superuser alone. Let the owner of {what} grant it, and {grantor} revoke it"
            )
    for owner, publication in needs.publications:
        if owner != name:
            return (
                f"{user} may not give the publication {publication} to its owner {owner}."
                f" ALTER PUBLICATION {publication} OWNER TO {user}"
            )
    for owner, what in needs.strangers:
        if owner != name:
            return (
                f"{user} may not give the {what} to its owner {owner}, who owns no schema to have"
                f" it in. ALTER {what} OWNER TO {user}"
            )
    return _why_not_defaults(connection, needs, user) or _why_not_owned(connection, needs, user)


def _why_not_defaults(connection: Connection, needs: Needs, user: str) -> str:
    rows = connection.execute(
        "SELECT name, quote_ident(name), rolname IS NULL, rolsuper FROM unnest(%s::text[]) AS name"
        " LEFT JOIN pg_roles ON rolname = name"
        " WHERE rolname IS NULL OR NOT pg_has_role(current_user, rolname, 'USAGE') ORDER BY 1",
        (list(needs.defaults),),
    ).fetchall()
    for _, quoted, is_missing, is_of_superuser in rows:
        if is_missing:
            return f"its server does not know the role {quoted}. CREATE ROLE {quoted}"
        advice = (
            f"Take them back: ALTER DEFAULT PRIVILEGES FOR ROLE {quoted} REVOKE ..."
            if is_of_superuser
            else f"GRANT {quoted} TO {user}"
        )
        return f"{user} may not set the default privileges of {quoted}. {advice}"
    return ""


def _why_not_placed(connection: Connection, needs: Needs, user: str) -> str:
    rows = connection.execute(
        "SELECT name, quote_ident(name), spcname IS NULL FROM unnest(%s::text[]) AS name"
        " LEFT JOIN pg_tablespace ON spcname = name"
        " WHERE spcname IS NULL OR NOT has_tablespace_privilege(oid, 'CREATE') ORDER BY 1",
        (list(needs.tablespaces),),
    ).fetchall()
    for name, quoted, is_missing in rows:
        what = needs.tablespaces[name]
        if is_missing:
            return (
                f"its server has no tablespace {quoted}, in which the {what} is."
                f" ALTER {what} SET TABLESPACE pg_default"
            )
        return (
            f"{user} may not put the {what} into the tablespace {quoted} again."
            f" GRANT CREATE ON TABLESPACE {quoted} TO {user}"
        )
    return ""


def _why_not_owned(connection: Connection, needs: Needs, user: str) -> str:
    # From version 16 on, a member may still not be allowed to act as the other role.
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
        # A role that may act as a superuser is one.
        advice = f"ALTER {what} OWNER TO {user}" if is_of_superuser else f"GRANT {quoted} TO {user}"
        return f"{user} may not give the {what} to its owner {quoted}. {advice}"
    return ""
