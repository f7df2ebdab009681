"""What a revision commits past the run is reported before it happens, and counts as done."""

from __future__ import annotations

import pytest

from migrations_ops.child.protocol.events import Failed, PartlyCommitted
from tests.contract.child.engines import ROWS, cases, on
from tests.contract.child.project import FAILS, R1, R2, ChildProject
from tests.servers.databases import ServerDatabase

TOP = """\
    sql = "UPDATE shops SET name = 'changed' WHERE id = 2"
    driver = op.get_bind().connection.driver_connection
    cursor = op.get_bind().connection.cursor()
"""
ANOTHER = "    other = op.get_bind().engine.raw_connection()\n    other.cursor().execute({})\n"
IN_AUTOCOMMIT = """\
    engine = sa.create_engine(op.get_bind().engine.url, isolation_level='AUTOCOMMIT')
    with engine.connect() as other:
        other.execute(sa.text({}))
"""
BY_SQLALCHEMY = (
    "    with op.get_bind().engine.begin() as other:\n        other.execute(sa.text({}))\n"
)
BESIDE = {
    "an engine in AUTOCOMMIT": IN_AUTOCOMMIT.format("sql"),
    "another of the pool": ANOTHER.format("sql") + "    other.commit()\n",
    "another's commit": BY_SQLALCHEMY.format("sql"),
}
WRITTEN = "    cursor.execute(sql)\n"
OF_MARIADB = {
    "autocommit of the driver": (
        f"{WRITTEN}    driver.autocommit(True)\n    driver.autocommit(False)\n"
    ),
    "autocommit before it": f"    driver.autocommit(True)\n{WRITTEN}",
    "autocommit before SQLAlchemy": "    driver.autocommit(True)\n    op.execute(sql)\n",
    "begin of the driver": f"{WRITTEN}    driver.begin()\n",
    "DDL of another": ANOTHER.format("'CREATE TABLE another (id int)'"),
}
OF_PYMYSQL = {
    "commit of SQLAlchemy's connection": f"{WRITTEN}    op.get_bind().connection.commit()\n",
    "commit of the driver": f"{ROWS}    driver.commit()\n",
    "DDL of the driver": f"{ROWS}    driver.cursor().execute('ALTER TABLE shops ADD more int')\n",
    "SET PASSWORD": f"{WRITTEN}    op.execute(\"SET PASSWORD FOR plain = PASSWORD('other')\")\n",
    "SET DEFAULT ROLE": f"{WRITTEN}    op.execute('SET DEFAULT ROLE NONE')\n",
    "ANALYZE": f"{WRITTEN}    op.execute('ANALYZE TABLE shops')\n",
}


@cases(
    "code",
    {"pymysql mysqldb": BESIDE | OF_MARIADB, "pymysql": OF_PYMYSQL, "psycopg pg8000": BESIDE},
)
def test_what_a_revision_commits_past_the_run_counts_as_done(
    project: ChildProject, code: str
) -> None:
    assert isinstance(project.database, ServerDatabase)
    project.database.server.create_role("plain", "hidden-word-of-plain")
    before = project.everything()
    project.add_revision(R2, R1, TOP + code + FAILS)
    ran = project.run(ledger_entry={})
    assert "nowhere" in ran.failure
    assert project.everything() != before
    assert ran.committed
    order = [type(event) for event in ran.events]
    assert order.index(PartlyCommitted) < order.index(Failed)
    assert project.engine.is_transactional or project.events()[-1] == "begun"


# What commits nothing, though it looks like it.
READING = (
    ANOTHER.format("'SELECT * FROM shops'") + "    other.commit()\n",
    IN_AUTOCOMMIT.format("'SELECT * FROM shops'"),
)
READING_IN_MARIADB = (
    "    driver.autocommit(False)\n",
    "    op.execute('CREATE TEMPORARY TABLE passing (id int)')\n",
)


@on("pymysql", "mysqldb", "psycopg", "pg8000")
def test_what_commits_nothing_does_not_count_as_done(project: ChildProject) -> None:
    before = project.everything()
    code = "".join(READING if project.engine.is_transactional else READING + READING_IN_MARIADB)
    project.add_revision(R2, R1, TOP + ROWS + code + FAILS)
    ran = project.run(ledger_entry={})
    assert ("nowhere" in ran.failure, ran.committed) == (True, False), ran.failure
    assert project.everything() == before


# -- MariaDB: rows that no rollback brings back -------------------------------------------------

