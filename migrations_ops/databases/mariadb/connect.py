"""Connections to MariaDB: as the URL says, and not as a variable or an option file says.

MySQL is spoken to in the same way.
"""

from __future__ import annotations

import math
import os
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import pymysql
from pymysql.constants import CLIENT
from pymysql.cursors import Cursor

from migrations_ops.child.protocol.identity import MARIADB_IDENTITY
from migrations_ops.databases.address import Address
from migrations_ops.databases.answers import seconds_for
from migrations_ops.databases.mariadb.errors import ACCOUNTS
from migrations_ops.model.errors import ConfigurationError

Connection: TypeAlias = "pymysql.Connection[Cursor]"

# How long, in seconds, a server may take to answer to a connection, and to a small question.
ANSWER_SECONDS = 5.0
# How long, in seconds, a query waits for a session that changes a table: a day, by default.
LOCK_WAIT = 5
# The most rows that sql_select_limit lets through: all of them.
ALL_ROWS = (1 << 64) - 1
# A server may be set to cut answers, to refuse large ones, to show earlier times of versioned
# tables, and to let its sessions only read. That is meant for applications: what is read here is
# what is there. DEFAULT would be what the server is set to, but for the time. MySQL takes /*M! for
# a comment, and MariaDB /*!80000.
WHOLE_ANSWERS = (
    f"sql_select_limit = {ALL_ROWS}, sql_big_selects = 1, sql_safe_updates = 0,"
    " sql_auto_is_null = 0 /*M!100101 , max_statement_time = 0, tx_read_only = 0 */"
    " /*M!100304 , system_versioning_asof = DEFAULT */ /*!80000 , transaction_read_only = 0 */"
)
# Drivers that are MariaDB's own library, which takes a local server's socket rather than its port.
_OF_THE_LIBRARY = frozenset({"", "mysqldb", "mariadbconnector", "mariadb"})
_SOCKETS = ("/run/mysqld/mysqld.sock", "/var/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock",
            "/tmp/mysql.sock")  # fmt: skip
_YES = frozenset({"1", "true", "yes", "on", "y", "t"})
if TYPE_CHECKING:
    _Base = pymysql.Connection[Cursor]
else:
    _Base = pymysql.Connection


class _Connection(_Base):
    """A connection that needs no certificates where none are asked for.

    PyMySQL speaks TLS wherever it is spoken, and reads all certificates of the system for that,
    30 ms each time, even if it compares none with them.
    """

    def _create_ssl_ctx(self, sslp: ssl.SSLContext | dict[str, Any]) -> ssl.SSLContext:
        return sslp if isinstance(sslp, ssl.SSLContext) else _without_certificates()


@cache
def _without_certificates() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def connect(
    address: Address,
    purpose: str = "",
    *,
    database: bool = True,
    timeout: float = ANSWER_SECONDS,
) -> Connection:
    """A connection in autocommit mode.

    :param purpose: shown in the list of the server's sessions.
    :param database: whether it is in the database, or only on its server.
    :param timeout: how long, in seconds, the server may take for each answer until it lets us in.
    :raises pymysql.MySQLError: there is none.
    :raises ConfigurationError: the server wants something for which a library is missing here.
    """
    timeout = seconds_for(timeout)
    try:
        connection = _Connection(
            user=address.user or None,
            # In bytes: PyMySQL would send a text as latin1, and servers know UTF-8.
            password=address.password.encode(),
            host=address.host or "localhost",
            port=address.port or 3306,
            unix_socket=local_socket(address),
            database=address.database if database else None,
            init_command=_first_command(),
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=timeout,
            read_timeout=timeout,
            max_allowed_packet=1 << 30,
            program_name=f"migrations_ops {purpose}".strip(),
            client_flag=CLIENT.MULTI_STATEMENTS,
            ssl=_ssl(address.options),
        )
    except RuntimeError as error:
        raise ConfigurationError(
            f"{address.label} asks for a way to log in that needs another library: {error}.",
            next='Install it: pip install "PyMySQL[rsa,ed25519]"',
        ) from None
    except OSError as error:
        raise pymysql.OperationalError(2026, f"TLS: {error.strerror}") from error
    _keep_alive(connection)
    [(user, account)] = ask(connection, "SELECT USER(), CURRENT_USER()")
    ACCOUNTS[tuple(str(user).rsplit("@", 1))] = tuple(str(account).rsplit("@", 1))
    # From here on a question may take as long as it needs.
    connection._read_timeout = None  # type: ignore[attr-defined]
    return connection


