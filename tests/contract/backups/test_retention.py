"""What retention removes of the files of a store; tests/unit/backups has the rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from migrations_ops.backups import retention
from migrations_ops.backups.retention import prune
from migrations_ops.backups.store import BackupStore
from migrations_ops.backups.taking import take_backup
from migrations_ops.databases.sqlite.database import SQLite
from migrations_ops.journal.backup_uses import BackupUses
from migrations_ops.journal.record import write_record
from migrations_ops.model.backup import Backup
from migrations_ops.model.outcome import Outcome
from tests.contract.backups.support import files, project, store_of, store_with
from tests.contract.databases.support import (
    make_pair,
)
from tests.records import task_record


def taken(store: BackupStore, database: SQLite, count: int) -> list[str]:
    return [take_backup(store, database, note=str(n), progress=None).name for n in range(count)]


@pytest.mark.parametrize(("keep", "left"), [(1, 1), (2, 2), (5, 4)])
def test_retention_keeps_the_newest_and_never_none(tmp_path: Path, keep: int, left: int) -> None:
    store, database = store_with(tmp_path, keep=keep)
    names = taken(store, database, 4)
    removed = prune(store, BackupUses())
    assert [each.name for each in removed] == names[: 4 - left]
    assert [each.name for each in store.backups()] == names[4 - left :]
    assert len(files(store.folder)) == 2 * left


def test_retention_minds_its_own_environment(tmp_path: Path) -> None:
    found = project(tmp_path, keep=1)
    store, database = store_of(found)
    other, other_database = store_of(found, "dev")
    for each in (database, other_database):
        make_pair(each.path, "delete")
    taken(store, database, 2)
    kept = taken(other, other_database, 2)
    prune(store, BackupUses())
    assert [each.name for each in other.backups()] == kept


def test_retention_never_removes_what_an_unfinished_release_needs(tmp_path: Path) -> None:
    found = project(tmp_path, keep=1)
    store, database = store_of(found)
    make_pair(database.path, "delete")
    names = taken(store, database, 5)
    outcomes: list[Outcome | None] = [None, "failed, needs a person", "released", "released"]
    for number, outcome in enumerate(outcomes):
        write_record(
            found.releases, task_record(f"20260101_00000{number}", outcome, [names[number]])
        )
    removed = prune(store, BackupUses.read(found.releases))
    assert [each.name for each in removed] == [names[2], names[3]]
    assert [each.name for each in store.backups()] == [names[0], names[1], names[4]]


def test_backup_that_another_task_has_removed_meanwhile_is_fine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, database = store_with(tmp_path, keep=1)
    names = taken(store, database, 4)
    listed = retention.surplus

    def overtaken(*arguments: Any, **more: Any) -> list[Backup]:
        found = listed(*arguments, **more)
        store.file(names[0]).unlink()  # killed before it came to the sidecar
        store.file(names[1]).unlink()
        store.sidecar(names[1]).unlink()
        return found

    monkeypatch.setattr(retention, "surplus", overtaken)
    prune(store, BackupUses())
    assert len(files(store.folder)) == 2
    assert [each.name for each in store.backups()] == names[3:]
