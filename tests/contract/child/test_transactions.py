"""All or nothing: whatever env.py or a revision does, a failed upgrade leaves nothing behind."""

from __future__ import annotations

import importlib.util
import sqlite3
import sys
from contextlib import closing

import pytest

from tests.contract.child.steps import (
    FAILING,
    HALF_DONE,
    R4,
    USUAL,
    everything,
    log_of,
    require_mended_run_arrives,
    revision_of,
    run_child,
    write_env,
)
from tests.support import R2, R3, Sandbox, dump, query

# Endings of env.py that plain Alembic accepts, and that each handle transactions in their way.
WAYS = {
    "usual": USUAL,
    "engine.begin": """
with create_engine(url).begin() as connection:
    migrate(connection)
""",
    "pooled engine": """
with create_engine(url, poolclass=pool.QueuePool).connect() as connection:
    migrate(connection)
""",
    "engine in AUTOCOMMIT": """
with create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
    migrate(connection)
""",
    "connection in AUTOCOMMIT": """
engine = create_engine(url)
with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
    migrate(connection)
""",
    "SQLAlchemy's recipe": """
engine = create_engine(url, poolclass=pool.NullPool)
@event.listens_for(engine, "connect")
def no_begin_of_the_driver(driver, record):
    driver.isolation_level = None
@event.listens_for(engine, "begin")
def begin(connection):
    connection.exec_driver_sql("BEGIN")
with engine.connect() as connection:
    migrate(connection)
""",
    "BEGIN IMMEDIATE of its own": """
with create_engine(url).connect() as connection:
    connection.execute(text("BEGIN IMMEDIATE"))
    migrate(connection)
    connection.commit()
""",
    "BEGIN and COMMIT of its own": """
with create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
    connection.exec_driver_sql("BEGIN")
    migrate(connection)
    connection.exec_driver_sql("COMMIT")
""",
    "BEGIN in the driver": """
with create_engine(url).connect() as connection:
    driver = connection.connection.driver_connection
    driver.execute("PRAGMA foreign_keys=ON")
    driver.execute("BEGIN")
    migrate(connection)
""",
    "foreign keys on": """
engine = create_engine(url, poolclass=pool.NullPool)
@event.listens_for(engine, "connect")
def keys_on(driver, record):
    driver.execute("PRAGMA foreign_keys=ON")
with engine.connect() as connection:
    migrate(connection)
""",
    "PRAGMA, committed, before configure": """
with create_engine(url).connect() as connection:
    connection.execute(text("PRAGMA foreign_keys=ON"))
    connection.commit()
    migrate(connection)
""",
    "one transaction for each revision": """
with create_engine(url, poolclass=pool.NullPool).connect() as connection:
    migrate(connection, transaction_per_migration=True)
""",
    "no transactional DDL": """
with create_engine(url, poolclass=pool.NullPool).connect() as connection:
    migrate(connection, transactional_ddl=False)
""",
    "creator": """
engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(file))
with engine.connect() as connection:
    migrate(connection)
""",
    "configured by position": """
with create_engine(url).connect() as connection:
    context.configure(connection, url, None, None)
    with context.begin_transaction():
        context.run_migrations()
""",
    "aiosqlite": """
import asyncio
from sqlalchemy.ext.asyncio import create_async_engine

async def main():
    engine = create_async_engine(url.replace("sqlite:", "sqlite+aiosqlite:"))
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()

asyncio.run(main())
""",
    "Python 3.12's autocommit=False": """
with create_engine(url, connect_args={"autocommit": False}).connect() as connection:
    migrate(connection)
""",
    "Python 3.12's autocommit=True": """
with create_engine(url, connect_args={"autocommit": True}).connect() as connection:
    migrate(connection)
""",
}


@pytest.fixture(params=WAYS)
def any_way(request: pytest.FixtureRequest, filled: Sandbox) -> Sandbox:
    """The project with each of these endings of env.py."""
    way = request.param
    if way == "aiosqlite":
        for module in ("aiosqlite", "greenlet"):
            if importlib.util.find_spec(module) is None:
                pytest.skip(f"{module} is not installed")
    if "3.12" in way and sys.version_info < (3, 12):
        pytest.skip("this Python has no such way")
    write_env(filled, WAYS[way])
    return filled


