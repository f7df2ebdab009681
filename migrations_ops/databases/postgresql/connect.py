"""Connections to PostgreSQL: as the URL says and no variable, and what their errors mean."""

from __future__ import annotations

import math
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg import errors
from psycopg.abc import Buffer
from psycopg.types.string import TextLoader

from migrations_ops.databases.address import Address
from migrations_ops.databases.answers import seconds_for

# How long, in seconds, a server may take to answer to a connection, and to a small question.
ANSWER_SECONDS = 10
# How long, in seconds, a query waits for a session that changes a table.
_LOCK_WAIT = 5
# What a URL may hand to libpq; the rest are words of some driver.
_LIBPQ = frozenset(
    {
        "sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "sslnegotiation", "gssencmode",
        "channel_binding", "target_session_attrs", "require_auth", "krbsrvname", "passfile",
        "hostaddr",
    }
)  # fmt: skip
# How asyncpg, pg8000 and libpq call the same thing.
_SSL = {"true": "require", "false": "disable", "1": "require", "0": "disable"}
# Where a server listens if no host is given: as asyncpg looks for it; libpq knows one of them.
_SOCKETS = ("/run/postgresql", "/var/run/postgresql", "/var/pgsql_socket", "/private/tmp", "/tmp")
# Overrides the settings that a role or database has for applications. The keepalives let the
# server drop a dead client, and its locks, within half a minute. Only settings that this server
# knows; none behind a pooler, where they would leak to the next client.
_SESSION = """
SELECT set_config(name, value, false) FROM (VALUES ('client_encoding', 'UTF8'),
    ('statement_timeout', '0'), ('lock_timeout', %s), ('transaction_timeout', '0'),
    ('idle_session_timeout', '0'), ('idle_in_transaction_session_timeout', '0'),
    ('tcp_keepalives_idle', '10'), ('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '3'),
    ('client_connection_check_interval',
        CASE WHEN version() ~ 'linux|darwin|freebsd' THEN '500ms' ELSE '0' END)
) AS wanted (name, value)
WHERE current_setting(name, true) IS NOT NULL AND pg_backend_pid() = %s
"""
# What psycopg itself would look up in os.environ.
_DEFAULTS = {"port": "5432", "hostaddr": "", "target_session_attrs": "any"}
# How often a session tries to get rid of a timeout that is too short for that very statement.
_ATTEMPTS = 20

# Of several hosts, the one that answered last: a standby may not know yet what was made there.
_answered: dict[tuple[str, str], tuple[str, str]] = {}

Connection = psycopg.Connection[tuple[Any, ...]]


def parameters(address: Address) -> dict[str, str]:
    """The options of libpq, without the password."""
    libpq_options = {key: value for key, value in address.options.items() if key in _LIBPQ}
    ssl = address.options.get("ssl", "")
    if ssl:
        libpq_options.setdefault("sslmode", _SSL.get(ssl.lower(), ssl))
    port = str(address.port) if address.port else address.options.get("port", "")
    if port:
        libpq_options["port"] = port
    if address.user:
        libpq_options["user"] = address.user
    host = address.host or _place(port or "5432")
    if "," in host and "hostaddr" not in libpq_options:
        host, libpq_options["port"] = _preferred(host, port)
    return {**libpq_options, "host": host, "dbname": address.database}


def _preferred(hosts: str, ports: str) -> tuple[str, str]:
    """Both lists, with the host first that answered last: libpq tries no other one after one that
    does not know the database."""
    names, numbers = hosts.split(","), ports.split(",")
    if len(numbers) != len(names):
        numbers = [ports] * len(names)
    listed = list(zip(names, (number or "5432" for number in numbers), strict=True))
    first = _answered.get((hosts, ports))
    listed.sort(key=lambda each: each != first)
    return ",".join(name for name, _ in listed), ",".join(number for _, number in listed)


def _place(port: str) -> str:
    """Where a server is whose URL names no host."""
    found = (folder for folder in _SOCKETS if os.path.exists(f"{folder}/.s.PGSQL.{port}"))
    return next(found, "localhost")


