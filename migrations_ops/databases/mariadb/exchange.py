"""Gives the tables of a restored database to the real one, whose own move to a third and are kept.

MariaDB cannot rename a database. But it renames tables from one database to another, all of them in
one statement, so that nothing that was written is ever dropped. Views, triggers, routines and
events cannot move: they are made anew from their own definitions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import pymysql

from migrations_ops.databases.mariadb.connect import Connection, ask, may_name_definers, quoted
from migrations_ops.databases.mariadb.rewriting import renamed

# What moves with its table by a rename, and what has to be made again, in this order.
_KINDS = ("FUNCTION", "PROCEDURE", "VIEW", "TRIGGER", "EVENT")
# A default that is written without brackets.
_NEXT = re.compile(r"nextval\(`(?:[^`]|``)*`\.`(?:[^`]|``)*`\)")
# How long, in seconds, the tables may be in use until the exchange is given up.
LOCK_WAIT = 10
# In which column SHOW CREATE has the statement.
_STATEMENT = {"FUNCTION": 2, "PROCEDURE": 2, "VIEW": 1, "TRIGGER": 2, "EVENT": 3}
_NAMES = {
    "FUNCTION": "SELECT routine_name FROM information_schema.routines WHERE routine_type ="
    " 'FUNCTION' AND routine_schema = DATABASE()",
    "PROCEDURE": "SELECT routine_name FROM information_schema.routines WHERE routine_type ="
    " 'PROCEDURE' AND routine_schema = DATABASE()",
    "VIEW": "SELECT table_name FROM information_schema.views WHERE table_schema = DATABASE()",
    "TRIGGER": "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema ="
    " DATABASE() ORDER BY event_object_table, action_timing, event_manipulation, action_order",
    "EVENT": "SELECT event_name FROM information_schema.events WHERE event_schema = DATABASE()",
}


@dataclass(frozen=True)
class Extra:
    """A view, trigger, routine or event: how it is made, under which mode of SQL."""

    kind: str
    name: str
    statement: str
    mode: str


def exchange(connection: Connection, real: str, new: str, kept: str) -> None:
    """Let ``real`` hold what ``new`` holds, and ``kept`` what ``real`` held.

    :param kept: a database that is there, and empty.
    :raises pymysql.MySQLError: it could not be done; ``real`` is as it was.
    """
    ask(connection, f"SET SESSION lock_wait_timeout = {LOCK_WAIT}, foreign_key_checks = 0")
    was, wanted = (read_extras(connection, name) for name in (real, new))
    _require_definers(connection, was)
    placed = _point_defaults(connection, new, real)
    moves = [*_moves(connection, real, kept), *_moves(connection, new, real)]
    drop_extras(connection, new, wanted)
    drop_extras(connection, real, was)
    # In a copy, events are switched off as on a replica.
    wanted = [_of(extra, new, real) for extra in wanted]
    wanted = [
        replace(extra, statement=extra.statement.replace(" DISABLE ON SLAVE", " ENABLE", 1))
        if extra.kind == "EVENT"
        else extra
        for extra in wanted
    ]
    done = False
    try:
        if moves:
            ask(connection, f"RENAME TABLE {', '.join(' TO '.join(move) for move in moves)}")
        done = True
        make_extras(connection, real, wanted)
    except BaseException:
        if done:
            drop_extras(connection, real, read_extras(connection, real))
            back = ", ".join(" TO ".join(reversed(move)) for move in reversed(moves))
            ask(connection, f"RENAME TABLE {back}" if moves else "DO 0")
        make_extras(connection, real, was)
        for name in placed:
            ask(connection, f"DROP SEQUENCE IF EXISTS {quoted(real)}.{quoted(name)}")
        raise
    with suppress(pymysql.MySQLError):
        # For whoever studies what was there: the tables are what counts.
        kept_extras = [_of(extra, real, kept) for extra in was if extra.kind != "EVENT"]
        make_extras(connection, kept, kept_extras)


def _of(extra: Extra, source: str, target: str) -> Extra:
    """A view, say, as it is in another database: some name the one that they are in."""
    return replace(extra, statement=renamed(extra.statement, source, target))


def _require_definers(connection: Connection, extras: list[Extra]) -> None:
    """What could not be made again must not be dropped.

    :raises pymysql.OperationalError: others have defined some of them, and may not be named.
    """
    own = "DEFINER={}@{}".format(
        *map(quoted, str(ask(connection, "SELECT CURRENT_USER()")[0][0]).rsplit("@", 1))
    )
    foreign = [extra.name for extra in extras if own not in extra.statement[:300]]
    if foreign and not may_name_definers(connection):
        raise pymysql.OperationalError(
            1227,
            f"others have defined {', '.join(foreign[:3])}: you need (at least one of) the SET USER"
            " privilege(s) to make that again",
        )


def _point_defaults(connection: Connection, new: str, real: str) -> list[str]:
    """Let defaults that count up a sequence count that one which ``real`` will have.

    :returns: sequences that were made there for this, since a default must find its own.
    """
    columns = ask(
        connection,
        "SELECT table_name, column_name, column_default FROM information_schema.columns"
        " WHERE table_schema = %s AND LOCATE(%s, column_default)",
        new,
        f"{quoted(new)}.",
    )
    if not columns:
        return []
    sql = (
        "SELECT table_name FROM information_schema.tables WHERE table_schema = %s"
        " AND table_type = 'SEQUENCE' AND table_name NOT IN (SELECT table_name"
        " FROM information_schema.tables WHERE table_schema = %s)"
    )
    placed = [str(name) for (name,) in ask(connection, sql, new, real)]
    for name in placed:
        ask(connection, f"CREATE SEQUENCE {quoted(real)}.{quoted(name)}")
    for table, column, default in columns:
        told = renamed(str(default), new, real)
        if not _NEXT.fullmatch(told):
            told = f"({told})"
        ask(
            connection,
            f"ALTER TABLE {quoted(new)}.{quoted(table)} ALTER COLUMN {quoted(column)}"
            f" SET DEFAULT {told}",
        )
    return placed


def _moves(connection: Connection, source: str, target: str) -> Iterator[tuple[str, str]]:
    rows = ask(
        connection,
        "SELECT table_name FROM information_schema.tables WHERE table_schema = %s"
        " AND table_type <> 'VIEW'",
        source,
    )
    for (name,) in rows:
        table = quoted(str(name))
        yield f"{quoted(source)}.{table}", f"{quoted(target)}.{table}"


def read_extras(connection: Connection, database: str) -> list[Extra]:
    """All that cannot move from one database to another."""
    ask(connection, f"USE {quoted(database)}")
    return [
        _read(connection, kind, str(name))
        for kind in _KINDS
        for (name,) in ask(connection, _NAMES[kind])
    ]


def _read(connection: Connection, kind: str, name: str) -> Extra:
    row = ask(connection, f"SHOW CREATE {kind} {quoted(name)}")[0]
    return Extra(kind, name, str(row[_STATEMENT[kind]]), "" if kind == "VIEW" else str(row[1]))


def drop_extras(connection: Connection, database: str, extras: list[Extra]) -> None:
    """Drop these, the last ones first."""
    ask(connection, f"USE {quoted(database)}")
    for extra in reversed(extras):
        ask(connection, f"DROP {extra.kind} IF EXISTS {quoted(extra.name)}")


def make_extras(connection: Connection, database: str, extras: list[Extra]) -> None:
    """Make these; a view that needs another one waits for it.

    :raises pymysql.MySQLError: one of them cannot be made.
    """
    ask(connection, f"USE {quoted(database)}")
    mode = ask(connection, "SELECT @@sql_mode")[0][0]
    waiting = extras
    try:
        while waiting:
            left: list[Extra] = []
            for extra in waiting:
                ask(connection, "SET SESSION sql_mode = %s", extra.mode)
                try:
                    ask(connection, extra.statement)
                except pymysql.MySQLError:
                    left.append(extra)
                    if len(left) == len(waiting):
                        raise
            waiting = left
    finally:
        ask(connection, "SET SESSION sql_mode = %s", mode)
