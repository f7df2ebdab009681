"""All or nothing: whatever env.py or a revision does, a failed run leaves nothing behind.

On MariaDB that is true of rows, as long as nothing has committed them.
"""

from __future__ import annotations

import os
import signal

from tests.contract.child import env_ways
from tests.contract.child.engines import HALF_DONE, cases, on, on_every_engine
from tests.contract.child.project import (
    FAILS,
    PAUSING,
    R1,
    R2,
    R3,
    R4,
    Background,
    ChildProject,
)
from tests.support import wait_for

LOST = "    op.execute(\"UPDATE shops SET name = 'lost'\")\n"
# Some engines make the table anew for it, and must not lose the rows that refer to it.
REBUILD = """\
    with op.batch_alter_table("shops") as batch_op:
        batch_op.alter_column("name", existing_type=sa.String(50), nullable=False)
"""


def add_failing(project: ChildProject, body: str = LOST) -> None:
    """Pending after R2: what fails, after another revision where that is undone as well."""
    if project.engine.is_transactional:
        project.add_revision(R3, R2, body + '    op.drop_table("half")')
        project.add_revision(R4, R3, FAILS)
    else:
        project.add_revision(R3, R2, body + FAILS)


def require_arrives_and_fails_whole(project: ChildProject) -> None:
    """R2 arrives; all that is pending after it fails, and leaves what R2 has made."""
    with project.upgrades(R2, "head", ledger_entry={}) as run:
        arrived = run()
        assert (arrived.failure, arrived.run.finished, project.revision()) == ("", True, R2)
        assert project.events() == ["identity", "upgrade"]
        before = project.everything()
        failed = run()
    assert ("nowhere" in failed.failure, failed.committed) == (True, False), failed.failure
    assert project.everything() == before


@cases(
    "env",
    {
        "sqlite": env_ways.SQLITE,
        "aiosqlite": {"usual": env_ways.asynchronous()},
        "postgresql": env_ways.POSTGRESQL,
        "mariadb": env_ways.MARIADB,
    },
)
def test_run_is_kept_as_a_whole_or_not_at_all_under_any_env(
    project: ChildProject, env: str
) -> None:
    project.write_env(env)
    project.add_revision(R2, R1, project.engine.work + REBUILD)
    add_failing(project)
    require_arrives_and_fails_whole(project)
    assert project.names() == ["one", "changed", "three"]
    assert len(project.database.execute("SELECT id FROM orders")) == 3
    assert (f"applied {R2}" in project.log) == ("applied" in env)


@cases("env", dict.fromkeys(["sqlite", "postgresql", "mariadb"], env_ways.SWALLOWING))
def test_env_that_swallows_an_error_commits_nothing(project: ChildProject, env: str) -> None:
    project.write_env(env)
    before = project.everything()
    project.add_revision(R2, R1, project.engine.work + FAILS)
    ran = project.run()
    assert ran.run.revisions == ()
    assert "before it had finished" in ran.failure or not project.engine.is_transactional
    assert project.everything() == before


# What ends, or tries to end, the run's transaction from inside of a revision.
DRIVER = "    op.get_bind().connection.driver_connection"
BY_CONNECTION = {"commit of the connection": "    op.get_bind().commit()"}
ENDING = BY_CONNECTION | {
    "COMMIT": '    op.execute("COMMIT")',
    "ROLLBACK": '    op.execute("ROLLBACK")',
    "rollback of the connection": "    op.get_bind().rollback()",
    "commit of the driver": f"{DRIVER}.commit()",
    "rollback of the driver": f"{DRIVER}.rollback()",
}
OF_SQLITE = {
    "executescript": f'{DRIVER}.executescript("SELECT 1")',
    "isolation_level of the driver": f"{DRIVER}.isolation_level = None",
}
OF_POSTGRESQL = {
    "COMMIT among others": '    op.execute("SELECT 1; -- no\\n COMMIT; SELECT 2")',
    "END": '    op.execute("END")',
    "PREPARE TRANSACTION": "    op.execute(\"PREPARE TRANSACTION 'x'\")",
    "COMMIT by the driver": f"{DRIVER}.execute('COMMIT')",
    "commit after constraints were checked": (
        f"    op.execute('SET CONSTRAINTS ALL IMMEDIATE')\n{DRIVER}.commit()"
    ),
}


@cases(
    "statement",
    {
        "sqlite": ENDING | OF_SQLITE,
        "aiosqlite": {"COMMIT": ENDING["COMMIT"]},
        "postgresql": ENDING | OF_POSTGRESQL,
        # Whatever else commits there is reported (test_commits.py).
        "mariadb": BY_CONNECTION,
    },
)
def test_revision_cannot_end_the_transaction_of_the_run(
    project: ChildProject, statement: str
) -> None:
    before = project.everything()
    work = project.engine.work
    project.add_revision(R2, R1, f"{work}{statement}\n    op.execute('DELETE FROM shops')")
    ran = project.run(ledger_entry={})
    assert f"revision {R2}" in ran.failure
    assert ("autocommit_block()" in ran.failure) == project.engine.is_transactional, ran.failure
    assert not ran.committed
    assert project.everything() == before


