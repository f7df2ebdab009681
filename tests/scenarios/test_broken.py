"""What an upgrade leaves and no longer works stops the release, wherever it is seen first."""

from __future__ import annotations

import re
import shlex
import sqlite3
from contextlib import closing

import pytest

from tests.support import R3, Sandbox, dump


@pytest.mark.slow
@pytest.mark.parametrize("first", ["dev", "prod alone"])
def test_a_trigger_that_follows_a_table_renamed_aside_stops_the_release(
    filled: Sandbox, first: str
) -> None:
    """In production, which is rehearsed; and in dev, which is not."""
    for file in (filled.dev, filled.prod)[first == "prod alone" :]:
        with closing(sqlite3.connect(file)) as connection:
            connection.executescript(
                "CREATE TABLE audit (x INTEGER);"
                "CREATE TRIGGER tr AFTER INSERT ON children BEGIN INSERT INTO audit VALUES (1); END"
            )
    rebuild = "; ".join(
        f"op.execute({sql!r})"
        for sql in (
            "ALTER TABLE audit RENAME TO audit_old",
            "CREATE TABLE audit (x INTEGER, y INTEGER)",
            "INSERT INTO audit (x) SELECT x FROM audit_old",
            "DROP TABLE audit_old",
        )
    )
    found = "SELECT 1 FROM sqlite_master WHERE name = 'audit'"
    guard = f"if op.get_bind().exec_driver_sql({found!r}).all():"
    filled.add_revision("r4dddddddddd", R3, f"    {guard}\n        {rebuild}")
    before = dump(filled.prod)
    stopped = filled.invoke("release-migration")
    assert stopped.code == 1, stopped.err
    assert "the trigger tr does not work: no such table: main.audit_old" in stopped.err
    assert dump(filled.prod) == before


@pytest.mark.slow
def test_a_full_text_index_whose_rows_a_batch_renumbers_stops_the_release(
    filled: Sandbox,
) -> None:
    for file in (filled.dev, filled.prod):
        with closing(sqlite3.connect(file)) as connection:
            connection.executescript(
                "CREATE TABLE notes (k VARCHAR(9) PRIMARY KEY, body TEXT);"
                "INSERT INTO notes VALUES ('c', 'one'), ('a', 'two'), ('b', 'three');"
                "CREATE VIRTUAL TABLE notes_fts USING fts5(body, content='notes');"
                "INSERT INTO notes_fts(notes_fts) VALUES ('rebuild');"
                "DELETE FROM notes_fts; DELETE FROM notes WHERE k = 'c';"
                "INSERT INTO notes_fts(notes_fts) VALUES ('rebuild');"
            )
    body = "    with op.batch_alter_table('notes', recreate='always') as batch_op:\n"
    body += "        batch_op.add_column(sa.Column('more', sa.String(5)))"
    filled.add_revision("r4dddddddddd", R3, body)
    stopped = filled.invoke("release-migration")
    assert stopped.code == 1, stopped.err
    [rebuild] = set(
        re.findall(r"INSERT INTO notes_fts\(notes_fts\) VALUES \('rebuild'\)", stopped.err)
    )
    assert filled.invoke("verify").code == 1
    [back] = re.findall(r"go back first: invoke (restore .*?)\.?\n", stopped.err)
    assert filled.invoke(*shlex.split(back), "--yes").code == 0
    assert filled.invoke("verify", "--json").json["findings"][0]["code"] == "not-at-head"
    filled.add_revision("r4dddddddddd", R3, f"{body}\n    op.execute({rebuild!r})")
    released = filled.invoke("release-migration")
    assert released.code == 0, released.err
    assert filled.invoke("verify", "--env", "prod").code == 0
