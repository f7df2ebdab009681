"""The child on MariaDB, under each driver: what was begun is reported before it is kept."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from migrations_ops.child.protocol.events import Failed, Opened, PartCommitted, decode
from migrations_ops.child.protocol.identity import MARIADB_IDENTITY, lock_name
from tests.contract.child.server_steps import (
    FAILS,
    HALF_DONE,
    MARIADB_DRIVERS,
    PAUSING,
    R1,
    R2,
    R3,
    ROWS,
    Background,
    ServerProject,
    beside,
    identity,
    installed,
    make_project,
)
from tests.contract.child.steps import wait_for
from tests.servers.databases import ServerDatabase, swept
from tests.servers.mariadb import MariaServer

COLUMN = "    op.add_column('shops', sa.Column('more', sa.Integer))\n"


@pytest.fixture(params=MARIADB_DRIVERS)
def any_driver(
    request: pytest.FixtureRequest, mariadb_database: ServerDatabase, tmp_path: Path
) -> ServerProject:
    """The project under each of the drivers."""
    return make_project(tmp_path / "project", mariadb_database, installed(request.param))


@pytest.fixture
def project(mariadb_database: ServerDatabase, tmp_path: Path) -> ServerProject:
    return make_project(tmp_path / "project", mariadb_database, "pymysql")


def has_ledger(project: ServerProject) -> bool:
    return bool(project.database.execute("SHOW TABLES LIKE 'migrations_ops_ledger'"))


def session_of(project: ServerProject, **more: Any) -> Any:
    server = project.database.server
    assert isinstance(server, MariaServer)
    return server.session(project.database.name, **more)


# -- every driver -----------------------------------------------------------------------------


def test_upgrade_arrives_with_timeouts_and_ledger_under_any_driver(
    any_driver: ServerProject,
) -> None:
    names = ["lock_wait_timeout", "innodb_lock_wait_timeout", "max_statement_time"]
    any_driver.add_revision(
        R2,
        R1,
        "    ask = lambda name: op.get_bind().scalar(sa.text(f'SELECT @@{name}'))\n"
        f"    print([float(ask(name)) for name in {names}], flush=True)\n{HALF_DONE}"
        f"    print('later', [float(ask(name)) for name in {names}], flush=True)",
    )
    any_driver.add_revision(R3, R2, COLUMN, "    op.drop_column('shops', 'more')")
    ran = any_driver.run(statement_timeout=7.5, ledger={"release": "x"})
    assert (ran.failure, ran.run.finished, any_driver.revision()) == ("", True, R3)
    assert any_driver.log.startswith("[0.0, 1.0, 7.5]\n")
    # Nobody queues behind who waits for a row, and the whole cannot be tried again any more.
    assert "later [0.0, 50.0, 7.5]" in any_driver.log
    assert ran.of(Opened) == [Opened(in_transaction=False)]
    assert ran.run.torn == (R2, R3)
    down = any_driver.run("downgrade", R2, ledger={})
    assert (down.failure, any_driver.revision()) == ("", R2)
    found = [(run["event"], run.get("release")) for run in any_driver.ledger()]
    assert found == [("identity", "x"), ("upgrade", "x"), ("downgrade", None)]
    ran_there = any_driver.ledger()[1]["revisions"]
    assert [each["revision"] for each in ran_there] == [R2, R3]


def test_rows_of_a_revision_that_fails_are_as_they_were_under_any_driver(
    any_driver: ServerProject,
) -> None:
    """Nothing was committed: the database says so, and the parent may try again."""
    before = any_driver.everything()
    any_driver.add_revision(R2, R1, ROWS + FAILS)
    ran = any_driver.run(ledger={})
    assert ran.failure.startswith("ProgrammingError: Table '")
    assert (ran.run.failed_revision, ran.run.locked) == (R2, False)
    assert not ran.committed
    assert any_driver.everything() == before
    assert not has_ledger(any_driver)


def test_half_applied_revision_is_reported_and_stands_in_the_ledger_under_any_driver(
    any_driver: ServerProject,
) -> None:
    any_driver.add_revision(R2, R1, COLUMN)
    any_driver.add_revision(R3, R2, HALF_DONE + FAILS)
    ran = any_driver.run(ledger={"release": "x"})
    assert ran.committed
    assert ran.run.torn == (R2, R3)
    assert any_driver.revision() == R2
    _, done, begun = any_driver.ledger()
    assert (done["event"], [each["revision"] for each in done["revisions"]]) == ("upgrade", [R2])
    assert (begun["event"], begun["direction"], begun["release"]) == ("begun", "upgrade", "x")
    assert [each["revision"] for each in begun["revisions"]] == [R3]
    # The rows, at least, are as they were.
    names = "SELECT name FROM shops WHERE id = 2"
    assert any_driver.database.execute(names) == [("two",)]


# What writes to a table that knows no transactions, each in another way.
LASTING = {
    "by its name": "    op.execute('UPDATE counts SET n = n + 10')\n",
    "by a trigger": "    op.execute('INSERT INTO shops VALUES (4, NULL)')\n",
    "by a function": "    op.execute('SELECT counted()')\n",
    "by a view": "    op.execute('UPDATE seen SET n = n + 10')\n",
    "by a setting": (
        "    op.execute('SET STATEMENT max_statement_time = 9 FOR UPDATE `counts` SET n = 11')\n"
    ),
    "by the driver": (
        "    cursor = op.get_bind().connection.cursor()\n"
        "    cursor.execute('UPDATE counts SET n = n + 10')\n"
    ),
}
DETOURS = {
    "by a trigger": "CREATE TRIGGER counting AFTER INSERT ON shops FOR EACH ROW"
    " UPDATE counts SET n = n + 10",
    "by a function": "CREATE FUNCTION counted() RETURNS int MODIFIES SQL DATA"
    " BEGIN UPDATE counts SET n = n + 10; RETURN 1; END",
    "by a view": "CREATE VIEW seen AS SELECT * FROM counts",
}


@pytest.mark.parametrize("way", LASTING)
def test_rows_that_no_rollback_brings_back_make_a_revision_half_applied(
    project: ServerProject, way: str
) -> None:
    project.database.execute("CREATE TABLE counts (n int) ENGINE = MyISAM")
    project.database.execute("INSERT INTO counts VALUES (1)")
    if way in DETOURS:
        project.database.execute(DETOURS[way])
    project.add_revision(R2, R1, LASTING[way] + FAILS)
    ran = project.run(ledger={})
    assert project.database.execute("SELECT n FROM counts") == [(11,)]
    assert ran.committed
    assert project.ledger()[-1]["event"] == "begun"


def test_table_beside_one_without_transactions_is_as_it_was(project: ServerProject) -> None:
    project.database.execute("CREATE TABLE counts (n int) ENGINE = MyISAM")
    before = project.everything()
    project.add_revision(R2, R1, ROWS + "    op.execute('SELECT n FROM counts')\n" + FAILS)
    ran = project.run(ledger={})
    assert ("nowhere" in ran.failure, ran.committed) == (True, False)
    assert project.everything() == before


def test_table_without_transactions_that_is_in_use_is_waited_for(project: ServerProject) -> None:
    project.database.execute("CREATE TABLE counts (n int) ENGINE = MyISAM")
    project.database.execute("INSERT INTO counts VALUES (1)")
    project.add_revision(R2, R1, LASTING["by its name"])
    with session_of(project) as application:
        application.cursor().execute("LOCK TABLES counts READ")
        work = Background(project, ledger={})
        asked = "SHOW GLOBAL STATUS LIKE 'Com_update'"
        known = int(project.database.execute(asked)[0][1])
        wait_for(lambda: int(project.database.execute(asked)[0][1]) > known + 1)
    assert work.result().failure == ""
    assert project.database.execute("SELECT n FROM counts") == [(11,)]


@pytest.mark.parametrize(
    "commits",
    [
        "op.get_bind().connection.commit()",
        "op.get_bind().connection.driver_connection.commit()",
        "op.execute(\"SET PASSWORD FOR plain = PASSWORD('other')\")",
        "op.execute('SET DEFAULT ROLE NONE')",
        "op.execute('ANALYZE TABLE shops')",
    ],
)
def test_rows_are_reported_before_any_kind_of_commit(project: ServerProject, commits: str) -> None:
    plain_user(project, "SELECT")
    project.add_revision(
        R2,
        R1,
        "    cursor = op.get_bind().connection.cursor()\n"
        "    cursor.execute(\"UPDATE shops SET name = 'changed'\")\n"
        f"    {commits}\n{FAILS}",
    )
    ran = project.run(ledger={})
    assert "nowhere" in ran.failure
    assert project.database.execute("SELECT DISTINCT name FROM shops") == [("changed",)]
    order = [type(event) for event in ran.events]
    assert order.index(PartCommitted) < order.index(Failed)
    assert project.ledger()[-1]["event"] == "begun"


def test_row_in_use_in_the_middle_of_a_revision_is_waited_for(project: ServerProject) -> None:
    other = "    op.create_table('more', sa.Column('id', sa.Integer))\n"
    project.add_revision(R2, R1, other + ROWS)
    with session_of(project, autocommit=False) as application:
        application.cursor().execute("UPDATE shops SET name = 'theirs' WHERE id = 2")
        work = Background(project, ledger={})
        wait_for(lambda: bool(waiting(project)))
        # Longer than the second for which a row is waited for before anything is committed.
        time.sleep(1.5)
        application.rollback()
    assert work.result().failure == ""


def test_row_in_use_at_the_beginning_is_left_to_another_attempt(project: ServerProject) -> None:
    project.add_revision(R2, R1, ROWS + COLUMN)
    with session_of(project, autocommit=False) as application:
        application.cursor().execute("UPDATE shops SET name = 'theirs' WHERE id = 2")
        ran = project.run(ledger={})
    assert (ran.run.locked, ran.committed) == (True, False)
    assert not has_ledger(project)


def waiting(project: ServerProject) -> list[tuple[Any, ...]]:
    """Asked of the list of processes: innodb_trx stays as it was while it is asked often."""
    return project.database.execute(
        "SELECT 1 FROM information_schema.processlist"
        " WHERE info LIKE 'UPDATE shops%' AND time_ms > 100"
    )


# -- one driver -------------------------------------------------------------------------------


def test_killed_child_leaves_a_database_that_says_what_was_begun(project: ServerProject) -> None:
    project.add_revision(R2, R1, PAUSING)
    work = Background(project, ledger={})
    project.wait_for_pause()
    os.kill(work.pid, signal.SIGKILL)
    ran = work.result()
    assert (ran.run.finished, ran.committed) == (False, True)
    begun = project.ledger()[-1]
    assert (begun["event"], begun["revisions"][0]["revision"]) == ("begun", R2)
    assert project.revision() == R1


def test_parent_hears_of_rows_that_ddl_commits_before_it_does(project: ServerProject) -> None:
    """The child waits until that is written down: a parent that is gone keeps it from happening."""
    before = project.everything()
    project.add_revision(R2, R1, ROWS + COLUMN)
    step = project.start(("upgrade", "head"))
    child = step._child
    child.say(project.instructions().to_json())
    for line in child.lines():
        if isinstance(decode(line), PartCommitted):
            break
    child.stop()
    assert project.everything() == before


def test_locked_table_is_reported_as_one_and_may_be_tried_again(project: ServerProject) -> None:
    before = project.everything()
    project.add_revision(R2, R1, COLUMN)
    with session_of(project, autocommit=False) as application:
        application.cursor().execute("SELECT * FROM shops")
        ran = project.run(ledger={})
        assert ran.run.locked
        assert not ran.committed
        assert not has_ledger(project)
        assert project.everything() == before
    assert project.run(ledger={}).failure == ""


def test_ledger_that_stood_there_is_as_it_was_after_a_failure(project: ServerProject) -> None:
    project.add_revision(R2, R1, COLUMN)
    assert project.run(ledger={}).failure == ""
    before = project.ledger()
    project.add_revision(R3, R2, ROWS + FAILS)
    assert not project.run(ledger={}).committed
    assert project.ledger() == before


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
    "one transaction for each revision": """
