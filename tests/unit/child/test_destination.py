"""The argument of ``sqlite3.connect`` is read as SQLite reads it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from migrations_ops.child.destination.proof import file_of


@pytest.mark.parametrize(
    ("database", "file"),
    [
        (":memory:", None),
        ("", None),
        ("file::memory:?cache=shared", None),
        ("file:name?mode=memory", None),
        ("file:/a/b.db?mode=rw", "/a/b.db"),
        ("file:///a/b%20c.db", "/a/b c.db"),
        ("file:/a/b.db?note=mode=memory", "/a/b.db"),
        (b"/a/b.db", "/a/b.db"),
        (Path("/a/b.db"), "/a/b.db"),
        (7, None),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="the names are those of POSIX")
def test_argument_of_connect_is_read_as_sqlite_reads_it(database: object, file: str | None) -> None:
    assert file_of(database) == file


def test_memory_name_really_is_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one rule above that would be dangerous if SQLite read it otherwise."""
    monkeypatch.chdir(tmp_path)
    name = "file:name?mode=memory"
    with closing(sqlite3.connect(name, uri=True)) as connection:
        connection.execute("CREATE TABLE t (id)")
    assert list(tmp_path.iterdir()) == []
