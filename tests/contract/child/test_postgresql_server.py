"""The child on PostgreSQL, under each driver: where it goes, and that nothing half done stays."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from migrations_ops.child.protocol.events import Failed, Opened
from migrations_ops.child.protocol.identity import POSTGRESQL_IDENTITY, STEP_KEY
from tests.contract.child.server_steps import (
    FAILING,
    HALF_DONE,
    PAUSING,
    POSTGRESQL_DRIVERS,
    R1,
    R2,
    R3,
    USUAL,
    Background,
    ServerProject,
    beside,
    identity,
    installed,
    make_project,
)
from tests.contract.child.steps import wait_for
from tests.servers.databases import ServerDatabase, swept
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgres import PostgresServer, debian_bin
from tests.servers.process import MissingServerError


@pytest.fixture(params=POSTGRESQL_DRIVERS)
def any_driver(
    request: pytest.FixtureRequest, postgres_database: ServerDatabase, tmp_path: Path
) -> ServerProject:
    """The project under each of the drivers."""
    return make_project(tmp_path / "project", postgres_database, installed(request.param))


@pytest.fixture
def project(postgres_database: ServerDatabase, tmp_path: Path) -> ServerProject:
    return make_project(tmp_path / "project", postgres_database, "psycopg")


# -- every driver -----------------------------------------------------------------------------


def test_upgrade_arrives_with_timeouts_and_ledger_under_any_driver(
    any_driver: ServerProject,
) -> None:
    settings = ["lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"]
    settings += ["client_connection_check_interval", "application_name"]
    any_driver.add_revision(
        R2,
        R1,
        HALF_DONE + "    ask = lambda name: op.get_bind().scalar(sa.text(f'SHOW {name}'))\n"
        f"    print([ask(name) for name in {settings}], flush=True)",
    )
    ran = any_driver.run(statement_timeout=7.5, ledger={"release": "x"})
    assert (ran.failure, ran.run.finished, ran.committed) == ("", True, False)
    assert any_driver.revision() == R2
    assert "['500ms', '7500ms', '1min', '500ms', 'migrations_ops']" in any_driver.log
    assert ran.of(Opened) == [Opened(in_transaction=False)]
    identity_entry, entry = any_driver.ledger()
    assert identity_entry["event"] == "identity"
    assert (entry["event"], entry["release"], entry["environment"]) == ("upgrade", "x", "dev")
    assert [each["revision"] for each in entry["revisions"]] == [R2]


def test_revision_that_fails_leaves_nothing_under_any_driver(any_driver: ServerProject) -> None:
    before = any_driver.everything()
    any_driver.add_revision(R2, R1, HALF_DONE)
    any_driver.add_revision(R3, R2, "    op.execute('SELECT 1 / (id - 2) FROM shops')")
    ran = any_driver.run(ledger={})
    assert ran.failure.partition(": ")[2] == "division by zero"
    assert (ran.run.failed_revision, ran.run.locked) == (R3, False)
    assert not ran.committed
    assert any_driver.everything() == before
    assert "migrations_ops_ledger" not in str(
        any_driver.database.execute("SELECT viewname FROM pg_views WHERE schemaname = 'public'")
    )


# -- one driver -------------------------------------------------------------------------------


def test_killed_child_leaves_the_database_as_it_was(project: ServerProject) -> None:
    before = project.everything()
    project.add_revision(R2, R1, PAUSING)
    work = Background(project)
    project.wait_for_pause()
    os.kill(work.pid, signal.SIGKILL)
    assert not work.result().run.finished
    gone = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'migrations_ops'"
    wait_for(lambda: not project.database.execute(gone))
    assert project.everything() == before


def test_stamp_and_sql_and_reading_change_no_schema(project: ServerProject) -> None:
    project.add_revision(R2, R1, HALF_DONE)
    before = project.everything()
    for command in (["upgrade", f"{R1}:head", "--sql"], ["current"], ["history"]):
        ran = project.run(*command, ledger={}, step_lock=True)
        assert (ran.failure, ran.run.finished, ran.committed) == ("", True, False)
        assert project.everything() == before
    ran = project.run("stamp", R2, ledger={})
    assert (ran.failure, ran.committed, project.revision()) == ("", False, R2)
    assert [run["event"] for run in project.ledger()] == ["identity", "stamp"]


# Endings of env.py that plain Alembic accepts.
WAYS = {
    "engine.begin": """
