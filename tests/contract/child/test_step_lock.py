"""One step at a time in a server's database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from migrations_ops.child.protocol.events import Failed
from migrations_ops.child.protocol.identity import STEP_KEY, lock_name
from tests.contract.child.engines import HALF_DONE, on, on_each_server
from tests.contract.child.project import R1, R2, Background, ChildProject
from tests.support import wait_for

# Finds the session of the step that asks for the lock.
ASKING = {
    "postgresql": "SELECT 1 FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    " AND query LIKE '%FROM pg_locks%'",
    "mariadb": "SELECT 1 FROM information_schema.processlist WHERE db = DATABASE()"
    " AND id <> CONNECTION_ID() AND id NOT IN ({session})",
}


@contextmanager
def locked(project: ChildProject) -> Iterator[int]:
    """Within, the session of this number has the lock of another step."""
    mariadb = project.engine.name == "mariadb"
    with project.session(**{} if mariadb else {"application_name": "orphan"}) as session:
        name = lock_name("step", project.database.name)
        take = f"GET_LOCK('{name}', 0)" if mariadb else f"pg_advisory_lock({STEP_KEY})"
        session.cursor().execute(f"SELECT {take}")
        yield session.thread_id() if mariadb else session.info.backend_pid


@on_each_server
def test_step_waits_for_another_one_that_is_still_at_work(project: ChildProject) -> None:
    project.add_revision(R2, R1, HALF_DONE)
    with locked(project) as number:
        work = Background(project, step_lock=True, step_wait=60)
        asking = ASKING[project.engine.name].format(session=number)
        wait_for(lambda: bool(project.database.execute(asking)))
        assert project.revision() == R1
    assert work.result().failure == ""
    assert project.revision() == R2


@on_each_server
def test_step_that_waits_in_vain_says_who_is_at_work(project: ChildProject) -> None:
    project.add_revision(R2, R1, HALF_DONE)
    with locked(project) as number:
        ran = project.run(step_lock=True, step_wait=0.2)
    who = {"postgresql": "(orphan at 127.0.0.1/32)", "mariadb": "(root at 127.0.0.1"}
    assert f"session {number} {who[project.engine.name]}" in ran.failure
    assert ran.of(Failed)[0].kind == "guard"
    assert project.revision() == R1


@on("postgresql")
def test_commands_of_one_process_do_not_wait_for_each_other(project: ChildProject) -> None:
    """A pool of env.py's may still hold the session of an earlier command."""
    project.write_env(
        "with create_engine(url).connect() as connection:\n    migrate(connection)\n"
        "import builtins\nbuiltins.kept = getattr(builtins, 'kept', []) + [connection.engine]\n"
    )
    project.add_revision(R2, R1, HALF_DONE)
    project.add_revision("r3", R2, "    op.drop_table('half')")
    with project.upgrades(R2, "head", step_lock=True, step_wait=0.2) as run:
        assert (run().failure, run().failure) == ("", "")
    assert project.revision() == "r3"
