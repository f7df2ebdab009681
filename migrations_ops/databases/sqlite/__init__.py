"""SQLite: a database is one file, and SQLite rolls back a killed transaction."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from migrations_ops.databases.interface import Database


def open_database(
    url: str, root: Path, schema: str | None = None, scratch_url: str | None = None
) -> Database:
    """:raises ConfigurationError: the URL names no file."""
    from migrations_ops.databases.sqlite.database import SQLite

    return SQLite.from_url(url, root)
