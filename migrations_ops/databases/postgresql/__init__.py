"""PostgreSQL: an upgrade is rolled back whole; what commits by itself is written down before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from migrations_ops.databases.interface import Database


def open_database(
    url: str, root: Path, schema: str | None = None, scratch_url: str | None = None
) -> Database:
    """:raises ConfigurationError: the URL names no database, or psycopg is not installed."""
    from migrations_ops.databases.open import require_driver

    require_driver("psycopg", "postgresql")
    from migrations_ops.databases.postgresql.database import PostgreSQL

    return PostgreSQL.from_url(url, schema, scratch_url)
