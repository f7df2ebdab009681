"""MariaDB: each change of the schema commits at once; undoing it needs a restore."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from migrations_ops.databases.interface import Database


def open_database(
    url: str, root: Path, schema: str | None = None, scratch_url: str | None = None
) -> Database:
    """:raises ConfigurationError: the URL names no database, or PyMySQL is not installed."""
    from migrations_ops.databases.open import require_driver

    require_driver("pymysql", "mariadb")
    from migrations_ops.databases.mariadb.database import MariaDB

    return MariaDB.from_url(url, scratch_url)
