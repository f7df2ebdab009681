"""Gives the tables of a restored database to the real one, whose own move to a third and are kept.

MariaDB cannot rename a database. But it renames tables from one database to another, all of them in
one statement, so that nothing that was written is ever dropped, and no reader waits for longer than
that statement takes. (Loading a backup under the real name takes a minute for each gigabyte, during
which readers find half of the tables.) Views, triggers, routines and events cannot move: they are
made again from their own definitions, which are written down before the first is dropped (see
``record.py``). Those of a dump would not do: mariadb-dump fails at a view that an upgrade has
broken, and makes each routine again, which takes the rights on it away.

After a kill in the middle that record is still there: :func:`resume` then rolls back if the tables
had not moved yet, else it finishes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from typing import TypeAlias

import pymysql

from migrations_ops.child.protocol.identity import lock_name
from migrations_ops.databases.mariadb.connect import Connection, ask
from migrations_ops.databases.mariadb.errors import LOST, code_of
from migrations_ops.databases.mariadb.names import quoted
from migrations_ops.databases.mariadb.qualified import renamed
from migrations_ops.databases.mariadb.swap.extras import drop_named, make_content, read_content
from migrations_ops.databases.mariadb.swap.foreign_keys import (
    KIND,
    drop_keys,
    find_dangling,
    find_outward,
)
from migrations_ops.databases.mariadb.swap.ownership import require_owned
from migrations_ops.databases.mariadb.swap.record import (
    AFTER,
    BEFORE,
    Record,
    drop_record,
    find_records,
    read_record,
    write_keys,
    write_record,
)

Server: TypeAlias = Callable[[], AbstractContextManager[Connection]]

# How long, in seconds, the tables may be in use until the swap is given up.
LOCK_WAIT = 10
# How often to try to recreate what was dropped, where another session has locked the tables.
_ATTEMPTS = 3
_IN_USE = frozenset({1205, 1213})


class HalfDoneError(Exception):
    """A swap could neither be finished nor undone; its record is in ``record``."""

    def __init__(self, record: str, error: pymysql.MySQLError) -> None:
        super().__init__(record)
        self.record, self.error = record, error


def swap(server: Server, real: str, new: str, previous: str) -> None:
    """Let ``real`` hold what ``new`` holds, and ``previous`` what ``real`` held.

    :param server: opens a session on the server.
    :param previous: a database that is there, and empty.
    :raises pymysql.MySQLError: it could not be done; ``real`` is as it was.
    :raises HalfDoneError: ``real`` is not as it was; what was dropped is recorded.
    """
    session, made = 0, False
    try:
        with server() as connection:
            session = _work_on(connection, real)
            record = _write_down(connection, real, new, previous)
            record = _move(connection, record)
            _complete(connection, record)
            made = True
            _tidy_up(connection, record)
    except BaseException as error:
        if not session:
            # An earlier step is still at work, or there is no server: nothing has begun.
            with suppress(pymysql.MySQLError), server() as connection:
                drop_record(connection, previous)
            raise
        _finish_or_undo(server, real, previous, session, made)
        if made and isinstance(error, pymysql.MySQLError):
            return
        raise


@dataclass(frozen=True)
class Resumed:
    """A swap of a killed process that was finished, or else undone."""

    previous: str
    finished: bool


def resume(server: Server, real: str) -> list[Resumed]:
    """Finish or undo the swaps of a database that killed processes left.

    The lock of a release must be held.

    :returns: those that had begun to change something.
    :raises HalfDoneError: one of them cannot be finished now.
    :raises pymysql.MySQLError: the server cannot be asked.
    """
    with server() as connection:
        waiting = find_records(connection, real)
    finished_swaps = [(previous, _finish_or_undo(server, real, previous)) for previous in waiting]
    return [
        Resumed(previous, finished) for previous, finished in finished_swaps if finished is not None
    ]


def _finish_or_undo(
    server: Server, real: str, previous: str, session: int = 0, made: bool | None = None
) -> bool | None:
    """Put everything back, or finish it.

    In a new session, since the one that did it may be dead, or still be running.

    :param session: the number of that one, which is ended.
    :param made: whether all is there that was wanted; None if unknown, and an application
        may have written to the new tables for long.
    :returns: whether it was finished; None where nothing had begun yet.
    """
    for attempt in range(_ATTEMPTS):
        try:
            with server() as connection:
                _end(connection, session)
                _work_on(connection, real)
                record = read_record(connection, previous)
                if record is None:
                    drop_record(connection, previous)
                    return None
                forward = record.moved and made is not False
                if forward:
                    _complete(connection, record)
                    _tidy_up(connection, record)
                else:
                    _go_back(connection, record)
                return forward
        except pymysql.MySQLError as error:
            if code_of(error) not in _IN_USE or attempt == _ATTEMPTS - 1:
                raise HalfDoneError(previous, error) from error
    raise AssertionError("the last attempt returns or raises")


def _work_on(connection: Connection, real: str) -> int:
    """Prepare a session; a later process waits until its last statement has ended.

    :returns: its number.
    """
    ask(connection, f"SET SESSION lock_wait_timeout = {LOCK_WAIT}, foreign_key_checks = 0")
    [(folded,)] = ask(connection, "SELECT @@lower_case_table_names")
    step = lock_name("step", real.lower() if folded else real)
    [(taken,)] = ask(connection, "SELECT GET_LOCK(%s, %s)", step, LOCK_WAIT)
    if taken != 1:
        raise pymysql.OperationalError(1205, "an earlier step is still at work")
    return int(ask(connection, "SELECT CONNECTION_ID()")[0][0])


def _end(connection: Connection, session: int) -> None:
    """End a session of ours that no process listens to any more."""
    if session:
        with suppress(pymysql.MySQLError):  # it has ended by itself
            ask(connection, f"KILL {session}")


# -- there ----------------------------------------------------------------------------------------


def _write_down(connection: Connection, real: str, new: str, previous: str) -> Record:
    """Check whether the swap is possible, and collect what has to be made again.

    :raises StepFailed: it is not possible.
    """
    require_owned(connection, real)
    was, copied = read_content(connection, real), read_content(connection, new)
    wanted = replace(copied, extras=tuple(each.of(new, real).enabled() for each in copied.extras))
    defaults = _counting_defaults(connection, new)
    created = _missing_sequences(connection, new, real) if defaults else ()
    record = Record(real, new, previous, was, wanted, created)
    write_record(connection, record)
    _wait_for(connection, real)
    for name in created:
        ask(connection, f"CREATE SEQUENCE {quoted(real)}.{quoted(name)}")
    for table, column, default in defaults:
        ask(
            connection,
            f"ALTER TABLE {quoted(new)}.{quoted(table)}"
            f" ALTER COLUMN {quoted(column)} SET DEFAULT ({renamed(default, new, real)})",
        )
    return record


def _wait_for(connection: Connection, real: str) -> None:
    """Wait until no session uses the tables, before a trigger is dropped.

    :raises pymysql.OperationalError: one still does.
    """
    tables = [name for name, kind in _relations(connection, real) if kind != "SEQUENCE"]
    if not tables:
        return
    clauses = ", ".join(f"{quoted(real)}.{quoted(name)} WRITE" for name in tables)
    try:
        ask(connection, f"LOCK TABLES {clauses}")
        ask(connection, "UNLOCK TABLES")
    except pymysql.MySQLError as error:
        # Else a trigger is broken, say, and its table cannot be locked: it goes on without.
        if code_of(error) in _IN_USE or code_of(error) in LOST:
            raise


def _counting_defaults(connection: Connection, new: str) -> list[tuple[str, str, str]]:
    """Defaults that count up a sequence: (table, column, default)."""
    return [
        (str(table), str(column), str(default))
        for table, column, default in ask(
            connection,
            "SELECT table_name, column_name, column_default FROM information_schema.columns"
            " WHERE table_schema = %s AND LOCATE(%s, column_default)",
            new,
            f"{quoted(new)}.",
        )
    ]


def _missing_sequences(connection: Connection, new: str, real: str) -> tuple[str, ...]:
    """Sequences that have to be made for this, since a default must find its own."""
    there = {name for name, _ in _relations(connection, real)}
    return tuple(
        name
        for name, kind in _relations(connection, new)
        if kind == "SEQUENCE" and name not in there
    )


def _move(connection: Connection, record: Record) -> Record:
    """Move all tables, and the record with them, or none."""
    real, source = record.real, record.previous if record.moved else record.new
    # Not back to where they came from, which is thrown away: an application may have written.
    aside = record.undone if record.moved else record.previous
    record = _drop_dangling(connection, record, source)
    _clear_way(connection, record, source)
    moved = replace(record, moved=not record.moved)
    clauses = [f"{record.table} TO {moved.table}"]
    for origin, target in ((real, aside), (source, real)):
        for name, _ in _relations(connection, origin):
            if name not in (BEFORE, AFTER):
                one = quoted(name)
                clauses.append(f"{quoted(origin)}.{one} TO {quoted(target)}.{one}")
    ask(connection, f"RENAME TABLE {', '.join(clauses)}")
    return moved


def _drop_dangling(connection: Connection, record: Record, source: str) -> Record:
    """Drop keys whose parent is missing, from the tables that are about to move.

    As soon as another table has the name of that parent, they would refer to it: rows that are
    kept would go with those of the live database, or hold them.
    """
    was, wanted = (source, record.real) if record.moved else (record.real, source)
    keys = find_dangling(connection, was), find_dangling(connection, wanted)
    record = write_keys(connection, record, *keys)
    for database, dangling in zip((was, wanted), keys, strict=True):
        drop_keys(connection, database, dangling)
    return record


def _clear_way(connection: Connection, record: Record, source: str) -> None:
    """Drop what keeps tables from moving: triggers, and views in the place of a table.

    Those that are not written down stay, and keep them from moving.
    """
    known = record.was.names() | record.wanted.names()
    triggers = {each for each in known if each[0] == "TRIGGER"}
    views = known & {("VIEW", name) for name, _ in _relations(connection, source)}
    drop_named(connection, record.real, triggers | views)
    drop_named(connection, source, triggers)


def _relations(connection: Connection, database: str) -> list[tuple[str, str]]:
    """All that moves by its name, which views do not, with what it is."""
    rows = ask(
        connection,
        "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = %s"
        " AND table_type NOT IN ('VIEW', 'TEMPORARY', 'TEMPORARY SEQUENCE')",
        database,
    )
    return [(str(name), str(kind)) for name, kind in rows]


def _complete(connection: Connection, record: Record) -> None:
    """After the tables have moved: create the objects that they need.

    What is kept loses its foreign keys to other databases, in which an application may delete.
    """
    outward = find_outward(connection, record.previous)
    write_keys(connection, record, outward, ())
    drop_keys(connection, record.previous, outward)
    make_content(connection, record.real, record.wanted)


def _tidy_up(connection: Connection, record: Record) -> None:
    drop_named(connection, record.real, record.was.names() - record.wanted.names())
    with suppress(pymysql.MySQLError):
        # For a person who studies what was there: the tables are what counts.
        extras = [
            each.of(record.real, record.previous)
            for each in record.was.extras
            if each.kind not in ("EVENT", KIND)
        ]
        make_content(connection, record.previous, replace(record.was, extras=tuple(extras)))
    drop_record(connection, record.previous)


# -- and back -------------------------------------------------------------------------------------


def _go_back(connection: Connection, record: Record) -> None:
    """Undo the swap."""
    if record.moved:
        ask(connection, f"CREATE DATABASE IF NOT EXISTS {quoted(record.undone)}")
        record = _move(connection, record)
    drop_keys(connection, record.undone, find_outward(connection, record.undone))
    for name in record.created_sequences:
        ask(connection, f"DROP SEQUENCE IF EXISTS {quoted(record.real)}.{quoted(name)}")
    make_content(connection, record.real, record.was, as_far_as_whole=True)
    drop_named(connection, record.real, record.wanted.names() - record.was.names())
    drop_record(connection, record.previous)
