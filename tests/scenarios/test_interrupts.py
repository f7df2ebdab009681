"""Ctrl-C, SIGTERM and a closed terminal stop a task in order: undone, recorded, exit code 130."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.test_recovery import SLEEPING, wait_for_text
from tests.support import R1, R2, R3, Sandbox, clean_environment, dump, query

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are a POSIX matter")


@pytest.fixture(autouse=True)
def _heard() -> Iterator[None]:
    """Under nohup, what the tests start would ignore a hang-up, as it has to."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def records(sandbox: Sandbox) -> list[dict[str, object]]:
    files = sorted((sandbox.folder / "data/repom/releases").glob("*/release.json"))
    return [json.loads(file.read_text()) for file in files]


def sleeping(sandbox: Sandbox, run: int) -> Path:
    """A revision that goes on sleeping in its n-th run: on dev, in the rehearsal, on prod."""
    revision = sandbox.add_revision("r4dddddddddd", R3, SLEEPING)
    revision.with_name("sleep").write_text(str(run))
    return revision.with_name("mark")


@pytest.mark.parametrize(
    ("name", "run"),
    [
        ("SIGINT", 3),
        *(
            pytest.param(name, run, marks=pytest.mark.slow)
            for name, run in (("SIGHUP", 1), ("SIGTERM", 2), ("SIGHUP", 3))
        ),
    ],
)
def test_a_signal_undoes_what_is_under_way(filled: Sandbox, name: str, run: int) -> None:
    before = {file: dump(file) for file in (filled.dev, filled.prod)}
    mark = sleeping(filled, run)
    process = filled.start("release-migration")
    wait_for_text(mark, "x" * run)
    process.send_signal(getattr(signal, name))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    [record] = records(filled)
    assert record["outcome"] == "interrupted"
    assert dump(filled.prod) == before[filled.prod]
    if run == 1:
        assert dump(filled.dev) == before[filled.dev]
    assert filled.invoke("status-all").err == ""


@pytest.mark.slow
def test_what_nohup_has_started_outlives_its_terminal(filled: Sandbox) -> None:
    mark = sleeping(filled, 1)
    process = subprocess.Popen(
        ["nohup", sys.executable, "-m", "invoke", "upgrade-dev"],
        cwd=filled.folder,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for_text(mark, "x")
    process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert process.poll() is None
    mark.with_name("sleep").write_text("0")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err


def test_a_closed_terminal_undoes_what_is_under_way(filled: Sandbox) -> None:
    """Nothing can be shown any more, and the hang-up comes in the middle of it."""
    pty = pytest.importorskip("pty")
    before = dump(filled.dev)
    mark = sleeping(filled, 1)
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _IN_A_SESSION],
        cwd=filled.folder,
        env=clean_environment(TERM="xterm"),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    wait_for_text(mark, "x")
    os.close(master)
    assert process.wait(60) == 130
    [record] = records(filled)
    assert record["outcome"] == "interrupted"
    assert dump(filled.dev) == before


# The leader of a session, whose terminal is the one that it was given: it gets the hang-up.
_IN_A_SESSION = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
sys.argv = ["invoke", "upgrade-dev"]
from invoke.main import program
program.run()
"""


@pytest.mark.slow
def test_a_signal_at_any_instant_leaves_a_record_that_is_closed(filled: Sandbox) -> None:
    chance = random.Random(0)
    before, known = dump(filled.prod), 0
    for number in range(6):
        process = filled.start("downgrade", "--env", "prod", "--to", R1, "--yes")
        time.sleep(chance.uniform(0.25, 0.8))
        process.send_signal((signal.SIGINT, signal.SIGTERM, signal.SIGHUP)[number % 3])
        out, err = process.communicate(timeout=60)
        if process.returncode not in (0, 130):
            # Invoke had not come to our part yet, or we had done it and Python was about to leave.
            assert "✓ downgrade" in err or len(records(filled)) == known, err
        known = len(records(filled))
        assert all(record["outcome"] is not None for record in records(filled)), (out, err)
        if query(filled.prod, "SELECT version_num FROM alembic_version") == [(R2,)]:
            assert dump(filled.prod) == before
    assert filled.invoke("release-migration").code == 0


COMMITTED = """    with op.get_context().autocommit_block():
        op.execute("UPDATE parents SET note = 'kept'")
    import pathlib, time
    pathlib.Path(__file__).with_name("mark").write_text("x")
    time.sleep(60)"""


@pytest.mark.parametrize(
    "task",
    [
        ("upgrade-dev",),
        pytest.param(("alembic", "--env", "dev", "--args", "upgrade head"), marks=pytest.mark.slow),
    ],
    ids=lambda task: str(task[0]),
)
def test_what_was_committed_before_an_interrupt_is_put_back_by_whatever_ran_it(
    filled: Sandbox, task: tuple[str, ...]
) -> None:
    assert filled.alembic("upgrade", "head", EXEC_ENV="dev").code == 0
    revision = filled.add_revision("r4dddddddddd", R3, COMMITTED)
    before = dump(filled.dev)
    process = filled.start(*task)
    wait_for_text(revision.with_name("mark"), "x")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "dev was restored from" in err
    assert dump(filled.dev) == before
    [record] = [each for each in records(filled) if each["task"] == task[0]]
    assert record["outcome"] == "interrupted"
