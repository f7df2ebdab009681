"""What a role, the programs here, and the server itself must allow before a release begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

import pymysql

from migrations_ops.child.protocol.identity import FOLDED_NAME
from migrations_ops.databases.address import Address
from migrations_ops.databases.mariadb.cluster import read_replication
from migrations_ops.databases.mariadb.connect import (
    Connection,
    ask,
    close,
    connect,
    identity,
    promptly,
)
from migrations_ops.databases.mariadb.copies import Copies
from migrations_ops.databases.mariadb.errors import advice_on, in_words, is_denied, is_missing
from migrations_ops.databases.mariadb.preflight.binary_log import read_programs, why_not_trusted
from migrations_ops.databases.mariadb.preflight.references import find_references
from migrations_ops.databases.mariadb.schema.reading import find_own_names
from migrations_ops.databases.mariadb.server import (
    account_of,
    find_engine,
    is_behind_a_proxy,
    server_version,
)
from migrations_ops.databases.mariadb.sessions import find_prepared
from migrations_ops.databases.mariadb.swap.ownership import why_not_owned, why_not_seen
from migrations_ops.databases.mariadb.tools import require_tools
from migrations_ops.databases.server_copies import OWN
from migrations_ops.model.errors import Refused, StepFailed
from migrations_ops.model.findings import (
    ENGINE_UNTESTED,
    NAMES_ITSELF,
    NO_BACKUP,
    NO_CLIENTS,
    NO_COPIES,
    NO_COPIES_ALLOWED,
    NO_RESTORE,
    POOLER,
    PREPARED_TRANSACTION,
    Finding,
)

# The oldest version on which the tests run.
TESTED = (10, 11)


def find_obstacles(address: Address, copies: Copies, others: Mapping[str, str]) -> list[Finding]:
    """:param others: what the servers of other environments call their databases.
    :raises pymysql.MySQLError: the server cannot be asked.
    """
    connection = connect(address, "rights", database=False)
    try:
        with promptly(connection):
            found = [*_of_server(connection, address)]
            user = str(ask(connection, "SELECT CURRENT_USER()")[0][0])
            account = account_of(connection)
    finally:
        close(connection)
    return [*found, *_of_programs(address, copies, others), *_of_copies(copies, user, account)]


def _of_programs(address: Address, copies: Copies, others: Mapping[str, str]) -> Iterator[Finding]:
    """What is in it that cannot be copied or restored, or not safely."""
    try:
        connection = connect(address, "rights")
    except pymysql.MySQLError as error:
        if is_missing(error):
            return
        raise
    try:
        for name in find_own_names(connection):
            yield NAMES_ITSELF.found(name, name=address.database, database=address.label)
        beside = _beside(connection, others)
        yield from find_references(connection, beside, copied=copies.is_beside)
        if why := why_not_seen(connection, address.database):
            yield NO_BACKUP.found(address.database, database=address.label, reason=why)
        yield from _of_programs_made_again(connection, address, copies)
        if why := why_not_owned(connection, address.database):
            yield NO_RESTORE.found(address.database, database=address.label, reason=why)
    finally:
        close(connection)


def _of_programs_made_again(
    connection: Connection, address: Address, copies: Copies
) -> Iterator[Finding]:
    """Triggers and functions that a copy, or a restore, could not have."""
    programs = read_programs(connection, address.database)
    with copies.server() as of_copies:
        if why := why_not_trusted(of_copies, programs):
            yield NO_COPIES.found(address.database, reason=why)
            return
    if not copies.is_beside and (why := why_not_trusted(connection, programs)):
        yield NO_RESTORE.found(address.database, database=address.label, reason=why)


def _beside(connection: Connection, others: Mapping[str, str]) -> dict[str, str]:
    """The databases of other environments on the server of this one."""
    own = identity(connection)
    # Whatever its name is, an identity ends with it.
    [(name,)] = ask(connection, f"SELECT {FOLDED_NAME}")
    server = own.removesuffix(str(name))
    return {
        other.removeprefix(server): environment
        for environment, other in others.items()
        if other.startswith(server) and other != own
    }


def _of_server(connection: Connection, address: Address) -> Iterator[Finding]:
    label, engine = address.label, find_engine(connection)
    if is_behind_a_proxy(connection):
        yield POOLER.found(label, what="a proxy")
    many = read_replication(connection).on_server
    known = engine.startswith("MariaDB") and server_version(connection) >= TESTED and not many
    if not known:
        what = f"{engine}, a node of a Galera cluster" if many else engine
        yield ENGINE_UNTESTED.found(engine, database=label, engine=what)
    with suppress(pymysql.MySQLError):  # only the right PROCESS lets a role see that
        for each in find_prepared(connection):
            yield PREPARED_TRANSACTION.found(
                each.xid,
                owner="a session that has ended",
                database=f"the server of {label}",
                since=each.since,
                statement=each.statement.removesuffix(";"),
            )
    try:
        require_tools(connection)
    except (Refused, StepFailed) as refused:
        reason = f"{refused.what[:1].lower()}{refused.what[1:-1]}. {refused.next[:-1]}"
        yield NO_CLIENTS.found(label, reason=reason)


def _of_copies(copies: Copies, user: str, account: str) -> Iterator[Finding]:
    """What a role may make is known by making it: an empty database, which goes at once."""
    try:
        copies.drop(copies.make())
    except (StepFailed, pymysql.MySQLError) as error:
        cause = error.__cause__ if isinstance(error, StepFailed) else error
        if isinstance(error, StepFailed) and cause is None:
            what = error.what.removesuffix(".")
            yield NO_COPIES.found(user, reason=f"{what}. {error.next.removesuffix('.')}")
            return
        if isinstance(cause, pymysql.MySQLError) and not is_denied(cause):
            where = copies.scratch_server.host or "its server"
            reason = (
                "a database for that cannot be made:"
                f" {in_words(cause, where)}. {advice_on(cause).removesuffix('.')}"
            )
            yield NO_COPIES.found(user, reason=reason)
            return
        pattern = OWN.replace("_", r"\_")
        grant = f"GRANT ALL PRIVILEGES ON `{pattern}%`.* TO {account}"
        server = copies.scratch_server.host or "its server"
        yield NO_COPIES_ALLOWED.found(user, server=server, grant=grant)
