"""What a sidecar or a record names is proved to be a backup before anything is done by its name."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrations_ops.backups.naming import BackupNames, sidecar_of
from migrations_ops.backups.retention import surplus
from migrations_ops.databases.mariadb.database import MariaDB
from migrations_ops.databases.postgresql.database import PostgreSQL
from migrations_ops.databases.sqlite.database import SQLite
from migrations_ops.journal import old_records
from migrations_ops.journal.backup_uses import BackupUses
from migrations_ops.journal.old_records import prune_records
from migrations_ops.journal.record import RECORD, record_document
from migrations_ops.system.files import partial_name
from migrations_ops.system.reading import read_json
from migrations_ops.system.removal import open_folder
from tests.records import task_record
from tests.scenarios import in_process
from tests.scenarios.in_process import backed_up, configure, store_of
from tests.support import Sandbox, dump, query

OLD = "2020-01-01T00:00:00.000Z"
OLD_STEM = "db_20200101_000000"
DB = BackupNames("db")
POSIX = pytest.mark.skipif(os.name == "nt", reason="needs what POSIX alone has")


@pytest.fixture
def kept(filled: Sandbox) -> Sandbox:
    """One backup of each environment is kept, and production has one."""
    configure(filled, "keep = 1")
    backed_up(filled)
    return filled


def folder_of(sandbox: Sandbox) -> Path:
    return sandbox.folder / "data/repom/backups"


def write_sidecar(sandbox: Sandbox, name: str, stem: str = OLD_STEM, **more: Any) -> Path:
    """An old sidecar, sound in all but its name and what else is given."""
    found = folder_of(sandbox).glob("db_*.json")
    [good] = [each for each in found if not each.stem.startswith(OLD_STEM[:-1])]
    document = read_json(good) | {"taken": OLD, "name": name} | more
    file = folder_of(sandbox) / f"{stem}.json"
    file.write_text(json.dumps(document))
    return file


def prune(sandbox: Sandbox) -> None:
    ran = sandbox.invoke("prune")
    assert (ran.code, ran.err) == (0, "")
    assert "Nothing to remove" in ran.out


def release(sandbox: Sandbox) -> None:
    finished = in_process.release(sandbox)
    assert finished.error is None
    assert finished.result.outcome == "released"


tasks = pytest.mark.parametrize(
    "task", [prune, pytest.param(release, marks=pytest.mark.slow)], ids=["prune", "release"]
)


# -- names ------------------------------------------------------------------------------------


SUFFIXES = (SQLite.suffix, PostgreSQL.suffix, MariaDB.suffix)


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".bak", ".x2.zst"])
def test_every_engine_finds_the_backups_that_it_names(suffix: str, tmp_path: Path) -> None:
    for stem in ("db.dev_20260101_235959", "db.dev_20260101_235959_12"):
        file = BackupNames("db.dev").path(tmp_path, f"{stem}{suffix}")
        assert file == tmp_path / f"{stem}{suffix}"
        assert not DB.include(file.name)
        assert sidecar_of(file).parent == tmp_path


@pytest.mark.parametrize(
    "ending",
    [
        "", ".", ".json", ".sql.json", ".json.gz", ".part", ".dump.part", ".part.gz", ".BAK",
        ".b-wal", ".b\n", ".a.b.c", "..b", ".b.", ".\u0661", ".b c", "bak", ".b_c",
    ],
)  # fmt: skip
def test_no_backup_is_named_as_what_lies_beside_one(ending: str) -> None:
    assert not DB.include(f"{OLD_STEM}{ending}")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_partial_file_and_sidecar_of_a_backup_are_no_backups(suffix: str) -> None:
    name = f"{OLD_STEM}{suffix}"
    for other in (partial_name(name), f"{name}.part", sidecar_of(Path(name)).name):
        assert not DB.include(other)


_PIECES = st.sampled_from(
    [
        "db", "_20260101", "_000000", "_2", *SUFFIXES, "/", "\\", "..", ".", ":", "C:", "\0", "\n",
        " ", "\u0661", "CON", "~", "db_20260101_000000.sqlite3", ".json", ".part",
    ]
)  # fmt: skip


_ANY = st.lists(_PIECES | st.text(max_size=3), max_size=3).map("".join)
# Most of them are nearly a name: something stands before, within or after one.
_NAMES = st.tuples(_ANY, st.just("db_20260101_000000"), _ANY, st.sampled_from(SUFFIXES), _ANY).map(
    "".join
)


@given(name=_ANY | _NAMES)
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    folder = Path("backups")
    try:
        file = DB.path(folder, name)
    except ValueError:
        return
    assert file.parent == folder
    for kind in (PurePosixPath, PureWindowsPath):
        assert (kind(name).name, kind(name).anchor) == (name, "")
    assert name.isascii()
    assert not {".json", ".part"} & set(file.suffixes)


# -- victims ----------------------------------------------------------------------------------


def _text(sandbox: Sandbox) -> Path:
    return sandbox.write("victim.txt", "mine")


@tasks
def test_file_that_is_no_backup_is_never_removed(
    kept: Sandbox, task: Callable[[Sandbox], None]
) -> None:
    folder = folder_of(kept)
    files = [
        _text(kept),
        kept.prod,
        kept.write("data/repom/backups/db_mine.sqlite3", ""),
        kept.write("data/repom/backups/notes.txt", ""),
    ]
    relative = [os.path.relpath(file, folder) for file in files]
    names = relative + [str(file) for file in files if file.parent != folder]
    sidecars = [
        write_sidecar(kept, name, f"{OLD_STEM[:-1]}{number}") for number, name in enumerate(names)
    ]
    task(kept)
    assert [file for file in (*files, *sidecars) if not file.exists()] == []
    listed = kept.invoke("backups", "--env", "prod").out
    for name, sidecar in zip(names, sidecars, strict=True):
        words = f"{sidecar.name} does not count as a backup of prod: it names "
        [line] = [line for line in listed.splitlines() if words in line]
        assert Path(name).name in line


@tasks
def test_copied_sidecar_costs_no_backup(kept: Sandbox, task: Callable[[Sandbox], None]) -> None:
    [good] = folder_of(kept).glob("db_*.json")
    for copied in ("db_copy.json", "db_20200101_000000.json", "db_20990101_000000.json"):
        shutil.copy(good, good.with_name(copied))
    [backup] = store_of(kept).backups()
    task(kept)
    assert len(store_of(kept).backups()) == 1
    assert len([*folder_of(kept).glob("db_*.json")]) == 4
    # Production is as it was: its release uses that backup again, or removes it for a newer one.
    if task is prune:
        assert Path(backup.file).exists()
    listed = kept.invoke("backups", "--env", "prod").out
    assert f"db_copy.json does not count as a backup of prod: it describes {backup.name}" in listed


@POSIX
def test_link_is_not_a_backup(kept: Sandbox) -> None:
    backup = folder_of(kept) / f"{OLD_STEM}.sqlite3"
    target = kept.folder / "elsewhere.sqlite3"
    shutil.copy(kept.prod, target)
    backup.symlink_to(target)
    sidecar = write_sidecar(kept, backup.name)
    prune(kept)
    assert backup.is_symlink()
    assert target.exists()
    assert sidecar.exists()
    listed = kept.invoke("backups", "--env", "prod").out
    assert f"{backup.name} does not count as a backup of prod: it is a symbolic link" in listed
    ran = kept.invoke("restore", "--env", "prod", "--backup", backup.name, "--yes")
    assert ran.code == 1
    assert "Replace the link by the file itself" in ran.err


@POSIX
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["folder", "FIFO"])
def test_what_is_not_a_file_is_not_a_backup(kept: Sandbox, make: Callable[[Path], None]) -> None:
    backup = folder_of(kept) / f"{OLD_STEM}.sqlite3"
    make(backup)
    sidecar = write_sidecar(kept, backup.name)
    prune(kept)
    assert backup.exists()
    listed = kept.invoke("backups", "--env", "prod").out
    assert f"{sidecar.name} does not count as a backup of prod: {backup.name} is not a" in listed


@pytest.mark.slow
@POSIX
def test_fifo_in_the_place_of_a_sidecar_makes_nobody_wait(kept: Sandbox) -> None:
    sidecar = folder_of(kept) / f"{OLD_STEM}.json"
    os.mkfifo(sidecar)
    sidecar.with_suffix(".sqlite3").write_text("")
    prune(kept)
    assert kept.invoke("release-migration", "--yes").code == 0
    assert sidecar.exists()
    listed = kept.invoke("backups", "--env", "prod").out
    assert f"its sidecar {sidecar.name} cannot be understood" in listed


@POSIX
def test_fifo_is_no_document(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    assert read_json(tmp_path / "a") is None


def test_sidecar_of_wrong_types_is_a_stray(kept: Sandbox) -> None:
    """tests/unit/backups/test_sidecar.py has whatever else a sidecar may hold."""
    backup = folder_of(kept) / f"{OLD_STEM}.sqlite3"
    backup.write_text("")
    sidecar = write_sidecar(kept, backup.name, fingerprint=[])
    prune(kept)
    assert backup.exists()
    listed = kept.invoke("backups", "--env", "prod").out
    assert f"its sidecar {sidecar.name} cannot be understood" in listed


def test_sidecar_that_is_nested_without_end_is_no_document(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("[" * 100_000)
    assert read_json(tmp_path / "a") is None


@POSIX
def test_what_took_the_place_of_a_backup_meanwhile_is_not_removed(kept: Sandbox) -> None:
    """Between the choice of what goes and its removal, somebody may change the folder."""
    backup = folder_of(kept) / f"{OLD_STEM}.sqlite3"
    shutil.copy(kept.prod, backup)
    sidecar = write_sidecar(kept, backup.name)
    store = store_of(kept)
    [chosen] = surplus(store, BackupUses())
    backup.unlink()
    backup.symlink_to(kept.prod)
    with open_folder(store.folder) as folder:
        with pytest.raises(OSError, match="not a regular file"):
            store.remove(chosen, folder)
        assert backup.is_symlink()
        assert sidecar.exists()
        backup.unlink()
        shutil.copy(kept.prod, backup)
        store.remove(chosen, folder)
    assert not backup.exists()
    assert not sidecar.exists()


# -- other ways from a name to a path ---------------------------------------------------------


def test_restore_takes_nothing_from_outside_of_the_folder(kept: Sandbox) -> None:
    outside = kept.folder / "data/repom/outside.sqlite3"
    [good] = store_of(kept).backups()
    shutil.copy(good.file, outside)
    write_sidecar(kept, "../outside.sqlite3")
    query(kept.prod, "INSERT INTO parents VALUES (7000, 'written')")
    before = dump(kept.prod)
    for name in ("../outside.sqlite3", str(outside), f"{folder_of(kept)}/../outside.sqlite3"):
        ran = kept.invoke("restore", "--env", "prod", "--backup", name, "--yes")
        assert ran.code == 2, ran.err
        assert "Traceback" not in ran.err
    assert dump(kept.prod) == before


def test_record_is_closed_in_its_own_folder_whatever_it_calls_itself(kept: Sandbox) -> None:
    releases, other = folder_of(kept).parent / "releases", kept.folder / "other"
    other.mkdir()
    for name in ("rehearsal.sqlite3", RECORD):
        (other / name).write_text("mine")
    folder = releases / "20260101_000001"
    folder.mkdir(parents=True)
    document = record_document(task_record("../../../other", None, ["../victim"]))
    (folder / RECORD).write_text(json.dumps(document))
    (releases / ".unfinished").mkdir(exist_ok=True)
    mark = releases / ".unfinished" / folder.name
    mark.touch()
    release(kept)
    assert {each.name: each.read_text() for each in other.iterdir()} == {
        "rehearsal.sqlite3": "mine",
        RECORD: "mine",
    }
    assert read_json(folder / RECORD)["outcome"] == "interrupted"
    assert not mark.exists()


@POSIX
def test_old_records_that_are_links_stay_with_what_they_lead_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(old_records, "RECORDS_KEPT", 0)
    monkeypatch.setattr(old_records, "LOGS_KEPT", 0)
    releases, elsewhere = tmp_path / "releases", tmp_path / "elsewhere"
    for folder in (releases, elsewhere):
        folder.mkdir()
    (elsewhere / "server.log").write_text("mine")
    (elsewhere / RECORD).write_text("{}")
    (releases / "20260101_000001").symlink_to(elsewhere)
    inner = releases / "20260101_000002"
    inner.mkdir()
    (inner / RECORD).write_text("{}")
    (inner / "server.log").symlink_to(elsewhere / "server.log")
    prune_records(releases, tmp_path)
    assert (releases / "20260101_000001").is_symlink()
    assert {each.name for each in elsewhere.iterdir()} == {"server.log", RECORD}
    assert (inner / "server.log").is_symlink()