def test_revision_that_fails_leaves_nothing_under_any_env(any_way: Sandbox) -> None:
    """The second of two pending revisions fails: the first is undone with it."""
    before = everything(any_way)
    any_way.add_revision(R4, R3, FAILING)
    run = run_child(any_way)
    assert (run.failed_revision, run.failure) == (R4, "RuntimeError: in the middle")
    assert everything(any_way) == before
    require_mended_run_arrives(any_way)


# What ends, or tries to end, the run's transaction from inside of a revision.
TEARING = {
    "COMMIT": '    op.execute("COMMIT")',
    "commit of the connection": "    op.get_bind().commit()",
    "commit of the driver": "    op.get_bind().connection.driver_connection.commit()",
    "executescript": '    op.get_bind().connection.driver_connection.executescript("SELECT 1")',
    "isolation_level of the driver": (
        "    op.get_bind().connection.driver_connection.isolation_level = None"
    ),
    "ROLLBACK": '    op.execute("ROLLBACK")',
    "rollback of the connection": "    op.get_bind().rollback()",
    "rollback of the driver": "    op.get_bind().connection.driver_connection.rollback()",
}


@pytest.mark.parametrize("statement", TEARING.values(), ids=TEARING)
def test_revision_cannot_end_the_transaction_of_the_run(filled: Sandbox, statement: str) -> None:
    before = everything(filled)
    filled.add_revision(R4, R3, f"{HALF_DONE}{statement}\n    op.execute('DELETE FROM children')")
    run = run_child(filled)
    assert f"revision {R4}" in run.failure
    assert "autocommit_block()" in run.failure, run.failure
    assert everything(filled) == before


def test_revision_cannot_commit_under_an_async_env_either(filled: Sandbox) -> None:
    for module in ("aiosqlite", "greenlet"):
        pytest.importorskip(module)
    write_env(filled, WAYS["aiosqlite"])
    before = everything(filled)
    filled.add_revision(R4, R3, f'{HALF_DONE}    op.execute("COMMIT")')
    assert f"revision {R4} sends a COMMIT of its own" in run_child(filled).failure
    assert everything(filled) == before


def test_revision_that_swallows_the_refused_commit_goes_on_in_one_transaction(
    filled: Sandbox,
) -> None:
    before = everything(filled)
    body = '    try:\n        op.execute("COMMIT")\n    except Exception:\n        pass\n'
    filled.add_revision(R4, R3, body + FAILING)
    assert run_child(filled).failure == "RuntimeError: in the middle"
    assert everything(filled) == before
    filled.add_revision(R4, R3, body + HALF_DONE)
    assert run_child(filled).finished
    assert revision_of(filled.dev) == R4


def test_session_of_a_revision_commits_with_the_run(filled: Sandbox) -> None:
    """A session on Alembic's connection, committed: usual in data migrations, and harmless."""
    before = everything(filled)
    body = (
        "    from sqlalchemy.orm import Session\n"
        "    with Session(bind=op.get_bind()) as session:\n"
        "        session.execute(sa.text(\"UPDATE parents SET note = 'seen'\"))\n"
        "        session.commit()\n"
    )
    filled.add_revision(R4, R3, body + FAILING)
    assert run_child(filled).failure == "RuntimeError: in the middle"
    assert everything(filled) == before
    filled.add_revision(R4, R3, body)
    assert run_child(filled).finished
    assert query(filled.dev, "SELECT DISTINCT note FROM parents") == [("seen",)]


def test_savepoint_of_a_revision_works(filled: Sandbox) -> None:
    body = (
        "    with op.get_bind().begin_nested() as inner:\n"
        '        op.execute("DELETE FROM children")\n'
        "        inner.rollback()\n"
        "    with op.get_bind().begin_nested():\n"
        "        op.execute(\"UPDATE parents SET note = 'kept'\")\n"
    )
    filled.add_revision(R4, R3, body)
    assert run_child(filled).failure == ""
    assert query(filled.dev, "SELECT count(*) FROM children") == [(20,)]
    assert query(filled.dev, "SELECT DISTINCT note FROM parents") == [("kept",)]


