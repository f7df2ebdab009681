"""Parses the URL of a database server as SQLAlchemy does, without importing it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from migrations_ops.databases.url import dialect_in_words
from migrations_ops.model.errors import ConfigurationError

# As in sqlalchemy.engine.url: a password may hold anything but "@".
_URL = re.compile(
    r"(?P<dialect>\w+)(?:\+(?P<driver>\w+))?://"
    r"(?:(?P<user>[^:/]*)(?::(?P<password>[^@]*))?@)?"
    r"(?:\[(?P<ipv6>[^/?]+)\]|(?P<host>[^/:?]+))?(?::(?P<port>\d*))?"
    r"(?:/(?P<database>[^?]*))?(?:\?(?P<query>.*))?",
    re.DOTALL,
)
# Several hosts with ports of their own, which libpq reads and SQLAlchemy does not.
_SEVERAL = re.compile(
    r"(?P<start>postgres(?:ql)?(?:\+\w+)?://(?:[^:/@]*(?::[^@]*)?@)?)"
    r"(?P<hosts>[^/?@,]+(?:,[^/?@,]+)+)(?P<path>/[^?]*)?(?:\?(?P<query>.*))?",
    re.DOTALL,
)
_HOST = re.compile(r"(?:\[(?P<ipv6>[^]]+)\]|(?P<host>[^:]+))(?::(?P<port>\d*))?")
# Query options that override the parts before them, as in SQLAlchemy.
_IN_QUERY = {"host": "host", "port": "port", "user": "user", "password": "password",
             "dbname": "database", "database": "database"}  # fmt: skip
# What else in a query says where to go.
_ROUTES = frozenset({"hostaddr", "service", "unix_socket"})

_PORTS = {"postgresql": 5432, "mariadb": 3306, "mysql": 3306}
_HERE = frozenset({"", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Address:
    """The address of a server's database, and the login.

    ``dialect`` and ``driver`` are SQLAlchemy's words; ``options`` is the query of the URL.
    """

    dialect: str
    driver: str = ""
    host: str = ""
    port: int | None = None
    user: str = ""
    password: str = field(default="", repr=False)
    database: str = ""
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, url: str) -> Address:
        """:raises ConfigurationError: it is not a server's URL, or names no database."""
        url = with_hosts_in_query(url)
        found = _URL.fullmatch(url)
        if found is None or _is_torn(found):
            raise _unreadable(url, "cannot be read")
        options = _options(found["query"] or "")
        in_query = {part: options[key] for key, part in _IN_QUERY.items() if key in options}
        port = in_query.get("port", found["port"] or "")
        made = cls(
            dialect=found["dialect"],
            driver=found["driver"] or "",
            host=in_query.get("host", found["ipv6"] or found["host"] or ""),
            # Several hosts have several ports; those stay among the options.
            port=int(port) if port.isdecimal() else None,
            user=in_query.get("user", unquote(found["user"] or "")),
            password=in_query.get("password", unquote(found["password"] or "")),
            database=in_query.get("database", unquote(found["database"] or "")),
            options=options,
        )
        if not made.database:
            raise _unreadable(url, "names no database")
        if any("\0" in part for part in (made.host, made.user, made.password, made.database)):
            # The drivers' C libraries end a string there.
            raise _unreadable(url, "holds the character %00")
        return made

    def of_database(self, name: str) -> Address:
        """Another database of the same server."""
        return replace(self, database=name)

    @property
    def endpoint(self) -> tuple[str, int, str]:
        """Host, port and database, normalised."""
        host = self.host if "/" in self.host else self.host.lower()
        host = "localhost" if host in _HERE else host
        return host, self.port or _PORTS[self.dialect], self.database

    @property
    def label(self) -> str:
        """The database in words, without the password and the options."""
        user = f"{self.user}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host or "/" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        return f"{self.dialect}://{user}{host}{port}/{self.database}"


def with_hosts_in_query(url: str) -> str:
    """A URL as SQLAlchemy and libpq both read it: of ``a:1,b:2/d``, ``/d?host=a,b&port=1,2``.

    Of ``a,b:2`` SQLAlchemy takes the port for that of both, and hands that to libpq: it is left.
    """
    found = _SEVERAL.fullmatch(url)
    if found is None:
        return url
    hosts = [_HOST.fullmatch(each) for each in found["hosts"].split(",")]
    ports = [each["port"] or "" for each in hosts if each]
    if len(ports) < len(hosts) or not any(ports[:-1]):
        return url
    names = ",".join(each["ipv6"] or each["host"] for each in hosts if each)
    query = f"&{found['query']}" if found["query"] else ""
    return f"{found['start']}{found['path'] or '/'}?host={names}&port={','.join(ports)}{query}"


def _is_torn(found: re.Match[str]) -> bool:
    """Whether an unescaped character made the URL parse with a part of the password elsewhere."""
    database = found["database"] or ""
    _, _, after = database.partition(":")
    # Of `user:a@b/c@host/name` the password would end at the first one.
    is_second = found["password"] is not None and "@" in database
    return is_second or "@" in (found["host"] or "") or "@" in after


def _unreadable(url: str, why: str) -> ConfigurationError:
    # Never the URL itself: it is unknown which part of it is the password.
    return ConfigurationError(
        f"The {dialect_in_words(url.strip())}URL {why}.",
        next="Write DIALECT://USER:PASSWORD@HOST:PORT/DATABASE; special characters of the"
        " password as %XX.",
    )


def _options(query: str) -> dict[str, str]:
    """The query; repeated hosts, as in ``host=a:1&host=b:2``, become comma-separated lists."""
    pairs = parse_qsl(query)
    options = dict(pairs)
    hosts = [value for key, value in pairs if key == "host"]
    if len(hosts) > 1:
        options["host"] = ",".join(host.partition(":")[0] for host in hosts)
        options["port"] = ",".join(host.partition(":")[2] for host in hosts)
    elif re.fullmatch(r"[A-Za-z0-9.-]+:\d+", options.get("host", "")) and "port" not in options:
        options["host"], _, options["port"] = options["host"].partition(":")
    return options


def redirected(url: str, parts: Mapping[str, Any]) -> str:
    """A URL that leads to another database, with its own driver and options.

    :param parts: the parts that differ: ``host``, ``port``, ``user``, ``password``, ``database``.
    """
    found = _URL.fullmatch(with_hosts_in_query(url))
    assert found is not None, "only the URLs of servers are redirected"
    driver = f"+{found['driver']}" if found["driver"] else ""
    user = quote(parts["user"], safe="") if "user" in parts else found["user"] or ""
    password = quote(parts["password"], safe="") if "password" in parts else found["password"]
    host = str(parts.get("host", found["ipv6"] or found["host"] or ""))
    port = parts.get("port", found["port"])
    database = quote(parts["database"], safe="") if "database" in parts else found["database"]
    secret = "" if password is None else f":{password}"
    login = f"{user}{secret}@" if user or secret else ""
    options = _without_parts(found["query"] or "", parts)
    if "/" in host:
        # The folder of a socket can only be given in the query.
        host, options = "", [*options, ("host", host)]
    host_text = f"[{host}]" if ":" in host else host
    query = f"?{urlencode(options)}" if options else ""
    port_text = f":{port}" if port else ""
    return f"{found['dialect']}{driver}://{login}{host_text}{port_text}/{database or ''}{query}"


def _without_parts(query: str, parts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The query without the options that would override these parts."""
    routes = _ROUTES if "host" in parts or "port" in parts else frozenset()
    return [
        (key, value)
        for key, value in parse_qsl(query)
        if _IN_QUERY.get(key) not in parts and key not in routes
    ]