@on("sqlite", "postgresql")
def test_revision_that_swallows_the_refused_commit_goes_on_in_one_transaction(
    project: ChildProject,
) -> None:
    """It never reached the database, which would have ended the transaction."""
    body = '    try:\n        op.execute("COMMIT")\n    except Exception:\n        pass\n'
    project.add_revision(R2, R1, HALF_DONE + body)
    add_failing(project, body)
    require_arrives_and_fails_whole(project)


@on_every_engine
def test_session_of_a_revision_commits_with_the_run(project: ChildProject) -> None:
    """A session on Alembic's connection, committed: usual in data migrations."""
    body = (
        "    from sqlalchemy.orm import Session\n"
        "    with Session(bind=op.get_bind()) as session:\n"
        "        session.execute(sa.text(\"UPDATE shops SET name = '{name}'\"))\n"
        "        session.commit()\n"
    )
    project.add_revision(R2, R1, HALF_DONE + body.format(name="seen"))
    add_failing(project, body.format(name="lost"))
    require_arrives_and_fails_whole(project)
    assert project.names() == ["seen"] * 3


@on_every_engine
def test_savepoint_of_a_revision_works(project: ChildProject) -> None:
    project.add_revision(
        R2,
        R1,
        "    with op.get_bind().begin_nested() as inner:\n"
        '        op.execute("DELETE FROM shops")\n'
        "        inner.rollback()\n"
        "    with op.get_bind().begin_nested():\n"
        "        op.execute(\"UPDATE shops SET name = 'kept'\")\n",
    )
    assert project.run(ledger_entry={}).failure == ""
    assert project.names() == ["kept"] * 3


def block(statement: str) -> str:
    return f'    with op.get_context().autocommit_block():\n        op.execute("{statement}")\n'


# What cannot run in a transaction, and under which env.py.
BESIDE_A_TRANSACTION = {
    "sqlite": {
        "usual": ("", "VACUUM"),
        "engine in AUTOCOMMIT": (env_ways.IN_AUTOCOMMIT, "VACUUM"),
        # Its listener begins a transaction in the block as well, also without us.
        "SQLAlchemy's recipe": (env_ways.SQLITE["SQLAlchemy's recipe"], "ANALYZE"),
    },
    "postgresql": {"engine in AUTOCOMMIT": (env_ways.IN_AUTOCOMMIT, "VACUUM shops")},
    "asyncpg": {
        "engine in AUTOCOMMIT": (env_ways.asynchronous(env_ways.AUTOCOMMIT), "VACUUM shops")
    },
}


@cases("given", BESIDE_A_TRANSACTION)
def test_autocommit_block_works_and_what_follows_is_rolled_back(
    project: ChildProject, given: tuple[str, str]
) -> None:
    env, statement = given
    if env:
        project.write_env(env)
    project.add_revision(R2, R1, f"{block(statement)}{HALF_DONE}")
    # The block commits the revision before its own, as Alembic documents it.
    project.add_revision(R3, R2, "    pass")
    project.add_revision(R4, R3, f"{block(statement)}{LOST}{FAILS}")
    with project.upgrades(R2, "head") as run:
        assert (run().failure, project.revision()) == ("", R2)
        assert "nowhere" in run().failure
    assert project.revision() == R3
    assert project.names() == ["one", "changed", "three"]
    assert project.database.execute("SELECT id FROM half") == [(1,)]


@on("postgresql")
def test_killed_child_leaves_the_database_as_it_was(project: ChildProject) -> None:
    before = project.everything()
    project.add_revision(R2, R1, PAUSING)
    work = Background(project)
    project.wait_for_pause()
    os.kill(work.pid, signal.SIGKILL)
    assert not work.result().run.finished
    gone = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'migrations_ops'"
    wait_for(lambda: not project.database.execute(gone))
    assert project.everything() == before


@on_every_engine
def test_stamp_and_sql_and_reading_change_no_schema(project: ChildProject) -> None:
    project.add_revision(R2, R1, HALF_DONE)
    before = project.everything()
    for command in (["upgrade", f"{R1}:head", "--sql"], ["current"], ["history"]):
        ran = project.run(*command, ledger_entry={}, step_lock=True)
        assert (ran.failure, ran.run.finished, ran.committed) == ("", True, False)
        assert project.everything() == before
    ran = project.run("stamp", R2, ledger_entry={})
    assert (ran.failure, ran.committed, project.revision()) == ("", False, R2)
    assert project.events() == ["identity", "stamp"]