@pytest.mark.parametrize(
    ("way", "statement"),
    [
        ("usual", "VACUUM"),
        ("engine in AUTOCOMMIT", "VACUUM"),
        # Its listener begins a transaction in the block as well, also without us.
        ("SQLAlchemy's recipe", "ANALYZE"),
    ],
)
def test_autocommit_block_works(filled: Sandbox, way: str, statement: str) -> None:
    write_env(filled, WAYS[way])
    filled.add_revision(
        R4,
        R3,
        "    with op.get_context().autocommit_block():\n"
        f'        op.execute("{statement}")\n'
        f"{HALF_DONE}",
    )
    run = run_child(filled)
    assert (run.failure, revision_of(filled.dev)) == ("", R4)
    assert query(filled.dev, "SELECT count(*) FROM half") == [(1,)]


def test_revision_that_fails_after_an_autocommit_block_is_put_back(filled: Sandbox) -> None:
    """What the block committed cannot be rolled back, and moved neither schema nor version."""
    before = everything(filled)
    filled.add_revision(
        "r3a",
        R2,
        "    op.execute(\"UPDATE parents SET name = 'lost'\")\n"
        "    with op.get_context().autocommit_block():\n"
        '        op.execute("VACUUM")\n'
        '    raise RuntimeError("after the block")',
    )
    ran = filled.invoke("upgrade-dev", "--to", "r3a", "--json")
    assert ran.code == 3, ran.err
    assert ran.json["outcome"] == "failed, restored"
    assert everything(filled) == before


def test_statement_after_an_autocommit_block_is_rolled_back(filled: Sandbox) -> None:
    filled.add_revision(
        R4,
        R3,
        '    with op.get_context().autocommit_block():\n        op.execute("VACUUM")\n' + FAILING,
    )
    run_child(filled)
    # The block has committed the first pending revision, as Alembic documents it.
    assert revision_of(filled.dev) == R3
    assert query(filled.dev, "SELECT name FROM sqlite_master WHERE name = 'half'") == []
    require_mended_run_arrives(filled)


def test_second_connection_of_a_revision_reads_and_cannot_write(filled: Sandbox) -> None:
    before = everything(filled)
    reading = (
        "    engine = sa.create_engine(op.get_bind().engine.url, connect_args={'timeout': 0})\n"
        "    with engine.connect() as other:\n"
        "        assert other.scalar(sa.text('SELECT count(*) FROM children')) == 20\n"
    )
    writing = "        other.execute(sa.text('DELETE FROM children'))\n        other.commit()\n"
    filled.add_revision("r3a", R2, reading + writing)
    run = run_child(filled, command=["upgrade", "r3a"])
    assert run.failure == "the database is locked by another process"
    assert everything(filled) == before
    filled.add_revision("r3a", R2, reading)
    assert run_child(filled, command=["upgrade", "r3a"]).failure == ""


def test_writer_cannot_come_between_what_a_revision_reads_and_what_it_writes(
    filled: Sandbox,
) -> None:
    """In a deferred transaction it could, and the revision's own write would then fail."""
    query(filled.dev, "PRAGMA journal_mode=WAL")
    filled.add_revision(
        "r3a",
        R2,
        "    import sqlite3\n"
        "    count = op.get_bind().scalar(sa.text('SELECT count(*) FROM parents'))\n"
        "    driver = op.get_bind().connection.driver_connection\n"
        "    file = driver.execute('PRAGMA database_list').fetchall()[0][2]\n"
        "    with sqlite3.connect(file, timeout=0) as application:\n"
        "        try:\n"
        "            application.execute('INSERT INTO parents VALUES (77, NULL)')\n"
        "        except sqlite3.OperationalError as error:\n"
        "            print(error, flush=True)\n"
        "    op.execute(f'UPDATE parents SET name = {count}')",
    )
    run = run_child(filled, command=["upgrade", "r3a"])
    assert run.failure == ""
    assert "database is locked" in log_of(filled)
    assert query(filled.dev, "SELECT count(*), min(name) FROM parents") == [(20, "20")]


# -- foreign keys -----------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["usual", "engine in AUTOCOMMIT", "BEGIN and COMMIT of its own"])
def test_rows_that_lose_their_parents_are_refused(filled: Sandbox, way: str) -> None:
    write_env(filled, WAYS[way])
    before = everything(filled)
    filled.add_revision(R4, R3, '    op.execute("DELETE FROM parents WHERE id <= 3")')
    run = run_child(filled)
    assert "3 of children without their parents" in run.failure
    assert everything(filled) == before