with create_engine(url).connect() as connection:
    migrate(connection, transaction_per_migration=True)
""",
    "transactional DDL, so it says": """
with create_engine(url).connect() as connection:
    migrate(connection, transactional_ddl=True)
""",
    "a listener of its own": """
def applied(**step_facts):
    print("applied", step_facts["step"].up_revision_id, flush=True)
with create_engine(url).connect() as connection:
    migrate(connection, on_version_apply=applied)
""",
    "creator": """
import pymysql
from sqlalchemy import make_url
to = make_url(url)
engine = create_engine("mysql+pymysql://", creator=lambda: pymysql.connect(
    host=to.host, port=to.port, user=to.username, password=to.password, database=to.database,
    autocommit=True))
with engine.connect() as connection:
    migrate(connection)
""",
}


@pytest.mark.parametrize("way", WAYS)
def test_rows_of_a_failing_revision_are_rolled_back_under_any_env(
    project: ServerProject, way: str
) -> None:
    project.write_env(WAYS[way])
    before = project.everything()
    project.add_revision(R2, R1, ROWS + FAILS)
    ran = project.run(ledger={})
    assert (ran.committed, "nowhere" in ran.failure) == (False, True)
    assert project.everything() == before
    project.add_revision(R2, R1, ROWS)
    project.add_revision(R3, R2, ROWS + COLUMN)
    ran = project.run(ledger={})
    assert (ran.failure, ran.run.finished, project.revision()) == ("", True, R3)
    assert [run["event"] for run in project.ledger()] == ["identity", "upgrade"]
    assert ("way" in way) or (f"applied {R3}" in project.log) is ("listener" in way)


def test_env_that_swallows_an_error_commits_no_rows(project: ServerProject) -> None:
    project.write_env(
        """
