"""Reads, makes and drops what cannot move from one database to another as tables do."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pymysql

from migrations_ops.child.protocol.ledger import NAME as LEDGER
from migrations_ops.databases.mariadb.connect import Connection, ask
from migrations_ops.databases.mariadb.errors import code_of
from migrations_ops.databases.mariadb.names import exactly, quoted
from migrations_ops.databases.mariadb.server import is_mariadb, may_name_definers
from migrations_ops.databases.mariadb.swap import foreign_keys
from migrations_ops.databases.mariadb.swap.record import Content, Extra

_ROUTINES = "SELECT routine_name FROM information_schema.routines WHERE routine_schema = DATABASE()"
# What there is of each kind, in the order in which they are made.
_LISTS = {
    **{
        kind: f"{_ROUTINES} AND routine_type = '{kind}'"
        for kind in ("PACKAGE", "PACKAGE BODY", "FUNCTION", "PROCEDURE")
    },
    "VIEW": "SELECT table_name FROM information_schema.views WHERE table_schema = DATABASE()",
    "TRIGGER": "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema ="
    f" DATABASE() AND {exactly('trigger_schema')}"
    " ORDER BY event_object_table, action_timing, event_manipulation, action_order",
    "EVENT": "SELECT event_name FROM information_schema.events WHERE event_schema = DATABASE()"
    f" AND {exactly('event_schema')}",
}
# What SHOW CREATE has behind the name.
_OF_ROUTINES = ("sql_mode", "statement", "character_set_client", "collation_connection",
                "database_collation")  # fmt: skip
_COLUMNS = {
    "VIEW": ("statement", "character_set_client", "collation_connection"),
    "EVENT": ("sql_mode", "time_zone", *_OF_ROUTINES[1:]),
}
_SESSION = ("sql_mode", "character_set_client", "collation_connection", "time_zone")
_CREATE = re.compile(r"\s*CREATE\s+(?:OR\s+REPLACE\s+)?", re.IGNORECASE)
_DEFINER = re.compile(r"DEFINER=(`(?:[^`]|``)*`(?:@`(?:[^`]|``)*`)?) ")
# What a statement may be read as that is sent as utf8mb4.
_UTF8 = frozenset({"utf8", "utf8mb3", "utf8mb4"})
# What a view lacks that is made too early, or was broken already.
_BROKEN = frozenset({1049, 1054, 1146, 1305, 1356})


def read_content(connection: Connection, database: str) -> Content:
    """All that cannot move from one database to another.

    :raises pymysql.OperationalError: this role may not see some of it.
    """
    found = [_read(connection, *each) for each in _list(connection, database)]
    if not may_name_definers(connection):
        found = [_without_definer(each) if each.name == LEDGER else each for each in found]
    return Content(_collation_of(connection, database), tuple(found))


def _list(connection: Connection, database: str) -> list[tuple[str, str]]:
    """Kind and name of each."""
    ask(connection, f"USE {quoted(database)}")
    return [(kind, str(name)) for kind, sql in _LISTS.items() for (name,) in ask(connection, sql)]


def _without_definer(ledger: Extra) -> Extra:
    """The ledger has no owner to keep: the role that writes it becomes its definer."""
    return replace(ledger, statement=_DEFINER.sub("", ledger.statement, count=1))


def _read(connection: Connection, kind: str, name: str) -> Extra:
    [row] = ask(connection, f"SHOW CREATE {kind} {quoted(name)}")
    # The row may have more columns, such as when it was made.
    values = zip(_COLUMNS.get(kind, _OF_ROUTINES), row[1:], strict=False)
    found = {part: "" if value is None else str(value) for part, value in values}
    if not found["statement"]:
        raise pymysql.OperationalError(
            1227, f"the {kind.lower()} {name} was made by others, and cannot be seen"
        )
    return Extra(kind, name, **found)


def make_content(
    connection: Connection, database: str, wanted: Content, *, as_far_as_whole: bool = False
) -> None:
    """Make what is not as it should be; a view that needs another waits for it.

    The rights on a routine stay.

    :param as_far_as_whole: leave out views that cannot be made, since they were broken before.
    :raises pymysql.MySQLError: one of them cannot be made.
    """
    there = frozenset(read_content(connection, database).extras)
    # Keys first: they belong to tables that are in use.
    ordered = sorted(wanted.extras, key=lambda each: each.kind != foreign_keys.KIND)
    waiting = [each for each in ordered if each not in there]
    packages = {each.name for each in waiting if each.kind == "PACKAGE"}
    # Replacing a package drops its body.
    waiting += [
        each
        for each in wanted.extras
        if each.kind == "PACKAGE BODY" and each.name in packages and each not in waiting
    ]
    replaces = is_mariadb(connection)
    with _own_session(connection, database, wanted.collation):
        while waiting:
            failed: dict[Extra, pymysql.MySQLError] = {}
            for each in waiting:
                try:
                    _make(connection, database, each, replaces)
                except pymysql.MySQLError as error:
                    failed[each] = error
            broken = all(map(_is_broken, failed, failed.values()))
            if not broken or (len(failed) == len(waiting) and not as_far_as_whole):
                # The one that may succeed later, as soon as nobody reads what it needs.
                raise min(failed.items(), key=lambda each: _is_broken(*each))[1]
            waiting = list(failed) if len(failed) < len(waiting) else []


def _is_broken(extra: Extra, error: pymysql.MySQLError) -> bool:
    return extra.kind == "VIEW" and code_of(error) in _BROKEN


@contextmanager
def _own_session(connection: Connection, database: str, collation: str) -> Iterator[None]:
    """Afterwards the session is as it was, and the database has that default collation."""
    [was] = ask(connection, f"SELECT {', '.join(f'@@{name}' for name in _SESSION)}")
    _set_collation(connection, database, collation)
    try:
        yield
    finally:
        with suppress(pymysql.MySQLError):
            ask(connection, f"SET SESSION {', '.join(f'{name} = %s' for name in _SESSION)}", *was)
            _set_collation(connection, database, collation)


def _make(connection: Connection, database: str, extra: Extra, replaces: bool) -> None:
    """:param replaces: whether the server knows CREATE OR REPLACE of routines and events."""
    if extra.kind == foreign_keys.KIND:
        foreign_keys.make_key(connection, database, extra)
        return
    session = {name: getattr(extra, name) for name in _SESSION}
    if extra.character_set_client not in _UTF8:
        session["character_set_client"] = ""
    # No mode is one, too.
    chosen = {name: value for name, value in session.items() if value or name == "sql_mode"}
    ask(connection, f"SET SESSION {', '.join(f'{name} = %s' for name in chosen)}", *chosen.values())
    if extra.database_collation:
        _set_collation(connection, database, extra.database_collation)
    # A trigger has no rights on it, and its statement may say IF NOT EXISTS.
    if extra.kind == "VIEW" or (replaces and extra.kind != "TRIGGER"):
        ask(connection, _CREATE.sub("CREATE OR REPLACE ", extra.statement, count=1))
        return
    ask(connection, f"DROP {extra.kind} IF EXISTS {quoted(extra.name)}")
    ask(connection, extra.statement)


def drop_named(connection: Connection, database: str, names: Collection[tuple[str, str]]) -> None:
    """Drop what has such a kind and name: what others have made meanwhile stays."""
    for kind, name in reversed(_list(connection, database)):
        if (kind, name) in names:
            ask(connection, f"DROP {kind} IF EXISTS {quoted(name)}")


def _collation_of(connection: Connection, database: str) -> str:
    """The default collation of a database; its character set follows from that."""
    sql = "SELECT default_collation_name FROM information_schema.schemata WHERE schema_name = %s"
    return str(ask(connection, sql, database)[0][0])


def _set_collation(connection: Connection, database: str, collation: str) -> None:
    """Give a database its default collation, unless it has it."""
    if _collation_of(connection, database) != collation:
        ask(connection, f"ALTER DATABASE {quoted(database)} COLLATE {collation}")
