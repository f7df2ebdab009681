"""How other processes are started, and what is left when one of them is stopped or killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrations_ops.system import process
from tests.contract.child.steps import (
    BIG,
    PAUSE,
    PAUSING,
    PAUSING_CHECK,
    R4,
    everything,
    is_alive,
    revision_of,
    wait_for_pause,
    write_env,
)
from tests.support import R2, R3, Ran, Sandbox, clean_environment, dump, query, wait_for

posix = pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")


@pytest.fixture
def pausing(filled: Sandbox) -> Sandbox:
    """The project with two pending revisions, and a pause in each stage where a file asks."""
    filled.add_revision(R4, R3, PAUSING)
    write_env(filled, PAUSING_CHECK)
    return filled


class Running:
    """Tasks at work, as a user started them; ended with the test whatever happens."""

    def __init__(self, sandbox: Sandbox, *arguments: str) -> None:
        self.sandbox = sandbox
        self.process = sandbox.start(*arguments)

    def pause(self, stage: str) -> int:
        """Wait for that stage; returns the process id of the child that sleeps in it."""

        def paused() -> bool:
            assert self.process.poll() is None, self.process.communicate()
            return (self.sandbox.folder / f"paused.{stage}").exists()

        wait_for(paused)
        return wait_for_pause(self.sandbox, stage)

    def result(self) -> Ran:
        out, err = self.process.communicate(timeout=60)
        return Ran(self.process.returncode, out, err)


@pytest.fixture
def release(pausing: Sandbox) -> Iterator[Running]:
    running = Running(pausing, "release-migration", "--json")
    yield running
    running.process.kill()
    running.process.wait()


def at(file: Path, revision: str) -> bool:
    return revision_of(file) == revision


# -- Ctrl-C -----------------------------------------------------------------------------------

# The stage, and where dev and prod stand afterwards.
STAGES = {
    "dev": (R2, R2),
    "check.dev": (R4, R2),
    "rehearsal": (R4, R2),
    "check.rehearsal": (R4, R2),
    "prod": (R4, R2),
    # Upgraded by then, but not seen to pass: put back.
    "check.prod": (R4, R2),
}


@posix
@pytest.mark.parametrize("stage", STAGES)
def test_interrupt_leaves_every_database_as_it_was_before_the_step(
    pausing: Sandbox, stage: str, request: pytest.FixtureRequest
) -> None:
    pausing.write(f"pause.{stage}", "")
    before = dict(zip((pausing.dev, pausing.prod), everything(pausing), strict=True))
    running = request.getfixturevalue("release")
    child = running.pause(stage)
    # A Ctrl-C in a terminal reaches the whole group in front: the child must not be in it.
    assert os.getpgid(child) != os.getpgid(running.process.pid)
    running.process.send_signal(signal.SIGINT)
    ran = running.result()
    assert ran.code == 130, ran.err
    assert ran.json["outcome"] == "interrupted"
    assert "interrupted" in ran.json["error"]["what"]
    assert ran.json["error"]["untouched"]
    assert "Traceback" not in ran.err
    assert not is_alive(child)
    for file, stands in zip((pausing.dev, pausing.prod), STAGES[stage], strict=True):
        assert at(file, stands)
        if stands == R2:
            assert dump(file) == before[file]
    if stage in ("dev", "prod", "check.prod"):
        (pausing.folder / f"pause.{stage}").unlink()
        again = pausing.invoke("release-migration", "--json")
        assert again.code == 0, again.err
        assert at(pausing.prod, R4)


@posix
def test_second_interrupt_does_not_break_off_the_undoing(pausing: Sandbox) -> None:
    slow = PAUSE.replace(
        "{act}",
        "try:\n"
        "            time.sleep(60)\n"
        "        except KeyboardInterrupt:\n"
        '            Path("half-paused").write_text("0")\n'
        '            os.rename("half-paused", "paused.undoing")\n'
        "            time.sleep(1)\n"
        "            raise",
    )
    pausing.add_revision(R4, R3, BIG + slow)
    pausing.write("pause.dev", "")
    before = everything(pausing)
    running = Running(pausing, "upgrade-dev", "--json")
    child = running.pause("dev")
    running.process.send_signal(signal.SIGINT)
    running.pause("undoing")
    running.process.send_signal(signal.SIGINT)
    running.process.send_signal(signal.SIGTERM)
    ran = running.result()
    assert ran.code == 130, ran.err
    assert ran.json["outcome"] == "interrupted"
    assert "please wait" in ran.err
    assert "Traceback" not in ran.err
    assert not is_alive(child)
    assert everything(pausing) == before


@posix
def test_termination_is_undone_like_an_interrupt(pausing: Sandbox) -> None:
    pausing.write("pause.dev", "")
    before = everything(pausing)
    running = Running(pausing, "upgrade-dev")
    running.pause("dev")
    running.process.terminate()
    ran = running.result()
    assert ran.code == 130, ran.err
    assert "dev is unchanged" in ran.err
    assert everything(pausing) == before


# -- kill -9 ----------------------------------------------------------------------------------

# The stage, who is killed in it, and the revision of dev and of prod afterwards.
KILLS = [
    # The parent in the upgrade of dev, or in a rehearsal: tests/scenarios/test_recovery.py.
    ("rehearsal", "child", R4, R2),
    ("prod", "child", R4, R2),
    ("prod", "parent", R4, R2),
    ("prod", "both", R4, R2),
    # Upgraded by then, but not seen to pass: dev stays for a look, prod is put back. Where the
    # parent is killed: tests/scenarios/test_killed_before_verify.py.
    ("check.dev", "child", R4, R2),
    ("check.prod", "child", R4, R2),
]


@posix
@pytest.mark.parametrize(
    ("stage", "killed", "dev", "prod"),
    [
        # One kill each time; the others before a change lands.
        pytest.param(*each, marks=() if each[:2] == ("prod", "both") else pytest.mark.slow)
        for each in KILLS
    ],
)
def test_killed_release_leaves_whole_databases_and_the_next_one_works(
    pausing: Sandbox, stage: str, killed: str, dev: str, prod: str, request: pytest.FixtureRequest
) -> None:
    pausing.write(f"pause.{stage}", "")
    before = dict(zip((pausing.dev, pausing.prod), everything(pausing), strict=True))
    running = request.getfixturevalue("release")
    child = running.pause(stage)
    if killed in ("parent", "both"):
        running.process.kill()
    if killed in ("child", "both"):
        os.kill(child, signal.SIGKILL)
    ran = running.result()
    # The child notices by itself that its parent is gone.
    wait_for(lambda: not is_alive(child))
    if killed == "child":
        assert ran.code == (1 if stage in ("rehearsal", "check.dev") else 3), ran.err
        assert "killed by signal 9" in ran.json["error"]["what"]
        assert "Traceback" not in ran.err
    for file, stands in ((pausing.dev, dev), (pausing.prod, prod)):
        assert revision_of(file) == stands
        if stands == R2:
            assert dump(file) == before[file]
    (pausing.folder / f"pause.{stage}").unlink()
    again = pausing.invoke("release-migration", "--json")
    assert again.code == 0, again.err
    for file in (pausing.dev, pausing.prod):
        assert revision_of(file) == R4
        assert query(file, "SELECT count(*) FROM half") == [(20000,)]
        assert query(file, "SELECT count(*) FROM children") == [(20,)]


# -- the start --------------------------------------------------------------------------------


def test_process_gets_the_variables_that_it_is_given_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXEC_ENV", "prod")
    # Python adds LC_CTYPE by itself where no locale is set (PEP 538).
    wanted = {"ONE": "1", "LC_ALL": "C.UTF-8"} | _needed_by_windows()
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    done = process.run([sys.executable, "-c", code], wanted, tmp_path)
    assert json.loads(done.stdout) == wanted
    child = process.start([sys.executable, "-c", code], wanted, tmp_path, tmp_path / "log")
    assert json.loads(b"".join(child.lines())) == wanted
    assert child.stop() == 0


def _needed_by_windows() -> dict[str, str]:
    return {"SYSTEMROOT": os.environ["SYSTEMROOT"]} if os.name == "nt" else {}


def test_arguments_reach_a_process_as_they_are(tmp_path: Path) -> None:
    """No shell looks at them."""
    argv = ["$HOME", "*", "a b", "`id`", "; exit 3", '"', "%PATH%", ""]
    code = "import json, sys; print(json.dumps(sys.argv[1:]))"
    done = process.run([sys.executable, "-c", code, *argv], dict(os.environ), tmp_path)
    assert json.loads(done.stdout) == argv


def test_process_that_reads_its_input_finds_the_end(tmp_path: Path) -> None:
    code = "import sys; print(repr(sys.stdin.read()))"
    done = process.run([sys.executable, "-c", code], dict(os.environ), tmp_path)
    assert done.stdout.strip() == b"''"


def test_errors_go_where_the_output_goes_or_nowhere(tmp_path: Path) -> None:
    """Never to the terminal, into the middle of a task's own output."""
    code = "import sys; print('out', flush=True); print('error', file=sys.stderr)"
    command = [sys.executable, "-c", code]
    assert process.run(command, dict(os.environ), tmp_path).stdout.split() == [b"out"]
    with (tmp_path / "both").open("wb") as both:
        process.run(command, dict(os.environ), tmp_path, output=both)
    assert (tmp_path / "both").read_bytes().split() == [b"out", b"error"]


