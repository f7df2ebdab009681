"""What a schema needs of its connections, and only those of the application have.

A program may register functions, collations and modules on each connection of its own. Without
them SQLite refuses many statements, which says nothing about the content.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from migrations_ops.child.protocol.sql import tokens
from migrations_ops.databases.sqlite.connect import quoted
from migrations_ops.model.findings import UNCHECKED, Finding

# A function is "no such" in a query, and "unknown" in a CHECK, an index or a generated column.
_LACKING = re.compile(r"(?:no such|unknown) (function|collation|module)(?: sequence)?: ([^\s()]+)")
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Lacking:
    """A function, a collation or a module that a connection does not have."""

    kind: str
    name: str


def lacking_in(error: BaseException) -> Lacking | None:
    """What the connection lacked, where a statement failed for that."""
    found = _LACKING.match(str(error))
    return Lacking(found[1], found[2]) if found else None


def ask(
    connection: sqlite3.Connection, sql: str, lacking: set[Lacking] | None = None
) -> list[tuple[Any, ...]]:
    """Run a statement with stand-ins for what the connection lacks.

    A function answers NULL, and a collation compares bytes: only for what does not depend on them.
    Collations are removed afterwards. Functions stay: Python 3.11 cannot remove one.

    :param lacking: what was found to be lacking is added to it.
    :raises sqlite3.Error: a module is lacking, or the statement fails otherwise.
    """
    made: list[Lacking] = []
    try:
        while True:
            try:
                return connection.execute(sql).fetchall()
            except sqlite3.OperationalError as error:
                found = lacking_in(error)
                if found is not None and lacking is not None:
                    lacking.add(found)
                if found is None or found in made or found.kind == "module":
                    raise
            made.append(found)
            _register_substitutes(connection, found)
    finally:
        for each in made:
            if each.kind == "collation":
                connection.create_collation(each.name, None)


def _register_substitutes(connection: sqlite3.Connection, lacking: Lacking) -> None:
    if lacking.kind == "function":
        connection.create_function(lacking.name, -1, lambda *_: None, deterministic=True)
    else:
        connection.create_collation(lacking.name, lambda a, b: (a > b) - (a < b))


def violations(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """The rows without parents, of the tables whose keys can be compared here."""
    try:
        return connection.execute("PRAGMA foreign_key_check").fetchall()
    except sqlite3.OperationalError as error:
        if lacking_in(error) is None:
            raise
    found: list[tuple[Any, ...]] = []
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (table,) in tables:
        try:
            found += connection.execute(f"PRAGMA foreign_key_check({quoted(table)})").fetchall()
        except sqlite3.OperationalError as error:
            if lacking_in(error) is None:
                raise
    return found


def find_unchecked(connection: sqlite3.Connection, lacking: Iterable[Lacking]) -> list[Finding]:
    """A finding for each function, collation and module that is lacking, with what uses it."""
    objects = connection.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type, name"
    ).fetchall()
    words = [
        (f"the {kind} {name}", {each.text.lower() for each in tokens(sql, "sqlite")})
        for kind, name, sql in objects
    ]
    findings = []
    for each in sorted(lacking, key=lambda each: (each.kind, each.name)):
        users = [name for name, found in words if each.name.lower() in found]
        more = len(users) - _SHOWN
        listed = ", ".join(users[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        findings.append(UNCHECKED.found(each.name, kind=each.kind, users=listed or "the schema"))
    return findings
