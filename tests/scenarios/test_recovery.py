"""After a kill at any step, the next release finishes or undoes what was begun."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.contract.databases.support import held
from tests.scenarios.in_process import backed_up
from tests.scenarios.test_restore_trouble import ROOT
from tests.support import R1, R2, R3, Sandbox, clean_environment, dump, query, wait_for

SLEEPING = """    op.execute("CREATE TABLE half (id INTEGER)")
    import pathlib, time
    mark = pathlib.Path(__file__).with_name("mark")
    with mark.open("a") as stream:
        stream.write("x")
    if pathlib.Path(__file__).with_name("sleep").exists():
        while len(mark.read_text()) == int(pathlib.Path(__file__).with_name("sleep").read_text()):
            time.sleep(0.05)"""


def wait_for_text(file: Path, text: str) -> None:
    wait_for(lambda: file.exists() and file.read_text() == text)


PRINTING = """    op.execute("CREATE TABLE half (id INTEGER)")
    import pathlib, sys, time
    here = pathlib.Path(__file__)
    try:
        while True:
            print("working", flush=True)
            sys.stderr.write("at work\\n")
            here.with_name("mark").write_text("x")
            time.sleep(0.01)
    finally:
        print("cleaning up", flush=True)
        here.with_name("ended").write_text(type(sys.exc_info()[1]).__name__)"""


def test_a_revision_that_prints_is_stopped_and_not_broken_by_the_end_of_its_log(
    filled: Sandbox,
) -> None:
    """The log is a pipe to the task, which was killed: to print is no error of the revision."""
    revision = filled.add_revision("r4dddddddddd", R3, PRINTING)
    before = dump(filled.dev)
    process = filled.start("release-migration")
    wait_for(revision.with_name("mark").exists)
    process.kill()
    process.communicate(timeout=30)
    ended = revision.with_name("ended")
    assert wait_for(lambda: ended.exists() and ended.read_text()) == "KeyboardInterrupt"
    assert dump(filled.dev) == before


# The revision runs on dev first, then in the rehearsal up, down is empty, then on prod.
@pytest.mark.parametrize(
    ("run", "under_way"),
    [
        pytest.param(1, "upgrade", marks=pytest.mark.slow),
        pytest.param(2, "rehearse", marks=pytest.mark.slow),
        (3, "upgrade"),
    ],
)
def test_killed_release_is_taken_up_by_the_next_one(
    filled: Sandbox, run: int, under_way: str
) -> None:
    revision = filled.add_revision("r4dddddddddd", R3, SLEEPING)
    revision.with_name("sleep").write_text(str(run))
    process = filled.start("release-migration")
    wait_for_text(revision.with_name("mark"), "x" * run)
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
    assert "was interrupted during" in again.err
    assert json.loads(record.read_text())["outcome"] == "interrupted"
    for file in (filled.dev, filled.prod):
        assert query(file, "SELECT version_num FROM alembic_version") == [("r4dddddddddd",)]
        assert query(file, "SELECT count(*) FROM children") == [(20,)]
    assert not list((filled.folder / "data/repom/releases").rglob("rehearsal*.sqlite3*"))


COMMITTING = """    with op.get_context().autocommit_block():
        op.execute("UPDATE parents SET name = name || '!'")
    import os, pathlib, time
    sleep = pathlib.Path(__file__).with_name("sleep")
    if sleep.exists() and "rehears" not in str(op.get_bind().exec_driver_sql(
        "PRAGMA database_list").fetchall()) and os.environ["EXEC_ENV"] == "prod":
        pathlib.Path(__file__).with_name("mark").write_text("x")
        time.sleep(60)"""


def kill_after_a_commit(sandbox: Sandbox) -> Path:
    """A release that was killed when it had committed a part of the upgrade of prod; returns
    the revision."""
    query(sandbox.prod, "UPDATE parents SET name = 'once'")
    revision = sandbox.add_revision("r4dddddddddd", R3, COMMITTING)
    revision.with_name("sleep").touch()
    process = sandbox.start("release-migration")
    wait_for_text(revision.with_name("mark"), "x")
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert query(sandbox.prod, "SELECT DISTINCT name FROM parents") == [("once!",)]
    revision.with_name("sleep").unlink()
    return revision


def test_what_a_killed_upgrade_had_committed_is_put_back(filled: Sandbox) -> None:
    kill_after_a_commit(filled)
    again = filled.invoke("release-migration")
    assert again.code == 0, again.err
    assert query(filled.prod, "SELECT DISTINCT name FROM parents") == [("once!",)]
    assert "restore" in again.err


@pytest.mark.slow
def test_who_takes_up_one_environment_leaves_the_others_to_the_next(filled: Sandbox) -> None:
    kill_after_a_commit(filled)
    first = filled.invoke("upgrade-dev")
    assert first.code == 0, first.err
    assert "was interrupted during upgrade of prod" in first.err
    assert query(filled.prod, "SELECT DISTINCT name FROM parents") == [("once!",)]
    assert "was interrupted during upgrade of prod" in filled.invoke("status-all").err
    second = filled.invoke("downgrade", "--env", "prod", "--yes")
    assert second.code == 0, second.err
    assert "recover    prod" in second.err
    assert "recover    dev" not in second.err
    assert query(filled.prod, "SELECT version_num FROM alembic_version") == [(R1,)]
    assert filled.invoke("status-all").err == ""


@pytest.mark.slow
def test_a_restore_by_hand_closes_what_was_interrupted(filled: Sandbox) -> None:
    """The next release must not put back the backup of the one that was killed."""
    kill_after_a_commit(filled)
    ran = filled.invoke("restore", "--env", "prod", "--backup", "latest", "--yes")
    assert ran.code == 0, ran.err
    assert query(filled.prod, "SELECT DISTINCT name FROM parents") == [("once",)]
    query(filled.prod, "UPDATE parents SET name = 'written since'")
    again = filled.invoke("release-migration")
    assert again.code == 0, again.err
    assert "restore" not in again.err
    assert query(filled.prod, "SELECT DISTINCT name FROM parents") == [("written since!",)]


LOOKS = ("status", "verify", "backups", "releases", "doctor")


@pytest.mark.slow
def test_each_task_tells_what_is_running_and_what_was_interrupted(filled: Sandbox) -> None:
    revision = filled.add_revision("r4dddddddddd", R3, SLEEPING)
    revision.with_name("sleep").write_text("1")
    process = filled.start("release-migration")
    wait_for_text(revision.with_name("mark"), "x")
    [record] = (filled.folder / "data/repom/releases").glob("*/release.json")
    name = f"release-migration {record.parent.name}"
    assert f"{name} is running during upgrade of dev.\n" in filled.invoke("status-all").err
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    told = (
        f"{name} was interrupted during upgrade of dev:"
        " invoke release-migration finishes or undoes it."
    )
    for task in LOOKS:
        ran = filled.invoke(task)
        assert next(line for line in ran.err.splitlines() if name in line).endswith(told), task
        assert "was interrupted" not in ran.out, task
    as_json = filled.invoke("status-all", "--json")
    assert told in as_json.err
    assert [row["name"] for row in as_json.json["environments"]] == ["dev", "prod"]
    revision.with_name("sleep").unlink()
    assert filled.invoke("upgrade-dev").code == 0
    assert filled.invoke("status-all").err == ""


@pytest.mark.slow
def test_resume_does_nothing_unless_something_was_interrupted(filled: Sandbox) -> None:
    idle = filled.invoke("release-migration", "--resume")
    assert (idle.code, idle.out) == (0, "Nothing to do: nothing was interrupted.\n")
    as_json = filled.invoke("release-migration", "--resume", "--json")
    assert (as_json.code, as_json.json["outcome"]) == (0, "nothing to do")
    assert query(filled.dev, "SELECT version_num FROM alembic_version") == [(R2,)]
    revision = filled.add_revision("r4dddddddddd", R3, SLEEPING)
    revision.with_name("sleep").write_text("1")
    process = filled.start("release-migration")
    wait_for_text(revision.with_name("mark"), "x")
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    revision.with_name("sleep").unlink()
    ran = filled.invoke("release-migration", "--resume", "--json")
    assert (ran.code, ran.json["outcome"]) == (0, "released"), ran.err
    for file in (filled.dev, filled.prod):
        assert query(file, "SELECT version_num FROM alembic_version") == [("r4dddddddddd",)]


# Dies when it opens the database for the first time after the damaged one was moved aside.
DYING = """
import os, signal, sys
from pathlib import Path
folder = Path(sys.argv[1])
def die(event, arguments):
    if event == "sqlite3.connect" and list((folder / "data/repom").glob("*.damaged_*")):
        os.kill(os.getpid(), signal.SIGKILL)