def test_rows_that_had_no_parent_before_are_tolerated(filled: Sandbox) -> None:
    query(filled.dev, "INSERT INTO children VALUES (99, 12345)")
    run = run_child(filled)
    assert (run.failure, revision_of(filled.dev)) == ("", R3)
    filled.add_revision(R4, R3, '    op.execute("DELETE FROM parents WHERE id = 1")')
    assert "1 of children without their parents" in run_child(filled).failure


def test_rows_that_an_autocommit_block_orphans_are_refused(filled: Sandbox) -> None:
    filled.add_revision(
        R4,
        R3,
        "    with op.get_context().autocommit_block():\n"
        '        op.execute("DELETE FROM parents WHERE id = 1")',
    )
    assert "1 of children without their parents" in run_child(filled).failure
    assert revision_of(filled.dev) == R3


# -- env.py that goes wrong -------------------------------------------------------------------

# Each of these ends with 0 under plain Alembic, or hangs.
BAD_WAYS = {
    "swallows every error": (
        """
try:
    with create_engine(url).connect() as connection:
        migrate(connection)
except BaseException:
    pass
""",
        "instead of",
    ),
    "swallows errors inside of the transaction": (
        """
with create_engine(url).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        try:
            context.run_migrations()
        except Exception as error:
            kept = error
""",
        "before it had finished",
    ),
    "swallows errors inside of engine.begin": (
        """
with create_engine(url).begin() as connection:
    try:
        migrate(connection)
    except Exception:
        pass
""",
        "before it had finished",
    ),
    "does nothing": ("", "instead of"),
    "leaves with sys.exit(0)": ("sys.exit(0)", "sys.exit(0)"),
    "leaves with os._exit(0)": ("os._exit(0)", "ended by itself with exit code 0"),
    "asks a question": ("input('Really? ')\n" + USUAL, "EOFError"),
    "writes before configure, and leaves that open": (
        """
with create_engine(url).connect() as connection:
    connection.connection.driver_connection.execute("UPDATE children SET parent_id = 1")
    migrate(connection)
""",
        "env.py has written to the database before Alembic began",
    ),
    "begins a transaction before configure": (
        """
with create_engine(url).connect() as connection:
    connection.execute(text("PRAGMA foreign_keys=ON"))
    migrate(connection)
""",
        "it began a transaction before context.configure() and did not commit it",
    ),
}


@pytest.mark.parametrize("way", BAD_WAYS)
def test_env_that_pretends_or_breaks_off_fails_and_leaves_everything(
    filled: Sandbox, way: str
) -> None:
    ending, sentence = BAD_WAYS[way]
    write_env(filled, ending)
    filled.add_revision(R4, R3, FAILING if "swallows" in way else HALF_DONE)
    before = everything(filled)
    ran = filled.invoke("upgrade-dev", "--json")
    assert ran.code == 3, ran.err
    assert sentence in ran.json["error"]["what"]
    assert "Traceback" not in ran.err
    assert "restored" not in ran.json["outcome"]
    assert everything(filled) == before


def test_env_that_prints_leaves_json_clean(filled: Sandbox) -> None:
    write_env(filled, f"print('noise'); os.write(1, b'more noise')\n{USUAL}print('{{')")
    ran = filled.invoke("release-migration", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["outcome"] == "released"


def test_env_that_prints_is_heard_in_the_log(filled: Sandbox) -> None:
    write_env(filled, f"print('noise', flush=True); os.write(1, b'more noise')\n{USUAL}")
    assert run_child(filled).finished
    assert "noise\nmore noise" in log_of(filled)


@pytest.mark.parametrize("way", ["usual", "engine in AUTOCOMMIT", "BEGIN IMMEDIATE of its own"])
def test_command_that_only_reads_writes_nothing(filled: Sandbox, way: str) -> None:
    write_env(filled, WAYS[way])
    before = dump(filled.dev)
    run = run_child(filled, command=["current"])
    assert run.failure == ""
    assert dump(filled.dev) == before


def test_the_childs_stamp_of_a_file_is_the_parents(filled: Sandbox) -> None:
    from migrations_ops.child.transactions.unshared import stamp_of
    from migrations_ops.databases.sqlite.database import SQLite

    for mode in ("DELETE", "WAL"):
        with closing(sqlite3.connect(filled.dev, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA journal_mode={mode}")
            connection.execute("DELETE FROM children")
            stamp = stamp_of(str(filled.dev))
            assert stamp == SQLite(filled.dev, "dev").stamp_of_content()
            assert ("size-wal" in stamp) is (mode == "WAL")
