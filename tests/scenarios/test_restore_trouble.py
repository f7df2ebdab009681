"""A restore into a place that resists works, or says in a sentence why not and lost nothing."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.contract.databases.sqlite.test_files import die_in
from tests.contract.databases.support import immutable
from tests.scenarios.in_process import backed_up, restore
from tests.support import Sandbox, dump, query

# Writers and locks need their time.
pytestmark = pytest.mark.slow

ROOT = os.pathsep.join(path for path in sys.path if path)


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Within, no file of this process grows beyond so many bytes."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def rebuild(file: Path, pragma: str) -> None:
    """Make a database anew, without its children, under another pragma that is fixed for life."""
    lines = dump(file)
    assert lines is not None
    mode = query(file, "PRAGMA journal_mode")[0][0]
    file.unlink()
    with closing(sqlite3.connect(file, isolation_level=None)) as live:
        live.execute(pragma)
        live.executescript("\n".join(lines))
        live.execute("DELETE FROM children")
        live.execute(f"PRAGMA journal_mode={mode}")


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
@pytest.mark.parametrize("state", ["gone", "empty"])
def test_what_is_left_beside_a_database_that_is_gone_is_kept_and_named(
    filled: Sandbox, mode: str, state: str
) -> None:
    query(filled.prod, "CREATE TABLE left_side (n)")
    query(filled.prod, "CREATE TABLE log (line)")
    query(filled.prod, f"PRAGMA journal_mode={mode}")
    before, name = dump(filled.prod), backed_up(filled)
    left = die_in(filled.prod)
    content = left.read_bytes()
    if state == "gone":
        filled.prod.unlink()
    else:
        os.truncate(filled.prod, 0)
    ending = left.name.removeprefix("db.sqlite3")

    release = filled.invoke("release-migration")
    assert release.code == 1, release.err
    assert f"is {state}, but {left.name} is there" in release.err
    assert left.read_bytes() == content

    ran = filled.invoke("restore", "--env", "prod", "--backup", name, "--yes")
    assert ran.code == 0, ran.err
    assert dump(filled.prod) == before
    (kept,) = filled.prod.parent.glob(f"db.sqlite3.damaged_*{ending}")
    assert kept.read_bytes() == content
    assert str(kept).removesuffix(ending) in ran.err


@pytest.mark.parametrize("live", ["WAL", "DELETE"])
@pytest.mark.parametrize("copied", ["WAL", "DELETE"])
def test_pages_of_another_size_are_no_obstacle(filled: Sandbox, live: str, copied: str) -> None:
    query(filled.prod, f"PRAGMA journal_mode={copied}")
    before, name = dump(filled.prod), backed_up(filled)
    query(filled.prod, f"PRAGMA journal_mode={live}")
    rebuild(filled.prod, "PRAGMA page_size=8192")
    finished = restore(filled, name)
    assert finished.error is None
    assert dump(filled.prod) == before
    assert query(filled.prod, "PRAGMA page_size") == [(4096,)]
    assert [each.name for each in filled.prod.parent.glob("db.sqlite3-*")] == []


def test_pages_of_another_size_need_a_database_that_nobody_else_has_open(filled: Sandbox) -> None:
    name = backed_up(filled)
    query(filled.prod, "PRAGMA journal_mode=WAL")
    rebuild(filled.prod, "PRAGMA page_size=8192")
    changed = dump(filled.prod)
    with closing(sqlite3.connect(filled.prod)) as application:
        assert application.execute("SELECT count(*) FROM children").fetchone() == (0,)
        finished = restore(filled, name)
        assert finished.error is not None
        assert finished.error.exit_code == 3
        assert "The pages of the backup have 4096 bytes" in finished.error.what
        assert finished.error.next == "Stop the application and try again."
        assert application.execute("SELECT count(*) FROM children").fetchone() == (0,)
    assert dump(filled.prod) == changed
    assert query(filled.prod, "PRAGMA journal_mode") == [("wal",)]
    assert restore(filled, name).error is None


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
@pytest.mark.parametrize("pragma", ["PRAGMA encoding='UTF-16le'", "PRAGMA auto_vacuum=FULL"])
def test_a_database_of_another_making_becomes_equal(
    filled: Sandbox, mode: str, pragma: str
) -> None:
    query(filled.prod, f"PRAGMA journal_mode={mode}")
    before, name = dump(filled.prod), backed_up(filled)
    rebuild(filled.prod, pragma)
    finished = restore(filled, name)
    assert finished.error is None
    assert finished.result.steps[-1].outcome == "proved equal"
    assert dump(filled.prod) == before
    assert query(filled.prod, "PRAGMA encoding") == [("UTF-8",)]


def test_a_directory_of_that_name_is_reported(filled: Sandbox) -> None:
    name = backed_up(filled)
    filled.prod.unlink()
    filled.prod.mkdir()
    finished = restore(filled, name)
    assert finished.error is not None
    assert finished.error.exit_code == 3
    assert "is a directory, not a database" in finished.error.what


def test_a_database_that_may_not_be_written_stays_and_its_copy_is_named(filled: Sandbox) -> None:
    name = backed_up(filled)
    query(filled.prod, "DELETE FROM children")
    changed = dump(filled.prod)
    with immutable(filled.prod):
        finished = restore(filled, name)
    assert finished.error is not None
    assert finished.error.exit_code == 3
    assert "may not be written" in finished.error.what
    (safety,) = finished.result.backups
    assert f"Its content is also in {safety}." in finished.error.untouched
    assert dump(filled.prod) == changed


@pytest.mark.skipif(os.name == "nt", reason="limits are a POSIX matter")
@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_a_full_disk_leaves_the_database_as_it_was(filled: Sandbox, mode: str) -> None:
    query(filled.prod, "CREATE TABLE ballast (bytes)")
    query(filled.prod, "INSERT INTO ballast VALUES (randomblob(200000))")
    query(filled.prod, f"PRAGMA journal_mode={mode}")
    name = backed_up(filled)
    query(filled.prod, "DELETE FROM ballast")
    query(filled.prod, "VACUUM")
    changed = dump(filled.prod)
    with full_disk(100_000):
        finished = restore(filled, name)
    assert finished.error is not None
    assert finished.error.exit_code == 3
    assert finished.result.outcome == "failed, unchanged"
    assert dump(filled.prod) == changed
    assert restore(filled, name).error is None


@pytest.mark.skipif(os.name == "nt", reason="limits are a POSIX matter")
def test_a_damaged_database_comes_back_where_its_backup_finds_no_room(filled: Sandbox) -> None:
    name = backed_up(filled)
    filled.prod.write_bytes(b"damaged " * 4000)
    with full_disk(8192):
        finished = restore(filled, name)
    assert finished.error is not None
    assert finished.error.exit_code == 3
    assert filled.prod.read_bytes() == b"damaged " * 4000
    assert not list(filled.prod.parent.glob("*.damaged_*"))
    assert restore(filled, name).error is None


def test_a_stale_wal_beside_a_file_that_was_copied_over_cannot_undo_the_restore(
    filled: Sandbox,
) -> None:
    query(filled.prod, "CREATE TABLE left_side (n)")
    query(filled.prod, "CREATE TABLE log (line)")
    query(filled.prod, "PRAGMA journal_mode=WAL")
    before, name = dump(filled.prod), backed_up(filled)
    die_in(filled.prod)
    shutil.copy(filled.folder / "data/repom/backups" / name, filled.prod)
    finished = restore(filled, name)
    assert finished.error is None
    assert dump(filled.prod) == before
    assert query(filled.prod, "PRAGMA integrity_check") == [("ok",)]


def test_a_restore_that_waits_for_a_writer_does_not_keep_it_from_its_commit(
    filled: Sandbox,
) -> None:
    """Each would wait for the other until one of them gives up."""
    before, name = dump(filled.prod), backed_up(filled)
    with closing(sqlite3.connect(filled.prod, isolation_level=None, timeout=10)) as application:
        application.execute("BEGIN IMMEDIATE")
        application.execute("DELETE FROM children")
        code = (
            "import sys; from pathlib import Path; from tests.support import Sandbox;"
            "from tests.scenarios.in_process import restore;"
            "sys.exit(restore(Sandbox(Path(sys.argv[1])), sys.argv[2]).error is not None)"
        )
        waiting = filled.start_python("-c", code, str(filled.folder), name, PYTHONPATH=ROOT)
        time.sleep(1.5)  # long enough to wait; whether it does changes nothing that is asserted
        application.execute("COMMIT")
    _, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, err
    assert dump(filled.prod) == before