with create_engine(url).begin() as connection:
    migrate(connection)
""",
    "engine in AUTOCOMMIT": """
with create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
    migrate(connection)
""",
    "AUTOCOMMIT without begin_transaction": """
with create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
    context.configure(connection=connection)
    context.run_migrations()
""",
    "AUTOCOMMIT and something before": """
with create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
    connection.execute(text("SET search_path TO public"))
    migrate(connection)
""",
    "one transaction for each revision": """
with create_engine(url).connect() as connection:
    migrate(connection, transaction_per_migration=True)
""",
    "no transactional DDL": """
with create_engine(url).connect() as connection:
    migrate(connection, transactional_ddl=False)
""",
    "serializable": """
with create_engine(url, isolation_level="SERIALIZABLE").connect() as connection:
    migrate(connection)
""",
    "a schema made before": """
with create_engine(url).connect() as connection:
    connection.execute(text("CREATE SCHEMA IF NOT EXISTS audit"))
    connection.commit()
    migrate(connection)
""",
    "creator in autocommit": """
import psycopg
plain = url.replace("+psycopg", "")
def connect():
    return psycopg.connect(plain, autocommit=True)
engine = create_engine("postgresql+psycopg://", creator=connect)
with engine.connect() as connection:
    migrate(connection)
""",
    "a token at the last moment": """
engine = create_engine(url.replace("hidden-word", "wrong-word"), poolclass=pool.NullPool)
@event.listens_for(engine, "do_connect")
def token(dialect, record, cargs, cparams):
    cparams["password"] = cparams["password"].replace("wrong-word", "hidden-word")
with engine.connect() as connection:
    migrate(connection)
""",
}


@pytest.mark.parametrize("way", WAYS)
def test_run_is_one_transaction_under_any_env(project: ServerProject, way: str) -> None:
    project.write_env(WAYS[way])
    before = project.everything()
    project.add_revision(R2, R1, HALF_DONE)
    project.add_revision(R3, R2, '    raise RuntimeError("in the middle")')
    assert project.run().failure == "RuntimeError: in the middle"
    assert project.everything() == before
    project.add_revision(R3, R2, "    op.execute('SELECT 1')")
    ran = project.run(ledger={})
    assert (ran.failure, ran.run.finished) == ("", True)
    assert project.revision() == R3
    assert project.ledger()[-1]["event"] == "upgrade"
    assert project.database.execute("SELECT id FROM half") == [(1,)]


@pytest.mark.parametrize("way", ["engine in AUTOCOMMIT", "asyncpg in AUTOCOMMIT"])
def test_autocommit_block_works_in_an_engine_that_commits_by_itself(
    postgres_database: ServerDatabase, tmp_path: Path, way: str
) -> None:
    driver = installed("asyncpg" if "asyncpg" in way else "psycopg")
    project = make_project(tmp_path / "project", postgres_database, driver)
    ending = WAYS["engine in AUTOCOMMIT"]
    if driver == "asyncpg":
        ending = """
import asyncio
from sqlalchemy.ext.asyncio import create_async_engine

async def main():
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()

