"""What a measured run reports: each statement once, with its times and rows, and what it locks."""

from __future__ import annotations

from migrations_ops.child.protocol.events import StatementMeasured, TableLocked, TableRewritten
from tests.contract.child.engines import on, on_every_driver_slowly, on_every_engine
from tests.contract.child.project import FAILS, R1, R2, R3, ChildProject, Ran

# Each reads a list of values, which it must not report.
WRITES = """\
    connection = op.get_bind()
    for number in range(600):
        connection.execute(
            sa.text("UPDATE shops SET name = :name WHERE id = 1"), {"name": f"secret{number}"})
    connection.execute(sa.text("SELECT * FROM orders")).fetchall()
    op.execute("DELETE FROM orders WHERE id > 7")"""
LOCKS = """\
    op.execute("CREATE TABLE anew (id int)")
    op.execute("ALTER TABLE anew ADD COLUMN b int")
    op.execute("CREATE INDEX by_shop ON orders (shop)")
    op.execute("ALTER TABLE shops ALTER COLUMN id TYPE bigint")"""


def measured(ran: Ran, revision: str) -> dict[str, StatementMeasured]:
    found = [each for each in ran.of(StatementMeasured) if each.revision == revision]
    assert len({each.sql for each in found}) == len(found)
    return {each.sql.partition(" WHERE")[0][:30]: each for each in found}


@on_every_driver_slowly
def test_statements_of_one_text_are_one_measurement(project: ChildProject) -> None:
    project.add_revision(R2, R1, WRITES)
    ran = project.run(measure=True)
    assert ran.failure == ""
    found = measured(ran, R2)
    update = next(each for sql, each in found.items() if sql.startswith("UPDATE shops"))
    # MySQL's protocol counts the rows that are different afterwards; each of these is.
    assert (update.times, update.rows) == (600, 600)
    assert found["DELETE FROM orders"].rows == 2
    assert found["SELECT * FROM orders"].rows is None
    assert all(each.seconds >= 0 for each in found.values())
    assert "secret" not in str(ran.of(StatementMeasured))


@on_every_engine
def test_the_statement_that_fails_came_never_to_its_end(project: ChildProject) -> None:
    project.add_revision(R2, R1, "    op.execute(\"UPDATE shops SET name = 'x' WHERE id = 1\")")
    project.add_revision(R3, R2, FAILS)
    ran = project.run(measure=True)
    assert "nowhere" in ran.failure
    assert measured(ran, R2)["UPDATE shops SET name = 'x'"].times == 1
    assert measured(ran, R3)["SELECT * FROM nowhere"].times == 0


@on_every_engine
def test_nothing_is_measured_unasked(project: ChildProject) -> None:
    project.add_revision(R2, R1, WRITES)
    assert project.run().of(StatementMeasured) == []


@on("sqlite")
def test_each_command_reports_what_it_ran_itself(project: ChildProject) -> None:
    gone, back = "    op.execute('DELETE FROM orders')", "    op.execute('SELECT 1')"
    project.add_revision(R2, R1, gone, back)
    step = project.start(("upgrade", R2), ("downgrade", R1))
    try:
        up = step.run(project.instructions(measure=True), last=False)
        down = step.run(project.instructions(measure=True))
    finally:
        step.close()
    texts = [[each.sql for each in run.measured if isinstance(each, StatementMeasured)]
             for run in (up, down)]  # fmt: skip
    assert "DELETE FROM orders" in texts[0]
    assert "SELECT 1" not in texts[0]
    assert "SELECT 1" in texts[1]
    assert "DELETE FROM orders" not in texts[1]


@on("mariadb", "mysqldb", "aiomysql")
def test_a_table_that_mariadb_copies_is_blocked_meanwhile(project: ChildProject) -> None:
    """In place and at once it counts no rows; one is altered in each of these ways."""
    project.add_revision(
        R2,
        R1,
        '    op.execute("ALTER TABLE shops ADD COLUMN at_once int")\n'
        '    op.execute("ALTER TABLE shops ADD INDEX in_place (name)")\n'
        '    op.execute("ALTER TABLE `orders` MODIFY shop varchar(20)")',
    )
    ran = project.run(measure=True)
    assert ran.failure == ""
    assert [each.table for each in ran.of(TableRewritten)] == ["orders"]
    assert [(each.table, each.mode) for each in ran.of(TableLocked)] == [("orders", "COPY")]


@on("postgresql", "psycopg2", "asyncpg", "pg8000")
def test_tables_of_postgresql_that_were_there_are_locked_until_the_commit(
    project: ChildProject,
) -> None:
    project.add_revision(R2, R1, LOCKS)
    project.add_revision(R3, R2, "    op.execute('SELECT pg_sleep(0.3)')")
    ran = project.run(measure=True)
    assert ran.failure == ""
    locked = {(each.table, each.mode): each for each in ran.of(TableLocked)}
    assert ("public.orders", "ShareLock") in locked
    strongest = locked["public.shops", "AccessExclusiveLock"]
    # It is held by the transaction, which the next revision shares.
    assert (strongest.revision, strongest.seconds >= 0.3) == (R2, True)
    assert not [each for each in locked if "anew" in each[0]]
    assert [each.table for each in ran.of(TableRewritten)] == ["public.shops"]
