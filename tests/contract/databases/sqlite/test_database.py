"""A SQLite database is looked at without a trace, and what is wrong with it is said."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from migrations_ops.databases.answers import answered_until
from migrations_ops.databases.open import open_database
from migrations_ops.databases.sqlite import connect as module
from migrations_ops.databases.sqlite.database import SQLite
from migrations_ops.model.errors import ConfigurationError, Refused, StepFailed
from migrations_ops.model.inspection import Inspection
from tests.contract.databases.support import (
    MODES,
    as_nobody,
    held,
    make_pair,
    running,
    sides,
    sqlite,
    writer,
)

VERSION = "alembic_version"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock is waited for, but not for seconds."""
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.2)


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def versioned(path: Path, *revisions: str) -> SQLite:
    database = make_pair(path, "delete")
    with closing(sqlite3.connect(path)) as live, live:
        live.execute("CREATE TABLE alembic_version (version_num TEXT)")
        live.executemany("INSERT INTO alembic_version VALUES (?)", [(each,) for each in revisions])
    return database


# -- looking ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "go_on"), [("delete", False), ("wal", True)])
def test_readers_go_on_beside_a_write_ahead_log(tmp_path: Path, mode: str, go_on: bool) -> None:
    assert make_pair(tmp_path / "a.db", mode).readers_go_on() is go_on
    assert not sqlite(tmp_path / "missing.db").readers_go_on()


def test_an_inspection_at_a_missing_database_creates_nothing(tmp_path: Path) -> None:
    database = sqlite(tmp_path / "folder" / "a.db")
    assert database.inspect(VERSION) == Inspection(exists=False)
    assert database.size() == 0
    assert database.stamp_of_content() == {}
    assert names(tmp_path) == set()


@pytest.mark.parametrize("mode", MODES)
def test_an_inspection_leaves_nothing_behind_and_changes_nothing(tmp_path: Path, mode: str) -> None:
    database = make_pair(tmp_path / "a.db", mode)
    before, stamp = database.path.read_bytes(), database.stamp_of_content()
    assert database.inspect(VERSION) == Inspection(exists=True, tables=4)
    database.fingerprint(VERSION)
    database.check_integrity()
    database.require_usable()
    assert names(tmp_path) == {"a.db"}
    assert database.path.read_bytes() == before
    assert database.stamp_of_content() == stamp


def test_a_look_waits_no_longer_for_a_lock_than_it_has_time(tmp_path: Path) -> None:
    database = make_pair(tmp_path / "a.db", "delete")
    waits = []
    for seconds in (1.0, 1000.0):
        with answered_until(time.monotonic() + seconds), module.connect(database.path) as found:
            waits += found.execute("PRAGMA busy_timeout").fetchone()
    assert 0 < waits[0] <= 1000
    assert waits[1] == module.WAIT_SECONDS * 1000


def test_an_inspection_beside_a_writer_leaves_its_files_alone(tmp_path: Path) -> None:
    database = make_pair(tmp_path / "a.db", "wal")
    with writer(database.path):
        database.inspect(VERSION)
        assert names(tmp_path) == {"a.db", "a.db-wal", "a.db-shm"}


def test_an_empty_file_is_an_empty_database(tmp_path: Path) -> None:
    (tmp_path / "a.db").touch()
    assert sqlite(tmp_path / "a.db").inspect(VERSION) == Inspection(exists=True)
    sqlite(tmp_path / "a.db").require_usable()


def test_an_inspection_tells_revisions_and_leftovers(tmp_path: Path) -> None:
    database = versioned(tmp_path / "a.db", "b", "a")
    with closing(sqlite3.connect(database.path)) as live:
        live.execute("CREATE TABLE _alembic_tmp_users (id INTEGER)")
    assert database.inspect(VERSION) == Inspection(
        exists=True,
        revisions=("a", "b"),
        versioned=True,
        tables=5,
        leftovers=("_alembic_tmp_users",),
    )
    assert database.inspect("another_version").revisions == ()


def _junk(path: Path) -> None:
    path.write_bytes(b"this is no database at all " * 400)


