"""What an exchange of tables has to make again, written down before anything is dropped.

The record lies in the database that keeps what was there. It moves to another name in the statement
that moves the tables, so that its name tells whether they have moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields, replace

from migrations_ops.databases.mariadb.connect import Connection, ask
from migrations_ops.databases.mariadb.names import quoted
from migrations_ops.databases.mariadb.swap.extras import Extra
from migrations_ops.databases.mariadb.swap.foreign_keys import Key
from migrations_ops.databases.server_copies import OWN

# How the record is called before the tables have moved, and since.
BEFORE, AFTER = f"{OWN}exchange", f"{OWN}exchanged"
# How the name of a database ends that gets what tables held which moved back.
UNDONE = "_undone"
_PARTS = tuple(field.name for field in fields(Extra))
_MADE = f"""CREATE TABLE {{}} (number INT PRIMARY KEY, side VARCHAR(8),
    {", ".join(f"`{part}` LONGTEXT" for part in _PARTS)})
    ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin COMMENT=%s"""


@dataclass(frozen=True)
class Content:
    """What tables leave behind: the default collation of a database, and its other objects.

    ``keys`` are foreign keys that were dropped on the way, and have to be made again.
    """

    collation: str
    extras: tuple[Extra, ...]
    keys: tuple[Key, ...] = ()


@dataclass(frozen=True)
class Record:
    """One exchange: ``real`` gets what ``new`` holds, and ``kept`` what ``real`` held.

    ``placed`` are sequences that were made in ``real`` for defaults to find them; ``moved`` tells
    that the tables are at their new places.
    """

    real: str
    new: str
    kept: str
    was: Content
    wanted: Content
    created_sequences: tuple[str, ...] = ()
    moved: bool = False

    @property
    def undone(self) -> str:
        """The database that gets what ``real`` held meanwhile, if the tables move back."""
        return f"{self.kept}{UNDONE}"

    @property
    def table(self) -> str:
        """Where it is, as SQL."""
        return f"{quoted(self.kept)}.{quoted(AFTER if self.moved else BEFORE)}"


def write_record(connection: Connection, record: Record) -> None:
    """Write it down: all of it, or an empty table."""
    rows = [
        ("real", Extra("DATABASE", record.real, "", of_database=record.was.collation)),
        ("new", Extra("DATABASE", record.new, "", of_database=record.wanted.collation)),
        *(("placed", Extra("SEQUENCE", name, "")) for name in record.created_sequences),
        *(("was", each) for each in record.was.extras),
        *(("wanted", each) for each in record.wanted.extras),
    ]
    ask(connection, _MADE.format(_as_template(record)), record.real)
    _insert(connection, record, 0, rows)


def write_keys_of_was(connection: Connection, record: Record, keys: Sequence[Key]) -> Record:
    """Write down keys that were there, before they are dropped."""
    _write_keys(connection, record, "was_key", keys)
    was = replace(record.was, keys=(*record.was.keys, *keys))
    return replace(record, was=was)


def write_keys_wanted(connection: Connection, record: Record, keys: Sequence[Key]) -> Record:
    """Write down keys that there have to be, before they are dropped."""
    _write_keys(connection, record, "new_key", keys)
    wanted = replace(record.wanted, keys=(*record.wanted.keys, *keys))
    return replace(record, wanted=wanted)


def _write_keys(connection: Connection, record: Record, side: str, keys: Sequence[Key]) -> None:
    if keys:
        [(first,)] = ask(connection, f"SELECT max(number) + 1 FROM {record.table}")
        values = [(side, _as_extra(each)) for each in keys]
        _insert(connection, record, int(first), values)


def _as_template(record: Record) -> str:
    """Its table name for a statement with parameters: percent signs are doubled."""
    return record.table.replace("%", "%%")


def _as_extra(key: Key) -> Extra:
    return Extra("FOREIGN KEY", key.name, key.definition, of_database=key.table)


def _as_key(extra: Extra) -> Key:
    return Key(extra.of_database, extra.name, extra.statement)


def _insert(
    connection: Connection, record: Record, first: int, rows: Sequence[tuple[str, Extra]]
) -> None:
    """All of them, or none."""
    ask(connection, "START TRANSACTION")
    sql = f"INSERT INTO {_as_template(record)} VALUES ({', '.join(['%s'] * (len(_PARTS) + 2))})"
    for number, (side, each) in enumerate(rows, first):
        ask(connection, sql, number, side, *astuple(each))
    ask(connection, "COMMIT")


def find_records(connection: Connection, real: str) -> list[str]:
    """The databases in which a record of an exchange of ``real`` lies, though an empty one."""
    rows = ask(
        connection,
        "SELECT table_schema FROM information_schema.tables"
        " WHERE table_name IN (%s, %s) AND table_comment = %s",
        BEFORE,
        AFTER,
        real,
    )
    return sorted(str(name) for (name,) in rows if str(name).startswith(f"{OWN}kept_"))


def read_record(connection: Connection, kept: str) -> Record | None:
    """The record that lies there; None where there is none, or nothing had begun yet."""
    rows = ask(
        connection,
        "SELECT table_name FROM information_schema.tables"
        " WHERE table_schema = %s AND table_name IN (%s, %s)",
        kept,
        BEFORE,
        AFTER,
    )
    if not rows:
        return None
    table = str(rows[0][0])
    found: dict[str, list[Extra]] = {}
    parts = ", ".join(map(quoted, _PARTS))
    sql = f"SELECT side, {parts} FROM {quoted(kept)}.{quoted(table)} ORDER BY number"
    for side, *values in ask(connection, sql):
        found.setdefault(side, []).append(Extra(*values))
    if not found:
        return None
    [real], [new] = found["real"], found["new"]
    return Record(
        real.name,
        new.name,
        kept,
        Content(
            real.of_database,
            tuple(found.get("was", ())),
            tuple(map(_as_key, found.get("was_key", ()))),
        ),
        Content(
            new.of_database,
            tuple(found.get("wanted", ())),
            tuple(map(_as_key, found.get("new_key", ()))),
        ),
        tuple(each.name for each in found.get("placed", ())),
        moved=table == AFTER,
    )


def drop_record(connection: Connection, kept: str) -> None:
    """It is done: nothing has to be made again. A database that keeps nothing goes with it."""
    for table in (BEFORE, AFTER):
        ask(connection, f"DROP TABLE IF EXISTS {quoted(kept)}.{quoted(table)}")
    sql = "SELECT count(*) FROM information_schema.tables WHERE table_schema = %s"
    if ask(connection, sql, kept) == [(0,)]:
        ask(connection, f"DROP DATABASE IF EXISTS {quoted(kept)}")
