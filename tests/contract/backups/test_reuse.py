"""A backup that is still equal to its database is used again, and no other is."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migrations_ops.backups import taking
from migrations_ops.backups.store import BackupStore
from migrations_ops.backups.taking import take_backup
from migrations_ops.databases.sqlite.database import SQLite
from tests.contract.backups.support import QUIET, project, store_of, store_with, write
from tests.contract.databases.support import (
    MODES,
    make_pair,
    sides,
)


@pytest.mark.parametrize("mode", MODES)
def test_a_database_that_was_not_written_is_not_copied_twice(tmp_path: Path, mode: str) -> None:
    store, database = store_with(tmp_path, mode)
    time.sleep(QUIET)
    first = take_backup(store, database, progress=None)
    again = take_backup(store, database, progress=None)
    assert again == replace(first, reused=True)
    assert len(store.backups()) == 1


def test_a_backup_with_a_note_is_always_a_new_one(prod: tuple[BackupStore, SQLite]) -> None:
    store, database = prod
    time.sleep(QUIET)
    take_backup(store, database, progress=None)
    assert not take_backup(store, database, note="mine", progress=None).reused


def test_what_was_written_a_moment_before_the_copy_is_not_trusted_to_be_still(
    prod: tuple[BackupStore, SQLite], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second write within one tick of the clock would leave the time as it is."""
    store, database = prod
    # However long this machine takes for the next line.
    monkeypatch.setattr(taking, "QUIET_SECONDS", 3600)
    write(database, 1)
    take_backup(store, database, progress=None)
    assert store.sidecars()[-1].source is None
    assert not take_backup(store, database, progress=None).reused


def test_a_backup_that_was_damaged_meanwhile_is_not_used_again(
    prod: tuple[BackupStore, SQLite],
) -> None:
    store, database = prod
    time.sleep(QUIET)
    first = take_backup(store, database, progress=None)
    content = bytearray(Path(first.file).read_bytes())
    content[-1] ^= 1
    Path(first.file).write_bytes(content)
    assert not take_backup(store, database, progress=None).reused


def _write_in_wal(database: SQLite) -> None:
    with closing(sqlite3.connect(database.path, isolation_level=None)) as live:
        live.execute("PRAGMA journal_mode=WAL")
        live.execute("UPDATE left_side SET n = n + 1")


def _write_in_journal(database: SQLite) -> None:
    with closing(sqlite3.connect(database.path, isolation_level=None)) as live:
        live.execute("PRAGMA journal_mode=DELETE")
        live.execute("UPDATE right_side SET n = n + 1")


def _write_and_set_the_time_back(database: SQLite) -> None:
    found = database.path.stat()
    _write_in_journal(database)
    os.utime(database.path, ns=(found.st_atime_ns, found.st_mtime_ns))


def _replace_by_a_copy(database: SQLite) -> None:
    content, found = database.path.read_bytes(), database.path.stat()
    copy = database.path.with_name("other")
    copy.write_bytes(content)
    with closing(sqlite3.connect(copy, isolation_level=None)) as live:
        live.execute("UPDATE left_side SET n = n + 100")
    os.utime(copy, ns=(found.st_atime_ns, found.st_mtime_ns))
    os.replace(copy, database.path)


def _pause(database: SQLite) -> None:
    time.sleep(QUIET)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    steps=st.lists(
        st.sampled_from(
            [
                _pause, _pause, _write_in_wal, _write_in_journal, _write_and_set_the_time_back,
                _replace_by_a_copy,
            ]
        ),
        min_size=1,
        max_size=6,
    )
)  # fmt: skip
def test_whatever_happens_the_backup_that_is_used_is_equal_to_the_database(
    tmp_path: Path, steps: list[Callable[[SQLite], None]]
) -> None:
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    store, database = store_of(project(folder, keep=50))
    make_pair(database.path, "delete")
    take_backup(store, database, progress=None)
    for step in steps:
        step(database)
        backup = take_backup(store, database, progress=None)
        assert sides(Path(backup.file)) == sides(database.path)
