"""Backups while applications write without any pause, and while everything is killed."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from migrations_ops.backups import taking as backups
from migrations_ops.backups.integrity import require_intact
from migrations_ops.backups.taking import take_backup
from migrations_ops.databases.sqlite import dump as sqlite_copy
from migrations_ops.model.errors import StepFailed
from migrations_ops.system.files import this_host
from tests.contract.backups.support import store_with
from tests.contract.databases.support import MODES, held, running, sides, writer
from tests.support import wait_for

# Two tables that change in one transaction, flushed to the disk as applications have it: then a
# database with a rollback journal is locked nearly all of the time.
_FLUSHING_WRITER = """
import sqlite3, sys
live = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
live.execute("PRAGMA synchronous=FULL")
print("writing", flush=True)
while True:
    try:
        live.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        continue  # the other one has let nobody in for a minute
    live.execute("UPDATE left_side SET n = n + 1")
    live.execute("UPDATE right_side SET n = n + 1")
    live.execute("COMMIT")
"""


@pytest.mark.parametrize("mode", MODES)
def test_a_backup_under_a_writer_without_pause_is_consistent(tmp_path: Path, mode: str) -> None:
    store, database = store_with(tmp_path, mode, megabytes=2)
    with writer(database.path):
        for _ in range(3):
            before = sides(database.path)
            backup = take_backup(store, database, progress=None)
            after = sides(database.path)
            left, right = sides(Path(backup.file))
            assert left == right
            assert before[0] <= left <= after[0]
            assert not backup.reused
    assert len(store.backups()) == 3


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_twenty_backups_in_a_row_beside_writers_without_a_pause(tmp_path: Path, mode: str) -> None:
    store, database = store_with(tmp_path, mode, megabytes=1)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(running(_FLUSHING_WRITER, str(database.path)))
        last = -1
        for _ in range(20):
            backup = take_backup(store, database, progress=None)
            left, right = sides(Path(backup.file))
            assert left == right
            assert left >= last, "a backup holds what the one before it held"
            last = left
    assert len(store.backups()) == 20
    assert last > 0
    left, right = sides(database.path)
    assert left == right
    assert left >= last


@pytest.mark.slow
def test_reader_gets_in_between_the_commits_of_a_writer_that_never_pauses(tmp_path: Path) -> None:
    """SQLite's own waiting asks ten times a second; that takes more than these two seconds."""
    _, database = store_with(tmp_path, "delete")
    with running(_FLUSHING_WRITER, str(database.path)), database.connect() as connection:
        for _ in range(20):
            connection.execute("BEGIN")
            sqlite_copy.pin(connection)
            connection.execute("ROLLBACK")
        assert connection.execute("PRAGMA busy_timeout").fetchone() == (5000,)


@pytest.mark.slow
def test_whoever_holds_the_database_is_waited_for_and_then_named_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, database = store_with(tmp_path, "delete")
    monkeypatch.setattr(sqlite_copy, "STALLED_AFTER", 0.3)
    before = time.monotonic()
    with held(database.path, "BEGIN EXCLUSIVE"), pytest.raises(StepFailed) as caught:
        take_backup(store, database, progress=None)
    assert time.monotonic() - before >= 0.3
    assert caught.value.what == (
        "The backup of prod failed: another process holds the database locked."
    )
    assert caught.value.untouched == "prod.db was not changed."
    assert "Let the other process finish" in caught.value.next
    assert not list(store.folder.iterdir())


@pytest.mark.slow
def test_holder_that_lets_go_in_time_only_delays_the_backup(tmp_path: Path) -> None:
    store, database = store_with(tmp_path, "delete")
    with running(
        "import sqlite3, sys, time\n"
        "live = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "live.execute('BEGIN EXCLUSIVE')\n"
        "print('held', flush=True)\n"
        "time.sleep(1)\n"
        "live.execute('COMMIT')\n",
        str(database.path),
    ):
        backup = take_backup(store, database, progress=None)
    require_intact(backup)