def connect(address: Address, purpose: str = "") -> Connection:
    """A connection in autocommit mode.

    :param purpose: shown in the list of the server's sessions.
    :raises psycopg.Error: there is none.
    """
    name = f"migrations_ops {purpose}".strip()
    libpq_options: dict[str, Any] = {**parameters(address)}
    if "options" in address.options:
        # As a rule the search_path: where a project's unqualified names go.
        libpq_options["options"] = address.options["options"]
    _hide_variables()
    connection = psycopg.connect(
        autocommit=True,
        connect_timeout=math.ceil(seconds_for(ANSWER_SECONDS)),
        application_name=name.encode("ascii", "replace").decode()[:63],
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
        password=address.password or None,
        **(_DEFAULTS | libpq_options),
    )
    if "," in address.host:
        port = str(address.port) if address.port else address.options.get("port", "")
        answered = connection.info.host, str(connection.info.port)
        _answered[address.host, port] = answered
    try:
        with promptly(connection):
            _set_up(connection)
    except BaseException:
        connection.close()
        raise
    return connection


class _AnyText(TextLoader):
    """Reads text of a database without an encoding: its bytes may be of any."""

    def load(self, data: Buffer) -> str:
        return bytes(data).decode("utf-8", "backslashreplace")


def _set_up(connection: Connection) -> None:
    own = connection.info.backend_pid
    for _ in range(_ATTEMPTS):
        try:
            if connection.execute("SELECT pg_backend_pid()").fetchone() == (own,):
                # By itself: what is set for a database may leave the rest no time.
                connection.execute("SET statement_timeout = 0")
            break
        except errors.QueryCanceled:
            continue
    wait = f"{seconds_for(_LOCK_WAIT) * 1000:.0f}"
    connection.execute(_SESSION, (wait, own))
    if connection.info.parameter_status("server_encoding") == "SQL_ASCII":
        # As UTF8, the server would refuse what is none.
        plain = "SELECT set_config('client_encoding', 'SQL_ASCII', false)"
        connection.execute(f"{plain} WHERE pg_backend_pid() = %s", (own,))
        for type_ in (0, "text", "varchar", "bpchar", "name", '"char"'):
            connection.adapters.register_loader(type_, _AnyText)


def _hide_variables() -> None:
    """Take PGHOST, PGSERVICE, PGOPTIONS and their like away from libpq, for good.

    Not put back: what is set while another thread reads any variable may end the process
    (setenv(3): MT-Unsafe const:env). ``os.environ`` keeps them for steps that are
    to have them by name.
    """
    for name in os.environ:
        if name.startswith("PG"):
            os.unsetenv(name)


@contextmanager
def promptly(connection: Connection, seconds: float = ANSWER_SECONDS) -> Iterator[None]:
    """Questions asked inside are answered within that time, or their connection is cut.

    A network that hangs keeps the connection open: neither the system nor libpq notices.
    """
    timer = threading.Timer(seconds_for(seconds), cut, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def watched(address: Address, give_up: Callable[[], object]) -> Iterator[None]:
    """What goes on inside takes as long as it needs, unless the server has fallen silent.

    Then it is given up. Another session asks the server meanwhile, twice before that is believed.

    :param give_up: ends what goes on; called in a thread of its own.
    """
    done = threading.Event()
    threading.Thread(target=_watch, args=(address, give_up, done), daemon=True).start()
    try:
        yield
    finally:
        done.set()


def _watch(address: Address, give_up: Callable[[], object], done: threading.Event) -> None:
    silent = 0
    while not done.wait(ANSWER_SECONDS):
        try:
            connect(address, "watch").close()
            silent = 0
        except psycopg.Error as error:
            # Any answer is one, and who is refused will be cut off by the system itself.
            silent = silent + 1 if isinstance(error, errors.ConnectionTimeout) else 0
        if silent == 2 and not done.is_set():
            give_up()
            return


def cut(connection: Connection) -> None:
    """Break a connection off, whatever another thread is waiting for in it."""
    with suppress(OSError, psycopg.Error):
        # Borrowed: it is libpq's to close. (A descriptor that is doubled is none on Windows.)
        borrowed = socket.socket(fileno=connection.pgconn.socket)
        try:
            borrowed.shutdown(socket.SHUT_RDWR)
        finally:
            borrowed.detach()


def is_behind_a_pooler(connection: Connection) -> bool:
    """Whether a pooler between this machine and the server multiplexes its sessions.

    PgBouncer invents the process number that it reports at the beginning, whatever its mode: one
    that keeps our session until the end cannot be distinguished from one that does not.
    """
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    return row is not None and int(row[0]) != connection.info.backend_pid