asyncio.run(main())
"""
    project.write_env(ending)
    project.add_revision(
        R2,
        R1,
        HALF_DONE
        + "    with op.get_context().autocommit_block():\n"
        + "        op.execute('CREATE INDEX CONCURRENTLY late ON shops (name)')\n"
        + "    op.execute('DELETE FROM half')",
    )
    assert project.run().failure == ""
    assert project.database.execute("SELECT id FROM half") == []
    project.add_revision(R3, R2, "    op.execute('DELETE FROM shops')\n    raise OSError('no')")
    assert project.run().failure == "OSError: no"
    assert len(project.database.execute("SELECT id FROM shops")) == 3


def member_of(project: ServerProject, role: str) -> None:
    """The role of the URL becomes one that owns all and may act as another one, too."""
    server = project.database.server
    assert isinstance(server, PostgresServer)
    server.create_role("plain", server.password)
    server.create_role(role, "x")
    server.execute(f"GRANT {role} TO plain")
    name = project.database.name
    project.database.execute(
        f"GRANT ALL ON DATABASE {name} TO plain; ALTER SCHEMA public OWNER TO plain;"
        "ALTER TABLE alembic_version OWNER TO plain; ALTER TABLE shops OWNER TO plain;"
        f"GRANT ALL ON alembic_version TO {role}; CREATE SCHEMA app AUTHORIZATION {role}"
    )


@pytest.mark.parametrize("statement", ["SET ROLE", "SET LOCAL ROLE"])
@pytest.mark.parametrize("in_block", [False, True], ids=["in one transaction", "with a block"])
def test_revision_may_go_on_as_another_role(
    project: ServerProject, statement: str, in_block: bool
) -> None:
    member_of(project, "owner_of_app")
    project.write_env(f'url = url.replace("//postgres:", "//plain:")\n{USUAL}')
    block = "    with op.get_context().autocommit_block():\n        op.execute('SELECT 1')\n"
    project.add_revision(R2, R1, block * in_block + "    op.execute('SELECT 1')")
    assert project.run(ledger={}).failure == ""
    project.add_revision(
        R3,
        R2,
        block * in_block
        + f"    op.execute('{statement} owner_of_app')\n"
        + "    op.execute('CREATE TABLE app.x (id int)')\n"
        + "    op.execute('SET CONSTRAINTS ALL IMMEDIATE')",
    )
    ran = project.run(ledger={})
    assert (ran.failure, ran.run.finished, ran.run.ledger_failure) == ("", True, "")
    assert project.revision() == R3
    owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'x'"
    assert project.database.execute(owner) == [("owner_of_app",)]
    assert [run["revisions"][0]["revision"] for run in project.ledger()[1:]] == [R2, R3]


# What ends, or tries to end, the run's transaction from inside of a revision.
TEARING = {
    "COMMIT": '    op.execute("COMMIT")',
    "COMMIT among others": '    op.execute("SELECT 1; -- no\\n COMMIT; SELECT 2")',
    "END": '    op.execute("END")',
    "ROLLBACK": '    op.execute("ROLLBACK")',
    "PREPARE TRANSACTION": "    op.execute(\"PREPARE TRANSACTION 'x'\")",
    "commit of the connection": "    op.get_bind().commit()",
    "rollback of the connection": "    op.get_bind().rollback()",
    "commit of the driver": "    op.get_bind().connection.driver_connection.commit()",
    "rollback of the driver": "    op.get_bind().connection.driver_connection.rollback()",
    "COMMIT by the driver": ("    op.get_bind().connection.driver_connection.execute('COMMIT')"),
}


@pytest.mark.parametrize("statement", TEARING.values(), ids=TEARING)
def test_revision_cannot_end_the_transaction_of_the_run(
    project: ServerProject, statement: str
) -> None:
    before = project.everything()
    project.add_revision(R2, R1, f"{HALF_DONE}{statement}\n    op.execute('DELETE FROM shops')")
    ran = project.run()
    assert f"revision {R2}" in ran.failure
    assert "autocommit_block()" in ran.failure, ran.failure
    assert not ran.committed
    assert project.everything() == before


def test_revision_that_swallows_the_refused_commit_goes_on_in_one_transaction(
    project: ServerProject,
) -> None:
    """It never reached the server, which would have rolled back."""
    before = project.everything()
    body = '    try:\n        op.execute("COMMIT")\n    except Exception:\n        pass\n'
    project.add_revision(R2, R1, HALF_DONE + body)
    project.add_revision(R3, R2, body + '    raise RuntimeError("in the middle")')
    assert project.run().failure == "RuntimeError: in the middle"
    assert project.everything() == before
    project.add_revision(R3, R2, body)
    assert project.run().failure == ""
    assert project.revision() == R3


def test_commit_behind_our_back_is_reported_where_the_role_may_make_no_temporary_tables(
    project: ServerProject,
) -> None:
    """The server's own net is missing then, and the damage done: it must not pass for nothing."""
    server = project.database.server
    assert isinstance(server, PostgresServer)
    server.create_role("plain", "hidden-word-of-plain")
    for sql in (
        f"REVOKE TEMPORARY ON DATABASE {project.database.name} FROM PUBLIC",
        "GRANT ALL ON SCHEMA public TO plain",
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO plain",
    ):
        project.database.execute(sql)
    url = server.url(project.database.name, user="plain", password="hidden-word-of-plain")
    plain = {"DATABASE_URL": url}
    project.add_revision(R2, R1, HALF_DONE + TEARING["commit of the driver"])
    ran = project.run(variables=plain)
    assert ran.committed
    assert f"revision {R2} has committed the transaction of the run" in ran.failure


