"""The child as a process: it acts on instructions alone, and ends with its parent."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from textwrap import indent

import pytest

from migrations_ops.child.protocol.events import (
    Failed,
    PartlyCommitted,
    Ready,
    StatementRan,
    decode,
    encode,
)
from migrations_ops.child.protocol.instructions import Instructions
from migrations_ops.project.child_process import CHILD
from migrations_ops.project.environments import Environment
from migrations_ops.steps.step import Step
from migrations_ops.system import process
from tests.contract.child.engines import HALF_DONE, cases, on
from tests.contract.child.project import PAUSING, R1, R2, USUAL, Background, ChildProject
from tests.contract.child.steps import is_alive

posix = pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")
on_sqlite = on("sqlite")
# More than SQLite's cache holds, so that the database file itself is half written by then.
BIG = """\
    op.create_table("big", sa.Column("id", sa.Integer), sa.Column("b", sa.LargeBinary))
    op.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
        " INSERT INTO big SELECT i, randomblob(300) FROM n"
    )
"""
# A revision that is interrupted and goes on all the same.
SWALLOWING = PAUSING.replace(
    "    time.sleep(600)\n",
    "    try:\n        time.sleep(600)\n    except BaseException:\n        pass\n",
)


# -- instructions -----------------------------------------------------------------------------


@on_sqlite
def test_child_without_instructions_leaves_without_having_opened_anything(
    project: ChildProject,
) -> None:
    project.write_env(f"open('acted', 'w')\n{USUAL}")
    step = project.start()
    assert next(step._lines) == encode(Ready())
    assert step._child.stop() == 0
    assert not (project.folder / "acted").exists()
    assert project.log == ""


@on_sqlite
def test_child_of_another_version_than_its_parent_says_so(project: ChildProject) -> None:
    """As where the package is replaced while a release is at work."""
    before = project.everything()
    project.add_revision(R2, R1, HALF_DONE)
    step = project.start()
    step._child.say('{"version": 0, "environment": "dev", "unheard_of": true}')
    failed = [decode(line) for line in step._lines][-1]
    assert isinstance(failed, Failed)
    assert failed.sentence.startswith("migrations_ops was replaced while it worked")
    assert step._child.stop() == 1
    assert (project.everything(), project.log) == (before, "")


@on_sqlite
def test_command_that_is_not_asked_for_is_not_run(project: ChildProject) -> None:
    project.add_revision(R2, R1, HALF_DONE)
    with project.upgrades(R1, R2) as run:
        assert run().run.finished
    assert project.revision() == R1


# -- the end of the parent --------------------------------------------------------------------


@pytest.mark.parametrize("ignored", [False, pytest.param(True, marks=posix)])
@on_sqlite
def test_child_that_is_stopped_rolls_back_and_wakes_up_for_it(
    project: ChildProject, ignored: bool
) -> None:
    """Also where SIGINT is ignored, as for what a shell script starts in the background."""
    before = project.everything()
    project.add_revision(R2, R1, PAUSING)
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler)
    try:
        work = Background(project)
    finally:
        signal.signal(signal.SIGINT, usual)
    project.wait_for_pause()
    work.leave()
    run = work.result().run
    assert (run.finished, run.failure) == (False, "KeyboardInterrupt: interrupted")
    # Not killed after its time of grace: it left by itself, in order.
    assert run.exit == 130
    assert not is_alive(work.pid)
    assert project.everything() == before


PASSING = """
with {}.{} as connection:
    try:
        migrate(connection)
    except BaseException:
        pass
