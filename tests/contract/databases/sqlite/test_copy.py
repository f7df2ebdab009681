"""The online backup, out of a live database and back into one, whoever writes or dies meanwhile."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from migrations_ops.databases.sqlite import connect as sqlite_connect
from migrations_ops.databases.sqlite import dump as sqlite_copy
from migrations_ops.model.errors import StepFailed
from tests.contract.databases.support import MODES, held, make_pair, sides, sqlite, writer

VERSION = "alembic_version"


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many steps, between which a writer commits, as a large database has."""
    monkeypatch.setattr(sqlite_copy, "PAGES_A_STEP", 20)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_connect, "WAIT_SECONDS", 0.2)
    monkeypatch.setattr(sqlite_copy, "STALLED_AFTER", 0.4)


# -- out --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("mode", MODES)
def test_a_copy_under_a_writer_without_pause_is_one_moment(tmp_path: Path, mode: str) -> None:
    database = make_pair(tmp_path / "a.db", mode, megabytes=2)
    seen: list[int] = []

    def progress(done: int, total: int) -> None:
        seen.append(done)
        # A copy that starts over at each commit would go on for ever.
        assert len(seen) < 3000, "the copy starts over again and again"

    written = 0
    with writer(database.path):
        for number in range(100):
            copy = tmp_path / f"copy{number}"
            seen.clear()
            before = sides(database.path)
            taken = database.back_up(copy, VERSION, progress)
            after = sides(database.path)
            left, right = sides(copy)
            assert left == right
            assert before[0] <= left <= after[0]
            with database.opened_copy(copy) as opened:
                assert opened.fingerprint(VERSION) == taken
                assert opened.find_damage() == ""
            copy.unlink()
            # A fast disk may be done with a copy before the writer gets its turn.
            written += after > before
            if number >= 4 and written >= 2:
                break
    assert len(seen) > 20, "the copy was made in one step: nothing was shown"
    assert written >= 2, "nothing was written meanwhile"


def test_a_copy_is_private_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    database = make_pair(tmp_path / "a.db", "wal")
    copy = tmp_path / "copies" / "x.part"
    copy.parent.mkdir()
    database.back_up(copy, VERSION, None)
    with database.opened_copy(copy) as opened:
        opened.fingerprint(VERSION)
        opened.find_damage()
    assert [each.name for each in copy.parent.iterdir()] == ["x.part"]
    if os.name != "nt":
        assert copy.stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("impatient")
def test_a_copy_of_a_locked_database_is_given_up(tmp_path: Path) -> None:
    database = make_pair(tmp_path / "a.db", "delete")
    with (
        held(database.path, "BEGIN EXCLUSIVE"),
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        database.back_up(tmp_path / "x.part", VERSION, None)


def test_a_copy_that_makes_no_headway_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(sqlite_copy, "time", SimpleNamespace(monotonic=lambda: now[0]))
    headway = sqlite_copy._Headway(None)
    headway(0, 100, 100)
    now[0] += 2 * sqlite_copy.STALLED_AFTER
    headway(0, 99, 100)
    now[0] += sqlite_copy.STALLED_AFTER
    headway(0, 99, 100)
    now[0] += 1
    with pytest.raises(StepFailed, match="no headway"):
        headway(0, 99, 100)


# -- back -------------------------------------------------------------------------------------


def backed_up(tmp_path: Path, mode: str, megabytes: int = 0) -> tuple[Path, Path]:
    """A live database that has changed since its backup was taken."""
    database = make_pair(tmp_path / "a.db", mode, megabytes)
    backup = tmp_path / "backup"
    database.back_up(backup, VERSION, None)
    with closing(sqlite3.connect(database.path)) as live, live:
        live.execute("UPDATE left_side SET n = 7")
        live.execute("UPDATE right_side SET n = 7")
        live.execute("CREATE TABLE added (id INTEGER)")
        live.execute("DELETE FROM ballast")
    return database.path, backup


@pytest.mark.parametrize("mode", MODES)
def test_a_restore_makes_the_live_database_equal_again(tmp_path: Path, mode: str) -> None:
    path, backup = backed_up(tmp_path, mode, megabytes=1)
    database, wanted = sqlite(path), sqlite(backup).fingerprint(VERSION)
    inode = path.stat().st_ino
    assert database.fingerprint(VERSION) != wanted
    database.restore_from(backup, "alembic_version", None)
    assert database.fingerprint(VERSION) == wanted
    assert database.find_damage() == ""
    assert path.stat().st_ino == inode, "who has the file open must see the restored content"


@pytest.mark.parametrize("mode", MODES)
def test_a_reader_that_is_attached_sees_the_old_content_or_the_new(
    tmp_path: Path, mode: str
) -> None:
    path, backup = backed_up(tmp_path, mode)
    sql = "SELECT left_side.n, right_side.n FROM left_side, right_side"
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        assert reader.execute(sql).fetchone() == (7, 7)
        if mode == "wal":
            reader.execute("BEGIN")
            assert reader.execute(sql).fetchone() == (7, 7)
            sqlite(path).restore_from(backup, "alembic_version", None)
            assert reader.execute(sql).fetchone() == (7, 7), "a snapshot stays what it is"
            reader.execute("COMMIT")
        else:
            sqlite(path).restore_from(backup, "alembic_version", None)
        assert reader.execute(sql).fetchone() == (0, 0)
        reader.execute("UPDATE left_side SET n = 9")
    assert sides(path) == (9, 0)
    assert sqlite(path).find_damage() == ""


@pytest.mark.usefixtures("impatient")
def test_a_restore_into_a_locked_database_changes_nothing(tmp_path: Path) -> None:
    path, backup = backed_up(tmp_path, "delete")
    with (
        held(path, "BEGIN", "SELECT * FROM left_side"),
        pytest.raises(StepFailed) as caught,
    ):
        sqlite(path).restore_from(backup, "alembic_version", None)
    assert "lock" in str(caught.value)
    assert caught.value.next
    assert sides(path) == (7, 7)


@pytest.mark.usefixtures("impatient")
def test_a_restore_that_fails_takes_away_the_file_that_it_made(tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(b"this is no backup " * 400)
    database = sqlite(tmp_path / "b.db")
    with pytest.raises(StepFailed):
        database.restore_from(tmp_path / "junk", "alembic_version", None)
    assert not database.path.exists()


_RESTORE = """
import sys
from pathlib import Path
from migrations_ops.databases.sqlite.database import SQLite
database = SQLite(Path(sys.argv[1]), "live")
print("ready", flush=True)
sys.stdin.readline()
database.restore_from(Path(sys.argv[2]), "alembic_version", None)
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is a POSIX matter")
@pytest.mark.parametrize("mode", MODES)
def test_a_restore_that_is_killed_leaves_the_old_content_or_the_new(
    tmp_path: Path, mode: str
) -> None:
    path, backup = backed_up(tmp_path, mode, megabytes=6)
    for milliseconds in (2, 8, 15, 30):
        process = subprocess.Popen(
            [sys.executable, "-c", _RESTORE, path, backup],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        process.stdin.write(b"\n")
        process.stdin.flush()
        time.sleep(milliseconds / 1000)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert sides(path) in ((7, 7), (0, 0))
        assert sqlite(path).find_damage() == ""
    sqlite(path).restore_from(backup, "alembic_version", None)
    assert sqlite(path).fingerprint(VERSION) == sqlite(backup).fingerprint(VERSION)
