"""The URL of a database server, taken apart as SQLAlchemy does, without importing it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from migrations_ops.errors import ConfigurationError

# As in sqlalchemy.engine.url: a password may hold anything but "@".
_URL = re.compile(
    r"(?P<dialect>\w+)(?:\+(?P<driver>\w+))?://"
    r"(?:(?P<user>[^:/]*)(?::(?P<password>[^@]*))?@)?"
    r"(?:\[(?P<ipv6>[^/?]+)\]|(?P<host>[^/:?]+))?(?::(?P<port>\d+))?"
    r"(?:/(?P<database>[^?]*))?(?:\?(?P<query>.*))?",
    re.DOTALL,
)


@dataclass(frozen=True)
class Address:
    """Where a server's database is, and as whom to log in there.

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
        """:raises ConfigurationError: it is no such URL, or names no database."""
        found = _URL.fullmatch(url.strip())
        if found is None or not found["database"]:
            # Never the URL itself: nobody can tell which part of it is the password.
            raise ConfigurationError(
                f"The {url.partition(':')[0]} URL names no database.",
                next="Write DIALECT://USER:PASSWORD@HOST:PORT/DATABASE; special characters of the"
                " password as %XX.",
            )
        return cls(
            dialect=found["dialect"],
            driver=found["driver"] or "",
            host=found["ipv6"] or found["host"] or "",
            port=int(found["port"]) if found["port"] else None,
            user=unquote(found["user"] or ""),
            password=unquote(found["password"] or ""),
            database=unquote(found["database"]),
            options=dict(parse_qsl(found["query"] or "", keep_blank_values=True)),
        )

    def of_database(self, name: str) -> Address:
        """Another database of the same server."""
        return replace(self, database=name)

    @property
    def label(self) -> str:
        """The database in words, without the password and the options."""
        user = f"{self.user}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        return f"{self.dialect}://{user}{host}{port}/{self.database}"


def redirected(url: str, parts: Mapping[str, Any]) -> str:
    """A URL that leads to another database, with its own driver and options.

    :param parts: what of ``host``, ``port``, ``user``, ``password`` and ``database`` differs.
    """
    found = _URL.fullmatch(url.strip())
    assert found is not None, "only the URLs of servers are redirected"
    driver = f"+{found['driver']}" if found["driver"] else ""
    user = quote(parts["user"], safe="") if "user" in parts else found["user"] or ""
    password = quote(parts["password"], safe="") if "password" in parts else found["password"]
    host = str(parts.get("host", found["ipv6"] or found["host"] or ""))
    port = parts.get("port", found["port"])
    database = quote(parts["database"], safe="") if "database" in parts else found["database"]
    login = f"{user}{'' if password is None else f':{password}'}@" if user else ""
    place = f"[{host}]" if ":" in host else host
    query = f"?{found['query']}" if found["query"] else ""
    port_text = f":{port}" if port else ""
    return f"{found['dialect']}{driver}://{login}{place}{port_text}/{database}{query}"
