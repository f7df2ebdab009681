"""Repeats on an earlier copy what revisions did to types, so that equal values are written alike.

Arrays, composites, domains and ranges of a type follow by themselves, and what else became of a
value is still found.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import psycopg

from migrations_ops.child.protocol.sql import quoted
from migrations_ops.databases.postgresql.rows.tables import Side
from migrations_ops.databases.row_changes import TypeChange

_NAMES = ("rename", "move")


def change_types(side: Side, changes: Sequence[TypeChange]) -> None:
    """What cannot be repeated is left out: its values then count as changed."""
    if all(each.verb in _NAMES for each in changes):
        return  # none is written in another way
    for each in changes:
        with suppress(psycopg.Error), side.connection.transaction():
            if statement := _statement(side, each):
                side.do(statement)


def _statement(side: Side, change: TypeChange) -> str:
    """The statement under the names that the copy has; empty where there is no such type."""
    found = [
        (oid, f"ALTER TYPE {quoted(schema)}.{quoted(name)}")
        for oid, schema, name in side.ask(
            "SELECT t.oid::bigint, n.nspname, t.typname FROM pg_type t"
            " JOIN pg_namespace n ON n.oid = t.typnamespace"
            " LEFT JOIN pg_class c ON c.oid = t.typrelid"
            " WHERE t.typtype IN ('e', 'c', 'r', 'b')"
            " AND (t.typrelid = 0 OR c.relkind = 'c')"
        )
        if side.catalog.name(schema, name).lower() == change.type
    ]
    if not found:
        return ""
    [(oid, head), *_] = found
    match change.verb:
        case "rename":
            return f"{head} RENAME TO {quoted(change.to)}"
        case "move":
            return f"{head} SET SCHEMA {quoted(change.to)}"
        case "rename value":
            return f"{head} RENAME VALUE {change.name} TO {change.to}"
        case "add attribute":
            return f"{head} ADD ATTRIBUTE {quoted(change.name)} text CASCADE"
        case "drop attribute":
            return f"{head} DROP ATTRIBUTE {_attribute(side, oid, change.name)} CASCADE"
    attribute = _attribute(side, oid, change.name)
    return f"{head} RENAME ATTRIBUTE {attribute} TO {quoted(change.to)} CASCADE"


def _attribute(side: Side, type_: int, name: str) -> str:
    rows = side.ask(
        "SELECT attname FROM pg_attribute a JOIN pg_type t ON t.typrelid = a.attrelid"
        " WHERE t.oid = %s AND attnum > 0 AND NOT attisdropped",
        type_,
    )
    return quoted(next((str(each) for (each,) in rows if each.lower() == name), name))
