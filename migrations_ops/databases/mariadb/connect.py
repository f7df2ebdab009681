"""Connections to MariaDB: as the URL says and no variable or option file, and what errors mean.

MySQL is spoken to in the same way.
"""

from __future__ import annotations

import os
import re
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
from migrations_ops.model.errors import ConfigurationError

Connection: TypeAlias = "pymysql.Connection[Cursor]"

# How long, in seconds, a server may take to answer to a connection, and to a small question.
ANSWER_SECONDS = 5.0
# How long, in seconds, a question waits for somebody who changes a table: for a day, by default.
_LOCK_WAIT = 5
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
# What VERSION() says of servers that speak as MySQL does and are something else.
_OTHERS = {"tidb": "TiDB", "vitess": "Vitess", "planetscale": "Vitess", "aurora": "Aurora",
           "singlestore": "SingleStore", "oceanbase": "OceanBase"}  # fmt: skip
# The account as which a user was let in from a host: rights are granted to that one.
_ACCOUNTS: dict[tuple[str, ...], tuple[str, ...]] = {}
# With one of these, a role may say who defines a view or a routine.
_MAY_NAME_DEFINERS = re.compile(
    r"GRANT .*\b(?:ALL PRIVILEGES|SUPER|SET USER|SET_USER_ID|SET_ANY_DEFINER)\b.* ON \*\.\* TO"
)
_DENIED = frozenset({1044, 1142, 1143, 1227, 1370, 1419})
# What a server that starts, ends, or has no connection left for now answers, if at all.
_NOT_YET = frozenset({1040, 1053, 1203, 2006, 2013})
_NOBODY = ("refused", "No such file", "reset", "aborted", "timed out", "Broken pipe")
LOST = frozenset({0, 1053, 1152, 1158, 1159, 1160, 1161, 1317, 1927, 2006, 2013, 2055})
_FULL = frozenset({3, 28, 1021, 1114})


if TYPE_CHECKING:
    _Base = pymysql.Connection[Cursor]
else:
    _Base = pymysql.Connection


