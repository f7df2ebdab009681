"""What the store offers is there as it was verified, and its commands are typed as they are."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from migrations_ops.backups.naming import BackupNames
from migrations_ops.backups.quality import BEFORE_RESTORE
from migrations_ops.backups.sidecar import Sidecar, write_sidecar
from migrations_ops.backups.store import BackupStore
from migrations_ops.model.errors import ConfigurationError, Refused, StepFailed
from tests.hostile_files import PROD
from tests.unit.backups.test_hostile_folder import fill, store_of


@pytest.mark.parametrize(
    "name", ["db_20260101_000000.sqlite3", "x; rm -rf /", "$(id)", "a 'b' \"c\""]
)
def test_a_name_from_a_record_is_one_word_of_the_command(name: str) -> None:
    typed = BackupStore.restore_command("prod", name)
    assert shlex.split(typed)[4:] == ["--backup", name, "--yes"]


def truncate(store: BackupStore, sidecar: Sidecar) -> None:
    store.file(sidecar.name).write_bytes(b"")


def test_truncated_backup_is_named_and_never_offered(tmp_path: Path) -> None:
    store = store_of(tmp_path, 1)
    first, second = fill(store, 2)
    assert store.find("latest").name == second.name
    truncate(store, second)
    doubts = {each.name: each.doubt for each in store.backups()}
    assert doubts == {first.name: "", second.name: "it is damaged: it has 0 bytes instead of 1"}
    assert store.find("latest").name == first.name
    assert store.way_back().split()[-2:] == ["latest", "--yes"]
    truncate(store, first)
    assert store.way_back() == ""
    with pytest.raises(Refused, match="it is damaged") as refused:
        store.find("latest")
    assert "invoke restore" not in refused.value.next


def test_safety_backup_is_offered_rather_than_a_truncated_one(tmp_path: Path) -> None:
    store = store_of(tmp_path, 1)
    first, second = fill(store, 2, note=f"{BEFORE_RESTORE}x")
    truncate(store, second)
    assert first.name in store.way_back()
    with pytest.raises(Refused) as refused:
        store.find("latest")
    assert store.restore_command("prod", first.name) in refused.value.next


def test_what_is_lacking_of_a_backup_is_named(tmp_path: Path) -> None:
    store = store_of(tmp_path, 1)
    one, two = fill(store, 2)
    backup = store.find(one.name)
    assert store.find_lack(one.name) == ""
    write_sidecar(store.sidecar(one.name), replace(one, name="../x", sha256="0"))
    assert "SHA-256" in store.find_lack(one.name)
    store.sidecar(one.name).write_text("{")
    assert store.find_lack(one.name).endswith(f"{store.sidecar(one.name)} cannot be read")
    store.sidecar(one.name).unlink()
    assert store.find_lack(one.name).endswith("is missing")
    with pytest.raises(StepFailed, match="is missing") as failed:
        store.describe(backup)
    assert failed.value.untouched
    assert str(store.folder) in failed.value.next
    store.file(one.name).unlink()
    assert store.find_lack(one.name) == f"{one.name} is no longer in {store.folder}"
    store.file(two.name).write_bytes(b"x")
    assert store.find_lack(two.name).endswith("its SHA-256 is not the one in its sidecar")
    truncate(store, two)
    assert store.find_lack(two.name) == f"{two.name} is damaged: it has 0 bytes instead of 1"
    assert "../x" in store.find_lack("../x")


def test_backup_that_was_moved_away_is_to_be_brought_back(tmp_path: Path) -> None:
    store, name = store_of(tmp_path, 1), "db_20260101_000000.sqlite3"
    with pytest.raises(Refused) as refused:
        store.find(name)
    assert refused.value.next.startswith(f"Bring {name} and its sidecar back")
    with pytest.raises(Refused, match="has no backup") as refused:
        store.find("latest")
    assert refused.value.next == "Take one with: invoke backup --env prod"
    fill(store, 1)
    with pytest.raises(ConfigurationError):
        store.find("db_20200101_000000.sqlite3")
    assert BackupStore(store.folder, PROD, BackupNames("db"), 1).backups()