with create_engine(url).connect() as connection:
    context.configure(connection=connection)
    with connection.begin():
        try:
            context.run_migrations()
        except Exception as error:
            kept = error
"""
    )
    before = project.everything()
    project.add_revision(R2, R1, ROWS + FAILS)
    assert project.run().run.revisions == ()
    assert project.everything() == before


def test_commit_of_the_connection_is_refused_in_a_revision(project: ServerProject) -> None:
    before = project.everything()
    project.add_revision(R2, R1, ROWS + "    op.get_bind().commit()")
    ran = project.run(ledger={})
    assert f"revision {R2} was to be committed before it had finished" in ran.failure
    assert not ran.committed
    assert project.everything() == before


def test_stamp_leaves_no_mark_that_something_was_begun(project: ServerProject) -> None:
    project.add_revision(R2, R1, COLUMN)
    ran = project.run("stamp", R2, ledger={})
    assert (ran.failure, ran.committed, project.revision()) == ("", False, R2)
    assert [run["event"] for run in project.ledger()] == ["identity", "stamp"]


# -- the destination --------------------------------------------------------------------------


def test_identity_can_be_asked_by_a_user_who_may_nothing_else(mariadb: MariaServer) -> None:
    with swept(mariadb):
        name, other = mariadb.create_database(), mariadb.create_database()
        mariadb.create_role("nobody", "hidden-word")
        mariadb.execute(f"GRANT SELECT ON {name}.* TO nobody@'%'")
        with mariadb.session(name, user="nobody", password="hidden-word") as session:
            cursor = session.cursor()
            cursor.execute(MARIADB_IDENTITY)
            assert cursor.fetchone() == (identity(ServerDatabase(mariadb, name)),)
        assert identity(ServerDatabase(mariadb, other)) != identity(ServerDatabase(mariadb, name))


def test_copy_of_another_environment_is_recognised_by_its_ledger(project: ServerProject) -> None:
    project.add_revision(R2, R1, "    op.execute('UPDATE shops SET name = name')")
    assert project.run(environment="prod", ledger={}).failure == ""
    before = project.everything()
    project.add_revision(R3, R2, "    op.execute('DELETE FROM shops')")
    refused = project.run(ledger={}).refused
    assert refused == "env.py opened the shop, whose ledger says that it is prod, but dev was meant"
    assert project.everything() == before


def test_env_that_uses_another_database_than_it_opened_is_refused(project: ServerProject) -> None:
    other = beside(project.database)
    project.write_env(
        f"""
