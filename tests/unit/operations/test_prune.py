"""Nothing is removed beside a task that is running: it may have chosen any of the backups."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from migrations_ops.backups.store import BackupStore
from migrations_ops.journal.marks import Mark
from migrations_ops.journal.record import RECORD
from migrations_ops.model.backup import Pruned
from migrations_ops.operations.prune import prune_backups
from tests.hostile_files import PROD
from tests.unit.backups.test_hostile_folder import fill, store_of

ID = "20260101_000000"


def prune(store: BackupStore, monkeypatch: pytest.MonkeyPatch) -> Pruned:
    monkeypatch.setattr(BackupStore, "of", lambda *_: store)
    settings = SimpleNamespace(releases=store.folder.parent / "releases")
    project: Any = SimpleNamespace(settings=settings)
    return prune_backups(project, [PROD], dry=False)


def test_backup_that_a_running_task_may_need_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of(tmp_path, 1)
    old, new = fill(store, 2)
    mark = Mark(tmp_path / "releases", ID)
    mark.create_mark()
    found = prune(store, monkeypatch)
    assert (found.removed, ID in found.obstacle) == ((), True)
    assert store.file(old.name).exists()
    mark.close_mark(finished=True)
    assert prune(store, monkeypatch) == Pruned((old.name,))
    assert [each.name for each in store.backups()] == [new.name]


def test_backup_that_an_unreadable_record_may_name_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of(tmp_path, 1)
    fill(store, 2)
    releases = tmp_path / "releases"
    mark = Mark(releases, ID)
    mark.create_mark()
    mark.close_mark(finished=False)
    (releases / ID).mkdir()
    (releases / ID / RECORD).write_text("{")
    found = prune(store, monkeypatch)
    assert found.removed == ()
    assert "cannot be read" in found.obstacle
    assert len(store.backups()) == 2
