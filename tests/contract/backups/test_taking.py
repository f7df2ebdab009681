"""Backups: named as in the guide, equal to their source, never half there."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from migrations_ops.backups import naming
from migrations_ops.backups.integrity import file_digest, require_intact
from migrations_ops.backups.space import find_obstacle
from migrations_ops.backups.store import BackupStore
from migrations_ops.backups.taking import take_backup
from migrations_ops.databases.interface import Progress
from migrations_ops.databases.sqlite.database import SQLite
from migrations_ops.model.errors import ConfigurationError, Refused, StepFailed
from migrations_ops.model.fingerprint import Fingerprint
from tests.contract.backups.support import files, project, store_of, store_with
from tests.contract.databases.support import (
    make_pair,
)
from tests.support import dump


def test_backups_are_named_as_in_the_guide(tmp_path: Path) -> None:
    found = project(tmp_path)
    for name, pattern in (
        ("prod", r"db_\d{8}_\d{6}\.sqlite3"),
        ("dev", r"db\.dev_\d{8}_\d{6}\.sqlite3"),
        ("spare", r"db\.spare_\d{8}_\d{6}\.sqlite3"),
    ):
        store, database = store_of(found, name)
        make_pair(database.path, "delete")
        backup = take_backup(store, database, progress=None)
        assert re.fullmatch(pattern, backup.name)
        assert [each.name for each in store.backups()] == [backup.name]
    assert len(files(found.backups)) == 6


def test_two_backups_within_a_second_get_names_of_their_own(
    prod: tuple[BackupStore, SQLite], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, database = prod
    monkeypatch.setattr(naming, "local_stamp", lambda: "20261122_160500")
    (store.folder).mkdir()
    # What was killed within this very second holds a name too.
    (store.folder / "db_20261122_160500_2.sqlite3.part").touch()
    taken = [take_backup(store, database, note=str(number), progress=None) for number in range(3)]
    assert [each.name for each in taken] == [
        "db_20261122_160500.sqlite3",
        "db_20261122_160500_3.sqlite3",
        "db_20261122_160500_4.sqlite3",
    ]
    assert [each.name for each in store.backups()] == [each.name for each in taken]


def test_a_sidecar_describes_the_file_beside_it(prod: tuple[BackupStore, SQLite]) -> None:
    store, database = prod
    with closing(sqlite3.connect(database.path)) as live, live:
        live.execute("CREATE TABLE alembic_version (version_num TEXT)")
        live.execute("INSERT INTO alembic_version VALUES ('abc')")
    backup = take_backup(store, database, note="before the move", progress=None)
    file = store.folder / backup.name
    document = json.loads(store.sidecar(backup.name).read_text(encoding="utf-8"))
    assert (document["name"], document["environment"]) == (backup.name, "prod")
    assert (document["size"], document["sha256"]) == (file.stat().st_size, file_digest(file))
    assert (document["note"], document["database"]) == ("before the move", "prod.db")
    assert document["tools"]["migrations_ops"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", document["taken"])
    assert (backup.revisions, backup.note, backup.reused) == (("abc",), "before the move", False)
    assert store.fingerprint(backup) == database.fingerprint("alembic_version")
    assert dump(file) == dump(database.path)


@pytest.mark.skipif(os.name == "nt", reason="rights are another matter on Windows")
def test_a_backup_is_readable_by_its_owner_alone(prod: tuple[BackupStore, SQLite]) -> None:
    store, database = prod
    old = os.umask(0)
    try:
        take_backup(store, database, progress=None)
    finally:
        os.umask(old)
    assert {each.stat().st_mode & 0o777 for each in store.folder.iterdir()} == {0o600}


class _Torn(SQLite):
    """Its copies lack a row, and are sound for SQLite."""

    def back_up(self, into: Path, version_table: str, progress: Progress | None) -> Fingerprint:
        taken = super().back_up(into, version_table, progress)
        with closing(sqlite3.connect(into, isolation_level=None)) as copy:
            copy.execute("DELETE FROM right_side")
        return taken


class _Damaged(SQLite):
    """Its copies have a page of rubbish."""

    def back_up(self, into: Path, version_table: str, progress: Progress | None) -> Fingerprint:
        taken = super().back_up(into, version_table, progress)
        content = bytearray(into.read_bytes())
        content[4096:8192] = b"\xaa" * 4096
        into.write_bytes(content)
        return taken


@pytest.mark.parametrize("kind", [_Torn, _Damaged])
def test_a_copy_that_is_not_equal_to_its_source_never_gets_a_name(
    prod: tuple[BackupStore, SQLite], kind: type[SQLite]
) -> None:
    store, database = prod
    with pytest.raises(StepFailed, match="could not be verified"):
        take_backup(store, kind(database.path, database.label), progress=None)
    assert files(store.folder) == []


def test_a_folder_that_is_a_file_is_reported(prod: tuple[BackupStore, SQLite]) -> None:
    store, database = prod
    store.folder.write_text("mine")
    assert "is a file" in find_obstacle(store, database)
    with pytest.raises(StepFailed, match="is a file") as caught:
        take_backup(store, database, progress=None)
    assert caught.value.next
    assert store.folder.read_text() == "mine"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no small file system here")
def test_a_place_without_room_is_reported_before_anything_is_copied(tmp_path: Path) -> None:
    """/proc has no free bytes at all."""
    store, database = store_with(tmp_path)
    full = replace(store, folder=Path("/proc/self"))
    assert re.search(r"0 bytes are free|may not be written", find_obstacle(full, database))


_LIMITED = """
import resource, sys
from pathlib import Path
from migrations_ops.backups.store import BackupStore
from migrations_ops.backups.taking import take_backup
from migrations_ops.databases.sqlite.database import SQLite
from migrations_ops.model.errors import StepFailed
from migrations_ops.project.settings import read
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
found = read(Path(sys.argv[1]))
try:
    store = BackupStore.of(found, found.default)
    take_backup(store, SQLite(found.root / "prod.db", "prod.db"), progress=None)
