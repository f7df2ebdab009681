"""What is asked of the driver itself, below SQLAlchemy."""

from __future__ import annotations

from typing import Any


def main_file(connection: Any) -> str | None:
    """The file behind the main schema of a SQLAlchemy connection to SQLite."""
    files = [row[2] for row in ask_driver(connection, "PRAGMA database_list") if row[1] == "main"]
    return files[0] or None if files else None


def ask_driver(connection: Any, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Run a statement below SQLAlchemy.

    Through SQLAlchemy it would begin a transaction, and Alembic would take that for one of
    env.py's own and never commit.
    """
    cursor = connection.connection.dbapi_connection.cursor()
    try:
        cursor.execute(sql, values)
        return list(cursor.fetchall())
    finally:
        cursor.close()
