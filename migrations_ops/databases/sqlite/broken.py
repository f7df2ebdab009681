"""Triggers, views and foreign keys that are there and no longer work.

SQLite checks none of them when what they name is dropped, or renamed away: the first statement that
needs them fails. EXPLAIN compiles a statement, with every trigger that it would fire, and runs
nothing (https://www.sqlite.org/lang_explain.html).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import suppress

from migrations_ops.child.protocol.sql import tokens
from migrations_ops.databases.sqlite.connect import quoted
from migrations_ops.databases.sqlite.lacking import Lacking, ask, lacking_in
from migrations_ops.model.findings import BROKEN, Finding

_EVENTS = ("INSERT", "UPDATE", "DELETE")


def find_broken(
    connection: sqlite3.Connection, lacking: set[Lacking] | None = None
) -> list[Finding]:
    """Each object that cannot be used, with SQLite's reason; a trigger also for one that it fires.

    :param lacking: what the connection lacks to use them is added to it: that other connections
        have it is nothing wrong with the database.
    :raises sqlite3.Error: the schema cannot be read.
    """
    objects = connection.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"
    ).fetchall()
    views = {name for kind, name, _, _ in objects if kind == "view"}
    found: list[Finding] = []
    for kind, name, table, sql in objects:
        reason = ""
        if kind == "view":
            reason = _reason(connection, f"SELECT * FROM {quoted(name)}", lacking)
        elif kind == "trigger":
            firing = _firing(connection, table, sql, table in views)
            reason = _reason(connection, firing, lacking)
        elif kind == "table":
            if lacking is not None:
                _reason(connection, f"INSERT INTO {quoted(name)} DEFAULT VALUES", lacking)
            found += _foreign_keys(connection, name)
        if reason:
            found.append(BROKEN.found(name, kind=kind, reason=reason))
    return found


def _firing(connection: sqlite3.Connection, table: str, sql: str, is_view: bool) -> str:
    """A statement that fires a trigger; empty where its table cannot be read."""
    event = next((each.text.upper() for each in tokens(sql, "sqlite") if each.means(*_EVENTS)), "")
    target = quoted(table)
    if event == "DELETE":
        return f"DELETE FROM {target}"
    columns = []
    with suppress(sqlite3.Error):
        # Generated columns, which cannot be set, are hidden as 2 or 3.
        rows = connection.execute(f"PRAGMA table_xinfo({target})")
        columns = [quoted(row[1]) for row in rows if row[6] == 0]
    if not columns:
        return ""
    if event == "UPDATE":
        return f"UPDATE {target} SET {', '.join(f'{each} = {each}' for each in columns)}"
    return (
        f"INSERT INTO {target} SELECT * FROM {target}"
        if is_view
        else (f"INSERT INTO {target} DEFAULT VALUES")
    )


def _foreign_keys(connection: sqlite3.Connection, table: str) -> Iterator[Finding]:
    """The keys of a table whose parent is not there, or is no key any more."""
    with suppress(sqlite3.Error):
        keys = connection.execute(f"PRAGMA foreign_key_list({quoted(table)})").fetchall()
        for parent in dict.fromkeys(str(row[2]) for row in keys):
            reason = _parent_reason(connection, table, parent)
            if reason:
                yield BROKEN.found(f"{table} to {parent}", kind="foreign key", reason=reason)


def _parent_reason(connection: sqlite3.Connection, table: str, parent: str) -> str:
    there = connection.execute(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ? COLLATE NOCASE", (parent,)
    ).fetchone()
    if there is None:
        return f"no such table: {parent}"
    [(was,)] = connection.execute("PRAGMA foreign_keys").fetchall()
    connection.execute("PRAGMA foreign_keys = ON")
    try:
        reason = _reason(connection, f"INSERT INTO {quoted(table)} DEFAULT VALUES")
    finally:
        connection.execute(f"PRAGMA foreign_keys = {was}")
    mismatch = reason.startswith("foreign key mismatch") and f'"{parent}"' in reason
    return reason if mismatch else ""


def _reason(connection: sqlite3.Connection, sql: str, lacking: set[Lacking] | None = None) -> str:
    """Why SQLite cannot compile a statement; empty where it can."""
    if not sql:
        return ""
    try:
        ask(connection, f"EXPLAIN {sql}", lacking)
    except sqlite3.Error as error:
        return "" if lacking_in(error) else str(error)
    return ""
