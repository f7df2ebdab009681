"""What a revision commits before its end on PostgreSQL: its rows are seen, its indexes named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.child.server_steps import (
    POSTGRESQL_DRIVERS,
    R1,
    R2,
    R3,
    ServerProject,
    installed,
    make_project,
)
from tests.servers.databases import ServerDatabase

BLOCK = (
    "    with op.get_context().autocommit_block():\n"
    '        op.execute("CREATE INDEX CONCURRENTLY late ON shops (name)")'
)
SETUP = """
CREATE TABLE marks (id int);
CREATE FUNCTION add_mark() RETURNS void LANGUAGE sql AS 'INSERT INTO marks VALUES (1)';
CREATE FUNCTION forget() RETURNS void LANGUAGE plpgsql AS 'BEGIN TRUNCATE shops; END';
CREATE FUNCTION twice() RETURNS void LANGUAGE plpgsql AS
    'BEGIN ALTER TABLE shops ALTER id TYPE int USING id * 2; END';
CREATE VIEW seen AS SELECT * FROM marks;
"""
COPY = """\
    with op.get_bind().connection.cursor().copy("COPY marks FROM STDIN") as copied:
        copied.write_row((1,))"""
WRITING = {
    "COPY through the driver": COPY,
    "a function that is selected": '    op.execute("SELECT add_mark()")',
    "the second of two statements": '    op.execute("SELECT 1; INSERT INTO marks VALUES (1)")',
    "a view": '    op.execute("INSERT INTO seen VALUES (1)")',
    "TRUNCATE in a function": '    op.execute("SELECT forget()")',
    "rows computed anew": '    op.execute("SELECT twice()")',
    "a large object": "    op.execute(\"SELECT lo_from_bytea(0, 'x')\")",
    "kept by a savepoint": (
        "    with op.get_bind().begin_nested():\n"
        '        op.execute("UPDATE shops SET name = name WHERE id = 1")'
    ),
    "a table without counts": (
        '    op.execute("SET LOCAL track_counts = off")\n    op.execute("SELECT add_mark()")'
    ),
}
WRITING_NO_ROW = {
    "nothing": "    pass",
    "looking": '    op.execute("SELECT * FROM shops FOR UPDATE")',
    "a temporary table": '    op.execute("CREATE TEMPORARY TABLE t AS SELECT 1 AS a")',
    "no row found": '    op.execute("DELETE FROM shops WHERE id < 0")',
}


@pytest.fixture
def project(postgres_database: ServerDatabase, tmp_path: Path) -> ServerProject:
    made = make_project(tmp_path / "project", postgres_database, "psycopg")
    postgres_database.execute(SETUP)
    return made


@pytest.mark.parametrize("way", WRITING)
def test_rows_that_are_committed_before_the_end_are_reported_however_written(
    project: ServerProject, way: str
) -> None:
    project.add_revision(R2, R1, f"{WRITING[way]}\n{BLOCK}")
    ran = project.run(ledger={})
    assert ran.failure == ""
    assert ran.run.wrote == (R2,)


@pytest.mark.parametrize("way", WRITING_NO_ROW)
def test_what_writes_no_row_is_not_reported_as_written(project: ServerProject, way: str) -> None:
    project.add_revision(R2, R1, f"{WRITING_NO_ROW[way]}\n{BLOCK}")
    ran = project.run(ledger={})
    assert (ran.failure, ran.run.wrote) == ("", ())


def test_rows_between_two_blocks_are_reported(project: ServerProject) -> None:
    more = BLOCK.replace("late", "later")
    project.add_revision(R2, R1, f'{BLOCK}\n    op.execute("SELECT add_mark()")\n{more}')
    ran = project.run(ledger={})
    assert (ran.failure, ran.run.wrote) == ("", (R2,))


# Under pg8000 no statement with CONCURRENTLY runs in an autocommit_block(): it is in a transaction.
@pytest.mark.parametrize("driver", sorted(set(POSTGRESQL_DRIVERS) - {"pg8000"}))
def test_ledger_knows_which_indexes_a_revision_makes_under_any_driver(
    driver: str, postgres_database: ServerDatabase, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project", postgres_database, installed(driver))
    postgres_database.execute('CREATE SCHEMA "Odd s"; CREATE TABLE "Odd s".t (a int)')
    project.add_revision(
        R3,
        R1,
        '    op.execute("CREATE INDEX at_once ON shops (name)")\n'
        "    with op.get_context().autocommit_block():\n"
        '        op.execute("REINDEX TABLE CONCURRENTLY shops")\n'
        '        op.execute(\'CREATE INDEX CONCURRENTLY "Odd ix" ON "Odd s" . t (a)\')\n'
        f'        op.execute("/* one */ create unique index concurrently Late{"é" * 40}'
        ' ON shops (id)")\n'
        '        op.execute("CREATE UNIQUE INDEX CONCURRENTLY ON shops ((1 / (id - id)))")',
    )
    assert "division by zero" in project.run(ledger={}).failure
    oid = {
        name: project.database.execute(f"SELECT '{name}'::regclass::oid::bigint")[0][0]
        for name in ("shops", '"Odd s".t')
    }
    begun = project.ledger()[-1]
    assert begun["event"] == "begun"
    assert begun["built"] == [
        {"table": oid["shops"], "index": "at_once"},
        {"table": oid["shops"], "again": True},
        {"table": oid['"Odd s".t'], "index": "Odd ix"},
        {"table": oid["shops"], "index": f"late{'é' * 29}"},
        {"table": oid["shops"]},
    ]
    assert "unseen" not in begun
