"""Prevents statements on MariaDB from reaching another database by its name.

Every session can reach all databases of a server:
``DELETE FROM shop.parents`` works on the database ``shop``, whichever the session has opened.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..driver import ask, raw_of
from ..families import MARIADB
from ..protocol.instructions import Instructions
from ..protocol.named_databases import find_database
from .statements import intercept_statements

# The database of a session, as its identity ends; and whether case makes no difference in names.
SESSION = """
SELECT IF(@@lower_case_table_names, LOWER(DATABASE()), DATABASE()), @@lower_case_table_names
"""
# The bit of the server's status that says that a backslash is a character like others.
_NO_BACKSLASH_ESCAPES = 0x200


class NamesOtherDatabase(Exception):
    """A statement names another database; it was not executed."""


class CrossDatabase:
    """Checks the statements of every connection to the server, whatever code made it."""

    def __init__(self, instructions: Instructions) -> None:
        self._instructions = instructions
        self._known: list[Any] = []
        self._checks: list[tuple[Any, Callable[[str], None]]] = []

    def install(self) -> None:
        """Must be called before a statement is recorded that will not be executed."""
        from sqlalchemy import Engine, event

        event.listen(Engine, "before_cursor_execute", self._before)

    def guard(
        self, driver: Any, identity: str | None, session: tuple[Any, ...] | None = None
    ) -> None:
        """Refuse from now on statements that reach outside the intended database.

        :param identity: what the connection reaches.
        :param session: its answer to SESSION, where only its owner can query an asynchronous
            connection.
        """
        known = any(driver is each for each in self._known)
        if identity is None or not identity.startswith(f"{MARIADB}:") or known:
            return
        self._known.append(driver)
        name, folds = session or ask(driver, SESSION)[0]
        # Without an open database, an identity ends before its name.
        server = f"{identity}:" if name is None else identity.removesuffix(str(name))
        forbidden = self._forbidden(server)
        if not forbidden:
            return

        def check(sql: str) -> None:
            _require_own(driver, sql, forbidden, folds=bool(int(folds)))

        self._checks.append((driver, check))
        # Including what a revision sends without SQLAlchemy, if the driver allows that.
        intercept_statements(driver, check)

    def _forbidden(self, server: str) -> dict[str, str]:
        """The databases of a server that must not be named, each with its description."""
        instructions, found = self._instructions, dict[str, str]()
        for environment, other in instructions.others.items():
            if other.startswith(server) and other != instructions.destination:
                name = other.removeprefix(server)
                meant = f"though {instructions.environment} is meant"
                found[name] = f"the database of {environment}, {name}, {meant}"
        if instructions.scratch is not None and (instructions.real or "").startswith(server):
            name = str(instructions.real).removeprefix(server)
            found[name] = f"the real database, {name}, though this is the rehearsal on a copy"
        return found

    def _before(self, connection: Any, cursor: Any, sql: str, *more: Any) -> None:
        driver = connection.connection.dbapi_connection
        for other, check in self._checks:
            if other is driver:
                check(sql)


def _require_own(driver: Any, sql: str, forbidden: dict[str, str], *, folds: bool) -> None:
    """:raises NamesOtherDatabase: a statement names one of these databases."""
    lowered = sql.lower()
    if not any(name.lower() in lowered for name in forbidden):
        return

    def known(name: str) -> str:
        return name.lower() if folds else name

    escapes = "\\" not in sql or _escapes(driver)
    found = find_database(sql, lambda name: known(name) in forbidden, backslashes=escapes)
    if found is not None:
        raise NamesOtherDatabase(
            f"a statement names {forbidden[known(found)]}: it was not executed; leave out the name"
            " of the database, so that the statement applies to the current one"
        )


def _escapes(driver: Any) -> bool:
    """Whether a backslash escapes in the literals of a session, as it usually does."""
    status = getattr(raw_of(driver), "server_status", None)
    if isinstance(status, int):
        return not status & _NO_BACKSLASH_ESCAPES
    return "NO_BACKSLASH_ESCAPES" not in str(ask(driver, "SELECT @@sql_mode")[0][0])