def test_process_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        process.run(
            [sys.executable, "-c", "import time; time.sleep(60)"],
            dict(os.environ),
            tmp_path,
            timeout=0.2,
        )


@pytest.mark.parametrize("missing", ["program", "directory"])
def test_program_or_directory_that_does_not_exist_is_an_error(tmp_path: Path, missing: str) -> None:
    program = "no-such-program" if missing == "program" else sys.executable
    folder = tmp_path / "none" if missing == "directory" else tmp_path
    with pytest.raises(OSError, match="No such file" if os.name != "nt" else ""):
        process.start([program], {}, folder, tmp_path / "log")


def test_child_that_ignores_the_end_of_its_input_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "GRACE", 0.5)
    code = "import time; print('up', flush=True); time.sleep(60)"
    child = process.start([sys.executable, "-c", code], dict(os.environ), tmp_path, tmp_path / "l")
    assert next(child.lines()).strip() == b"up"
    assert child.stop() != 0
    assert not is_alive(child.pid)


def test_child_that_has_ended_cannot_be_spoken_to_and_that_is_no_error(tmp_path: Path) -> None:
    child = process.start([sys.executable, "-c", ""], dict(os.environ), tmp_path, tmp_path / "log")
    assert list(child.lines()) == []
    child._process.wait()
    assert child.say("hello") is False
    assert child.stop() == 0


def test_a_process_that_the_child_leaves_behind_is_not_waited_for(tmp_path: Path) -> None:
    """A revision may fork: what it leaves behind keeps the child's end of the pipe open."""
    if not hasattr(os, "fork"):
        pytest.skip("nothing forks on this platform")
    code = "import os, time\nprint('said', flush=True)\nif not os.fork(): time.sleep(60)\n"
    argv = [sys.executable, "-c", code]
    child = process.start(argv, clean_environment(), tmp_path, tmp_path / "log")
    assert list(child.lines()) == [f"said{os.linesep}".encode()]
    assert child.stop() == 0
