"""A database that is gone is not taken for one that never was, whatever is left of its backups."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from migrations_ops.backups.store import BackupStore
from migrations_ops.model.errors import Refused
from migrations_ops.model.inspection import Inspection
from migrations_ops.operations.backup import require_worth_keeping
from migrations_ops.operations.preflight.missing import _find_trace
from migrations_ops.operations.state import LocatedDatabase
from tests.hostile_files import PROD
from tests.unit.backups.test_hostile_folder import fill, store_of


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Those of a project with one backup, whose file is cut short."""
    store = store_of(tmp_path, 1)
    [sidecar] = fill(store, 1)
    store.file(sidecar.name).write_bytes(b"")
    monkeypatch.setattr(BackupStore, "of", lambda *_: store)
    return SimpleNamespace(releases=tmp_path / "releases", wait=0)


def test_damaged_backup_shows_that_there_was_a_database(settings: Any) -> None:
    trace, way = _find_trace(settings, PROD, "prod.db", "missing")
    assert "none can be restored: it is damaged" in trace
    assert "invoke restore" not in way


def test_empty_database_is_not_backed_up_beside_damaged_backups(settings: Any) -> None:
    database: Any = SimpleNamespace(label="prod.db", identity=lambda: "prod.db")
    located = LocatedDatabase(PROD, database, Inspection(exists=True), "")
    project: Any = SimpleNamespace(settings=settings)
    with pytest.raises(Refused, match="is empty, and there are backups") as refused:
        require_worth_keeping(project, located)
    assert refused.value.next.startswith("Bring db_")