def test_constraints_can_be_checked_in_the_middle_of_a_revision(project: ServerProject) -> None:
    project.add_revision(
        R2,
        R1,
        HALF_DONE
        + "    op.execute('SET CONSTRAINTS ALL IMMEDIATE')\n"
        + "    op.get_bind().connection.driver_connection.commit()",
    )
    before = project.everything()
    assert f"revision {R2} commits by itself" in project.run().failure
    assert project.everything() == before
    project.add_revision(R2, R1, HALF_DONE + "    op.execute('SET CONSTRAINTS ALL IMMEDIATE')")
    assert project.run().failure == ""
    assert project.revision() == R2


def test_savepoint_and_function_with_its_own_end_work(project: ServerProject) -> None:
    project.add_revision(
        R2,
        R1,
        "    with op.get_bind().begin_nested() as inner:\n"
        '        op.execute("DELETE FROM shops")\n'
        "        inner.rollback()\n"
        "    op.execute('CREATE FUNCTION one() RETURNS int BEGIN ATOMIC SELECT 1; END')\n"
        "    op.execute('DO $$ BEGIN PERFORM 1; END $$')",
    )
    assert project.run().failure == ""
    assert project.database.execute("SELECT one(), count(*) FROM shops") == [(1, 3)]


def test_env_that_swallows_an_error_commits_nothing(project: ServerProject) -> None:
    project.write_env(
        """
with create_engine(url).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        try:
            context.run_migrations()
        except Exception as error:
            kept = error
"""
    )
    before = project.everything()
    project.add_revision(R2, R1, FAILING)
    assert "before it had finished" in project.run().failure
    assert project.everything() == before


# How a second connection keeps what it writes, without a commit of SQLAlchemy's.
KEEPING = {
    "an engine in AUTOCOMMIT": (
        "    engine = sa.create_engine(op.get_bind().engine.url, isolation_level='AUTOCOMMIT')\n"
        "    with engine.connect() as other:\n        other.execute(sa.text({sql!r}))\n"
    ),
    "another of the pool": (
        "    other = op.get_bind().engine.raw_connection()\n"
        "    other.cursor().execute({sql!r})\n    other.commit()\n"
    ),
}


