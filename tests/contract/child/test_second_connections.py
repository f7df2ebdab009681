"""What a revision connects besides, to a database of SQLite, is a part of the run."""

from __future__ import annotations

import pytest

from tests.contract.child import env_ways
from tests.contract.child.engines import HALF_DONE, cases, on
from tests.contract.child.project import FAILS, R1, R2, R3, R4, ChildProject
from tests.support import R3 as HEAD
from tests.support import Sandbox, query

CREATES = "    op.create_table('made', sa.Column('id', sa.Integer))\n"
INSPECTS = "    assert 'made' in sa.inspect(op.get_bind().engine).get_table_names()\n"
ENGINES = {
    "of the run": "op.get_bind().engine",
    "of its own": "sa.create_engine(op.get_bind().engine.url)",
}
WAYS = {
    each: env_ways.SQLITE[each]
    for each in ("usual", "pooled engine", "engine in AUTOCOMMIT", "SQLAlchemy's recipe")
} | {
    "one transaction for each revision": env_ways.PER_REVISION,
    "a connection in the pool": (
        "engine = create_engine(url, poolclass=pool.QueuePool)\n"
        "with engine.connect() as connection, engine.connect() as other:\n"
        "    for each in (connection, other):\n"
        "        each.execute(text('SELECT 1'))\n"
        "        each.rollback()\n" + env_ways.connects("engine")
    ),
}
QUERY = "    with {engine}.connect() as other:\n"


@cases("env", {"sqlite": WAYS, "aiosqlite": {"usual": env_ways.asynchronous()}})
def test_a_further_connection_sees_what_the_run_has_done(project: ChildProject, env: str) -> None:
    project.write_env(env)
    project.add_revision(R2, R1, CREATES)
    project.add_revision(R3, R2, INSPECTS + INSPECTS + "    op.drop_table('made')\n")
    ran = project.run(ledger_entry={})
    assert (ran.failure, project.revision()) == ("", R3)
    assert project.events() == ["identity", "upgrade"]


@cases("engine", {"sqlite": ENGINES})
def test_what_it_commits_stays_and_is_undone_with_the_run(
    project: ChildProject, engine: str
) -> None:
    body = (
        f"{QUERY.format(engine=engine)}"
        "        other.execute(sa.text(\"UPDATE shops SET name = '{name}'\"))\n"
        "        other.commit()\n"
    )
    project.add_revision(R2, R1, HALF_DONE + body.format(name="kept"))
    project.add_revision(R3, R2, body.format(name="lost"))
    project.add_revision(R4, R3, FAILS)
    with project.upgrades(R2, "head") as run:
        assert (run().failure, project.names()) == ("", ["kept"] * 3)
        before = project.everything()
        assert "nowhere" in run().failure
    assert project.everything() == before


@cases("engine", {"sqlite": ENGINES})
def test_what_it_does_not_commit_is_undone_alone(project: ChildProject, engine: str) -> None:
    project.add_revision(
        R2,
        R1,
        "    op.execute(\"UPDATE shops SET name = 'run'\")\n"
        f"{QUERY.format(engine=engine)}"
        "        other.execute(sa.text('DELETE FROM orders'))\n"
        "    assert op.get_bind().scalar(sa.text('SELECT count(*) FROM orders')) == 3\n"
        f"{QUERY.format(engine=engine)}"
        "        for row in other.execute(sa.text('SELECT id FROM shops WHERE id = 2')):\n"
        "            op.execute(f\"UPDATE shops SET name = 'again' WHERE id = {row.id}\")\n",
    )
    assert project.run(ledger_entry={}).failure == ""
    assert project.names() == ["run", "again", "run"]


@on("sqlite")
def test_what_an_application_sets_on_its_connections_stays_as_the_run_has_it(
    project: ChildProject,
) -> None:
    settings = ("journal_mode=WAL", "synchronous = NORMAL", "foreign_keys(ON)", "temp_store=2")
    project.add_revision(
        R2,
        R1,
        CREATES + "    engine = sa.create_engine(op.get_bind().engine.url)\n"
        "    @sa.event.listens_for(engine, 'connect')\n"
        "    def listener(driver, record):\n"
        "        driver.isolation_level = None\n"
        f"        for each in {settings!r}:\n"
        "            driver.cursor().execute('PRAGMA ' + each)\n"
        "    assert 'made' in sa.inspect(engine).get_table_names()\n"
        "    assert op.get_bind().scalar(sa.text('PRAGMA foreign_keys')) == 0\n",
    )
    project.add_revision(R3, R2, FAILS)
    before = project.everything()
    assert "nowhere" in project.run(ledger_entry={}).failure
    assert project.everything() == before


@on("sqlite")
def test_what_cannot_be_undone_alone_undoes_the_run(project: ChildProject) -> None:
    before = project.everything()
    project.add_revision(
        R2,
        R1,
        f"{QUERY.format(engine=ENGINES['of the run'])}"
        "        other.execute(sa.text('DELETE FROM orders'))\n"
        "        op.execute(\"UPDATE shops SET name = 'run'\")\n"
        "        try:\n"
        "            other.rollback()\n"
        "        except Exception:\n"
        "            pass\n",
    )
    assert "has rolled back what it wrote" in project.run(ledger_entry={}).failure
    assert project.everything() == before


@on("sqlite")
def test_one_of_another_thread_reads_what_was_and_cannot_write(project: ChildProject) -> None:
    body = (
        "    from concurrent.futures import ThreadPoolExecutor\n"
        "    engine = sa.create_engine(op.get_bind().engine.url)\n"
        "    def work():\n"
        "        with engine.connect() as other:\n"
        "            assert other.scalar(sa.text('SELECT count(*) FROM orders')) == 3\n"
        "            assert other.scalar(sa.text('PRAGMA busy_timeout')) == 0\n"
        "            {more}\n"
        "    with ThreadPoolExecutor(1) as pool:\n"
        "        pool.submit(work).result()\n"
    )
    project.add_revision(R2, R1, body.format(more=""))
    project.add_revision(R3, R2, body.format(more="other.execute(sa.text('DELETE FROM orders'))"))
    with project.upgrades(R2, "head") as run:
        assert run().failure == ""
        before = project.everything()
        assert run().failure == "the database is locked by another process"
    assert project.everything() == before


def test_under_a_bare_alembic_too(filled: Sandbox) -> None:
    filled.add_revision("r4dddddddddd", HEAD, CREATES)
    filled.add_revision("r5eeeeeeeeee", "r4dddddddddd", INSPECTS)
    ran = filled.alembic("upgrade", "head", EXEC_ENV="dev")
    assert ran.code == 0, ran.err
    assert query(filled.dev, "SELECT * FROM alembic_version") == [("r5eeeeeeeeee",)]


@pytest.mark.slow
def test_in_a_rehearsal_it_is_the_copy(filled: Sandbox) -> None:
    filled.add_revision("r4dddddddddd", HEAD, CREATES)
    filled.add_revision("r5eeeeeeeeee", "r4dddddddddd", INSPECTS)
    ran = filled.invoke("release-migration")
    assert ran.code == 0, ran.err
