"""The proof of destination: no connection but to the database that is meant.

Three nets, each inside the other. An audit hook sees every ``sqlite3.connect`` of the process,
whoever calls it, before a file is created. A redirection leads a rehearsal to its scratch copy
under an env.py that knows only the real name. And ``context.configure`` compares what env.py
really opened, before the first statement of Alembic.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import urllib.parse
from typing import Any

from .driver import ask_driver, main_file
from .events import Events
from .ledger import environment_of
from .orders import Orders, same_file


class WrongDatabase(Exception):
    """env.py went, or wanted to go, to another database than the intended one."""


class Destination:
    """The one database that this process may open, and those that it must not."""

    def __init__(self, orders: Orders, events: Events) -> None:
        self._orders = orders
        self._events = events
        self._created: list[str] = []

    def install(self) -> None:
        """Watch every SQLite connection of this process from now on."""
        if self._orders.instead is not None:
            self._redirect()
        # Once added, a hook stays for the life of the process (PEP 578): that is wanted here.
        sys.addaudithook(self._audit)

    def _redirect(self) -> None:
        original = sqlite3.connect
        intended, instead = self._orders.intended, self._orders.instead

        def connect(database: Any, *args: Any, **options: Any) -> Any:
            if same_file(file_of(database), intended):
                options.pop("uri", None)
                database = instead
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
        """Whoever opens or attaches a file: it must not be another environment's database.

        :raises WrongDatabase: it is; it was not opened.
        """
        file = file_of(database)
        if file is None or same_file(file, self._orders.destination):
            return
        for name, other in self._orders.others.items():
            if same_file(file, other):
                self._refuse(f"the database of {name}, {other}")
        if self._orders.instead is not None and same_file(file, self._orders.intended):
            self._refuse(f"the real database, {file}", "this is the rehearsal, which has a copy")

    def prove(self, connection: Any) -> None:
        """Compare the database that env.py opened with the intended one.

        :raises WrongDatabase: it is another one; nothing was written to it.
        """
        if connection.dialect.name != "sqlite":
            url = connection.engine.url.render_as_string(hide_password=True)
            self._refuse(f"the {connection.dialect.name} database {url}")
        file = main_file(connection)
        if file is not None and same_file(file, self._orders.destination):
            self._require_own(connection)
            self._events.emit("opened", database=file, begun=connection.in_transaction())
            return
        self._remove_what_was_created(connection, file)
        self._refuse("a database in memory" if file is None else f"the database {file}")

    def _require_own(self, connection: Any) -> None:
        """A file that was copied over another environment's is recognised by its ledger."""
        told, wanted = environment_of(connection), self._orders.environment
        if told not in (None, wanted):
            name = "the copy" if self._orders.instead else self._orders.intended
            self._refuse(f"{name}, whose ledger says that it is {told}", f"{wanted} was meant")

    def _remove_what_was_created(self, connection: Any, file: str | None) -> None:
        """Opening a wrong name creates a file; take it away again while nothing is in it."""
        if file is None or not any(same_file(file, created) for created in self._created):
            return
        if ask_driver(connection, "SELECT count(*) FROM sqlite_master") == [(0,)]:
            for ending in ("", "-wal", "-shm", "-journal"):
                with contextlib.suppress(OSError):
                    os.unlink(f"{file}{ending}")

    def _refuse(self, opened: str, meant: str = "") -> None:
        meant = meant or f"{self._orders.environment} is {self._orders.intended}"
        message = f"env.py opened {opened}, but {meant}"
        # Said here, since an env.py may swallow the exception.
        self._events.emit("failed", kind="refused", type="WrongDatabase", message=message)
        raise WrongDatabase(message)


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
