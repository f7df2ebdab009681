"""A small database, and what is found lost in it after some statements."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from migrations_ops.analysis.destroyed import find_destroyed, with_dropped
from migrations_ops.analysis.losses import find_losses
from migrations_ops.analysis.reader import read_declared
from migrations_ops.child.protocol.events import OperationAsked, StatementRan
from migrations_ops.databases.row_changes import ContentChange
from migrations_ops.databases.sqlite.inspection import read_fingerprint

START = (
    "CREATE TABLE parents (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE, note TEXT,"
    " code TEXT, CONSTRAINT uq_code UNIQUE (code), CHECK (id > 0),"
    " CONSTRAINT named CHECK (name <> ''))",
    "CREATE TABLE children (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " parent_id INTEGER REFERENCES parents (id) ON DELETE CASCADE)",
    'CREATE TABLE "odd one" ("a b" INT)',
    "CREATE INDEX ix_note ON parents (note)",
    "CREATE INDEX ix_lower ON parents (lower(name))",
    "CREATE TRIGGER tr AFTER UPDATE ON parents BEGIN SELECT 1; END",
    "CREATE VIEW names AS SELECT name FROM parents",
    "INSERT INTO parents VALUES (1, 'a', 'b', 'c'), (2, 'b', 'c', 'd')",
    "INSERT INTO children VALUES (1, 1), (2, 2)",
    'INSERT INTO "odd one" VALUES (1)',
)
NOTHING = read_declared([], {}, {})


def found(
    *statements: str,
    reported: bool = True,
    operations: tuple[OperationAsked, ...] = (),
) -> dict[str, str]:
    """The findings after these statements, as ``code:where`` with their severity.

    :param reported: whether the child reported the statements, or something else ran them.
    """
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for statement in START:
            connection.execute(statement)
        before = read_fingerprint(connection, "alembic_version")
        for statement in statements:
            connection.execute(statement)
        after = read_fingerprint(connection, "alembic_version")
    ran = [StatementRan(statement) for statement in statements] if reported else []
    declared = read_declared([*operations, *ran], before.schema, after.schema)
    lost = find_losses(before, after, declared, "prod")
    destroyed = find_destroyed(before, after, declared, ContentChange())
    return {
        f"{finding.code}:{finding.where}": finding.severity
        for finding in with_dropped(lost, destroyed, "prod")
    }