from tests.support import Sandbox
from tests.scenarios.in_process import restore
sys.addaudithook(die)
restore(Sandbox(folder), sys.argv[2])
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is a POSIX matter")
@pytest.mark.parametrize("task", ["release-migration", "restore"])
def test_a_restore_killed_after_the_damaged_file_was_moved_aside_is_finished(
    filled: Sandbox, task: str
) -> None:
    before, name = dump(filled.prod), backed_up(filled)
    filled.prod.write_bytes(b"damaged " * 4000)
    dead = filled.start_python("-c", DYING, str(filled.folder), name, PYTHONPATH=ROOT)
    dead.communicate(timeout=60)
    assert dead.returncode == -signal.SIGKILL
    assert filled.prod.read_bytes() == b"", "this is the instant that is meant"
    status = filled.invoke("status-all")
    assert "was interrupted during restore of prod" in status.err
    if task == "restore":
        ran = filled.invoke("restore", "--env", "prod", "--backup", name, "--yes")
        assert dump(filled.prod) == before
    else:
        ran = filled.invoke("release-migration")
        assert query(filled.prod, "SELECT version_num FROM alembic_version") == [(R3,)]
    assert ran.code == 0, ran.err
    assert query(filled.prod, "SELECT count(*) FROM children") == [(20,)]
    [aside] = filled.prod.parent.glob("db.sqlite3.damaged_*")
    assert aside.read_bytes() == b"damaged " * 4000
    assert filled.invoke("status-all").err == ""