@pytest.mark.parametrize("driver", ["psycopg", "pg8000"])
@pytest.mark.parametrize("way", KEEPING)
def test_what_a_second_connection_keeps_counts_as_done(
    postgres_database: ServerDatabase, tmp_path: Path, driver: str, way: str
) -> None:
    project = make_project(tmp_path / "project", postgres_database, installed(driver))
    before = project.everything()
    reads = KEEPING[way].format(sql="SELECT * FROM shops")
    project.add_revision(R2, R1, f"{reads}    raise RuntimeError('in the middle')")
    ran = project.run(ledger={})
    assert (ran.committed, "in the middle" in ran.failure) == (False, True)
    writes = KEEPING[way].format(sql="UPDATE shops SET name = 'changed' WHERE id = 2")
    project.add_revision(R2, R1, f"{writes}    raise RuntimeError('in the middle')")
    assert project.run(ledger={}).committed
    assert project.everything() != before


def test_second_connection_of_a_revision_that_commits_is_reported(project: ServerProject) -> None:
    body = "    with op.get_bind().engine.connect() as other:\n"
    project.add_revision(R2, R1, body + "        other.execute(sa.text('SELECT 1'))")
    assert not project.run().committed
    write = "        other.execute(sa.text('DELETE FROM shops'))\n        other.commit()"
    project.add_revision(R3, R2, body + write)
    ran = project.run()
    assert (ran.failure, ran.committed) == ("", True)


# -- autocommit_block() -----------------------------------------------------------------------

BLOCK = (
    HALF_DONE
    + "    with op.get_context().autocommit_block():\n"
    + "        op.execute('CREATE UNIQUE INDEX CONCURRENTLY late ON shops (name)')\n"
)


def test_autocommit_block_is_reported_before_and_the_ledger_says_that_it_is_done(
    project: ServerProject,
) -> None:
    project.add_revision(R2, R1, BLOCK)
    ran = project.run(ledger={})
    assert (ran.failure, ran.committed) == ("", True)
    assert len(ran.run.torn) == 1
    assert [run["event"] for run in project.ledger()] == ["identity", "upgrade"]


def test_ledger_says_which_revision_an_autocommit_block_left_half_applied(
    project: ServerProject,
) -> None:
    project.add_revision(R2, R1, "    op.execute('SELECT 1')")
    project.add_revision(R3, R2, BLOCK.replace("late ON shops (name)", "late ON shops ((id / 2))"))
    project.database.execute("INSERT INTO shops VALUES (4, 'four'), (5, 'five')")
    ran = project.run(ledger={"release": "x"})
    assert ran.committed
    assert (ran.run.failed_revision, ran.run.locked) == (R3, False)
    _, done, begun = project.ledger()
    assert (done["event"], [each["revision"] for each in done["revisions"]]) == ("upgrade", [R2])
    assert (begun["event"], begun["outcome"], begun["release"]) == ("begun", "begun", "x")
    assert [each["revision"] for each in begun["revisions"]] == [R3]
    assert project.revision() == R2


def test_index_that_is_built_beside_others_waits_for_them(project: ServerProject) -> None:
    """With the usual lock timeout it would break off, and leave an invalid index behind."""
    project.add_revision(R2, R1, BLOCK + "        op.execute('SHOW lock_timeout')")
    server = project.database.server
    assert isinstance(server, PostgresServer)
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with server.session(project.database.name, autocommit=False) as application:
        application.execute("UPDATE shops SET name = 'busy' WHERE id = 1")
        work = Background(project, lock_timeout=0.05)
        wait_for(
            lambda: (
                "CREATE UNIQUE INDEX CONCURRENTLY"
                in str(
                    project.database.execute(
                        f"SELECT query FROM pg_stat_activity WHERE pid IN (SELECT pid FROM pg_locks"
                        f" WHERE NOT granted) AND EXISTS ({waiting})"
                    )
                )
            )
        )
        # Much longer than the lock timeout.
        application.execute("SELECT pg_sleep(0.5)")
        application.rollback()
    assert work.result().failure == "", "it gave up"
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'late'::regclass"
    assert project.database.execute(valid) == [(True,)]