# What writes to a table that knows no transactions, each in another way; and what it needs.
BY_NAME = "UPDATE counts SET n = n + 10"
WRITING = {
    "by its name": (f"    op.execute('{BY_NAME}')\n", ""),
    "by a trigger": (
        "    op.execute('INSERT INTO shops VALUES (4, NULL)')\n",
        f"CREATE TRIGGER counting AFTER INSERT ON shops FOR EACH ROW {BY_NAME}",
    ),
    "by a function": (
        "    op.execute('SELECT counted()')\n",
        f"CREATE FUNCTION counted() RETURNS int MODIFIES SQL DATA BEGIN {BY_NAME}; RETURN 1; END",
    ),
    "by a view": (
        "    op.execute('UPDATE seen SET n = n + 10')\n",
        "CREATE VIEW seen AS SELECT * FROM counts",
    ),
    "by a setting": (
        "    op.execute('SET STATEMENT max_statement_time = 9 FOR UPDATE `counts` SET n = 11')\n",
        "",
    ),
    "by the driver": (f"{TOP}    cursor.execute('{BY_NAME}')\n", ""),
}


@pytest.fixture
def counts(project: ChildProject) -> ServerDatabase:
    """It has a table that knows no transactions."""
    assert isinstance(project.database, ServerDatabase)
    project.database.execute("CREATE TABLE counts (n int) ENGINE = MyISAM")
    project.database.execute("INSERT INTO counts VALUES (1)")
    return project.database


@cases("given", {"mariadb": WRITING})
def test_rows_that_no_rollback_brings_back_make_a_revision_half_applied(
    project: ChildProject, counts: ServerDatabase, given: tuple[str, str]
) -> None:
    code, needed = given
    if needed:
        counts.execute(needed)
    project.add_revision(R2, R1, code + FAILS)
    ran = project.run(ledger_entry={})
    assert counts.execute("SELECT n FROM counts") == [(11,)]
    assert ran.committed
    assert project.events()[-1] == "begun"


@on("mariadb")
def test_table_beside_one_without_transactions_is_as_it_was(
    project: ChildProject, counts: ServerDatabase
) -> None:
    before = project.everything()
    project.add_revision(R2, R1, ROWS + "    op.execute('SELECT n FROM counts')\n" + FAILS)
    ran = project.run(ledger_entry={})
    assert ("nowhere" in ran.failure, ran.committed) == (True, False)
    assert project.everything() == before


# -- PostgreSQL: which rows are in what an autocommit_block() commits ----------------------------

BLOCK = """\
    with op.get_context().autocommit_block():
        op.execute("CREATE INDEX CONCURRENTLY late ON shops (name)")"""
SETUP = """
CREATE TABLE marks (id int);
CREATE FUNCTION add_mark() RETURNS void LANGUAGE sql AS 'INSERT INTO marks VALUES (1)';
CREATE FUNCTION forget() RETURNS void LANGUAGE plpgsql AS 'BEGIN TRUNCATE shops; END';
CREATE FUNCTION twice() RETURNS void LANGUAGE plpgsql AS
    'BEGIN ALTER TABLE shops ALTER id TYPE int USING id * 2; END';
CREATE VIEW seen AS SELECT * FROM marks;
"""
ADDS = '    op.execute("SELECT add_mark()")'
# Before a block, what writes rows; and what does not.
WRITES = {
    "COPY through the driver": (
        '    with op.get_bind().connection.cursor().copy("COPY marks FROM STDIN") as copied:\n'
        "        copied.write_row((1,))"
    ),
    "a function that is selected": ADDS,
    "the second of two statements": '    op.execute("SELECT 1; INSERT INTO marks VALUES (1)")',
    "a view": '    op.execute("INSERT INTO seen VALUES (1)")',
    "TRUNCATE in a function": '    op.execute("SELECT forget()")',
    "rows computed anew": '    op.execute("SELECT twice()")',
    "a large object": "    op.execute(\"SELECT lo_from_bytea(0, 'x')\")",
    "kept by a savepoint": (
        "    with op.get_bind().begin_nested():\n"
        '        op.execute("UPDATE shops SET name = name WHERE id = 1")'
    ),
    "a table without counts": f'    op.execute("SET LOCAL track_counts = off")\n{ADDS}',
    "between two blocks": f"{BLOCK.replace('late', 'earlier')}\n{ADDS}",
}
WRITES_NO_ROW = """\
    op.execute("SELECT * FROM shops FOR UPDATE")
    op.execute("CREATE TEMPORARY TABLE t AS SELECT 1 AS a")
    op.execute("DELETE FROM shops WHERE id < 0")"""


@cases(
    "given",
    {
        "postgresql": {
            **{f"rows by {way}": (code, True) for way, code in WRITES.items()},
            "no row": (WRITES_NO_ROW, False),
        }
    },
)
def test_rows_that_are_committed_before_the_end_are_reported_and_nothing_else(
    project: ChildProject, given: tuple[str, bool]
) -> None:
    code, writes = given
    project.database.execute(SETUP)
    project.add_revision(R2, R1, f"{code}\n{BLOCK}")
    ran = project.run(ledger_entry={})
    assert (ran.failure, ran.run.wrote) == ("", (R2,) if writes else ())