_TAKER = """
import sys
from pathlib import Path
from migrations_ops.backups.store import BackupStore
from migrations_ops.backups.taking import take_backup
from migrations_ops.databases.sqlite.database import SQLite
from migrations_ops.project.settings import read
found = read(Path(sys.argv[1]))
store = BackupStore.of(found, found.default)
print("ready", flush=True)
while True:
    take_backup(store, SQLite(found.root / "prod.db", "prod.db"), note="n", progress=None)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is a POSIX matter")
@pytest.mark.parametrize("mode", MODES)
def test_backups_killed_at_random_are_good_ones_or_not_there(tmp_path: Path, mode: str) -> None:
    store, database = store_with(tmp_path, mode, megabytes=4)
    partial = 0
    with writer(database.path):
        kills = 0
        # A few more where none has hit a copy yet.
        while kills < 8 or (not partial and kills < 80):
            kills += 1
            process = subprocess.Popen(
                [sys.executable, "-c", _TAKER, str(tmp_path)], stdout=subprocess.PIPE
            )
            assert process.stdout is not None
            assert process.stdout.readline()
            time.sleep(random.uniform(0, 0.25))
            process.send_signal(signal.SIGKILL)
            process.communicate()
            partial += len(list(store.folder.glob("*.sqlite3.*.part")))
            known = {each.name for each in store.backups()}
            assert {each.name for each in store.folder.glob("*.sqlite3")} == known
        last = take_backup(store, database, note="last", progress=None)
    assert last.name == store.backups()[-1].name
    for backup in store.backups():
        require_intact(backup)
        left, right = sides(Path(backup.file))
        assert left == right
    assert partial, "no kill has hit a copy: the test shows nothing"
    assert not list(store.folder.glob("*.part")), "the next one sweeps them at once"


@pytest.mark.slow
def test_partial_file_of_a_living_process_is_not_swept_away(tmp_path: Path) -> None:
    store, database = store_with(tmp_path, "delete")
    store.folder.mkdir()
    with running("print('here', flush=True); input()") as alive:
        name = f"db_20260101_000000.sqlite3.{this_host()}"
        living = store.folder / f"{name}-{alive.pid}.part"
        elsewhere = store.folder / f"db_20260101_000000.sqlite3.other-{alive.pid}.part"
        neighbour = store.folder / f"db_b_20260101_000000.sqlite3.{this_host()}-1.part"
        for each in (living, elsewhere, neighbour):
            each.touch()
        take_backup(store, database, note="1", progress=None)
        assert living.exists()
    take_backup(store, database, note="2", progress=None)
    assert [each.exists() for each in (living, elsewhere, neighbour)] == [
        os.name == "nt", True, True,
    ]  # fmt: skip


@pytest.mark.slow
def test_ctrl_c_during_verification_ends_it_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, database = store_with(tmp_path, "delete", megabytes=3)
    seen: list[float] = []

    def pressed(copy: object, taken: object, version_table: str) -> None:
        wait_for(lambda: seen)
        raise KeyboardInterrupt

    def slow(done: int, total: int) -> None:
        seen.append(done / total)
        time.sleep(0.2)

    monkeypatch.setattr(backups, "_require_equal", pressed)
    with pytest.raises(KeyboardInterrupt):
        take_backup(store, database, progress=None, verifying=slow)
    assert seen[-1] < 1, "the rest of the file is not read"
    assert not list(store.folder.iterdir())


@pytest.mark.slow
def test_progress_is_reported_in_bytes(tmp_path: Path) -> None:
    store, database = store_with(tmp_path, "delete")
    with closing(sqlite3.connect(database.path, isolation_level=None)) as live:
        live.execute("PRAGMA page_size=8192")
        live.execute("VACUUM")
    copied: list[tuple[int, int]] = []
    read_back: list[tuple[int, int]] = []
    backup = take_backup(
        store,
        database,
        progress=lambda *told: copied.append(told),
        verifying=lambda *told: read_back.append(told),
    )
    assert copied[-1] == read_back[-1] == (backup.size, backup.size)