def test_lock_that_is_held_is_reported_as_one_and_changes_nothing(project: ServerProject) -> None:
    before = project.everything()
    project.add_revision(R2, R1, HALF_DONE + "    op.execute('ALTER TABLE shops ADD more int')")
    server = project.database.server
    assert isinstance(server, PostgresServer)
    with server.session(project.database.name, autocommit=False) as application:
        application.execute("SELECT * FROM shops")
        ran = project.run(lock_timeout=0.1)
    assert ran.run.locked
    assert not ran.committed
    assert project.everything() == before


# -- the destination --------------------------------------------------------------------------


def test_identity_can_be_asked_by_a_role_that_may_nothing_else(postgres: PostgresServer) -> None:
    with swept(postgres):
        name = postgres.create_database()
        postgres.create_role("nobody", "hidden-word")
        with postgres.session(name, user="nobody", password="hidden-word") as session:
            [[found]] = session.execute(POSTGRESQL_IDENTITY).fetchall()
        assert found == identity(ServerDatabase(postgres, name))


def test_env_that_goes_to_another_environment_is_refused(project: ServerProject) -> None:
    other = beside(project.database)
    given = {"DATABASE_URL": project.url_of(other)}
    before = project.everything()
    ran = project.run(variables=given, others={"prod": identity(other)})
    assert ran.refused == "env.py opened the database of prod, but dev is the shop"
    unknown = project.run(variables=given)
    assert f"/{other.name}, but dev is the shop" in unknown.refused
    assert project.everything() == before


def test_copy_of_another_environment_is_recognised_by_its_ledger(project: ServerProject) -> None:
    project.add_revision(R2, R1, HALF_DONE)
    assert project.run(environment="prod", ledger={}).failure == ""
    before = project.everything()
    project.add_revision(R3, R2, "    op.execute('DELETE FROM shops')")
    refused = project.run(ledger={}).refused
    assert refused == "env.py opened the shop, whose ledger says that it is prod, but dev was meant"
    assert project.everything() == before


def test_database_of_another_kind_is_refused(project: ServerProject) -> None:
    given = {"DATABASE_URL": f"sqlite:///{project.folder}/astray.db"}
    refused = project.run(variables=given).refused
    assert "astray.db, but dev is the shop" in refused
    refused = project.run(real=str(project.folder / "astray.db")).refused
    assert refused.startswith("env.py opened the postgresql database postgresql://postgres@")
    assert "hidden-word" not in refused


# How a revision may reach for the real database while it is rehearsed.
REACHING: dict[str, str] = {
    "psycopg": "    import psycopg\n    other = psycopg.connect({plain!r})",
    "psycopg's class": "    import psycopg\n    other = psycopg.Connection.connect({plain!r})",
    "from psycopg": "    from psycopg import connect\n    other = connect({plain!r})",
    "psycopg2": "    import psycopg2\n    other = psycopg2.connect({plain!r})",
    "an engine": (
        "    other = sa.create_engine({plain!r}.replace(':', '+psycopg:', 1)).raw_connection()"
    ),
    "a creator": (
        "    import psycopg\n    other = sa.create_engine('postgresql+psycopg://',"
        " creator=lambda: psycopg.connect({plain!r})).raw_connection()"
    ),
}


@pytest.mark.parametrize("way", REACHING)
@pytest.mark.parametrize("real", [True, False], ids=["real", "another environment's"])
def test_rehearsal_keeps_every_connection_off_the_real_databases(
    project: ServerProject, way: str, real: bool
) -> None:
    if "psycopg2" in way:
        installed("psycopg2")
    scratch, prod = beside(project.database), beside(project.database)
    target = project.database if real else prod
    plain = target.url("postgresql")
    body = REACHING[way].format(plain=plain) + (
        "\n    cursor = other.cursor()\n    cursor.execute('DELETE FROM shops')\n    other.commit()"
    )
    project.add_revision(R2, R1, body)
    ran = project.run(
        scratch=identity(scratch),
        redirect={"database": scratch.name},
        others={"prod": identity(prod)},
    )
    assert ran.refused == (
        "" if real else "env.py opened the database of prod, but dev is the shop"
    )
    left = [len(each.execute("SELECT id FROM shops")) for each in (project.database, prod, scratch)]
    assert left == [3, 3, 0 if real else 3]


