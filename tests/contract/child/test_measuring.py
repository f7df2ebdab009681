"""What a measured run reports: each statement once, with its times and rows, and what it locks."""

from __future__ import annotations

from migrations_ops.child.protocol.events import (
    StatementInFull,
    StatementMeasured,
    TableLocked,
    TableRewritten,
)
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


@on_every_driver_slowly
def test_values_of_parameters_are_reported_where_that_is_asked_for(project: ChildProject) -> None:
    project.add_revision(R2, R1, WRITES)
    ran = project.run(measure=True, values=True)
    update = next(each for each in ran.of(StatementMeasured) if "UPDATE shops" in each.sql)
    assert "'secret0'" in update.values
    assert "secret1" not in str(ran.of(StatementMeasured))


# Values that each driver sends in a way of its own, within SQL that has marks of its own.
IN_FULL = """\
    shops = sa.table("shops", sa.column("id", sa.Integer), sa.column("name", sa.String))
    op.bulk_insert(shops, [{"id": 50, "name": "it's 100% \\\\ ? :x"}, {"id": -51, "name": None}])
    op.execute("UPDATE shops SET name = 'five % of \\\\:x' WHERE id = 1 -- at the end")
    op.get_bind().execute(sa.select(shops.c.id)).fetchall()"""


@on_every_driver_slowly
def test_what_ran_can_be_run_again_from_its_script(project: ChildProject) -> None:
    project.add_revision(R2, R1, IN_FULL)
    before = project.database.execute("SELECT id, name FROM shops ORDER BY id")
    ran = project.run(measure=True, script=True)
    assert ran.failure == ""
    after = project.database.execute("SELECT id, name FROM shops ORDER BY id")
    script = ran.of(StatementInFull)
    assert not [each for each in script if each.problem]
    assert not [each.sql for each in script if each.sql.upper().startswith("SELECT")]
    assert "version_num" in script[-1].sql
    project.database.execute("DELETE FROM shops")
    for identity, name in before:
        text = "NULL" if name is None else f"'{name}'"
        project.database.execute(f"INSERT INTO shops (id, name) VALUES ({identity}, {text})")
    for each in script[:-1]:
        project.database.execute(each.sql)
    assert project.database.execute("SELECT id, name FROM shops ORDER BY id") == after
    assert before != after


@on("postgresql")
def test_a_value_without_a_literal_ends_the_script(project: ChildProject) -> None:
    project.add_revision(
        R2,
        R1,
        "    op.get_bind().execute(sa.text('UPDATE shops SET name = :n WHERE id = ANY(:ids)'),"
        " {'n': 'x', 'ids': [1]})",
    )
    [*_, last] = project.run(measure=True, script=True).of(StatementInFull)
    assert (last.sql, last.problem) == ("", "has a value of the type list, which has no literal")


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
    assert [(each.table, each.mode) for each in ran.of(TableLocked)] == [
        ("shops", "SHARED_UPGRADABLE"),
        ("shops", "SHARED_UPGRADABLE"),
        ("orders", "SHARED_NO_WRITE"),
    ]
    assert [each.size > 0 for each in ran.of(TableRewritten)] == [True]


@on("postgresql", "psycopg2", "asyncpg", "pg8000")
def test_tables_of_postgresql_that_were_there_are_locked_until_the_commit(
    project: ChildProject,
) -> None:
    project.add_revision(R2, R1, LOCKS)
    project.add_revision(R3, R2, "    op.execute('SELECT pg_sleep(0.3)')")
    ran = project.run(measure=True)
    assert ran.failure == ""
    locked = {(each.table, each.mode): each for each in ran.of(TableLocked)}
    assert locked["public.orders", "ShareLock"].sql == "CREATE INDEX by_shop ON orders (shop)"
    strongest = locked["public.shops", "AccessExclusiveLock"]
    # It is held by the transaction, which the next revision shares.
    assert (strongest.revision, strongest.seconds >= 0.3) == (R2, True)
    assert not [each for each in locked if "anew" in each[0]]
    assert [each.table for each in ran.of(TableRewritten)] == ["public.shops"]
    assert ran.of(TableRewritten)[0].size > 0