def test_a_task_that_has_gone_on_to_another_environment_is_not_taken_for_dead(
    filled: Sandbox,
) -> None:
    """A backup of all has let dev go, and waits for prod: who works on dev leaves it alone."""
    with held(filled.prod, "BEGIN EXCLUSIVE"):
        process = filled.start("backup", "--all", "--note", "all")
        releases = filled.folder / "data/repom/releases"
        [record] = wait_for(lambda: [*releases.glob("*/release.json")])
        wait_for(lambda: json.loads(record.read_text())["steps"])
        other = filled.invoke("stamp", "--env", "dev", "--to", R2)
        assert other.code == 0, other.err
        assert "recover" not in other.err
    process.communicate(timeout=60)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is a POSIX matter")
@pytest.mark.parametrize(
    "task",
    [
        ("downgrade", "--env", "prod", "--to", R1, "--yes"),
        ("restore", "--env", "prod", "--backup", "latest", "--yes"),
    ],
    ids=lambda task: str(task[0]),
)
def test_a_task_killed_at_any_instant_leaves_the_old_or_the_new(
    filled: Sandbox, task: tuple[str, ...]
) -> None:
    """Of each environment, under a name that the next release goes on from."""
    backed_up(filled)
    query(filled.prod, "DELETE FROM children WHERE id > 10")
    file = filled.prod
    before, old = dump(file), query(file, "SELECT version_num FROM alembic_version")
    for delay in (0.25, 0.45, 0.8):
        process = subprocess.Popen(
            [sys.executable, "-m", "invoke", *task],
            cwd=filled.folder,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(delay)
        process.kill()
        process.wait()
        stands = query(file, "SELECT version_num FROM alembic_version")
        assert query(file, "PRAGMA integrity_check") == [("ok",)]
        if stands == old and query(file, "SELECT count(*) FROM children") == [(10,)]:
            assert dump(file) == before
    ran = filled.invoke("release-migration")
    assert ran.code == 0, ran.err
    assert filled.invoke("status-all", "--check").err == ""
    left = {each.name for each in filled.prod.parent.iterdir() if "-journal" in each.name}
    assert left == set()