def test_rehearsal_that_cannot_be_led_away_is_refused(project: ServerProject) -> None:
    """A redirection that leads back to the real database, for whatever reason."""
    scratch = beside(project.database)
    before = project.everything()
    project.add_revision(R2, R1, HALF_DONE)
    ran = project.run(scratch=identity(scratch), redirect={})
    assert ran.refused.startswith("env.py opened the real database, the shop")
    assert project.everything() == before


def test_rehearsal_reaches_a_scratch_database_of_another_server(
    project: ServerProject, postgres: PostgresServer
) -> None:
    other = started_debian()
    try:
        name = other.create_database()
        for sql in (
            "CREATE TABLE alembic_version (version_num text)",
            f"INSERT INTO alembic_version VALUES ('{R1}')",
            "CREATE TABLE shops (id int, name text)",
        ):
            other.execute(sql, database=name)
        scratch = ServerDatabase(other, name)
        other.create_role("elsewhere", "another-hidden-word", "SUPERUSER")
        redirect = {
            "host": other.host, "port": other.port, "user": "elsewhere",
            "password": "another-hidden-word", "database": name,
        }  # fmt: skip
        project.add_revision(R2, R1, HALF_DONE)
        before = project.everything()
        ran = project.run(scratch=identity(scratch), redirect=redirect, ledger={})
        assert (ran.refused, ran.failure) == ("", "")
        assert scratch.execute("SELECT id FROM half") == [(1,)]
        assert project.everything() == before
    finally:
        other.close()


def started_debian() -> PostgresServer:
    try:
        return PostgresServer(debian_bin(15))
    except MissingServerError as missing:
        pytest.skip(str(missing))


def test_pooler_before_the_server_is_refused_under_any_driver(
    any_driver: ServerProject, pgbouncer: PgBouncer
) -> None:
    if any_driver.driver == "pg8000":
        pytest.skip("pg8000 does not tell the number of its session")
    given = any_driver.url.replace(f":{any_driver.database.server.port}/", f":{pgbouncer.port}/")
    any_driver.add_revision(R2, R1, HALF_DONE)
    before = any_driver.everything()
    refused = any_driver.run(variables={"DATABASE_URL": given}).refused
    assert "the shop through a pooler such as PgBouncer" in refused
    assert any_driver.everything() == before


# -- the ledger -------------------------------------------------------------------------------


def test_role_that_may_make_no_view_upgrades_without_a_ledger(project: ServerProject) -> None:
    server = project.database.server
    assert isinstance(server, PostgresServer)
    server.create_role("plain", "hidden-word-of-plain")
    project.database.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO plain")
    url = server.url(project.database.name, user="plain", password="hidden-word-of-plain")
    project.add_revision(R2, R1, "    op.execute(\"UPDATE shops SET name = 'seen'\")")
    ran = project.run(variables={"DATABASE_URL": url}, ledger={})
    assert (ran.failure, project.revision()) == ("", R2)
    assert ran.run.ledger_failure == "permission denied for schema public"


def test_ledger_keeps_every_character(project: ServerProject) -> None:
    given = 'it\'s "b" \\ c \\n 100% {x} :y $1 \u20ac\U0001f600'
    project.add_revision(R2, R1, "    op.execute('SET standard_conforming_strings = off')")
    assert project.run(ledger={"user": given}).failure == ""
    assert project.ledger()[-1]["user"] == given


