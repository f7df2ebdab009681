"""What a swap of tables has to make again, written down before anything is dropped.

The record lies in the database that keeps what was there. It moves to another name in the statement
that moves the tables, so that its name tells whether they have moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields, replace

from migrations_ops.databases.mariadb.connect import Connection, ask
from migrations_ops.databases.mariadb.names import quoted
from migrations_ops.databases.mariadb.qualified import renamed
from migrations_ops.databases.server_copies import OWN

# How the names of databases begin in which a restore has kept what was there.
KEPT = f"{OWN}kept_"
# How the name of a database ends that gets what tables held which moved back.
UNDONE = "_undone"
# How the record is called before the tables have moved, and since.
BEFORE, AFTER = f"{OWN}exchange", f"{OWN}exchanged"


@dataclass(frozen=True)
class Extra:
    """What does not move with the tables: a view, a trigger, a routine, an event, a foreign key.

    Next to its statement are the session in which that was executed, whose character set and
    collation literals have, and the default that the database had then.
    """

    kind: str
    name: str
    statement: str
    sql_mode: str = ""
    character_set_client: str = ""
    collation_connection: str = ""
    time_zone: str = ""
    database_collation: str = ""
    # That of a foreign key.
    table: str = ""

    def of(self, source: str, target: str) -> Extra:
        """The same in another database: some name the one that they are in."""
        return replace(self, statement=renamed(self.statement, source, target))

    def enabled(self) -> Extra:
        """In a copy, events are switched off as on a replica."""
        if self.kind != "EVENT":
            return self
        return replace(self, statement=self.statement.replace(" DISABLE ON SLAVE", " ENABLE", 1))


@dataclass(frozen=True)
class Content:
    """What tables leave behind: the default collation of a database, and its other objects."""

    collation: str
    extras: tuple[Extra, ...]

    def names(self) -> set[tuple[str, str]]:
        """Kind and name of each of its objects."""
        return {(each.kind, each.name) for each in self.extras}

    def plus(self, keys: Iterable[Extra]) -> Content:
        """The same with more foreign keys."""
        return replace(self, extras=(*self.extras, *keys))


@dataclass(frozen=True)
class Record:
    """One swap: ``real`` gets what ``new`` holds, and ``previous`` what ``real`` held.

    ``created_sequences`` were made in ``real`` for defaults to find them; ``moved`` tells that the
    tables have moved.
    """

    real: str
    new: str
    previous: str
    was: Content
    wanted: Content
    created_sequences: tuple[str, ...] = ()
    moved: bool = False

    @property
    def undone(self) -> str:
        """The database that gets what ``real`` held meanwhile, if the tables move back."""
        return f"{self.previous}{UNDONE}"

    @property
    def table(self) -> str:
        """Where it is, as SQL."""
        return f"{quoted(self.previous)}.{quoted(AFTER if self.moved else BEFORE)}"


_PARTS = tuple(field.name for field in fields(Extra))
_MADE = f"""CREATE TABLE {{}} (number INT AUTO_INCREMENT PRIMARY KEY, side VARCHAR(8),
    {", ".join(f"`{part}` LONGTEXT" for part in _PARTS)})
    ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin COMMENT=%s"""
_FOUND = f"""SELECT table_schema, table_name FROM information_schema.tables
    WHERE table_name IN ('{BEFORE}', '{AFTER}')"""


def write_record(connection: Connection, record: Record) -> None:
    """Write it down: all of it, or an empty table."""
    ask(connection, _MADE.format(_as_template(record)), record.real)
    rows = [
        (side, each)
        for side, database, content in (
            ("was", record.real, record.was), ("wanted", record.new, record.wanted),
        )
        for each in (_database(database, content), *content.extras)
    ]  # fmt: skip
    created = [("created", Extra("SEQUENCE", name, "")) for name in record.created_sequences]
    _insert(connection, record, [*rows, *created])


def write_keys(
    connection: Connection, record: Record, was: Sequence[Extra], wanted: Sequence[Extra]
) -> Record:
    """Write down foreign keys before they are dropped, of what was there and of what is wanted."""
    keys = [*(("was", each) for each in was), *(("wanted", each) for each in wanted)]
    if keys:
        _insert(connection, record, keys)
    return replace(record, was=record.was.plus(was), wanted=record.wanted.plus(wanted))


def _database(name: str, content: Content) -> Extra:
    return Extra("DATABASE", name, "", database_collation=content.collation)


def _as_template(record: Record) -> str:
    """Its table name for a statement with parameters: percent signs are doubled."""
    return record.table.replace("%", "%%")


def _insert(connection: Connection, record: Record, rows: Iterable[tuple[str, Extra]]) -> None:
    """All of them, or none."""
    columns = ", ".join(map(quoted, ("side", *_PARTS)))
    values = ", ".join(["%s"] * (len(_PARTS) + 1))
    ask(connection, "START TRANSACTION")
    for side, each in rows:
        sql = f"INSERT INTO {_as_template(record)} ({columns}) VALUES ({values})"
        ask(connection, sql, side, *astuple(each))
    ask(connection, "COMMIT")


def find_records(connection: Connection, real: str) -> list[str]:
    """The databases in which a record of a swap of ``real`` lies, though an empty one."""
    rows = ask(connection, f"{_FOUND} AND table_comment = %s", real)
    return sorted(str(schema) for schema, _ in rows if str(schema).startswith(KEPT))


def read_record(connection: Connection, previous: str) -> Record | None:
    """The record that lies there; None where there is none, or nothing had begun yet."""
    rows = ask(connection, f"{_FOUND} AND table_schema = %s", previous)
    if not rows:
        return None
    table = str(rows[0][1])
    found: dict[str, list[Extra]] = {"was": [], "wanted": [], "created": []}
    parts = ", ".join(map(quoted, _PARTS))
    sql = f"SELECT side, {parts} FROM {quoted(previous)}.{quoted(table)} ORDER BY number"
    for side, *values in ask(connection, sql):
        found[side].append(Extra(*values))
    if not found["was"]:
        return None
    [real, *was], [new, *wanted] = found["was"], found["wanted"]
    return Record(
        real.name,
        new.name,
        previous,
        Content(real.database_collation, tuple(was)),
        Content(new.database_collation, tuple(wanted)),
        tuple(each.name for each in found["created"]),
        moved=table == AFTER,
    )


def drop_record(connection: Connection, previous: str) -> None:
    """It is done: nothing has to be made again. A database that keeps nothing goes with it."""
    for table in (BEFORE, AFTER):
        ask(connection, f"DROP TABLE IF EXISTS {quoted(previous)}.{quoted(table)}")
    sql = "SELECT count(*) FROM information_schema.tables WHERE table_schema = %s"
    if ask(connection, sql, previous) == [(0,)]:
        ask(connection, f"DROP DATABASE IF EXISTS {quoted(previous)}")
