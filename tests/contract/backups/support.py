"""A database with a store of its own, as the tests of backups want it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from migrations_ops.backups import taking
from migrations_ops.backups.store import BackupStore
from migrations_ops.databases.sqlite.database import SQLite
from migrations_ops.project.settings import Settings, read
from tests.contract.databases.support import make_pair

# After so many seconds a file that nobody writes is trusted to be still.
QUIET = 2 * taking.QUIET_SECONDS


def project(folder: Path, keep: int = 10) -> Settings:
    lines = [f"keep = {keep}", 'backups = "backups"']
    lines += [
        f'[environments.{name}]\nurl = "sqlite:///{name}.db"' for name in ("dev", "prod", "spare")
    ]
    (folder / "migrations_ops.toml").write_text("\n".join(lines))
    return read(folder)


def store_of(found: Settings, name: str = "prod") -> tuple[BackupStore, SQLite]:
    """The store of an environment, and its database."""
    environment = found.environment(name)
    return BackupStore.of(found, environment), SQLite(found.root / f"{name}.db", f"{name}.db")


def store_with(
    folder: Path, mode: str = "delete", megabytes: int = 0, keep: int = 100
) -> tuple[BackupStore, SQLite]:
    """The store of a database of two tables that always agree."""
    store, database = store_of(project(folder, keep))
    make_pair(database.path, mode, megabytes)
    return store, database


def files(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def write(database: SQLite, value: int) -> None:
    with closing(sqlite3.connect(database.path, isolation_level=None)) as live:
        live.execute("UPDATE left_side SET n = ?", (value,))