def test_ledger_lies_in_the_schema_of_the_version_table(project: ServerProject) -> None:
    project.database.execute('CREATE SCHEMA "Odd one"')
    project.database.execute('ALTER TABLE alembic_version SET SCHEMA "Odd one"')
    project.write_env(
        "with create_engine(url).connect() as connection:\n"
        "    migrate(connection, version_table_schema='Odd one')\n"
    )
    project.add_revision(R2, R1, HALF_DONE)
    assert project.run(ledger={}).failure == ""
    rows = project.database.execute("SELECT schemaname FROM pg_views WHERE viewname LIKE 'migr%'")
    assert rows == [("Odd one",)]
    assert project.run("downgrade", R1, ledger={}).failure == ""
    [[text]] = project.database.execute('SELECT ledger FROM "Odd one".migrations_ops_ledger')
    assert '"downgrade"' in text


def test_something_else_of_the_ledgers_name_is_left_alone(project: ServerProject) -> None:
    project.database.execute("CREATE VIEW migrations_ops_ledger AS SELECT 1 AS ledger")
    project.add_revision(R2, R1, HALF_DONE)
    assert project.run(ledger={}).failure == ""
    assert project.database.execute("SELECT ledger FROM migrations_ops_ledger") == [(1,)]


# -- one step at a time -----------------------------------------------------------------------


@pytest.fixture
def locked(project: ServerProject) -> Iterator[Any]:
    """A session that holds the lock of another step."""
    server = project.database.server
    assert isinstance(server, PostgresServer)
    with server.session(project.database.name, application_name="orphan") as session:
        session.execute(f"SELECT pg_advisory_lock({STEP_KEY})")
        yield session


def test_step_waits_for_another_one_that_is_still_at_work(
    project: ServerProject, locked: Any
) -> None:
    project.add_revision(R2, R1, HALF_DONE)
    work = Background(project, step_lock=True, step_wait=60)
    asking = "SELECT 1 FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE {}"
    wait_for(lambda: bool(project.database.execute(asking.format("'%FROM pg_locks%'"))))
    assert project.revision() == R1
    locked.close()
    assert work.result().failure == ""
    assert project.revision() == R2


def test_step_that_waits_in_vain_says_who_is_at_work(project: ServerProject, locked: Any) -> None:
    project.add_revision(R2, R1, HALF_DONE)
    ran = project.run(step_lock=True, step_wait=0.2)
    assert f"session {locked.info.backend_pid} (orphan at 127.0.0.1/32)" in ran.failure
    assert ran.of(Failed)[0].kind == "guard"
    assert project.revision() == R1


def test_commands_of_one_process_do_not_wait_for_each_other(project: ServerProject) -> None:
    """A pool of env.py's may still hold the session of an earlier command."""
    project.write_env(
        "with create_engine(url).connect() as connection:\n    migrate(connection)\n"
        "import builtins\nbuiltins.kept = getattr(builtins, 'kept', []) + [connection.engine]\n"
    )
    project.add_revision(R2, R1, HALF_DONE, "    op.drop_table('half')")
    step = project.start(("upgrade", "head"), ("downgrade", R1))
    try:
        instructions = project.instructions(step_lock=True, step_wait=0.2)
        assert step.run(instructions, last=False).failure == ""
        assert step.run(instructions).failure == ""
    finally:
        step.close()
    assert project.revision() == R1


# -- secrets ----------------------------------------------------------------------------------

# How a password may get into an error.
TELLING = {
    "wrong password": "url = url.replace('hidden-word', 'another-hidden-word')\n",
    "broken conninfo": (
        "import psycopg\npsycopg.connect(url.replace('+psycopg', '').replace('//', '/'))\n"
    ),
    "in words": "raise ValueError('password=' + url)\n",
    "the URL itself": "raise ValueError(url)\n",
    "a broken URL": "create_engine(url.replace('://', ':/'))\n",
}


@pytest.mark.parametrize("way", TELLING)
def test_password_is_in_no_event_and_no_log(project: ServerProject, way: str) -> None:
    project.write_env(TELLING[way] + "with create_engine(url).connect() as c:\n    migrate(c)\n")
    project.add_revision(R2, R1, HALF_DONE)
    ran = project.run()
    assert ran.failure
    assert "hidden-word" not in str(ran.events)
    assert "hidden-word" not in project.log