def _made_of(harm: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Makes a database, of which this becomes."""

    def make(path: Path) -> None:
        path.write_bytes(harm(make_pair(path, "delete").path.read_bytes()))

    return make


BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "a directory": (Path.mkdir, "is a directory"),
    "junk": (_junk, "is no SQLite database"),
    "truncated": (_made_of(lambda data: data[:4096]), "is damaged"),
    "cut in the header": (_made_of(lambda data: data[:60]), "is damaged|is no SQLite database"),
    "overwritten": (_made_of(lambda it: it[:100] + b"\xff" * 40 + it[140:]), "is damaged"),
}
if hasattr(os, "mkfifo"):
    BROKEN["a pipe"] = (os.mkfifo, "is no ordinary file")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no FIFO in a folder")
@pytest.mark.parametrize("ending", ["-journal", "-wal", "-shm"])
def test_a_fifo_beside_a_database_is_reported_and_not_waited_for(
    tmp_path: Path, ending: str
) -> None:
    database = make_pair(tmp_path / "a.db", "delete")
    os.mkfifo(f"{database.path}{ending}")
    assert f"a.db{ending} beside it" in database.inspect(VERSION).trouble
    with pytest.raises(Refused, match=r"which is a named pipe.* Move that away"):
        database.require_usable()


@pytest.mark.parametrize(("break_it", "words"), BROKEN.values(), ids=BROKEN)
def test_what_is_no_database_is_reported_and_left_alone(
    tmp_path: Path, break_it: Callable[[Path], None], words: str
) -> None:
    database = sqlite(tmp_path / "a.db")
    break_it(database.path)
    before = database.path.read_bytes() if database.path.is_file() else None
    inspection = database.inspect(VERSION)
    assert inspection.exists
    assert re.search(words, inspection.trouble)
    assert inspection.advice.endswith((".", "invoke backups"))
    with pytest.raises(Refused, match=words) as caught:
        database.require_usable()
    assert caught.value.next == inspection.advice
    assert names(tmp_path) == {"a.db"}
    assert before is None or database.path.read_bytes() == before


def test_a_database_whose_tail_is_missing_is_refused_before_anything_starts(
    tmp_path: Path,
) -> None:
    """An inspection reads the schema only, which is whole; the upgrade would meet the gap."""
    database = make_pair(tmp_path / "a.db", "delete", megabytes=1)
    with open(database.path, "r+b") as file:
        file.truncate(database.path.stat().st_size - 8192)
    with pytest.raises(Refused, match=r"cut short|damaged"):
        database.require_usable()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("mode", MODES)
def test_a_locked_database_is_reported_as_locked(tmp_path: Path, mode: str) -> None:
    database = make_pair(tmp_path / "a.db", mode)
    statements = ["PRAGMA locking_mode=EXCLUSIVE"] if mode == "wal" else []
    with held(database.path, *statements, "BEGIN EXCLUSIVE"):
        inspection = database.inspect(VERSION)
        assert "locked by another process" in inspection.trouble
        assert "Let the other process finish" in inspection.advice
        assert not database.is_damaged()
    assert database.inspect(VERSION).trouble == ""


def test_rights_that_are_missing_are_reported(tmp_path: Path) -> None:
    with as_nobody() as folder:
        database = make_pair(folder / "a.db", "delete")
        database.path.chmod(0o444)
        assert database.inspect(VERSION).trouble == ""
        with pytest.raises(Refused, match="may not be written"):
            database.require_usable()
        database.path.chmod(0o000)
        assert database.inspect(VERSION).trouble
        database.path.chmod(0o600)
        folder.chmod(0o500)
        with pytest.raises(Refused, match="may not be written"):
            database.require_usable()
        with pytest.raises(Refused, match=r"folder of b\.db may not be written"):
            sqlite(folder / "b.db").require_usable()
        folder.chmod(0o000)
        assert "Permission denied" in database.inspect(VERSION).trouble
        with pytest.raises(Refused, match="Permission denied"):
            database.require_usable()
        folder.chmod(0o700)


def test_a_path_through_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "Not a directory" in sqlite(tmp_path / "file" / "a.db").inspect(VERSION).trouble


# -- fingerprints -----------------------------------------------------------------------------


def test_a_fingerprint_sees_what_lies_in_the_wal_only(tmp_path: Path) -> None:
    database = make_pair(tmp_path / "a.db", "wal")
    empty = database.fingerprint(VERSION)
    with closing(sqlite3.connect(database.path)) as live, live:
        live.execute("CREATE TABLE new (id INTEGER)")
        live.execute("INSERT INTO new VALUES (1)")
        live.commit()
        assert os.stat(f"{database.path}-wal").st_size
        found = database.fingerprint(VERSION)
        assert found.rows["new"] == 1
        assert "column new.id" in found.schema
        assert found != empty


@pytest.mark.parametrize("mode", MODES)
def test_a_fingerprint_comes_from_one_moment(tmp_path: Path, mode: str) -> None:
    """Counted without a snapshot, one of the two tables would be ahead now and then."""
    database = make_pair(tmp_path / "a.db", mode)
    code = (
        "import sqlite3, sys, itertools\n"
        "live = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)\n"
        "live.execute('PRAGMA synchronous=OFF')\n"
        "for number in itertools.count():\n"
        "    live.executescript('BEGIN IMMEDIATE; INSERT INTO left_side VALUES (1);'\n"
        "                       'INSERT INTO right_side VALUES (1); COMMIT')\n"
        "    number or print('writing', flush=True)\n"
    )
    with running(code, str(database.path)):
        for _ in range(30):
            rows = database.fingerprint(VERSION).rows
            assert rows["left_side"] == rows["right_side"]


def test_a_virtual_table_whose_module_is_missing_does_not_stop_a_fingerprint(
    tmp_path: Path,
) -> None:
    database = make_pair(tmp_path / "a.db", "delete")
    with closing(sqlite3.connect(database.path, isolation_level=None)) as live:
        live.execute("PRAGMA writable_schema=ON")
        sql = "CREATE VIRTUAL TABLE v USING nobody_has_this(a)"
        live.execute("INSERT INTO sqlite_master VALUES ('table', 'v', 'v', 0, ?)", (sql,))
    found = database.fingerprint(VERSION)
    assert "table v" in found.schema
    assert "v" not in found.rows
    assert found.rows["left_side"] == 1


# -- integrity --------------------------------------------------------------------------------


def test_a_sound_table_that_a_quick_check_mistakes_is_not_called_damaged(tmp_path: Path) -> None:
    """SQLite 3.40 does, where the key of a table WITHOUT ROWID has another order than it."""
    with closing(sqlite3.connect(tmp_path / "a.sqlite3")) as connection, connection:
        connection.execute(
            "CREATE TABLE t (a INTEGER NOT NULL, b TEXT NOT NULL, PRIMARY KEY (b, a)) WITHOUT ROWID"
        )
        connection.execute("INSERT INTO t VALUES (1, 'x')")
    database = SQLite(tmp_path / "a.sqlite3", "a.sqlite3")
    assert (database.find_damage(), database.is_damaged()) == ("", False)


def test_damage_deep_in_the_file_is_found(tmp_path: Path) -> None:
    database = make_pair(tmp_path / "a.db", "delete", megabytes=1)
    assert database.find_damage() == ""
    assert not database.is_damaged()
    content = bytearray(database.path.read_bytes())
    content[3 * 4096 : 4 * 4096] = b"\xaa" * 4096
    database.path.write_bytes(content)
    assert database.find_damage()
    assert database.is_damaged()
    assert [each.code for each in database.check_integrity()] == ["damaged"]


def test_orphans_and_leftovers_are_found(tmp_path: Path) -> None:
    database = sqlite(tmp_path / "a.db")
    with closing(sqlite3.connect(database.path)) as live, live:
        live.execute("CREATE TABLE parents (id INTEGER PRIMARY KEY)")
        live.execute("CREATE TABLE children (p INTEGER REFERENCES parents)")
        live.execute("INSERT INTO children VALUES (1), (2)")
        live.execute("CREATE TABLE _alembic_tmp_parents (id INTEGER)")
    found = {each.code: (each.severity, each.where) for each in database.check_integrity()}
    assert found == {
        "orphans": ("warning", "children"),
        "leftover-table": ("error", "_alembic_tmp_parents"),
    }


# -- names ------------------------------------------------------------------------------------


def test_two_names_of_one_file_are_one_database(tmp_path: Path) -> None:
    database = make_pair(tmp_path / "a.db", "delete")
    (tmp_path / "link.db").symlink_to(database.path)
    (tmp_path / "folder").symlink_to(tmp_path)
    for other in (tmp_path / "link.db", tmp_path / "folder" / "a.db", tmp_path / "x/../a.db"):
        assert database.same_as(sqlite(other))
        assert database.lock_order == sqlite(other).lock_order
    assert not database.same_as(sqlite(tmp_path / "b.db"))


@pytest.mark.parametrize(
    ("url", "label"),
    [
        ("sqlite:///data/a.db", "data/a.db"),
        ("sqlite+aiosqlite:///data/a.db", "data/a.db"),
        ("sqlite:///data/a%20b.db?timeout=3", "data/a b.db"),
        ("sqlite:////elsewhere/a.db", "/elsewhere/a.db"),
    ],
)
def test_a_database_is_named_relative_to_its_project(tmp_path: Path, url: str, label: str) -> None:
    database = open_database(url, tmp_path)
    assert database.label == label
    assert database.identity() == str(tmp_path / label)


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:a.db?uri=true", "oracle://u:pw@h/d"]
)
def test_a_url_without_a_file_is_an_error_that_shows_no_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_database(url, tmp_path)
    assert caught.value.next
    assert "pw" not in str(caught.value)


# -- writing ----------------------------------------------------------------------------------


def test_a_damaged_database_is_moved_aside_with_all_that_belongs_to_it(tmp_path: Path) -> None:
    database = sqlite(tmp_path / "a.db")
    _junk(database.path)
    database.path.chmod(0o640)
    (tmp_path / "a.db-wal").write_bytes(b"of another lineage")
    kept = Path(database.set_aside())
    assert kept.read_bytes().startswith(b"this is no database")
    assert names(tmp_path) == {"a.db", kept.name, f"{kept.name}-wal"}
    assert database.path.stat().st_size == 0
    assert database.path.stat().st_mode & 0o777 == 0o640


def test_a_database_that_is_removed_leaves_nothing(tmp_path: Path) -> None:
    database = sqlite(tmp_path / "new" / "a.db")
    database.prepare()
    make_pair(database.path, "wal")
    for ending in ("-wal", "-shm", "-journal"):
        (tmp_path / "new" / f"a.db{ending}").touch()
    database.remove()
    assert names(tmp_path / "new") == set()
    database.remove()


@pytest.mark.parametrize("mode", MODES)
def test_every_write_changes_the_stamp(tmp_path: Path, mode: str) -> None:
    database = make_pair(tmp_path / "a.db", mode)
    with closing(sqlite3.connect(database.path, isolation_level=None)) as live:
        before = database.stamp_of_content()
        live.execute("UPDATE left_side SET n = n + 1")
        after = database.stamp_of_content()
        assert after != before
        assert sides(database.path) == (1, 0)


def test_a_time_that_was_set_back_does_not_hide_a_write(tmp_path: Path) -> None:
    database = make_pair(tmp_path / "a.db", "delete")
    found, before = database.path.stat(), database.stamp_of_content()
    with closing(sqlite3.connect(database.path, isolation_level=None)) as live:
        live.execute("UPDATE left_side SET n = n + 1")
    os.utime(database.path, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert database.path.stat().st_mtime_ns == found.st_mtime_ns
    assert database.stamp_of_content() != before


def test_a_fingerprint_of_what_cannot_be_read_says_so(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    file.write_bytes(b"no database at all " * 100)
    with pytest.raises(StepFailed, match=r"a.db is no SQLite database\."):
        SQLite(file, "a.db").fingerprint("alembic_version")
