"""What most tests of backups begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrations_ops.backups.store import BackupStore
from migrations_ops.databases.sqlite.database import SQLite
from tests.contract.backups.support import store_with


@pytest.fixture
def prod(tmp_path: Path) -> tuple[BackupStore, SQLite]:
    """A database with a store of its own."""
    return store_with(tmp_path)
