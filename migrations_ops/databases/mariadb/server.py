"""What a server says of itself and of the role that has logged in."""

from __future__ import annotations

import re

from migrations_ops.databases.mariadb.connect import Connection, ask
from migrations_ops.databases.mariadb.names import account_in_sql

# What VERSION() says of servers that speak as MySQL does and are something else.
_OTHERS = {"tidb": "TiDB", "vitess": "Vitess", "planetscale": "Vitess", "aurora": "Aurora",
           "singlestore": "SingleStore", "oceanbase": "OceanBase"}  # fmt: skip
# With one of these, a role may say who defines a view or a routine.
_MAY_NAME_DEFINERS = re.compile(
    r"GRANT .*\b(?:ALL PRIVILEGES|SUPER|SET USER|SET_USER_ID|SET_ANY_DEFINER)\b.* ON \*\.\* TO"
)


def find_engine(connection: Connection) -> str:
    """What the server says that it is: ``MariaDB 10.11.18``, ``MySQL 8.0.36``, ``TiDB``."""
    version, comment = ask(connection, "SELECT VERSION(), @@version_comment")[0]
    return engine_of(str(version), str(comment))


def engine_of(version: str, comment: str = "") -> str:
    """Which engine has such a version and such a comment on it."""
    product = f"{version} {comment}".lower()
    for part, name in _OTHERS.items():
        if part in product:
            return name
    numbers = ".".join(map(str, version_of(version)))
    return f"{'MariaDB' if 'mariadb' in version.lower() else 'MySQL'} {numbers}"


def version_of(version: str) -> tuple[int, ...]:
    """The numbers of a version."""
    # Before MariaDB 11, the server sent replicas another version first: 5.5.5-10.11.18-MariaDB.
    found = re.match(r"(?:5\.5\.5-)?(\d+(?:\.\d+)*)", version)
    return tuple(map(int, found[1].split("."))) if found else ()


def is_mariadb(connection: Connection) -> bool:
    """Whether it is MariaDB, and no other server that speaks its language."""
    return "mariadb" in str(ask(connection, "SELECT VERSION()")[0][0]).lower()


def server_version(connection: Connection) -> tuple[int, ...]:
    """The version of the server: (10, 11, 18)."""
    return version_of(str(ask(connection, "SELECT VERSION()")[0][0]))


def is_behind_a_proxy(connection: Connection) -> bool:
    """Whether a proxy between this machine and the server may multiplex its sessions.

    MaxScale and ProxySQL invent the session number that they tell at the beginning.
    """
    number = ask(connection, "SELECT CONNECTION_ID()")[0][0]
    at_first = int(connection.thread_id())  # type: ignore[no-untyped-call]
    return int(number) & 0xFFFF_FFFF != at_first & 0xFFFF_FFFF


def may_name_definers(connection: Connection) -> bool:
    """Whether this role may say that others define a view or a routine."""
    return any(_MAY_NAME_DEFINERS.match(str(grant)) for (grant,) in ask(connection, "SHOW GRANTS"))


def account_of(connection: Connection) -> str:
    """The account that this role has logged in as, as GRANT names it."""
    [(account,)] = ask(connection, "SELECT CURRENT_USER()")
    return account_in_sql(*str(account).rsplit("@", 1))
