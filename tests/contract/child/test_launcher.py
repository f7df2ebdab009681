"""The child as a process: it acts on instructions alone, and ends with its parent."""

from __future__ import annotations

import os
import signal
import sys
import textwrap
import threading
from dataclasses import replace

import pytest

from migrations_ops.child.protocol.events import (
    Failed,
    PartCommitted,
    Ready,
    StatementRan,
    decode,
    encode,
)
from migrations_ops.child.protocol.instructions import Instructions
from migrations_ops.project.child import CHILD
from migrations_ops.project.project import Project
from migrations_ops.steps.command_run import CommandRun
from migrations_ops.steps.instructions import instructions_for
from migrations_ops.steps.step import Step
from migrations_ops.system import process
from tests.contract.child.steps import (
    BIG,
    HALF_DONE,
    PAUSING,
    R4,
    SWALLOWING,
    USUAL,
    everything,
    is_alive,
    log_of,
    require_fixed_run_arrives,
    revision_of,
    run_child,
    start_child,
    wait_for_pause,
    write_env,
)
from tests.support import R2, R3, Sandbox, dump, query

posix = pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")


@pytest.fixture
def pausing(filled: Sandbox) -> Sandbox:
    """The project with a revision that sleeps in the middle of its work on dev."""
    filled.add_revision(R4, R3, PAUSING)
    filled.write("pause.dev", "")
    return filled


class Background:
    """A step that runs in a thread, so that the test can act meanwhile."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.step, project = start_child(sandbox, "dev", ["upgrade", "head"])
        instructions = instructions_for(project, project.settings.environment("dev"))
        self._run: list[CommandRun] = []
        self._thread = threading.Thread(
            target=lambda: self._run.append(self.step.run(instructions))
        )
        self._thread.start()

    def result(self) -> CommandRun:
        self._thread.join(60)
        return self._run[0]


# -- instructions -----------------------------------------------------------------------------


def test_child_without_instructions_leaves_without_having_opened_anything(shop: Sandbox) -> None:
    write_env(shop, "Path('acted').touch()" + USUAL)
    step, _ = start_child(shop, "dev", ["upgrade", "head"])
    assert next(step._lines) == encode(Ready())
    assert step._child.stop() == 0
    assert not (shop.folder / "acted").exists()
    assert not shop.dev.exists()
    assert log_of(shop) == ""


def test_child_of_another_version_than_its_parent_says_so(shop: Sandbox) -> None:
    """As where the package is replaced while a release is at work."""
    step, _ = start_child(shop, "dev", ["upgrade", "head"])
    step._child.say('{"version": 0, "environment": "dev", "unheard_of": true}')
    failed = [decode(line) for line in step._lines][-1]
    assert isinstance(failed, Failed)
    assert failed.sentence.startswith("migrations_ops was replaced while it worked")
    assert step._child.stop() == 1
    assert not shop.dev.exists()
    assert log_of(shop) == ""


def test_commands_run_one_by_one_as_they_are_ordered(filled: Sandbox) -> None:
    step, project = start_child(filled, "dev", ["upgrade", "head"], ["downgrade", R2], ["check"])
    instructions = instructions_for(project, project.settings.environment("dev"))
    try:
        assert step.run(instructions, last=False).finished
        assert revision_of(filled.dev) == R3
        down = step.run(instructions, last=False)
        assert [each.revision for each in down.revisions] == [R3]
        assert revision_of(filled.dev) == R2
    finally:
        step.close()
    assert revision_of(filled.dev) == R2


def test_failure_in_one_command_does_not_hold_up_the_next_child(filled: Sandbox) -> None:
    filled.add_revision(R4, R3, HALF_DONE + '    raise ValueError("100% wrong")')
    run = run_child(filled)
    assert run.failure == "ValueError: 100% wrong"
    assert run.where.endswith(f"{R4}.py:13")
    require_fixed_run_arrives(filled)


# -- the end of the parent --------------------------------------------------------------------


def test_child_that_is_stopped_rolls_back_and_wakes_up_for_it(pausing: Sandbox) -> None:
    before = everything(pausing)
    work = Background(pausing)
    pid = wait_for_pause(pausing, "dev")
    work.step._child._process.stdin.close()  # type: ignore[union-attr]
    run = work.result()
    assert (run.finished, run.failure) == (False, "KeyboardInterrupt: interrupted")
    # Not killed after its time of grace: it left by itself, in order.
    assert run.exit == 130
    assert not is_alive(pid)
    assert everything(pausing) == before


@pytest.mark.parametrize("way", ["usual", "engine.begin", "AUTOCOMMIT"])
def test_child_that_swallows_the_interrupt_commits_nothing(filled: Sandbox, way: str) -> None:
    """Neither the revision, nor env.py after it, can carry on once the parent is gone."""
    filled.add_revision(R4, R3, BIG + SWALLOWING)
    endings = {
        "usual": USUAL,
        "engine.begin": """
