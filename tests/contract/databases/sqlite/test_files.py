"""What lies beside a SQLite file is never destroyed while it may hold the last of its content."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from migrations_ops.databases.sqlite import files as sqlite_files
from migrations_ops.model.errors import Refused
from tests.contract.databases.support import held, make_pair, sides, sqlite
from tests.support import query

VERSION = "alembic_version"

# Dies in the middle: in WAL mode with commits that are in the -wal alone, else with a hot journal.
_DIE = """
import os, sqlite3, sys
live = sqlite3.connect(sys.argv[1], isolation_level=None)
if live.execute("PRAGMA journal_mode").fetchone() == ("wal",):
    live.execute("PRAGMA wal_autocheckpoint=0")
else:
    live.execute("PRAGMA cache_size=1")
    live.execute("BEGIN")
for _ in range(50):
    live.execute("INSERT INTO log VALUES (?)", ("x" * 2000,))
live.execute("UPDATE left_side SET n = 5")
os._exit(0)
"""


def die_in(path: Path) -> Path:
    """A writer that is killed; returns what it leaves beside the database."""
    subprocess.run([sys.executable, "-c", _DIE, str(path)], check=True)
    (left,) = (each for each in path.parent.glob(f"{path.name}-*") if "shm" not in each.name)
    assert left.stat().st_size > 0
    return left


@pytest.mark.parametrize("mode", ["wal", "delete"])
@pytest.mark.parametrize("state", ["gone", "empty"])
def test_what_is_left_of_a_database_that_is_gone_survives_every_inspection(
    tmp_path: Path, mode: str, state: str
) -> None:
    """SQLite itself deletes it, unread, when it opens an empty file of that name."""
    database = make_pair(tmp_path / "a.db", mode)
    left = die_in(database.path)
    content = left.read_bytes()
    if state == "gone":
        database.path.unlink()
    else:
        os.truncate(database.path, 0)
    inspection = database.inspect(VERSION)
    sentence = f"a.db is {state}, but {left.name} is there, and may hold the last of its content"
    assert inspection.trouble == sentence
    assert "restore" in inspection.advice
    with pytest.raises(Refused, match="may hold the last"):
        database.require_usable()
    assert database.find_damage()
    assert database.is_damaged()
    assert left.read_bytes() == content


def test_a_database_that_is_being_made_is_not_taken_for_the_rest_of_one(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as maker:
        maker.execute("BEGIN")
        maker.execute("CREATE TABLE t (a)")
        assert path.stat().st_size == 0
        assert Path(f"{path}-journal").stat().st_size > 0
        assert sqlite(path).inspect(VERSION).trouble == ""
        maker.execute("COMMIT")
    assert sqlite(path).inspect(VERSION).tables == 1


def test_what_is_set_aside_twice_within_a_second_is_kept_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    kept = []
    for text in ("one", "two"):
        path.write_text(text)
        kept.append(Path(sqlite_files.set_aside(path)))
    assert [each.read_text() for each in kept] == ["one", "two"]


def test_what_was_set_aside_comes_back_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    for ending in sqlite_files.ENDINGS:
        sqlite_files.beside(path, ending).write_text(f"content{ending}")
    kept = sqlite_files.set_aside(path)
    path.write_text("half a restore")
    sqlite_files.beside(path, "-journal").write_text("of the restore")
    sqlite_files.put_back(path, kept)
    found = {each.name: each.read_text() for each in tmp_path.iterdir()}
    assert found == {f"a.db{ending}": f"content{ending}" for ending in sqlite_files.ENDINGS}


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_a_link_to_a_damaged_database_stays_a_link(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (real / "a.db").write_text("damaged")
    (real / "a.db-wal").write_text("wal")
    link = tmp_path / "link.db"
    link.symlink_to(real / "a.db")
    kept = sqlite(link).set_aside()
    assert Path(kept).read_text() == "damaged"
    assert Path(f"{kept}-wal").read_text() == "wal"
    assert Path(kept).parent == real
    assert link.is_symlink()
    assert (real / "a.db").read_bytes() == b""


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_a_commit_behind_a_link_is_noticed(tmp_path: Path) -> None:
    """It lies in the -wal of the real file: a backup would be taken for still equal otherwise."""
    real = tmp_path / "real"
    real.mkdir()
    make_pair(real / "a.db", "wal")
    link = tmp_path / "link.db"
    link.symlink_to(real / "a.db")
    with closing(sqlite3.connect(real / "a.db", isolation_level=None)) as application:
        application.execute("UPDATE left_side SET n = 1")
        before = sqlite(link).stamp_of_content()
        application.execute("UPDATE left_side SET n = 2")
        assert sqlite(link).stamp_of_content() != before


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_an_empty_journal_of_a_killed_writer_is_taken_away(tmp_path: Path, mode: str) -> None:
    database = make_pair(tmp_path / "a.db", mode)
    journal = tmp_path / "a.db-journal"
    journal.touch()
    database.tidy()
    assert not journal.exists()
    assert query(database.path, "PRAGMA journal_mode") == [(mode,)]


def test_a_hot_journal_is_rolled_back_before_it_goes(tmp_path: Path) -> None:
    database = make_pair(tmp_path / "a.db", "delete")
    journal = die_in(database.path)
    database.tidy()
    assert not journal.exists()
    assert sides(database.path) == (0, 0)
    assert query(database.path, "SELECT count(*) FROM log") == [(0,)]
    assert database.find_damage() == ""


def test_the_journal_of_a_living_writer_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("migrations_ops.databases.sqlite.connect.WAIT_SECONDS", 0.1)
    database = make_pair(tmp_path / "a.db", "delete")
    with held(database.path, "BEGIN IMMEDIATE", "INSERT INTO log VALUES ('x') RETURNING 1"):
        journal = tmp_path / "a.db-journal"
        content = journal.read_bytes()
        database.tidy()
        assert journal.read_bytes() == content
