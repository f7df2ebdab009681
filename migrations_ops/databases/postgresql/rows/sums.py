"""How many rows each table of a PostgreSQL database has, and a sum of what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from migrations_ops.databases.postgresql.rows.tables import Side
from migrations_ops.databases.postgresql.rows.values import hash_of

# Statements that ask for all sequences at once get long.
_TOGETHER = 200


def count(connection: psycopg.Connection[Any], tables: Sequence[str]) -> dict[str, int]:
    """How many rows each table has."""
    side = Side(connection)
    with side.comparable():
        known = side.tables(tables)
        return {name: side.number(f"SELECT count(*) FROM {known[name].rows}") for name in tables}


def count_and_sum(
    connection: psycopg.Connection[Any], tables: Sequence[str]
) -> tuple[dict[str, int], dict[str, str]]:
    """The rows of each table, and a checksum that does not depend on their order.

    The value of each sequence is among the checksums, as ``sequence NAME``.
    """
    side = Side(connection)
    with side.comparable():
        known = side.tables(tables)
        rows, sums = {}, {}
        for name in tables:
            table = known[name]
            hashed = hash_of(table.hashed())
            [(rows[name], found)] = side.ask(f"SELECT count(*), sum({hashed}) FROM {table.rows}")
            sums[name] = str(found or 0)
        return rows, sums | _sequence_values(side) | _large_objects(side)


def _sequence_values(side: Side) -> dict[str, str]:
    sequences = side.sequences()
    names, found = sorted(sequences), {}
    for start in range(0, len(names), _TOGETHER):
        part = names[start : start + _TOGETHER]
        asked = (f"SELECT last_value, is_called FROM {sequences[name]}" for name in part)
        for name, (last, called) in zip(part, side.ask(" UNION ALL ".join(asked)), strict=True):
            found[f"sequence {name}"] = f"{last} {'called' if called else 'not called'}"
    return found


def sequence_values(connection: psycopg.Connection[Any]) -> dict[str, str]:
    """The current value of each sequence; sequences ignore the snapshot of the transaction."""
    side = Side(connection)
    with side.comparable():
        return _sequence_values(side)


def advanced_sequences(
    before: dict[str, str], copied: dict[str, str], after: dict[str, str]
) -> dict[str, str]:
    """The values in a backup of the sequences that advanced while it was made.

    A snapshot does not cover sequences. The value in the backup must lie between both readings;
    a sequence for which it does not is left out.
    """
    return {
        name: copied[name]
        for name, place in before.items()
        if name in copied and name in after and place != after[name]
        if _number(copied[name]) in _range(place, after[name])
    }


def _number(place: str) -> int:
    return int(place.partition(" ")[0])


def _range(one: str, other: str) -> range:
    low, high = sorted((_number(one), _number(other)))
    return range(low, high + 1)


def _large_objects(side: Side) -> dict[str, str]:
    [(how_many, found)] = side.ask(
        f"SELECT count(*), sum({hash_of(['oid'])}) FROM pg_largeobject_metadata"
    )
    return {"large objects": str(found)} if how_many else {}