"""
ENDINGS = {
    "usual": USUAL,
    "engine.begin": PASSING.format("create_engine(url)", "begin()"),
    "AUTOCOMMIT": PASSING.format('create_engine(url, isolation_level="AUTOCOMMIT")', "connect()"),
}


@cases("env", {"sqlite": ENDINGS})
def test_child_that_swallows_the_interrupt_commits_nothing(project: ChildProject, env: str) -> None:
    """Neither the revision, nor env.py after it, can carry on once the parent is gone."""
    project.write_env(env)
    project.add_revision(R2, R1, BIG + SWALLOWING)
    before = project.everything()
    work = Background(project)
    project.wait_for_pause()
    work.leave()
    run = work.result().run
    assert not run.finished or env != USUAL
    assert project.everything() == before


@on_sqlite
def test_nothing_more_is_committed_statement_by_statement_once_the_parent_is_gone(
    project: ChildProject,
) -> None:
    inside = SWALLOWING.removeprefix(HALF_DONE) + "    op.execute('DELETE FROM orders')\n"
    block = f"    with op.get_context().autocommit_block():\n{indent(inside, '    ')}"
    project.add_revision(R2, R1, block)
    work = Background(project)
    project.wait_for_pause()
    work.leave()
    assert not work.result().run.finished
    assert len(project.database.execute("SELECT id FROM orders")) == 3


@posix
@on_sqlite
def test_child_that_is_killed_in_the_middle_leaves_the_database_as_it_was(
    project: ChildProject,
) -> None:
    before = project.everything()
    project.add_revision(R2, R1, BIG + PAUSING)
    work = Background(project)
    project.wait_for_pause()
    os.kill(work.pid, signal.SIGKILL)
    assert work.result().failure == "the process was killed by signal 9"
    # The file itself was half written: the next one who opens it rolls that back.
    assert (project.folder / "shop.db-journal").stat().st_size > 0
    assert project.everything() == before
    project.add_revision(R2, R1, BIG)
    assert (project.run().failure, project.revision()) == ("", R2)
    assert project.database.execute("SELECT count(*) FROM big") == [(20000,)]


@on_sqlite
def test_child_that_takes_too_long_is_killed(project: ChildProject) -> None:
    before = project.everything()
    project.add_revision(R2, R1, PAUSING)
    step = project.start()
    step.environment = replace(step.environment, timeout=3)
    assert "longer than the 3 seconds" in step.run(project.instructions()).failure
    assert project.everything() == before


# -- the channel ------------------------------------------------------------------------------


def speaking(project: ChildProject, code: str, *words: str) -> Step:
    """A process in the place of a child, which reports what a real one does only by bad luck."""
    variables = dict(os.environ) | {"DATABASE_URL": project.url}
    argv = [sys.executable, "-c", code, *words]
    child = process.start(argv, variables, project.folder, project.folder / "child.log")
    return Step(child, Environment("dev", project.url, project.folder))


@on_sqlite
def test_event_that_a_kill_has_cut_short_is_no_error_of_ours(project: ChildProject) -> None:
    line = encode(StatementRan("SELECT 1", "r4"))[:-5]
    step = speaking(project, f"import os; os.write(1, {line!r}); os.kill(os.getpid(), 9)")
    assert step.run(Instructions("dev")).failure == "the process was killed by signal 9"


@on_sqlite
def test_child_blocked_on_a_full_pipe_is_heard_out_when_it_has_to_stop(
    project: ChildProject,
) -> None:
    """Its last report counts as well: that a part of the run is committed already."""
    code = f"import sys; sys.stdout.buffer.write({encode(Ready())!r} * 20000);"
    code += f"sys.stdout.buffer.write({encode(PartlyCommitted('r4'))!r}); sys.stdout.flush();"
    code += "sys.stdin.read()"
    step = speaking(project, code)
    step._started = "now"
    step.close()
    assert step.has_committed


@on_sqlite
def test_env_cannot_speak_on_the_channel_nor_read_from_it(project: ChildProject) -> None:
    """Nor can what env.py starts: a child of the child would keep the channel open."""
    project.write_env(
        "import subprocess\n"
        "assert sys.stdin.read() == ''\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(5)'])\n"
        f"print({encode(Failed('refused', 'Wrong', 'forged')).decode()!r}, flush=True)\n{USUAL}",
    )
    run = project.run().run
    assert (run.finished, run.refused, run.failure, run.exit) == (True, "", "", 0)
    assert "forged" in project.log


@on_sqlite
def test_child_needs_nothing_of_this_package(project: ChildProject) -> None:
    """A project's own interpreter runs it by path, without migrations_ops being installed."""
    code = (
        "import importlib.metadata, runpy, sys\n"
        "importlib.metadata.entry_points = lambda **_: []\n"
        "sys.modules['migrations_ops'] = None\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    project.add_revision(R2, R1, HALF_DONE)
    words = (str(CHILD), "-c", str(project.write_ini()), "upgrade", "head")
    run = speaking(project, code, *words).run(project.instructions())
    assert (run.finished, run.failure, project.revision()) == (True, "", R2)


@on_sqlite
def test_step_on_sqlite_loads_nothing_of_a_server(project: ChildProject) -> None:
    project.write_env(USUAL + "print('loaded', *sys.modules, flush=True)\n")
    assert project.run().run.finished
    [line] = [each for each in project.log.splitlines() if each.startswith("loaded ")]
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


@on_sqlite
def test_database_of_an_engine_that_no_step_knows_is_refused(project: ChildProject) -> None:
    """Not guarded as one of SQLite, whose transaction would be another one."""
    before = project.everything()
    project.add_revision(R2, R1, HALF_DONE)
    run = project.run(real="oracle:host:1521:shop").run
    assert not run.finished
    assert run.failure == (
        "a step does not know oracle databases and could not protect this one: it supports only"
        " sqlite, postgresql, mariadb"
    )
    assert project.everything() == before
