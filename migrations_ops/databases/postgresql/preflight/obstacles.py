"""What a role, the programs here, and the server itself must allow before a release begins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import psycopg

from migrations_ops.child.protocol.sql import shown
from migrations_ops.databases.address import Address
from migrations_ops.databases.postgresql.connect import (
    Connection,
    connect,
    is_behind_a_pooler,
    promptly,
)
from migrations_ops.databases.postgresql.copies import Copies
from migrations_ops.databases.postgresql.dump import require_tools
from migrations_ops.databases.postgresql.errors import in_words
from migrations_ops.databases.postgresql.extensions import find_outdated
from migrations_ops.databases.postgresql.indexes import findings as invalid_indexes
from migrations_ops.databases.postgresql.lock import MAINTENANCE, is_missing
from migrations_ops.databases.postgresql.preflight.needs import (
    Needs,
    find_needs,
    why_not,
    why_unseen,
)
from migrations_ops.databases.postgresql.preflight.settings import (
    find_slots,
    find_subscriptions,
    settings,
)
from migrations_ops.databases.postgresql.preflight.standby import find_stalled
from migrations_ops.databases.postgresql.sessions import find_prepared
from migrations_ops.model.errors import Refused
from migrations_ops.model.findings import (
    ENGINE_UNTESTED,
    EXTENSION_VERSION,
    NO_CLIENTS,
    NO_COPIES,
    NO_RESTORE,
    NO_WHOLE_COPY,
    POOLER,
    PREPARED_TRANSACTION,
    REPLICATION_SLOT,
    SETTING_LEFT_OUT,
    STANDBY_SILENT,
    SUBSCRIPTION,
    Finding,
)

# The oldest and the newest major version on which the tests run.
TESTED = (15, 18)
# What version() says of servers that speak as PostgreSQL does and are something else.
_OTHERS = {"CockroachDB": "CockroachDB", "-YB-": "YugabyteDB", "Redshift": "Redshift",
           "Greenplum": "Greenplum", "Materialize": "Materialize"}  # fmt: skip
# What to do about something that a superuser alone can make.
_WITHOUT_SCRATCH = (
    "Name a database for the copies, of this or of another server, with such a role: scratch_url"
)
_WITH_SCRATCH = "Let scratch_url log in as one"
_BY_HAND = "A superuser would have to put a backup back, by pg_restore"


def find_obstacles(address: Address, copies: Copies) -> list[Finding]:
    """:raises psycopg.Error: a server cannot be asked."""
    needs, found = Needs(), []
    role = ""
    try:
        with connect(address, "rights") as connection, promptly(connection):
            found = [*_of_server(connection, address)]
            role = _user(connection)
            if not any(each.code == ENGINE_UNTESTED.code for each in found):
                needs = find_needs(connection)
                found += invalid_indexes(connection)
                found += _of_rows(connection, address)
                found += _of_settings(connection, address)
                found += _of_extensions(connection, address)
                found += _of_standby(connection, address)
                found += _of_prepared(connection, address)
                found += _of_slots(connection, address)
                found += _of_subscriptions(connection, address)
            found += _of_restore(connection, address, copies, needs)
    except psycopg.Error as error:
        if not is_missing(address, error):
            raise
    with copies.maintenance() as connection, promptly(connection):
        is_real = copies.scratch_server is copies.real
        found += _of_copies(connection, copies.scratch_server, needs, is_real=is_real)
        if is_real and role not in ("", _user(connection)):
            found += _of_login(connection, address, role)
        if copies.scratch_server is not copies.real:
            found += _of_clients(connection, copies.scratch_server)
    return found


def find_engine(connection: Connection) -> str:
    """Which engine it is, if it is not PostgreSQL itself; empty if it is."""
    row = connection.execute("SELECT version()").fetchone()
    version = str(row[0]) if row else ""
    for part, name in _OTHERS.items():
        if part in version:
            return name
    with suppress(psycopg.Error):
        sql = "SELECT count(*) FROM pg_extension WHERE extname = 'citus'"
        if connection.execute(sql).fetchone() == (1,):
            return "Citus"
    return ""


def _of_server(connection: Connection, address: Address) -> Iterator[Finding]:
    label = address.label
    engine, version = find_engine(connection), connection.info.server_version // 10000
    if engine or not TESTED[0] <= version <= TESTED[1]:
        engine = engine or f"PostgreSQL {version}"
        yield ENGINE_UNTESTED.found(engine, database=label, engine=engine)
    elif is_behind_a_pooler(connection):
        yield POOLER.found(label, what="a pooler such as PgBouncer")
    yield from _of_clients(connection, address)


def _of_clients(connection: Connection, address: Address) -> Iterator[Finding]:
    try:
        require_tools(connection.info.server_version // 10000)
    except Refused as refused:
        reason = f"{refused.what[:1].lower()}{refused.what[1:-1]}. {refused.next[:-1]}"
        yield NO_CLIENTS.found(address.label, reason=reason)


def _of_copies(
    connection: Connection, place: Address, needs: Needs, *, is_real: bool
) -> Iterator[Finding]:
    user, why = _user(connection), ""
    if not _may_make(connection):
        why = (
            f"{user} may not make databases on {place.host or 'its server'}."
            f" ALTER ROLE {user} CREATEDB"
        )
        why += "; or name a database of another server for the copies: scratch_url" * is_real
    else:
        why = why_not(connection, needs, _WITHOUT_SCRATCH if is_real else _WITH_SCRATCH)
    if why:
        yield NO_COPIES.found(user, reason=why)


def _of_login(connection: Connection, address: Address, role: str) -> Iterator[Finding]:
    """A role that becomes another one in this database alone: copies would be of itself."""
    [(login,)] = connection.execute("SELECT quote_ident(session_user)").fetchall()
    why = (
        f"{login} becomes {role} in the database {address.database} alone, so that the copies would"
        f" not be of {role}. ALTER ROLE {login} SET role = {role}"
    )
    yield NO_COPIES.found(login, reason=why)


def _of_restore(
    connection: Connection, address: Address, copies: Copies, needs: Needs
) -> Iterator[Finding]:
    """What prevents a restore: it renames databases, so the role must own the real one."""
    user, why = _user(connection), ""
    row = connection.execute(
        "SELECT pg_has_role(datdba, 'USAGE'), quote_ident(pg_get_userbyid(datdba))"
        " FROM pg_database WHERE datname = current_database()"
    ).fetchone()
    assert row is not None
    owns, owner = row
    if address.database == MAINTENANCE[0]:
        why = f"{address.database} is the database from which others are renamed"
    elif not _may_make(connection):
        why = f"{user} may not rename databases. ALTER ROLE {user} CREATEDB"
    elif not owns:
        why = f"{user} does not own the database {address.database}. GRANT {owner} TO {user}"
    elif not _has_neighbour(address):
        why = (
            f"{user} may not go into another database of the server, from which it could rename"
            f" this one. GRANT CONNECT ON DATABASE {MAINTENANCE[0]} TO {user}"
        )
    else:
        if copies.scratch_server is not copies.real:
            why = why_not(connection, needs, _BY_HAND)
    if why:
        yield NO_RESTORE.found(address.database, database=address.label, reason=why)


def _has_neighbour(address: Address) -> bool:
    for name in MAINTENANCE:
        with suppress(psycopg.Error), connect(address.of_database(name)):
            return True
    return False


def _of_rows(connection: Connection, address: Address) -> Iterator[Finding]:
    why = why_unseen(connection)
    if why:
        yield NO_WHOLE_COPY.found(address.database, database=address.label, reason=why)


def _of_settings(connection: Connection, address: Address) -> Iterator[Finding]:
    """What could not be set for what takes the database's place: they are set to what they are,
    and that is rolled back."""
    name = address.database
    for setting in [*settings(connection, name, name)]:
        try:
            with connection.transaction(force_rollback=True):
                connection.execute(setting.statement)
        except psycopg.Error as error:
            reason = in_words(error, "its server")
            yield SETTING_LEFT_OUT.found(
                name, database=address.label, setting=setting.shown, reason=reason
            )


def _of_extensions(connection: Connection, address: Address) -> Iterator[Finding]:
    for name, has, gets in find_outdated(connection):
        yield EXTENSION_VERSION.found(shown(name), database=address.label, has=has, gets=gets)


def _of_prepared(connection: Connection, address: Address) -> Iterator[Finding]:
    for each in find_prepared(connection, address.database):
        yield PREPARED_TRANSACTION.found(
            each.gid,
            owner=each.owner,
            database=address.label,
            since=each.since,
            statement=each.statement,
        )


def _of_standby(connection: Connection, address: Address) -> Iterator[Finding]:
    if standby := find_stalled(connection):
        yield STANDBY_SILENT.found(standby, database=address.label)


def _of_slots(connection: Connection, address: Address) -> Iterator[Finding]:
    for slot in find_slots(connection, address.database):
        yield REPLICATION_SLOT.found(slot, database=address.label)


def _of_subscriptions(connection: Connection, address: Address) -> Iterator[Finding]:
    for each in find_subscriptions(connection, address.database):
        refused = f"; a restore is refused until it is disabled: {each.disable}" * each.enabled
        yield SUBSCRIPTION.found(each.name, database=address.label, refused=refused)


def _may_make(connection: Connection) -> bool:
    """Whether the role may make and rename databases."""
    row = connection.execute(
        "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    return row == (True,)


def _user(connection: Connection) -> str:
    row = connection.execute("SELECT quote_ident(current_user)").fetchone()
    return str(row[0]) if row else ""
