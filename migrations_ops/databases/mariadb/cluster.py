"""A node of a Galera cluster: whether its DDL reaches the other nodes, and what all of them see
of a release.

A lock (GET_LOCK) is of one node. A database is of the whole cluster: of two nodes that make it at
once, one alone succeeds, since DDL has one order for all of them. So a release makes one, and its
comment tells through which node the release works; the lock of that node tells whether it still
does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import pymysql

from migrations_ops.databases.mariadb.connect import Connection, ask
from migrations_ops.databases.mariadb.errors import code_of
from migrations_ops.databases.mariadb.names import quoted
from migrations_ops.databases.mariadb.server import is_mariadb
from migrations_ops.databases.server_copies import OWN

# https://mariadb.com/kb/en/galera-cluster-system-variables/#wsrep_osu_method
_TOTAL_ORDER = "TOI"
_VARIABLES = "VARIABLES WHERE Variable_name IN ('wsrep_on', 'wsrep_OSU_method')"
# CREATE DATABASE says that another session was quicker, DROP DATABASE that it is not there.
_EXISTS = 1007


@dataclass(frozen=True, slots=True)
class Replication:
    """How a session of a node replicates.

    ``on_server`` is whether the server is a node of a cluster, ``in_session`` whether what the
    session does reaches the others; the methods are those of DDL.
    """

    on_server: bool = False
    in_session: bool = False
    method: str = _TOTAL_ORDER
    server_method: str = _TOTAL_ORDER


def read_replication(connection: Connection) -> Replication:
    """Ask without an error on servers that have no such variables."""
    of_server, of_session = (
        {str(name).lower(): str(value).upper() for name, value in ask(connection, sql)}
        for sql in (f"SHOW GLOBAL {_VARIABLES}", f"SHOW SESSION {_VARIABLES}")
    )
    return replication_of(of_server, of_session)


def replication_of(of_server: Mapping[str, str], of_session: Mapping[str, str]) -> Replication:
    """:param of_server: values in capitals by names in small letters, as of the session."""
    return Replication(
        on_server=of_server.get("wsrep_on") == "ON",
        in_session=of_session.get("wsrep_on") == "ON",
        method=of_session.get("wsrep_osu_method", _TOTAL_ORDER),
        server_method=of_server.get("wsrep_osu_method", _TOTAL_ORDER),
    )


def why_local(how: Replication) -> tuple[str, str] | None:
    """Why what is made here would not be there on the other nodes, and what to do about it.

    None where all is replicated. Under RSU, a CREATE DATABASE stays on this node, while the rows
    that go into it replicate: the others cannot apply them, and vote this node out.
    """
    if not how.on_server:
        return None
    if not how.in_session:
        return (
            "what its sessions do does not reach the other nodes (wsrep_on is OFF in them)",
            "Take wsrep_on out of init_connect, and try again.",
        )
    if how.method == _TOTAL_ORDER:
        return None
    why = (
        f"its DDL does not reach the other nodes (wsrep_OSU_method is {how.method}), and rows do:"
        " the cluster would expel it"
    )
    if how.server_method == _TOTAL_ORDER:
        return why, "Take wsrep_OSU_method out of init_connect, and try again."
    return why, f"SET GLOBAL wsrep_OSU_method = {_TOTAL_ORDER}; and try again."


@dataclass(frozen=True, slots=True)
class Claim:
    """A release as the whole cluster sees it: the node through which it works, who, since when."""

    node: str
    who: str
    since: str


def read_node(connection: Connection) -> str:
    """The node of a cluster that answers here; empty where there is none, or no MariaDB."""
    if not (read_replication(connection).on_server and is_mariadb(connection)):
        return ""
    return str(ask(connection, "SELECT CONCAT(@@hostname, ':', @@port)")[0][0])


def claim_name(database: str) -> str:
    """The name of the database that a release of another one makes.

    :param database: in the case in which the server keeps its name.
    """
    return f"{OWN}claim_{hashlib.sha256(database.encode()).hexdigest()[:16]}"


def take_claim(connection: Connection, name: str, mine: Claim) -> Claim | None:
    """Claim a database for this node, whose lock this process has.

    :returns: the claim of another node, which is in the way; None where it is ours now.
    :raises pymysql.MySQLError: this role may not make it.
    """
    comment = json.dumps(asdict(mine))
    try:
        ask(connection, f"CREATE DATABASE {quoted(name)} COMMENT %s", comment)
        return None
    except pymysql.MySQLError as error:
        if code_of(error) != _EXISTS:
            raise
    there = read_claim(connection, name)
    if there is None or there.node != mine.node:
        return there or mine  # it is gone since: to be asked for again
    # Whoever made it had the lock of this node, and is dead.
    ask(connection, f"ALTER DATABASE {quoted(name)} COMMENT %s", comment)
    return None


def read_claim(connection: Connection, name: str) -> Claim | None:
    """Who has claimed a database; None where nobody has."""
    sql = "SELECT schema_comment FROM information_schema.schemata WHERE schema_name = %s"
    rows = ask(connection, sql, name)
    if not rows:
        return None
    try:
        found = json.loads(str(rows[0][0]))
        return Claim(str(found["node"]), str(found["who"]), str(found["since"]))
    except (ValueError, KeyError, TypeError):
        return Claim("", "somebody", "an unknown time")


def drop_claim(connection: Connection, name: str, mine: Claim) -> None:
    """Give a database back to the cluster."""
    if read_claim(connection, name) == mine:
        ask(connection, f"DROP DATABASE IF EXISTS {quoted(name)}")
