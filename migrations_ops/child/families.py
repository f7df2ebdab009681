"""What a step needs to know about each kind of database, one entry per kind.

Classes and functions are named here, as MODULE:NAME of this package, and imported on demand: a step
loads only the modules of its own kind of database.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Final

from .protocol import ProtocolError
from .protocol.identity import MARIADB_IDENTITY, POSTGRESQL_IDENTITY, is_server

SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"
MARIADB: Final = "mariadb"


@dataclass(frozen=True)
class Server:
    """The additional entries of a kind of database that is on a server.

    ``identity`` and ``schema`` are SQL: which database this is, and where unqualified names go.
    ``timeouts`` and ``step_lock`` name functions of transactions/timeouts.py and sessions.py, and
    ``drivers`` the packages of Python that connect to it.
    """

    identity: str
    schema: str
    port: int
    timeouts: str
    step_lock: str
    drivers: frozenset[str]
    # Names the class that reads the locks of a run, as far as the server reports them.
    lock_reader: str
    # Its error codes that lead to a retry: another session had a lock.
    lock_codes: frozenset[str]
    # Whether its drivers tell when a connection is outside of any transaction (driver.is_idle).
    tells_idle: bool
    # Whether the guard sees the statements of connections without SQLAlchemy.
    sees_every_connection: bool


@dataclass(frozen=True)
class Family:
    """One kind of database; ``server`` is None where it is a file.

    ``dialects`` is its package in SQLAlchemy, and ``dialect`` the class that all of its dialects
    inherit. ``transactions`` names the guard of a run, ``ledger`` what reads and writes the ledger.
    """

    name: str
    schemes: frozenset[str]
    dialects: str
    dialect: str
    transactions: str
    ledger: str
    # Whether a run, its DDL included, is one transaction; else each revision is committed by
    # itself, and recorded in the ledger before and after.
    is_transactional: bool
    server: Server | None = None


FAMILIES = {
    each.name: each
    for each in (
        Family(
            SQLITE,
            schemes=frozenset({"sqlite"}),
            dialects="sqlalchemy.dialects.sqlite",
            dialect="SQLiteDialect",
            transactions="transactions.sqlite:SQLiteTransactions",
            ledger="recording.sqlite_ledger",
            is_transactional=True,
        ),
        Family(
            POSTGRESQL,
            schemes=frozenset({"postgresql"}),
            dialects="sqlalchemy.dialects.postgresql",
            dialect="PGDialect",
            transactions="transactions.postgresql:PostgreSQLTransactions",
            ledger="recording.server_ledger:POSTGRESQL",
            is_transactional=True,
            server=Server(
                identity=POSTGRESQL_IDENTITY,
                schema="SELECT current_schema()",
                port=5432,
                timeouts="transactions.timeouts:set_postgresql",
                step_lock="transactions.sessions:postgresql_lock",
                drivers=frozenset({"psycopg", "psycopg2", "asyncpg", "pg8000"}),
                lock_reader="recording.postgresql_locks:PostgreSQLLocks",
                # Lock not available, deadlock, serialisation failure.
                lock_codes=frozenset({"55P03", "40P01", "40001"}),
                tells_idle=True,
                sees_every_connection=False,
            ),
        ),
        Family(
            MARIADB,
            schemes=frozenset({"mariadb", "mysql"}),
            dialects="sqlalchemy.dialects.mysql",
            dialect="MySQLDialect",
            transactions="transactions.mariadb:MariaDBTransactions",
            ledger="recording.server_ledger:MARIADB",
            is_transactional=False,
            server=Server(
                identity=MARIADB_IDENTITY,
                schema="SELECT DATABASE()",
                port=3306,
                timeouts="transactions.timeouts:set_mariadb",
                step_lock="transactions.sessions:mariadb_lock",
                drivers=frozenset({"pymysql", "MySQLdb", "aiomysql", "asyncmy"}),
                lock_reader="recording.mariadb_locks:MariaDBLocks",
                # Lock wait timeout, deadlock.
                lock_codes=frozenset({"1205", "1213"}),
                tells_idle=False,
                sees_every_connection=True,
            ),
        ),
    )
}


def load(name: str) -> Any:
    """What an entry names: a module of this package, or something in it."""
    module, _, inside = name.partition(":")
    loaded = importlib.import_module(f".{module}", __package__)
    return getattr(loaded, inside) if inside else loaded


def family_of(dialect: Any) -> str:
    """The name of the family that a dialect of SQLAlchemy is of; else the dialect's own name."""
    names = {each.__name__ for each in type(dialect).__mro__}
    found = (each.name for each in FAMILIES.values() if each.dialect in names)
    return next(found, str(dialect.name))


def find_family(dialect: Any) -> Family | None:
    """The family that a dialect of SQLAlchemy is of; None if a step cannot work there."""
    return FAMILIES.get(family_of(dialect))


def family_of_scheme(scheme: str) -> Family | None:
    """The family that a URL is of, by its scheme without the driver."""
    return next((each for each in FAMILIES.values() if scheme in each.schemes), None)


def family_of_identity(identity: str | None) -> Family:
    """The family of the database that a step is sent to.

    :raises ProtocolError: it is on a server that steps do not support.
    """
    if not is_server(identity):
        return FAMILIES[SQLITE]
    name = str(identity).partition(":")[0]
    found = FAMILIES.get(name)
    if found is None or found.server is None:
        known = ", ".join(FAMILIES)
        raise ProtocolError(
            f"a step "
            f"does not know {name} databases and could not protect this one: "
            f"it supports only {known}"
        )
    return found


def server_of(family: str) -> Server | None:
    """The server entry of a family; None for files and unknown families."""
    found = FAMILIES.get(family)
    return found.server if found else None


def is_of_a_lock(code: str | None) -> bool:
    """Whether a server's error code means that another session had a lock."""
    servers = (each.server for each in FAMILIES.values() if each.server is not None)
    return any(code in each.lock_codes for each in servers)
