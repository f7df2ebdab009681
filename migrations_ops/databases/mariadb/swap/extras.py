"""What cannot move from one database to another as tables do: views, triggers, routines, events."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

import pymysql

from migrations_ops.child.protocol.ledger import NAME as LEDGER
from migrations_ops.databases.mariadb.connect import Connection, ask
from migrations_ops.databases.mariadb.errors import code_of
from migrations_ops.databases.mariadb.names import exactly, quoted
from migrations_ops.databases.mariadb.qualified import renamed
from migrations_ops.databases.mariadb.server import is_mariadb, may_name_definers

# All of them, in the order in which they are made.
_KINDS = ("PACKAGE", "PACKAGE BODY", "FUNCTION", "PROCEDURE", "VIEW", "TRIGGER", "EVENT")
_ROUTINES = "SELECT routine_name FROM information_schema.routines WHERE routine_schema = DATABASE()"
_NAMES = {
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
# In which columns SHOW CREATE has them.
_ROUTINE = {"mode": 1, "statement": 2, "client": 3, "collation": 4, "of_database": 5}
_COLUMNS = {
    "VIEW": {"statement": 1, "client": 2, "collation": 3},
    "EVENT": {
        "mode": 1, "zone": 2, "statement": 3, "client": 4, "collation": 5, "of_database": 6
    },
}  # fmt: skip
_CREATE = re.compile(r"\s*CREATE\s+(?:OR\s+REPLACE\s+)?", re.IGNORECASE)
_DEFINER = re.compile(r"DEFINER=(`(?:[^`]|``)*`(?:@`(?:[^`]|``)*`)?) ")
# What a statement may be read as that is sent as utf8mb4.
_UTF8 = frozenset({"utf8", "utf8mb3", "utf8mb4"})
# What a view lacks that was broken already.
_BROKEN = frozenset({1049, 1054, 1146, 1305, 1356})


@dataclass(frozen=True)
class Extra:
    """One of them: how it is made, and in which session.

    ``client`` and ``collation`` are the session's character set and collation, which literals
    have; ``of_database`` is the default that the database had then.
    """

    kind: str
    name: str
    statement: str
    mode: str = ""
    client: str = ""
    collation: str = ""
    of_database: str = ""
    zone: str = ""

    def of(self, source: str, target: str) -> Extra:
        """The same in another database: some name the one that they are in."""
        return replace(self, statement=renamed(self.statement, source, target))

    def awake(self) -> Extra:
        """In a copy, events are switched off as on a replica."""
        if self.kind != "EVENT":
            return self
        return replace(self, statement=self.statement.replace(" DISABLE ON SLAVE", " ENABLE", 1))


def read_extras(connection: Connection, database: str) -> list[Extra]:
    """All that cannot move from one database to another.

    :raises pymysql.OperationalError: this role may not see some of it.
    """
    ask(connection, f"USE {quoted(database)}")
    found = [
        _read(connection, kind, str(name))
        for kind in _KINDS
        for (name,) in ask(connection, _NAMES[kind])
    ]
    if may_name_definers(connection):
        return found
    return [_without_definer(each) if each.name == LEDGER else each for each in found]


def _without_definer(ledger: Extra) -> Extra:
    """The ledger has no owner to keep: the role that writes it becomes its definer."""
    return replace(ledger, statement=_DEFINER.sub("", ledger.statement, count=1))


def _read(connection: Connection, kind: str, name: str) -> Extra:
    row = ask(connection, f"SHOW CREATE {kind} {quoted(name)}")[0]
    chosen = {
        part: "" if row[place] is None else str(row[place])
        for part, place in _COLUMNS.get(kind, _ROUTINE).items()
    }
    if not chosen["statement"]:
        raise pymysql.OperationalError(
            1227, f"the {kind.lower()} {name} was made by others, and cannot be seen"
        )
    return Extra(kind, name, **chosen)


def make_extras(
    connection: Connection, database: str, wanted: Sequence[Extra], *, as_far_as_whole: bool = False
) -> None:
    """Make these where they are not as they should be; a view that needs another waits for it.

    The rights on a routine stay.

    :param as_far_as_whole: leave out views that cannot be made, since they were broken before.
    :raises pymysql.MySQLError: one of them cannot be made.
    """
    there = frozenset(read_extras(connection, database))
    waiting = [each for each in wanted if each not in there]
    packages = {each.name for each in waiting if each.kind == "PACKAGE"}
    # Replacing a package drops its body.
    waiting += [
        each
        for each in wanted
        if each.kind == "PACKAGE BODY" and each.name in packages and each not in waiting
    ]
    replaces = is_mariadb(connection)
    with _own_session(connection, database):
        while waiting:
            left: list[Extra] = []
            for each in waiting:
                try:
                    _make(connection, database, each, replaces)
                except pymysql.MySQLError as error:
                    left.append(each)
                    broken = as_far_as_whole and code_of(error) in _BROKEN
                    if len(left) < len(waiting):
                        continue
                    if broken and all(one.kind == "VIEW" for one in left):
                        return
                    raise
            waiting = left


@contextmanager
def _own_session(connection: Connection, database: str) -> Iterator[None]:
    """Afterwards the session, and the default of the database, are as they were."""
    chosen = ("sql_mode", "character_set_client", "collation_connection", "time_zone")
    [was] = ask(connection, f"SELECT {', '.join(f'@@{name}' for name in chosen)}")
    collation = collation_of(connection, database)
    try:
        yield
    finally:
        with suppress(pymysql.MySQLError):
            ask(connection, f"SET SESSION {', '.join(f'{name} = %s' for name in chosen)}", *was)
            set_collation(connection, database, collation)


def _make(connection: Connection, database: str, extra: Extra, replaces: bool) -> None:
    """:param replaces: whether the server knows CREATE OR REPLACE of routines and events."""
    session = {"sql_mode": extra.mode}
    if extra.client in _UTF8:
        session["character_set_client"] = extra.client
    if extra.collation:
        session["collation_connection"] = extra.collation
    if extra.zone:
        session["time_zone"] = extra.zone
    chosen = ", ".join(f"{name} = %s" for name in session)
    ask(connection, f"SET SESSION {chosen}", *session.values())
    if extra.of_database:
        set_collation(connection, database, extra.of_database)
    # A trigger has no rights on it, and its statement may say IF NOT EXISTS.
    if extra.kind == "VIEW" or (replaces and extra.kind != "TRIGGER"):
        ask(connection, _CREATE.sub("CREATE OR REPLACE ", extra.statement, count=1))
        return
    ask(connection, f"DROP {extra.kind} IF EXISTS {quoted(extra.name)}")
    ask(connection, extra.statement)


def drop_others(
    connection: Connection, database: str, known: Sequence[Extra], wanted: Sequence[Extra]
) -> None:
    """Drop those of the known that are not wanted: what others have made meanwhile stays."""
    named = {(each.kind, each.name) for each in known}
    named -= {(each.kind, each.name) for each in wanted}
    for each in reversed(read_extras(connection, database)):
        if (each.kind, each.name) in named:
            _drop(connection, database, each.kind, each.name)


def clear_way(
    connection: Connection, database: str, known: Sequence[Extra], coming: Sequence[str]
) -> None:
    """Drop what keeps tables from moving: the triggers there, and views in the place of a table.

    :param known: what can be made again; any other keeps the tables from moving.
    :param coming: the names of the tables that are to come.
    """
    named = {(each.kind, each.name) for each in known}
    ask(connection, f"USE {quoted(database)}")
    for (name,) in reversed(ask(connection, _NAMES["TRIGGER"])):
        if ("TRIGGER", name) in named:
            _drop(connection, database, "TRIGGER", str(name))
    for (name,) in ask(connection, _NAMES["VIEW"]):
        if name in coming and ("VIEW", name) in named:
            _drop(connection, database, "VIEW", str(name))


def _drop(connection: Connection, database: str, kind: str, name: str) -> None:
    ask(connection, f"DROP {kind} IF EXISTS {quoted(database)}.{quoted(name)}")


def collation_of(connection: Connection, database: str) -> str:
    """The default collation of a database; its character set follows from that."""
    sql = "SELECT default_collation_name FROM information_schema.schemata WHERE schema_name = %s"
    return str(ask(connection, sql, database)[0][0])


def set_collation(connection: Connection, database: str, collation: str) -> None:
    """Give a database its default collation, unless it has it."""
    if collation_of(connection, database) != collation:
        ask(connection, f"ALTER DATABASE {quoted(database)} COLLATE {collation}")
