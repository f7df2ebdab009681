"""What an upgrade leaves and no longer works stops the release, wherever it is seen first."""

from __future__ import annotations

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