def _first_command() -> str:
    """What the server says is printed with all its quotes, in a way that no setting changes."""
    wait = math.ceil(seconds_for(LOCK_WAIT))
    return (
        "SET SESSION sql_mode = '', sql_quote_show_create = 1,"
        f" lock_wait_timeout = {wait}, innodb_lock_wait_timeout = {wait}, {WHOLE_ANSWERS}"
    )


def local_socket(address: Address) -> str | None:
    """The socket by which a URL leads to its server; None: by its port."""
    named = address.options.get("unix_socket")
    if named:
        return named
    by_library = address.driver in _OF_THE_LIBRARY and address.port is None
    if by_library and address.host in ("", "localhost"):
        return next((path for path in _SOCKETS if os.path.exists(path)), None)
    return None


def _ssl(options: Mapping[str, str]) -> ssl.SSLContext | None:
    """As SQLAlchemy understands the query of a URL; None where it says nothing of TLS.

    Then it is spoken with servers that speak it, and their identity is not checked.

    :raises OSError: a certificate cannot be read.
    """
    given = {name: options.get(f"ssl_{name}") for name in ("ca", "capath", "cert", "key", "cipher")}
    if not any(given.values()):
        return None
    context = ssl.create_default_context(cafile=given["ca"], capath=given["capath"])
    # Python 3.13 is stricter than the certificates that servers make for themselves.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    proves = bool(given["ca"] or given["capath"])
    context.check_hostname = proves and checks_host(options)
    context.verify_mode = ssl.CERT_REQUIRED if proves else ssl.CERT_NONE
    if given["cert"]:
        context.load_cert_chain(given["cert"], given["key"])
    if given["cipher"]:
        context.set_ciphers(given["cipher"])
    return context


def checks_host(options: Mapping[str, str]) -> bool:
    """Whether the server's certificate has to be for its name."""
    return options.get("ssl_check_hostname", "true").lower() in _YES


def _keep_alive(connection: Connection) -> None:
    """Let the system find out within half a minute that the other side has gone."""
    found = _socket(connection)
    if found is None or found.family not in (socket.AF_INET, socket.AF_INET6):
        return
    for name, seconds in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
        with suppress(OSError, AttributeError):
            found.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), seconds)


def _socket(connection: Connection) -> socket.socket | None:
    found = getattr(connection, "_sock", None)
    return found if isinstance(found, socket.socket) else None


@contextmanager
def promptly(connection: Connection, seconds: float = ANSWER_SECONDS) -> Iterator[None]:
    """Questions asked inside are answered within that time, or their connection is cut.

    A network that hangs keeps the connection open: the system does not notice.
    """
    timer = threading.Timer(seconds_for(seconds), _cut, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _cut(connection: Connection) -> None:
    found = _socket(connection)
    if found is not None:
        with suppress(OSError):
            found.shutdown(socket.SHUT_RDWR)


def close(connection: Connection) -> None:
    """End a session, whatever is left of it."""
    with suppress(pymysql.MySQLError, OSError):
        connection.close()


# -- questions ----------------------------------------------------------------------------------


def ask(connection: Connection, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """All rows that a statement returns."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        return list(cursor.fetchall())


def ask_each(
    connection: Connection, statements: list[str], at_once: int = 100
) -> list[tuple[Any, ...]]:
    """The first row of each of many statements, of which a hundred make one round trip."""
    found = []
    for start in range(0, len(statements), at_once):
        with connection.cursor() as cursor:
            cursor.execute(";".join(statements[start : start + at_once]))
            while True:
                found.append(cursor.fetchall()[0])
                if not cursor.nextset():
                    break
    return found


def identity(connection: Connection) -> str:
    """Which database of which server this is, as the child says it."""
    return str(ask(connection, MARIADB_IDENTITY)[0][0])


def begin_snapshot(connection: Connection) -> None:
    """Let all that follows on the connection see the database as it is now."""
    # A server may be set to a level that sees what is committed later.
    ask(connection, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    ask(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")


def database_of(connection: Connection) -> str:
    """The name of the database that a connection is in."""
    return str(ask(connection, "SELECT DATABASE()")[0][0])