class _Session(_Base):
    """A session that needs no certificates where nobody asks for any.

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

    :param purpose: shown to whoever looks at the server's sessions.
    :param database: whether it is in the database, or only on its server.
    :param timeout: how long, in seconds, the server may take for each answer until it lets us in.
    :raises pymysql.MySQLError: there is none.
    :raises ConfigurationError: the server wants something for which a library is missing here.
    """
    try:
        connection = _Session(
            user=address.user or None,
            # In bytes: PyMySQL would send a text as latin1, and servers know UTF-8.
            password=address.password.encode(),
            host=address.host or "localhost",
            port=address.port or 3306,
            unix_socket=local_socket(address),
            database=address.database if database else None,
            # What the server says is printed with all its quotes, in a way that no setting changes.
            init_command="SET SESSION sql_mode = '', sql_quote_show_create = 1,"
            f" lock_wait_timeout = {_LOCK_WAIT}, innodb_lock_wait_timeout = {_LOCK_WAIT},"
            f" {WHOLE_ANSWERS}",
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
    _ACCOUNTS[tuple(str(user).rsplit("@", 1))] = tuple(str(account).rsplit("@", 1))
    # From here on a question may take as long as it needs.
    connection._read_timeout = None  # type: ignore[attr-defined]
    return connection


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

    Then it is spoken with servers that speak it, and nobody asks who they are.

    :raises OSError: a certificate cannot be read.
    """
    told = {name: options.get(f"ssl_{name}") for name in ("ca", "capath", "cert", "key", "cipher")}
    if not any(told.values()):
        return None
    context = ssl.create_default_context(cafile=told["ca"], capath=told["capath"])
    # Python 3.13 is stricter than the certificates that servers make for themselves.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    proves = bool(told["ca"] or told["capath"])
    context.check_hostname = proves and checks_host(options)
    context.verify_mode = ssl.CERT_REQUIRED if proves else ssl.CERT_NONE
    if told["cert"]:
        context.load_cert_chain(told["cert"], told["key"])
    if told["cipher"]:
        context.set_ciphers(told["cipher"])
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
    timer = threading.Timer(seconds, _cut, [connection])
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


def quoted(name: str) -> str:
    """A name in SQL."""
    escaped = name.replace("`", "``")
    return f"`{escaped}`"


def exactly(column: str, database: str = "DATABASE()") -> str:
    """A condition beside ``column = database``.

    Without it, what is told of triggers and events is also that of ``shop`` when ``Shop`` is meant.
    """
    return f"(@@lower_case_table_names OR BINARY {column} = {database})"


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


def find_engine(connection: Connection) -> str:
    """What the server says that it is: ``MariaDB 10.11.18``, ``MySQL 8.0.36``, ``TiDB``."""
    version, comment = ask(connection, "SELECT VERSION(), @@version_comment")[0]
    return engine_of(str(version), str(comment))


def engine_of(version: str, comment: str = "") -> str:
    """Which engine has such a version and such a comment on it."""
    said = f"{version} {comment}".lower()
    for part, name in _OTHERS.items():
        if part in said:
            return name
    numbers = ".".join(map(str, version_of(version)))
    return f"{'MariaDB' if 'mariadb' in version.lower() else 'MySQL'} {numbers}"


def version_of(version: str) -> tuple[int, ...]:
    """The numbers of a version."""
    # Before MariaDB 11, replicas were told another version first: 5.5.5-10.11.18-MariaDB.
    found = re.match(r"(?:5\.5\.5-)?(\d+(?:\.\d+)*)", version)
    return tuple(map(int, found[1].split("."))) if found else ()


def is_mariadb(connection: Connection) -> bool:
    """Whether it is MariaDB, and no other server that speaks its language."""
    return "mariadb" in str(ask(connection, "SELECT VERSION()")[0][0]).lower()


def server_version(connection: Connection) -> tuple[int, ...]:
    """The version of the server: (10, 11, 18)."""
    return version_of(str(ask(connection, "SELECT VERSION()")[0][0]))


def is_behind_a_proxy(connection: Connection) -> bool:
    """Whether somebody stands between us and the server, who may deal out its sessions.

    MaxScale and ProxySQL invent the session number that they tell at the beginning.
    """
    told = ask(connection, "SELECT CONNECTION_ID()")[0][0]
    at_first = int(connection.thread_id())  # type: ignore[no-untyped-call]
    return int(told) & 0xFFFF_FFFF != at_first & 0xFFFF_FFFF


def is_one_of_many(connection: Connection) -> bool:
    """Whether the server is a node of a Galera cluster, in which each node has its own locks."""
    with suppress(pymysql.MySQLError):
        return bool(ask(connection, "SELECT @@wsrep_on")[0][0])
    return False


def may_name_definers(connection: Connection) -> bool:
    """Whether this role may say that others define a view or a routine."""
    return any(_MAY_NAME_DEFINERS.match(str(grant)) for (grant,) in ask(connection, "SHOW GRANTS"))


def account_of(connection: Connection) -> str:
    """The account that this role has logged in as, as GRANT names it."""
    [(account,)] = ask(connection, "SELECT CURRENT_USER()")
    return account_in_sql(*str(account).rsplit("@", 1))


def account_in_sql(name: str, host: str) -> str:
    """Some names, such as ``release``, are words of SQL."""
    return f"{quoted(name)}@{quoted(host)}"


# -- errors -------------------------------------------------------------------------------------


def code_of(error: BaseException) -> int:
    """The number of an error; 0 for a session that is closed, -1 where there is none."""
    number = error.args[0] if error.args else -1
    return number if isinstance(number, int) else -1


def is_missing(error: BaseException) -> bool:
    """Whether there is no such database."""
    return code_of(error) == 1049


def is_denied(error: BaseException) -> bool:
    """Whether the role lacks a right."""
    return code_of(error) in _DENIED


def may_come_up(error: BaseException) -> bool:
    """Whether a server, to which no connection could be made, may answer a little later."""
    code, said = code_of(error), str(error)
    return code in _NOT_YET or (code in (2002, 2003) and any(part in said for part in _NOBODY))


def in_words(error: BaseException, label: str) -> str:
    """What an error of MariaDB means to a person."""
    code, said = code_of(error), _said(error)
    match code:
        case 1049:
            return f"{label} does not exist"
        case 1045 | 1698:
            return f"{label} does not let this user in: {said}"
        case 1040 | 1203 | 1226:
            return f"{label} has too many connections"
        case 1205 | 1969 | 3024:
            return f"{label} is locked by another process"
        case 1213:
            return f"{label} is locked by another process, which waits for us in turn"
        case 1290 | 1836:
            return f"{label} may only be read"
        case 1792:
            return f"{label} lets this session only read (tx_read_only)"
        case 1129 | 1130:
            return f"{label} does not let this machine in: {said}"
    if code in _DENIED:
        return f"{label} does not allow that: {said}"
    if code in _FULL or "No space left" in said:
        return f"the disk that holds {label} is full"
    if code in LOST:
        return f"the connection to {label} was lost"
    if 2000 <= code < 3000:
        return f"{label} cannot be reached: {said}"
    return f"{label} cannot be read: {said}"


def remedy(error: BaseException) -> str:
    """What a person can do about such an error."""
    match code_of(error):
        case 1049:
            return "Check the url of this environment in the configuration."
        case 1045 | 1698:
            return "Check user and password in the url of this environment."
        case 1040 | 1203 | 1226:
            return "Let others finish, or raise max_connections, and try again."
        case 1205 | 1213 | 1969 | 3024:
            return "Let the other process finish, or stop it, and try again."
        case 1290 | 1836:
            return "Give the environment the address of the primary server."
        case 1792:
            return "Let sessions write: SET GLOBAL tx_read_only = 0; and try again."
        case 1104:
            return "SET GLOBAL max_join_size = DEFAULT; and try again."
        case 1153:
            return (
                "Raise max_allowed_packet on the server to more than twice its longest value, and"
                " try again."
            )
        case 1129 | 1130:
            return "Let this machine in on the server: CREATE USER, or FLUSH HOSTS; and try again."
    if code_of(error) in _DENIED:
        return _grant(str(error.args[1]) if len(error.args) > 1 else "")
    if code_of(error) in _FULL or "No space left" in _said(error):
        return "Make room there and try again."
    return "See whether the server runs and the url is right, and try again."


def _grant(said: str) -> str:
    """The GRANT that is missing, as far as the server says so; its administrator has to type it."""
    whom = "the role of this environment"
    if user := re.search(r"(?:user|to user:?) '([^']*)'@'([^']*)'", said):
        # The server names the host from which it was asked, and not the account.
        name, host = _ACCOUNTS.get((user[1], user[2]), (user[1], user[2]))
        whom = account_in_sql(name, host)
    if on := re.search(r"^(.+?) command denied to user .* for (table|routine) (.+)", said):
        if on[2] == "routine":
            return f"GRANT EXECUTE, ALTER ROUTINE ON {_where(on[3])}.* TO {whom};"
        return f"GRANT {on[1]} ON {_where(on[3])}.* TO {whom};"
    if on := re.search(r" to database '(.+)'", said):
        return f"GRANT ALL ON {quoted(on[1])}.* TO {whom};"
    if on := re.search(r"need \(at least one of\) the (.+) privilege", said):
        return f"GRANT {on[1].split(',')[-1].strip()} ON *.* TO {whom};"
    return "Grant the role of this environment what it needs: docs/servers.md"


def _where(name: str) -> str:
    """The database of a qualified name as the server writes it."""
    first = name.replace("`", "'").strip("'").split("'")[0].split(".")[0]
    return quoted(first)


def _said(error: BaseException) -> str:
    """The server's own words in one line: they name host and user, and never a password."""
    text = str(error.args[1]) if len(error.args) > 1 else str(error)
    return " ".join(text.split()).rstrip(".") or type(error).__name__
