"""The proof of destination: only connections to the intended database are allowed.

There are three nested checks. An audit hook sees every ``sqlite3.connect`` of the process, from any
code, before a file is created; a server is asked which database it is as soon as a driver has
connected (see connections.py). A rehearsal is redirected to its scratch copy even if env.py knows
only the real name. And ``context.configure`` compares what env.py really opened, before the first
statement of Alembic.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import urllib.parse
from collections.abc import Mapping
from typing import Any

from ..channel import Events
from ..driver import ask_driver, identity_of, is_idle, main_file
from ..families import SQLITE, family_of, server_of
from ..protocol.events import Failed, Opened
from ..protocol.identity import is_server
from ..protocol.instructions import Instructions, same_file
from ..recording.ledger import environment_of


class WrongDatabase(Exception):
    """env.py connected, or tried to connect, to another database than the intended one."""


class Destination:
    """The one database that this process may open, and those that it must not."""

    def __init__(self, instructions: Instructions, events: Events) -> None:
        self._instructions = instructions
        self._events = events
        self._created: list[str] = []

    def install(self) -> None:
        """Check every SQLite connection of this process from now on."""
        if self._instructions.scratch is not None and not is_server(self._instructions.scratch):
            self._redirect()
        # Once added, a hook stays for the life of the process (PEP 578): that is wanted here.
        sys.addaudithook(self._audit)

    def _redirect(self) -> None:
        original = sqlite3.connect
        real, scratch = self._instructions.real, self._instructions.scratch

        def connect(database: Any, *args: Any, **options: Any) -> Any:
            if same_file(file_of(database), real):
                options.pop("uri", None)
                database = scratch
            return original(database, *args, **options)

        sqlite3.connect = connect
        sqlite3.dbapi2.connect = connect

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "sqlite3.connect":
            return
        self.require_allowed(arguments[0])
        file = file_of(arguments[0])
        if file is not None and not os.path.exists(file):
            self._created.append(file)

    def require_allowed(self, database: Any) -> None:
        """Check a file that is opened or attached: it must not be another environment's database.

        :raises WrongDatabase: it is; it was not opened.
        """
        file = file_of(database)
        if file is None or same_file(file, self._instructions.destination):
            return
        for name, other in self._instructions.others.items():
            if same_file(file, other):
                self.refuse(f"the database of {name}, {other}")
        if self._instructions.scratch is not None and same_file(file, self._instructions.real):
            self.refuse(f"the real database, {file}", "this is the rehearsal, which has a copy")

    def prove(self, connection: Any, options: Mapping[str, Any]) -> None:
        """Compare the database that env.py opened with the intended one.

        :param options: what env.py configures, its version table for instance.
        :raises WrongDatabase: it is another one; nothing was written to it.
        """
        if family_of(connection.dialect) == SQLITE:
            self._prove_file(connection, options)
        else:
            self._prove_server(connection, options)

    def _prove_file(self, connection: Any, options: Mapping[str, Any]) -> None:
        file = main_file(connection)
        if file is not None and same_file(file, self._instructions.destination):
            self._require_own(connection, options)
            self._events.emit(Opened(connection.in_transaction()))
            return
        self._remove_what_was_created(connection, file)
        self.refuse("a database in memory" if file is None else f"the database {file}")

    def _prove_server(self, connection: Any, options: Mapping[str, Any]) -> None:
        driver = connection.connection.dbapi_connection
        # What is only read here must not leave a transaction behind.
        idle = is_idle(connection.connection.driver_connection)
        family = family_of(connection.dialect)
        if server_of(family) is None or not is_server(self._instructions.destination):
            self.refuse(f"the {connection.dialect.name} database {address_of(connection)}")
        if identity_of(driver, family) != self._instructions.destination:
            self.refuse(f"the database {address_of(connection)}")
        self._require_own(connection, options)
        if idle:
            driver.rollback()
        self._events.emit(Opened(connection.in_transaction()))

    def _require_own(self, connection: Any, options: Mapping[str, Any]) -> None:
        """A database that was copied over another environment's is recognised by its ledger."""
        recorded, wanted = environment_of(connection, options), self._instructions.environment
        if recorded not in (None, wanted):
            name = "the copy" if self._instructions.scratch else self._instructions.name
            self.refuse(f"{name}, whose ledger says that it is {recorded}", f"{wanted} was meant")

    def _remove_what_was_created(self, connection: Any, file: str | None) -> None:
        """Opening a wrong name creates a file; remove it again while it is empty."""
        if file is None or not any(same_file(file, created) for created in self._created):
            return
        if ask_driver(connection, "SELECT count(*) FROM sqlite_master") == [(0,)]:
            connection.invalidate()  # Windows removes no file that is open
            for ending in ("", "-wal", "-shm", "-journal"):
                with contextlib.suppress(OSError):
                    os.unlink(f"{file}{ending}")

    def refuse(self, opened: str, meant: str = "") -> None:
        """:raises WrongDatabase: always, after it was reported to the parent."""
        meant = meant or f"{self._instructions.environment} is {self._instructions.name}"
        self.refuse_as(f"env.py opened {opened}, but {meant}")

    def refuse_as(self, message: str) -> None:
        """:raises WrongDatabase: always, after it was reported to the parent."""
        # Sent from here, since an env.py may swallow the exception.
        self._events.emit(Failed("refused", "WrongDatabase", message))
        raise WrongDatabase(message)


def address_of(connection: Any) -> str:
    """The address that env.py used, without the password and the options, which may contain one."""
    url = connection.engine.url
    user = f"{url.username}@" if url.username else ""
    host = f"[{url.host}]" if ":" in (url.host or "") else url.host or ""
    port = f":{url.port}" if url.port else ""
    return f"{url.get_backend_name()}://{user}{host}{port}/{url.database or ''}"


def file_of(database: Any) -> str | None:
    """The file that a ``sqlite3.connect`` argument names, None for one in memory."""
    try:
        text = os.fsdecode(database)
    except TypeError:
        return None
    if text.startswith("file:"):
        parts = urllib.parse.urlsplit(text)
        if ("mode", "memory") in urllib.parse.parse_qsl(parts.query):
            return None
        text = urllib.parse.unquote(parts.path)
        if os.name == "nt" and text[:1] == "/" and text[2:3] == ":":
            text = text[1:]
    if not text or text == ":memory:":
        return None
    return os.path.abspath(text)
