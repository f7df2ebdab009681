"""What a PostgreSQL database is beside its content, and how another one becomes the same.

pg_dump leaves all of this out: the kind of its text, settings, rights, a limit, a comment and an
owner.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import psycopg
from psycopg import sql

from migrations_ops.databases.address import Address
from migrations_ops.databases.postgresql.connect import Connection
from migrations_ops.databases.postgresql.schema.catalog import Catalog, find_default_schema

# Settings that are kept as lists of quoted names: GUC_LIST_QUOTE in PostgreSQL's source.
_LISTS = frozenset({"search_path", "temp_tablespaces", "session_preload_libraries",
                    "local_preload_libraries"})  # fmt: skip


def kind_of(real: Address, connection: Connection) -> sql.Composable:
    """Encoding and collation of a database, for another one that is made from template0."""
    row = connection.execute(
        "SELECT pg_encoding_to_char(encoding), datcollate, datctype, to_jsonb(d), spcname,"
        " spcname <> 'pg_default' AND has_tablespace_privilege(t.oid, 'CREATE')"
        " FROM pg_database d JOIN pg_tablespace t ON t.oid = dattablespace WHERE datname = %s",
        (real.database,),
    ).fetchone()
    if row is None:
        return sql.SQL("")
    encoding, collate, ctype, more, space, has_own_tablespace = row
    parts = [
        sql.SQL("ENCODING {} LC_COLLATE {} LC_CTYPE {}").format(
            sql.Literal(encoding), sql.Literal(collate), sql.Literal(ctype)
        )
    ]
    if has_own_tablespace:
        parts.append(sql.SQL("TABLESPACE {}").format(sql.Identifier(space)))
    provider = {"i": "icu", "b": "builtin"}.get(more.get("datlocprovider", "c"), "libc")
    locale = more.get("datlocale") or more.get("daticulocale")
    if provider == "libc":
        # The server itself may be of another kind.
        parts.append(sql.SQL("LOCALE_PROVIDER {}").format(sql.SQL("libc")))
    elif locale:
        word = "ICU_LOCALE" if provider == "icu" else "BUILTIN_LOCALE"
        parts.append(sql.SQL(f"LOCALE_PROVIDER {provider} {word} {{}}").format(sql.Literal(locale)))
        if more.get("daticurules"):
            parts.append(sql.SQL("ICU_RULES {}").format(sql.Literal(more["daticurules"])))
    return sql.SQL(" ").join(parts)


@dataclass(frozen=True)
class Setting:
    """What gives a database one setting; its value may be a secret, and is not shown."""

    statement: sql.Composed
    shown: str


def copy_settings(connection: Connection, old: str, new: str, *, strict: bool = False) -> list[str]:
    """Give a database what another one has beside its content: settings, rights and a comment.

    pg_dump leaves all of that out.

    :param strict: whether rights are carried over as well; it fails where one may not be given.
    :returns: the settings that this role may not set, as far as they can be shown.
    """
    refused = apply(connection, settings(connection, old, new))
    for statement in _rights(connection, old, new) if strict else ():
        connection.execute(statement)
    return refused


def apply(connection: Connection, found: Iterable[Setting]) -> list[str]:
    """:returns: the settings that this role may not set."""
    refused = []
    for setting in found:
        try:
            connection.execute(setting.statement)
        except psycopg.Error:
            if connection.closed:
                raise
            refused.append(setting.shown)
    return refused


def find_slots(connection: Connection, database: str) -> list[str]:
    """The slots through which a subscriber follows what is written to a database."""
    rows = connection.execute(
        "SELECT slot_name FROM pg_replication_slots WHERE database = %s AND slot_type = 'logical'"
        " ORDER BY 1",
        (database,),
    ).fetchall()
    return [str(name) for (name,) in rows]


def find_published(connection: Connection) -> dict[str, str]:
    """The publications of each table, in words, by its name as fingerprints have it."""
    schema, found = find_default_schema(connection), dict[str, str]()
    for namespace, table, names in connection.execute(
        "SELECT schemaname, tablename, string_agg(quote_ident(pubname), ', ' ORDER BY pubname)"
        " FROM pg_publication_tables GROUP BY 1, 2"
    ):
        found[Catalog(connection, schema).name(namespace, table)] = f"the publication {names}"
    return found


# Where a parameter is set, by pg_settings; and what to type to reset it.
_READ_ONLY = "default_transaction_read_only"
# A session in which it is typed may be subject to it, too.
_FIRST = "SET {name} = off; "
_SOURCES = {
    "database": ("for the database", _FIRST + "ALTER DATABASE {database} RESET {name}"),
    "user": ("for this role", _FIRST + "ALTER ROLE {role} RESET {name}"),
    "database user": (
        "for this role in the database",
        _FIRST + "ALTER ROLE {role} IN DATABASE {database} RESET {name}",
    ),
    "configuration file": (
        "for the whole server",
        "ALTER SYSTEM SET {name} = off; SELECT pg_reload_conf()",
    ),
}


def why_only_read(connection: Connection) -> tuple[str, str]:
    """Why a database may only be read, as the end of a sentence; and what to do about it."""
    row = connection.execute(
        "SELECT pg_is_in_recovery(), setting, source, quote_ident(current_database()),"
        " quote_ident(session_user) FROM pg_settings WHERE name = %s",
        (_READ_ONLY,),
    ).fetchone()
    is_standby, setting, source, database, role = row or (True, "off", "", "", "")
    if is_standby or setting == "off":
        return "", "Give the environment the address of the primary server."
    whose, statement = _SOURCES.get(source, ("in the url", "Leave it out there."))
    advice = statement.format(database=database, role=role, name=_READ_ONLY)
    return f", since {_READ_ONLY} is on {whose}", advice


@dataclass(frozen=True)
class Subscription:
    """What brings the rows of another server into a database; ``name`` is as SQL tells it."""

    name: str
    enabled: bool

    @property
    def disable(self) -> str:
        return f"ALTER SUBSCRIPTION {self.name} DISABLE"


def find_subscriptions(connection: Connection, database: str) -> list[Subscription]:
    """:param connection: to whichever database of the server."""
    rows = connection.execute(
        "SELECT quote_ident(subname), subenabled FROM pg_subscription"
        " JOIN pg_database d ON d.oid = subdbid WHERE datname = %s ORDER BY 1",
        (database,),
    ).fetchall()
    return [Subscription(str(name), bool(enabled)) for name, enabled in rows]


def _names(text: str) -> list[str]:
    """The names of such a list, unquoted; of an empty one, an empty name."""
    found = re.findall(r'"((?:[^"]|"")*)"|([^\s,"]+)', text)
    return [quoted.replace('""', '"') or plain for quoted, plain in found] or [""]


def settings(connection: Connection, old: str, new: str) -> Iterator[Setting]:
    """What gives a database the settings of another one, its own and those of roles in it."""
    rows = connection.execute(
        """
        SELECT r.rolname, unnest(s.setconfig) FROM pg_db_role_setting s
        JOIN pg_database d ON d.oid = s.setdatabase LEFT JOIN pg_roles r ON r.oid = s.setrole
        WHERE d.datname = %s
        """,
        (old,),
    ).fetchall()
    for role, setting in rows:
        name, _, value = str(setting).partition("=")
        yield _setting(connection, new, name, value, role)


def settings_of_session(connection: Connection, new: str) -> list[Setting]:
    """What gives a database of another server the settings that a session of this one has, by its
    database, its role or its URL."""
    rows = connection.execute(
        "SELECT name, setting FROM pg_settings WHERE source IN ('database', 'user',"
        " 'database user') OR (name, source) = ('search_path', 'client')"
    ).fetchall()
    return [_setting(connection, new, name, value) for name, value in rows]


def _setting(
    connection: Connection, database: str, name: str, value: str, role: str | None = None
) -> Setting:
    target = sql.Identifier(database)
    whose = (
        sql.SQL("DATABASE {}").format(target)
        if role is None
        else sql.SQL("ROLE {} IN DATABASE {}").format(sql.Identifier(role), target)
    )
    # What PostgreSQL keeps as a list of quoted names is no list to it as one text.
    values = _names(value) if name in _LISTS else [value]
    literals = sql.SQL(", ").join(map(sql.Literal, values))
    head = sql.SQL("ALTER {} SET {}").format(whose, sql.Identifier(name))
    return Setting(sql.SQL("{} TO {}").format(head, literals), head.as_string(connection))


def _rights(connection: Connection, old: str, new: str) -> list[sql.Composed]:
    """What gives a database the rights, the limit, the comment and the owner of another one."""
    target = sql.Identifier(new)
    row = connection.execute(
        "SELECT datacl IS NULL, datconnlimit, shobj_description(oid, 'pg_database'),"
        " pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s",
        (old,),
    ).fetchone()
    assert row is not None, f"{old} is there"
    plain, limit, comment, owner = row
    found = _grants(connection, old, target)
    if plain:
        found = [sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO PUBLIC").format(target)]
    if limit != -1:
        found.append(
            sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(target, sql.Literal(limit))
        )
    if comment:
        found.append(sql.SQL("COMMENT ON DATABASE {} IS {}").format(target, sql.Literal(comment)))
    # The last one: a role that gives a database away may not do the rest any more.
    found.append(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(target, sql.Identifier(owner)))
    return found


def _grants(connection: Connection, old: str, target: sql.Identifier) -> list[sql.Composed]:
    rows = connection.execute(
        """
        SELECT a.privilege_type, a.is_grantable, r.rolname
        FROM pg_database d, aclexplode(d.datacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
        WHERE d.datname = %s
        """,
        (old,),
    ).fetchall()
    return [
        sql.SQL(f"GRANT {privilege} ON DATABASE {{}} TO {{}}{{}}").format(
            target,
            sql.SQL("PUBLIC") if grantee is None else sql.Identifier(grantee),
            sql.SQL(" WITH GRANT OPTION" if grantable and grantee else ""),
        )
        for privilege, grantable, grantee in rows
    ]