with create_engine(url).begin() as connection:
    try:
        migrate(connection)
    except BaseException:
        pass
""",
        "AUTOCOMMIT": """
with create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
    try:
        migrate(connection)
    except BaseException:
        pass
""",
    }
    write_env(filled, endings[way])
    filled.write("pause.dev", "")
    before = everything(filled)
    work = Background(filled)
    wait_for_pause(filled, "dev")
    work.step._child._process.stdin.close()  # type: ignore[union-attr]
    run = work.result()
    assert not run.finished or way != "usual"
    assert everything(filled) == before


def test_long_statement_ends_with_the_parent(filled: Sandbox) -> None:
    filled.add_revision(
        R4,
        R3,
        "    from pathlib import Path\n"
        '    Path("half-paused").write_text("0")\n'
        '    Path("half-paused").rename("paused.dev")\n'
        '    op.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)'
        ' SELECT count(*) FROM n")',
    )
    before = everything(filled)
    work = Background(filled)
    wait_for_pause(filled, "dev")
    work.step._child._process.stdin.close()  # type: ignore[union-attr]
    run = work.result()
    # In order, and not by its own end after the time of grace. On a busy machine the parent may be
    # gone before the statement has begun: then it is not let in.
    assert "interrupted" in run.failure or "not authorized" in run.failure
    assert everything(filled) == before


def test_nothing_more_is_committed_statement_by_statement_once_the_parent_is_gone(
    filled: Sandbox,
) -> None:
    inside = textwrap.indent(SWALLOWING + "    op.execute('DELETE FROM children')\n", "    ")
    block = f"    with op.get_context().autocommit_block():\n{inside}"
    filled.add_revision(R4, R3, block)
    filled.write("pause.dev", "")
    work = Background(filled)
    wait_for_pause(filled, "dev")
    work.step._child._process.stdin.close()  # type: ignore[union-attr]
    assert not work.result().finished
    assert query(filled.dev, "SELECT count(*) FROM children") == [(20,)]


@posix
def test_child_stops_also_where_sigint_is_ignored(pausing: Sandbox) -> None:
    """As under nohup, and for what a shell script starts in the background."""
    before = everything(pausing)
    ignored = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        work = Background(pausing)
    finally:
        signal.signal(signal.SIGINT, ignored)
    wait_for_pause(pausing, "dev")
    work.step._child._process.stdin.close()  # type: ignore[union-attr]
    assert work.result().exit == 130
    assert everything(pausing) == before


@posix
def test_child_that_is_killed_in_the_middle_leaves_the_database_as_it_was(
    pausing: Sandbox,
) -> None:
    before = everything(pausing)
    work = Background(pausing)
    os.kill(wait_for_pause(pausing, "dev"), signal.SIGKILL)
    run = work.result()
    assert run.failure == "the process was killed by signal 9"
    # The file itself was half written: the next one who opens it rolls that back.
    assert pausing.dev.with_name(f"{pausing.dev.name}-journal").stat().st_size > 0
    query(pausing.dev, "SELECT count(*) FROM children")
    assert everything(pausing) == before
    (pausing.folder / "pause.dev").unlink()
    assert run_child(pausing).failure == ""
    assert revision_of(pausing.dev) == R4
    assert query(pausing.dev, "SELECT count(*) FROM half") == [(20000,)]


def test_child_that_takes_too_long_is_killed(pausing: Sandbox) -> None:
    text = (pausing.folder / "pyproject.toml").read_text(encoding="utf-8")
    prod = "[tool.migrations_ops.environments.prod]"
    pausing.configure(text.replace(prod, f"timeout = 3\n\n{prod}"))
    before = everything(pausing)
    run = run_child(pausing)
    assert "longer than the 3 seconds" in run.failure
    query(pausing.dev, "SELECT 1")
    assert everything(pausing) == before


# -- the channel ------------------------------------------------------------------------------


def _speaking(filled: Sandbox, code: str) -> Step:
    """A process in the place of a child, which reports what a real one does only by bad luck."""
    argv = [sys.executable, "-c", code]
    child = process.start(argv, dict(os.environ), filled.folder, filled.folder / "child.log")
    return Step(child, Project.read(filled.folder).settings.environment("dev"))


def test_event_that_a_kill_has_cut_short_is_no_error_of_ours(filled: Sandbox) -> None:
    line = encode(StatementRan("SELECT 1", "r4"))[:-5]
    code = f"import os; os.write(1, {line!r}); os.kill(os.getpid(), 9)"
    step = _speaking(filled, code)
    assert step.run(Instructions("dev")).failure == "the process was killed by signal 9"


def test_child_blocked_on_a_full_pipe_is_heard_out_when_it_has_to_stop(filled: Sandbox) -> None:
    """Its last report counts as well: that a part of the run is committed already."""
    code = f"import sys; sys.stdout.buffer.write({encode(Ready())!r} * 20000);"
    code += f"sys.stdout.buffer.write({encode(PartCommitted('r4'))!r}); sys.stdout.flush();"
    code += "sys.stdin.read()"
    step = _speaking(filled, code)
    step._started = "now"
    step.close()
    assert step.committed


def test_env_cannot_speak_on_the_channel_nor_read_from_it(filled: Sandbox) -> None:
    """Nor can what env.py starts: a child of the child would keep the channel open."""
    write_env(
        filled,
        "import subprocess\n"
        "assert sys.stdin.read() == ''\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(5)'])\n"
        f"print({encode(Failed('refused', 'Wrong', 'forged')).decode()!r}, flush=True)\n" + USUAL,
    )
    run = run_child(filled)
    assert (run.finished, run.refused, run.failure, run.exit) == (True, "", "", 0)
    assert "forged" in log_of(filled)


def test_child_needs_nothing_of_this_package(filled: Sandbox) -> None:
    """A project's own interpreter runs it by path, without migrations_ops being installed."""
    code = (
        "import importlib.metadata, runpy, sys\n"
        "importlib.metadata.entry_points = lambda **_: []\n"
        "sys.modules['migrations_ops'] = None\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    project = Project.read(filled.folder)
    dev = project.settings.environment("dev")
    child = process.start(
        [sys.executable, "-c", code, str(CHILD), "-c", "alembic.ini", "upgrade", "head"],
        project.variables(dev),
        filled.folder,
        filled.folder / "child.log",
    )
    run = Step(child, dev).run(instructions_for(project, dev))
    assert (run.finished, run.failure) == (True, "")
    assert revision_of(filled.dev) == R3


def test_step_on_sqlite_loads_nothing_of_a_server(filled: Sandbox) -> None:
    write_env(filled, USUAL + "print('loaded', *sys.modules, flush=True)\n")
    assert run_child(filled).finished
    [line] = [each for each in log_of(filled).splitlines() if each.startswith("loaded ")]
    own = {each.partition(".")[2] for each in line.split() if each.startswith("migrations_ops_")}
    assert "transactions.sqlite" in own
    assert not own & {
        "destination.connections",
        "recording.server_ledger",
        "transactions.mariadb",
        "transactions.postgresql",
        "transactions.server",
        "transactions.sessions",
    }


def test_database_of_an_engine_that_no_step_knows_is_refused(filled: Sandbox) -> None:
    """Not guarded as one of SQLite, whose transaction would be another one."""
    step, project = start_child(filled, "dev", ["upgrade", "head"])
    dev = project.settings.environment("dev")
    instructions = replace(instructions_for(project, dev), real="oracle:host:1521:shop")
    before = dump(filled.dev)
    run = step.run(instructions)
    assert not run.finished
    assert run.failure == (
        "a step knows nothing of oracle databases, and would not keep this one whole: it works on"
        " sqlite, postgresql, mariadb alone"
    )
    assert dump(filled.dev) == before