except StepFailed as error:
    print(error)
    sys.exit(error.exit_code)
"""


@pytest.mark.skipif(os.name == "nt", reason="limits are a POSIX matter")
@pytest.mark.parametrize("limit", [0, 100, 500_000])
def test_a_disk_that_fills_up_leaves_no_backup_and_the_database_as_it_was(
    tmp_path: Path, limit: int
) -> None:
    """A limit on the size of files acts as a full disk does: for the copy, or for the sidecar."""
    store, database = store_with(tmp_path, "delete", megabytes=1 if limit > 1000 else 0)
    before = dump(database.path)
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(tmp_path), str(limit)], capture_output=True, text=True
    )
    assert done.returncode == 3, done.stderr
    assert "The backup of prod failed" in done.stdout
    assert "prod.db was not changed" in done.stdout
    assert files(store.folder) == []
    assert dump(database.path) == before


_KILLED = """
import os, signal, sys
from pathlib import Path
from migrations_ops.backups.store import BackupStore
from migrations_ops.backups.taking import take_backup
from migrations_ops.databases.sqlite.database import SQLite
from migrations_ops.project.settings import read

module, name, left = sys.argv[2], sys.argv[3], int(sys.argv[4])
original = getattr(os, name)

def dying(*arguments):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments)

def progress(done, total):
    if module == "progress" and done > 0:
        os.kill(os.getpid(), signal.SIGKILL)

if module == "os":
    setattr(os, name, dying)
found = read(Path(sys.argv[1]))
store = BackupStore.of(found, found.default)
take_backup(store, SQLite(found.root / "prod.db", "prod.db"), progress=progress)
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is a POSIX matter")
@pytest.mark.parametrize(
    ("module", "name", "which"),
    [
        ("progress", "getpid", 0),
        ("os", "fsync", 1),
        ("os", "fsync", 2),
        ("os", "fsync", 3),
        ("os", "replace", 1),
        ("os", "replace", 2),
    ],
    ids=["copying", "copied", "sidecar", "named", "sidecar's name", "between the two names"],
)
def test_a_backup_that_is_killed_is_whole_or_not_there(
    tmp_path: Path, module: str, name: str, which: int
) -> None:
    store, database = store_with(tmp_path, "delete", megabytes=1)
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, str(tmp_path), module, name, str(which)],
        capture_output=True,
    )
    assert done.returncode == -9, done.stderr
    complete = store.backups()
    finals = {each.name for each in store.folder.glob("*.sqlite3")}
    assert finals == {each.name for each in complete}
    for backup in complete:
        require_intact(backup)
    again = take_backup(store, database, note="again", progress=None)
    require_intact(again)
    assert store.backups()[-1].name == again.name


def test_what_a_killed_backup_left_is_swept_away_when_it_is_old(
    prod: tuple[BackupStore, SQLite],
) -> None:
    store, database = prod
    store.folder.mkdir()
    left = ("db_20260101_000000.sqlite3.part", "db_20260101_000000_2.sql.gz.there-7.part-journal")
    young, other = "db_20260101_000001.sqlite3.part", "db.dev_20260101_000000.sqlite3.part"
    # What others put there may be called nearly the same.
    foreign = ("db_live.partner.sqlite3", "db_1.sqlite3.part", "db_20260101_000000.parts")
    hours_ago = time.time() - 7200
    for name in (*left, young, other, *foreign):
        (store.folder / name).touch()
        if name != young:
            os.utime(store.folder / name, (hours_ago, hours_ago))
    taken = take_backup(store, database, progress=None)
    kept = {young, other, *foreign, taken.name, store.sidecar(taken.name).name}
    assert set(files(store.folder)) == kept


def test_a_backup_is_found_by_its_name_or_its_file_or_as_the_latest(
    prod: tuple[BackupStore, SQLite],
) -> None:
    store, database = prod
    with pytest.raises(Refused, match="has no backup"):
        store.find("latest")
    first, second = (take_backup(store, database, note=note, progress=None) for note in ("1", "2"))
    assert store.find(first.name) == first
    assert store.find(first.file) == first
    assert store.find("latest") == second
    with pytest.raises(ConfigurationError, match=f"no backup 'nope'.*{second.name}"):
        store.find("nope")


def test_a_damaged_backup_is_distinguished_from_a_good_one(
    prod: tuple[BackupStore, SQLite],
) -> None:
    store, database = prod
    backup = take_backup(store, database, progress=None)
    require_intact(backup)
    Path(backup.file).write_bytes(Path(backup.file).read_bytes() + b"\0")
    with pytest.raises(Refused, match="is damaged"):
        require_intact(backup)