engine = create_engine(url)
@event.listens_for(engine, "connect")
def use(driver, record):
    driver.cursor().execute("USE {other.name}")
with engine.connect() as connection:
    migrate(connection)
"""
    )
    project.add_revision(R2, R1, HALF_DONE)
    assert project.run().refused
    assert not other.execute("SHOW TABLES LIKE 'half'")


@pytest.mark.parametrize("module", ["pymysql", "MySQLdb"])
def test_rehearsal_leads_a_driver_away_that_a_revision_uses_by_itself(
    project: ServerProject, module: str
) -> None:
    installed({"MySQLdb": "mysqldb"}.get(module, module))
    server = project.database.server
    assert isinstance(server, MariaServer)
    scratch = beside(project.database)
    project.add_revision(
        R2,
        R1,
        f"    import {module}\n    other = {module}.connect(host={server.host!r},"
        f" port={server.port}, user='root', password={server.password!r},"
        f" database={project.database.name!r})\n"
        "    other.cursor().execute('DELETE FROM shops')\n    other.commit()",
    )
    before = project.everything()
    ran = project.run(scratch=identity(scratch), redirect={"database": scratch.name})
    assert (ran.refused, ran.failure) == ("", "")
    assert project.everything() == before
    assert not scratch.execute("SELECT id FROM shops")


def test_statement_that_names_another_environment_is_not_executed_under_any_driver(
    any_driver: ServerProject,
) -> None:
    other = beside(any_driver.database)
    before = any_driver.everything()
    theirs = ServerProject(any_driver.folder, other, any_driver.driver)
    untouched = theirs.everything()
    any_driver.add_revision(
        R2,
        R1,
        f"{ROWS}    op.add_column('shops', sa.Column('x', sa.Integer), schema='{other.name}')",
    )
    ran = any_driver.run(others={"prod": identity(other)}, ledger={})
    assert ran.failure.startswith(
        f"a statement names the database of prod, {other.name}, though dev is meant: it was not"
        " executed; leave the name of the database out"
    )
    assert f"{R2}.py:" in ran.run.where
    assert not ran.committed
    assert any_driver.everything() == before
    assert theirs.everything() == untouched


# Ways that lead out of a database by its name, past SQLAlchemy as well.
OUT = {
    "statement": 'op.execute("DELETE FROM {other}.shops")',
    "quoted": 'op.execute("DELETE FROM `{other}` . `shops`")',
    "cursor of the driver": (
        'op.get_bind().connection.cursor().execute("DELETE FROM {other}.shops")'
    ),
    "use": 'op.execute("USE {other}"); op.execute("DELETE FROM shops")',
    "chosen by the driver": 'op.get_bind().connection.driver_connection.select_db("{other}")',
    "second connection": (
        'op.get_bind().engine.connect().exec_driver_sql("DELETE FROM {other}.shops")'
    ),
    "built by the server": ("op.execute(\"EXECUTE IMMEDIATE 'DELETE FROM {other}.shops'\")"),
}


@pytest.mark.parametrize("way", OUT)
def test_rehearsal_does_not_come_to_the_real_database_by_its_name(
    project: ServerProject, way: str
) -> None:
    scratch = beside(project.database)
    before = project.everything()
    project.add_revision(R2, R1, f"    {OUT[way].format(other=project.database.name)}")
    ran = project.run(scratch=identity(scratch), redirect={"database": scratch.name})
    assert f"the real database, {project.database.name}, though this is the" in ran.failure
    assert project.everything() == before


def test_own_name_may_stand_where_it_leads_nowhere_else(project: ServerProject) -> None:
    other = beside(project.database)
    project.database.execute(f"CREATE TABLE {other.name} (n int)")
    project.add_revision(
        R2,
        R1,
        f"    op.execute('UPDATE {other.name} SET {other.name}.n = 1')\n"
        f"    op.execute('UPDATE {project.database.name}.shops SET id = 9 WHERE id = 3')",
    )
    assert project.run(others={"prod": identity(other)}).failure == ""
    assert other.execute("SELECT MAX(id) FROM shops") == [(3,)]


# -- the ledger -------------------------------------------------------------------------------


def plain_user(project: ServerProject, rights: str) -> dict[str, str]:
    server = project.database.server
    assert isinstance(server, MariaServer)
    server.create_role("plain", "hidden-word-of-plain")
    project.database.execute(f"GRANT {rights} ON {project.database.name}.* TO plain@'%'")
    url = server.url(project.database.name, user="plain", password="hidden-word-of-plain")
    return {"DATABASE_URL": url}


def test_user_who_may_make_no_view_upgrades_without_a_ledger(project: ServerProject) -> None:
    rights = "SELECT, INSERT, UPDATE, DELETE, ALTER, CREATE, DROP"
    project.add_revision(R2, R1, COLUMN)
    ran = project.run(variables=plain_user(project, rights), ledger={})
    assert (ran.failure, project.revision()) == ("", R2)
    assert "CREATE VIEW command denied" in ran.run.ledger_failure


def test_owner_of_the_database_alone_has_a_ledger(project: ServerProject) -> None:
    project.add_revision(R2, R1, COLUMN)
    ran = project.run(variables=plain_user(project, "ALL"), ledger={})
    assert (ran.failure, ran.run.ledger_failure) == ("", "")
    assert project.ledger()[-1]["event"] == "upgrade"


@pytest.mark.parametrize("mode", ["", "NO_BACKSLASH_ESCAPES,ANSI_QUOTES"])
def test_ledger_keeps_every_character(project: ServerProject, mode: str) -> None:
    given = 'it\'s "b" \\ c \\n 100% %s {x} :y \u20ac\U0001f600'
    project.add_revision(R2, R1, f"    op.execute(\"SET SESSION sql_mode = '{mode}'\")")
    assert project.run(ledger={"user": given}).failure == ""
    assert project.ledger()[-1]["user"] == given
    server = project.database.server
    copy = ServerProject(project.folder, beside(project.database), project.driver)
    assert (copy.database.server, copy.ledger()) == (server, project.ledger())


def test_something_else_of_the_ledgers_name_is_left_alone(project: ServerProject) -> None:
    project.database.execute("CREATE TABLE migrations_ops_ledger (ledger int)")
    project.add_revision(R2, R1, COLUMN)
    assert project.run(ledger={}).failure == ""
    assert project.database.execute("SELECT ledger FROM migrations_ops_ledger") == []


# -- one step at a time -----------------------------------------------------------------------


def test_step_waits_for_another_one_and_says_who_is_at_work(project: ServerProject) -> None:
    project.add_revision(R2, R1, COLUMN)
    with session_of(project) as orphan:
        name = lock_name("step", project.database.name)
        orphan.cursor().execute("SELECT GET_LOCK(%s, 0)", (name,))
        ran = project.run(step_lock=True, step_wait=0.2)
        assert f"session {orphan.thread_id()} (root at 127.0.0.1" in ran.failure
        assert project.revision() == R1
        work = Background(project, step_lock=True, step_wait=60)
        asking = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = %s"
        wait_for(lambda: project.database.execute(asking, project.database.name)[0][0] > 2)
    assert work.result().failure == ""
    assert project.revision() == R2
