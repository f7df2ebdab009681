"""The engine over a database with two tables, and its backup."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from migrations_ops.databases.postgresql.database import PostgreSQL
from migrations_ops.model.fingerprint import Fingerprint
from tests.servers.databases import ServerDatabase

TABLE = "alembic_version"
FILL = """
CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
INSERT INTO alembic_version VALUES ('r1');
CREATE TABLE parents (id integer PRIMARY KEY, name text);
CREATE TABLE children (id integer PRIMARY KEY, parent_id integer REFERENCES parents);
CREATE INDEX ON children (parent_id);
CREATE VIEW both_of AS SELECT name, c.id FROM parents p JOIN children c ON parent_id = p.id;
INSERT INTO parents SELECT g, 'parent ' || g FROM generate_series(1, 20) g;
INSERT INTO children SELECT g, g FROM generate_series(1, 20) g;
"""


def engine_of(database: ServerDatabase, **more: Any) -> PostgreSQL:
    return PostgreSQL.from_url(database.url(), **more)


def filled(database: ServerDatabase) -> PostgreSQL:
    database.execute(FILL)
    return engine_of(database)


def back_up(engine: PostgreSQL, folder: Path, name: str = "backup") -> tuple[Path, Fingerprint]:
    file = folder / f"{name}.dump"
    return file, engine.back_up(file, TABLE, None)
