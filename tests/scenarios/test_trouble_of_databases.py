"""Databases and disks in no state for a release: one clear sentence, and nothing is lost."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tests.contract.databases.support import held, immutable
from tests.disks import small_disk
from tests.scenarios.suffering import RELEASE, STATUS, VERIFY, row, suffer
from tests.support import R2, R3, Sandbox, query

# -- the database -----------------------------------------------------------------------------


def _directory(sandbox: Sandbox) -> None:
    sandbox.prod.unlink()
    sandbox.prod.mkdir()


def _junk(sandbox: Sandbox) -> None:
    sandbox.prod.write_bytes(b"this is no database at all\n" * 500)


def _truncated(sandbox: Sandbox) -> None:
    os.truncate(sandbox.prod, 4096 * 3)


def _ahead(sandbox: Sandbox) -> None:
    query(sandbox.prod, "UPDATE alembic_version SET version_num = 'zzzz'")


def _unversioned(sandbox: Sandbox) -> None:
    query(sandbox.prod, "DROP TABLE alembic_version")


def _leftover(sandbox: Sandbox) -> None:
    query(sandbox.prod, "CREATE TABLE _alembic_tmp_parents (id INTEGER)")


DATABASES: dict[str, tuple[Callable[[Sandbox], None], str, str, bool]] = {
    "a directory": (_directory, "unreachable", "is a directory", False),
    "no database": (_junk, "unreachable", "is no SQLite database", False),
    "truncated": (_truncated, "unreachable", "is damaged", False),
    "ahead": (_ahead, "ahead", "the scripts do not have zzzz", True),
    "unversioned": (_unversioned, "unversioned", "", True),
    "leftover": (_leftover, "behind", "_alembic_tmp_parents", True),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("prepare", "state", "words", "can_be_saved"), DATABASES.values(), ids=DATABASES
)
def test_a_database_in_no_state_to_be_upgraded_stops_the_release_before_dev_is_touched(
    filled: Sandbox,
    prepare: Callable[[Sandbox], None],
    state: str,
    words: str,
    can_be_saved: bool,
) -> None:
    prepare(filled)
    for task in (RELEASE, "upgrade-prod"):
        ran = suffer(filled, task, 1, "prod", words)
        assert "back up" not in ran.err
    ran = suffer(filled, VERIFY, 1, "prod")
    assert words in ran.out

    status = filled.invoke("status-all", "--json")
    assert status.code == 0, status.err
    assert row(status)["state"] == state
    assert row(status, "dev")["state"] == "behind"
    assert row(status)["dirty"] is (state == "behind")
    if state != "behind":
        assert words in row(status).get("trouble", "")

    if can_be_saved:
        assert filled.invoke("backup").code == 0
    else:
        suffer(filled, "backup", 1, words)
        assert list((filled.folder / "data/repom/backups").glob("*")) == []


def test_a_database_whose_tail_is_missing_is_refused_and_not_backed_up(filled: Sandbox) -> None:
    """The schema lies at the beginning: a look alone finds nothing."""
    os.truncate(filled.prod, filled.prod.stat().st_size - 100)
    ran = suffer(filled, RELEASE, 1, "db.sqlite3 is cut short")
    assert "back up" not in ran.err
    suffer(filled, "backup", 3, "The backup could not be verified", "is damaged: ")
    assert list((filled.folder / "data/repom/backups").glob("*.sqlite3")) == []


@pytest.mark.slow
@pytest.mark.parametrize("state", ["missing", "empty"])
def test_a_database_that_is_missing_or_empty_is_made_by_the_release(
    filled: Sandbox, state: str
) -> None:
    filled.prod.unlink()
    if state == "empty":
        filled.prod.touch()
    else:
        suffer(filled, "backup", 1, "prod has no database yet")
        suffer(filled, "downgrade --env prod --yes --json", 1, "prod has no database yet")
    suffer(filled, VERIFY, 1, f"is {state}: 3 revisions pending")
    status = filled.invoke("status-all", "--json")
    assert row(status)["state"] == state
    ran = filled.invoke("release-migration")
    assert ran.code == 0, ran.err
    assert query(filled.prod, "SELECT version_num FROM alembic_version") == [(R3,)]


@pytest.mark.slow
def test_a_failed_release_leaves_a_missing_database_missing(filled: Sandbox) -> None:
    filled.prod.unlink()
    # It passes on dev and in the rehearsal, and fails where the real file is.
    filled.add_revision(
        "r4",
        R3,
        "    file = op.get_bind().exec_driver_sql('PRAGMA database_list').fetchone()[2]\n"
        "    if file.endswith('/db.sqlite3'):\n"
        "        raise RuntimeError('not here')",
    )
    suffer(filled, RELEASE, 3, "RuntimeError: not here", may_change=filled.dev)
    assert not filled.prod.exists()


@pytest.mark.slow
def test_a_locked_database_is_waited_for_and_then_left_alone(filled: Sandbox) -> None:
    tasks = (RELEASE, VERIFY, "backup", STATUS)
    with held(filled.prod, "BEGIN EXCLUSIVE"), ThreadPoolExecutor(len(tasks)) as pool:
        before = filled.prod.read_bytes()
        ran_all = pool.map(lambda task: filled.invoke(*task.split()), tasks)
        runs = dict(zip(tasks, ran_all, strict=True))
        assert filled.prod.read_bytes() == before
    for task, ran in runs.items():
        assert ran.code == (0 if task == STATUS else 1), (task, ran.err)
        assert "is locked by another process" in ran.out + ran.err
        assert "Traceback" not in ran.out + ran.err
    assert "locked" in runs[RELEASE].json["error"]["what"]
    assert "Let the other process finish" in runs[RELEASE].json["error"]["next"]
    assert row(runs[STATUS])["state"] == "unreachable"
    assert runs[VERIFY].json["passed"] is False
    assert query(filled.dev, "SELECT version_num FROM alembic_version") == [(R2,)]


@pytest.mark.slow
def test_a_read_only_database_is_refused_and_can_be_backed_up(filled: Sandbox) -> None:
    with immutable(filled.prod):
        for task in (RELEASE, "release-migration"):
            suffer(filled, task, 1, "may not be written")
        saved = filled.invoke("backup")
        assert saved.code == 0, saved.err
        assert row(filled.invoke("status-all", "--json"))["state"] == "behind"


# -- the disk ---------------------------------------------------------------------------------

MEGABYTE = 1_000_000
posix = pytest.mark.skipif(os.name == "nt", reason="limits are a POSIX matter")


def swell(file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as live:
        live.execute("CREATE TABLE ballast (bytes BLOB)")
        live.execute("INSERT INTO ballast VALUES (zeroblob(?))", (2 * MEGABYTE,))


@pytest.mark.slow
@posix
def test_a_disk_that_fills_up_during_the_backup_leaves_no_backup(filled: Sandbox) -> None:
    swell(filled.prod)
    words = "The backup of prod failed"
    suffer(filled, "backup", 3, words, limit=MEGABYTE)
    ran = suffer(filled, RELEASE, 3, words, limit=MEGABYTE, may_change=filled.dev)
    assert ran.json["outcome"] == "failed, unchanged"
    left = [each.name for each in (filled.folder / "data/repom/backups").iterdir()]
    assert not [name for name in left if not name.startswith("db.dev_")]
    # The next one, with room, goes through.
    again = filled.invoke("release-migration")
    assert again.code == 0, again.err


@posix
def test_a_disk_that_fills_up_during_the_upgrade_leaves_the_database_as_it_was(
    filled: Sandbox,
) -> None:
    filled.add_revision(
        "r4",
        R3,
        '    op.execute("CREATE TABLE big (bytes BLOB)")\n'
        f'    op.execute("INSERT INTO big VALUES (zeroblob({3 * MEGABYTE}))")',
    )
    suffer(filled, "upgrade-dev --json", 3, "The upgrade of dev failed", limit=MEGABYTE)
    assert filled.invoke("upgrade-dev").code == 0


@pytest.mark.slow
def test_a_disk_without_room_for_the_backup_is_reported_before_dev_is_touched(
    filled: Sandbox,
) -> None:
    swell(filled.prod)
    with small_disk(filled.folder / "data/repom/backups", "1m"):
        ran = suffer(filled, RELEASE, 1, "2.0 MB for the backup of prod")
        assert "back up" not in ran.err
        suffer(filled, "backup", 3, "needs 2.0 MB")


@pytest.mark.slow
def test_a_full_disk_under_the_records_does_not_fail_an_upgrade(filled: Sandbox) -> None:
    releases = filled.folder / "data/repom/releases"
    with small_disk(releases, "4k"):
        with pytest.raises(OSError, match="No space"):
            (releases / "full").write_bytes(b"x" * MEGABYTE)
        ran = filled.invoke("upgrade-dev", "--json")
        assert ran.code == 0, ran.err
        assert ran.json["outcome"] == "released"
        assert query(filled.dev, "SELECT version_num FROM alembic_version") == [(R3,)]


@pytest.mark.slow
def test_records_that_cannot_be_kept_do_not_fail_an_upgrade(filled: Sandbox) -> None:
    """As on a full disk, wherever the tests run: the folder for records is a file."""
    (filled.folder / "data/repom/releases").write_text("mine")
    ran = filled.invoke("upgrade-dev", "--json")
    assert ran.code == 0, ran.err
    assert query(filled.dev, "SELECT version_num FROM alembic_version") == [(R3,)]
    # What dev has passed could not be noted: the gate stays closed, and nothing breaks.
    suffer(filled, "upgrade-prod --json", 1, "prod accepts only what has passed dev")
    assert filled.invoke("status-all").code == 0


@pytest.mark.slow
def test_a_folder_for_backups_that_is_a_file_is_reported_before_anything_is_touched(
    filled: Sandbox,
) -> None:
    (filled.folder / "data/repom/backups").write_text("mine")
    for task, code in ((RELEASE, 1), ("backup", 3), ("downgrade --env dev --json", 3)):
        suffer(filled, task, code, "The folder for backups", "is a file")
    assert (filled.folder / "data/repom/backups").read_text() == "mine"
