"""An index that no longer agrees with what it indexes is found by its own check."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from migrations_ops.model.findings import Finding
from tests.contract.databases.bench import make
from tests.contract.databases.support import MODES, sqlite

ROWS = "INSERT INTO notes VALUES ('a', 'one two'), ('b', 'three'), ('c', 'four');"
HEAP = f"CREATE TABLE notes (k TEXT PRIMARY KEY, body TEXT); {ROWS}"
REBUILT = (
    "PRAGMA legacy_alter_table=ON; DELETE FROM notes WHERE k = 'a';"
    " CREATE TABLE n2 (k TEXT PRIMARY KEY, body TEXT);"
    " INSERT INTO n2 SELECT * FROM notes ORDER BY k DESC; DROP TABLE notes;"
    " ALTER TABLE n2 RENAME TO notes"
)
# How each index is made, and the statement that rebuilds it.
INDEXES = {
    "fts5": "CREATE VIRTUAL TABLE f USING fts5(body, content='notes')",
    "fts5, quoted": 'CREATE VIRTUAL TABLE f USING fts5(body, content="notes", tokenize = porter)',
    "fts4": "CREATE VIRTUAL TABLE f USING fts4(body, content='notes')",
    "fts5 of a view": (
        "CREATE VIEW v AS SELECT rowid AS id, body FROM notes;"
        " CREATE VIRTUAL TABLE f USING fts5(body, content=v, content_rowid=id)"
    ),
}
REBUILD = "INSERT INTO f(f) VALUES ('rebuild')"


def found(path: Path) -> list[Finding]:
    before = path.read_bytes()
    in_verify, in_release = sqlite(path).check_integrity(), sqlite(path).find_broken()
    assert in_verify == in_release
    assert path.read_bytes() == before
    return in_verify


@pytest.mark.parametrize("mode", [*MODES, "delete; PRAGMA encoding='UTF-16le'"])
@pytest.mark.parametrize("index", INDEXES)
def test_an_index_of_rows_that_got_other_numbers_is_found(
    tmp_path: Path, index: str, mode: str
) -> None:
    path = tmp_path / "a.db"
    make(path, f"PRAGMA journal_mode={mode}; {HEAP} {INDEXES[index]}; {REBUILD}")
    assert found(path) == []
    make(path, REBUILT)
    [one] = found(path)
    assert (one.code, one.where) == ("broken-index", "f")
    assert one.message.endswith(f"To rebuild it: {REBUILD}")
    make(path, one.message.rpartition("rebuild it: ")[2])
    assert found(path) == []


def test_an_index_whose_key_the_rows_keep_stays_sound(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    make(
        path,
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT);"
        " INSERT INTO notes VALUES (5, 'one'), (9, 'two');"
        " CREATE VIRTUAL TABLE f USING fts5(body, content=notes, content_rowid=id);"
        f" {REBUILD}; CREATE TABLE n2 (id INTEGER PRIMARY KEY, body TEXT);"
        " INSERT INTO n2 SELECT * FROM notes; DROP TABLE notes; ALTER TABLE n2 RENAME TO notes",
    )
    assert found(path) == []


@pytest.mark.parametrize(
    ("made", "broken", "advice"),
    [
        (
            'CREATE VIRTUAL TABLE "my f" USING fts5(body); INSERT INTO "my f" VALUES (\'one\')',
            'DELETE FROM "my f_content"',
            'INSERT INTO "my f"("my f") VALUES (\'rebuild\')',
        ),
        (
            "CREATE VIRTUAL TABLE f USING fts3(body); INSERT INTO f VALUES ('one')",
            "UPDATE f_content SET c0body = 'two'",
            REBUILD,
        ),
        (
            "CREATE VIRTUAL TABLE f USING fts5(body, content=''); INSERT INTO f VALUES ('one')",
            "DELETE FROM f_data WHERE id > 10",
            "fill it",
        ),
        (
            "CREATE VIRTUAL TABLE f USING rtree(id, a, b); INSERT INTO f VALUES (1, 2, 3)",
            "DELETE FROM f_rowid",
            "Fill it again from its rows",
        ),
        (
            f"{HEAP} {INDEXES['fts5']}; {REBUILD}",
            "DROP TABLE notes",
            "its content, notes, is not there",
        ),
    ],
)
def test_other_indexes_have_checks_too(tmp_path: Path, made: str, broken: str, advice: str) -> None:
    path = tmp_path / "a.db"
    make(path, made)
    assert found(path) == []
    make(path, broken)
    [one] = found(path)
    assert one.code == "broken-index"
    assert one.message.endswith(advice)


def test_a_backup_that_no_one_writes_is_checked(tmp_path: Path) -> None:
    make(tmp_path / "a.db", f"{HEAP} {INDEXES['fts5']}; {REBUILD}; {REBUILT}")
    sqlite(tmp_path / "a.db").back_up(tmp_path / "b", "alembic_version", None)
    with sqlite(tmp_path / "a.db").opened_copy(tmp_path / "b") as copy:
        assert [each.code for each in copy.check_integrity()] == ["broken-index"]


def test_a_tokenizer_of_the_application_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    make(path, f"{HEAP} {INDEXES['fts5']}; {REBUILD}")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = replace(sql, '''notes''', 'notes, tokenize=own')"
            " WHERE name = 'f'"
        )
    assert {each.code for each in found(path)} == {"unchecked"}
