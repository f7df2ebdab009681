"""After a kill at any step, the next release finishes or undoes what was begun."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from tests.support import R2, R3, Sandbox, query

SLEEPING = """    op.execute("CREATE TABLE half (id INTEGER)")
    import pathlib, time
    mark = pathlib.Path(__file__).with_name("mark")
    with mark.open("a") as stream:
        stream.write("x")
    if pathlib.Path(__file__).with_name("sleep").exists():
        while len(mark.read_text()) == int(pathlib.Path(__file__).with_name("sleep").read_text()):
            time.sleep(0.05)"""


def wait_for(file: Path, text: str) -> None:
    deadline = time.monotonic() + 60
    while not (file.exists() and file.read_text() == text):
        assert time.monotonic() < deadline, f"{file} never held {text!r}"
        time.sleep(0.02)


# The revision runs on dev first, then in the rehearsal up, down is empty, then on prod.
@pytest.mark.parametrize(("run", "under_way"), [(1, "upgrade"), (2, "rehearse"), (3, "upgrade")])
def test_killed_release_is_taken_up_by_the_next_one(
    filled: Sandbox, run: int, under_way: str
) -> None:
    revision = filled.add_revision("r4dddddddddd", R3, SLEEPING)
    revision.with_name("sleep").write_text(str(run))
    process = filled.start("release-migration")
    wait_for(revision.with_name("mark"), "x" * run)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    revision.with_name("sleep").unlink()
    [record] = (filled.folder / "data/repom/releases").glob("*/release.json")
    document = json.loads(record.read_text())
    assert document["outcome"] is None
    assert document["under_way"]["name"] == under_way
    stands = query(filled.prod, "SELECT version_num FROM alembic_version")
    assert stands == [(R2,)], "a killed upgrade is rolled back as a whole"
    again = filled.invoke("release-migration")
    assert again.code == 0, again.err
    assert "was broken off during" in again.err
    assert json.loads(record.read_text())["outcome"] == "interrupted"
    for file in (filled.dev, filled.prod):
        assert query(file, "SELECT version_num FROM alembic_version") == [("r4dddddddddd",)]
        assert query(file, "SELECT count(*) FROM children") == [(20,)]
    assert not list((filled.folder / "data/repom/releases").rglob("rehearsal*.sqlite3*"))


COMMITTING = """    with op.get_context().autocommit_block():
        op.execute("UPDATE parents SET note = note || '!'")
    import os, pathlib, time
    sleep = pathlib.Path(__file__).with_name("sleep")
    if sleep.exists() and "rehears" not in str(op.get_bind().exec_driver_sql(
        "PRAGMA database_list").fetchall()) and os.environ["EXEC_ENV"] == "prod":
        pathlib.Path(__file__).with_name("mark").write_text("x")
        time.sleep(60)"""


def test_what_a_killed_upgrade_had_committed_is_put_back(filled: Sandbox) -> None:
    assert filled.invoke("release-migration").code == 0
    query(filled.prod, "UPDATE parents SET note = 'once'")
    revision = filled.add_revision("r4dddddddddd", R3, COMMITTING)
    revision.with_name("sleep").touch()
    process = filled.start("release-migration")
    wait_for(revision.with_name("mark"), "x")
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert query(filled.prod, "SELECT DISTINCT note FROM parents") == [("once!",)]
    revision.with_name("sleep").unlink()
    again = filled.invoke("release-migration")
    assert again.code == 0, again.err
    assert query(filled.prod, "SELECT DISTINCT note FROM parents") == [("once!",)]
    assert "restore" in again.err
