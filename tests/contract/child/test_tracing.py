"""What is reported of a run: enough for a plan and a record, and no row of anybody."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from migrations_ops.steps.command_run import CommandRun
from tests.contract.child.engines import HALF_DONE, FileDatabase, cases, on
from tests.contract.child.env_ways import connects
from tests.contract.child.project import R1, R2, R3, ChildProject, make_project

# The revisions of one run, by what each is about.
VALUES = """\
    op.bulk_insert(sa.table("shops", sa.column("id"), sa.column("name")),
        [{"id": 501, "name": "secret name"}])
    op.get_bind().execute(
        sa.text("UPDATE shops SET name = :new WHERE name = :old"),
        {"new": "other secret", "old": "secret name"})"""
ROWS = """\
    for number in range(1200):
        op.execute(f"UPDATE shops SET name = {number} WHERE id = 1")"""
LONG = '    op.execute("UPDATE shops SET name = \'" + "x" * 100000 + "\'")'
KINDS = """\
    for number in range(600):
        op.execute(f"UPDATE shops SET name = {number} WHERE id = 1")
    for number in range(3):
        op.execute(f"UPDATE shops SET id=id, name='{number}' WHERE id = 1")
        op.execute(f"INSERT INTO orders VALUES ({number + 50}, 1)")
        op.execute(f"INSERT OR REPLACE INTO orders VALUES ({number + 70}, 1)")
        op.execute(f"DELETE FROM orders WHERE id = {number}")"""
DROPS = """\
    op.create_index("by_shop", "orders", ["shop"])
    op.drop_index("by_shop", table_name="orders")
    op.drop_table("half")
    op.create_table("other", sa.Column("id", sa.Integer), sa.Column("a", sa.Integer))
    op.drop_column("other", "a")
    op.rename_table("other", "another")
    with op.batch_alter_table("shops") as batch_op:
        batch_op.create_unique_constraint("one_name", ["id", "name"])
    with op.batch_alter_table("shops") as batch_op:
        batch_op.drop_constraint("one_name", type_="unique")
        batch_op.alter_column("name", new_column_name="label", server_default="x")"""
RUN = {"half": HALF_DONE, "values": VALUES, "rows": ROWS, "long": LONG, "kinds": KINDS}
RUN |= {"drops": DROPS}


@dataclass(frozen=True)
class Traced:
    """One run of them all, and one of a downgrade after it."""

    up: CommandRun
    down: CommandRun

    def sql(self, revision: str) -> list[str]:
        return [each.sql for each in self.up.statements if each.revision == revision]


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Traced:
    folder = tmp_path_factory.mktemp("traced")
    project = make_project(folder, FileDatabase(folder / "shop.db"), "pysqlite")
    for revision, down in zip(RUN, [R1, *RUN], strict=False):
        project.add_revision(revision, down, RUN[revision], '    op.drop_table("another")')
    step = project.start(("upgrade", "head"), ("downgrade", "kinds"))
    try:
        given = project.instructions()
        up = step.run(given, last=False)
        assert (up.failure, up.finished) == ("", True)
        return Traced(up, step.run(given))
    finally:
        step.close()


def test_each_revision_is_reported_with_its_statements(traced: Traced) -> None:
    assert [each.revision for each in traced.up.revisions] == list(RUN)
    assert all(each.statements >= 1 and each.seconds >= 0 for each in traced.up.revisions)
    sent = traced.sql("half")
    assert sent[0].startswith("CREATE TABLE half")
    assert "UPDATE shops SET name = 'changed' WHERE id = 2" in sent


def test_downgrade_is_reported_as_well(traced: Traced) -> None:
    assert [each.revision for each in traced.down.revisions] == ["drops"]
    assert [each.kind for each in traced.down.operations] == ["drop_table"]


def test_values_of_rows_are_not_reported(traced: Traced) -> None:
    assert "UPDATE shops SET name = " in traced.sql("values")[1]
    assert "secret" not in str(traced.up)


def test_row_by_row_migration_is_counted_not_reported(traced: Traced) -> None:
    assert len(traced.sql("rows")) == 500
    [statements] = [each.statements for each in traced.up.revisions if each.revision == "rows"]
    assert statements > 1200


def test_statement_without_end_is_reported_in_part(traced: Traced) -> None:
    assert max(len(sql) for sql in traced.sql("long")) == 4000


def test_past_the_limit_each_kind_of_change_is_reported_once(traced: Traced) -> None:
    assert traced.sql("kinds")[500:] == [
        "UPDATE shops SET id=id, name='0' WHERE id = 1",
        "INSERT INTO orders VALUES (50, 1)",
        "INSERT OR REPLACE INTO orders VALUES (70, 1)",
        "DELETE FROM orders WHERE id = 0",
    ]


def test_what_a_revision_drops_on_purpose_is_reported_by_name(traced: Traced) -> None:
    operations = traced.up.operations
    assert [(each.kind, each.table, each.name) for each in operations] == [
        ("drop_index", "orders", "by_shop"),
        ("drop_table", "half", None),
        ("drop_column", "other", "a"),
        ("rename_table", "other", None),
        ("create_constraint", "shops", "one_name"),
        ("drop_constraint", "shops", "one_name"),
        ("alter_column", "shops", "name"),
        ("rename_column", "shops", "name"),
    ]
    assert (operations[-2].changes, operations[-1].to) == (("default",), "label")
    created = operations[-4]
    assert (created.type, created.columns) == ("unique", ("id", "name"))


# -- failures ---------------------------------------------------------------------------------

WRONG_ROW = """\
    op.get_bind().execute(
        sa.text("INSERT INTO shops (id, name) VALUES (1, :name)"), {"name": "secret name"})"""
# A revision after another one, what is reported of its failure, and in which line.
FAILING = {
    "statement": (WRONG_ROW, "IntegrityError: UNIQUE constraint failed: shops.id", 10),
    "code": ("    op.get_bind()\n    1 / 0", "ZeroDivisionError: division by zero", 11),
    "percent": ('    raise ValueError("100% wrong")', "ValueError: 100% wrong", 10),
}


@cases("given", {"sqlite": FAILING})
def test_failed_revision_is_named_with_its_line_and_without_the_values_of_rows(
    project: ChildProject, given: tuple[str, str, int]
) -> None:
    body, failure, line = given
    project.add_revision(R2, R1, HALF_DONE)
    project.add_revision(R3, R2, body)
    run = project.run().run
    assert (run.failed_revision, run.failure) == (R3, failure)
    assert run.where.endswith(f"{R3}.py:{line}")
    assert [each.revision for each in run.revisions] == [R2]
    assert "secret" not in str(run)


@on("sqlite")
def test_error_outside_of_every_revision_names_no_revision(project: ChildProject) -> None:
    (project.folder / "alembic/env.py").write_text("raise LookupError('no settings')\n")
    run = project.run().run
    assert (run.failed_revision, run.failure) == ("", "LookupError: no settings")
    assert run.where.endswith("env.py:1")
    assert not run.opened


MODELS = """
from sqlalchemy import Column, Integer, MetaData, String, Table
target = MetaData()
Table("shops", target, Column("id", Integer, primary_key=True), Column("name", String(50)))
Table("orders", target, Column("id", Integer, primary_key=True), Column("shop", Integer))
"""


@on("sqlite")
def test_differences_from_the_models_are_reported(project: ChildProject) -> None:
    own = ', include_object=lambda o, name, kind, *more: kind == "table", target_metadata=target'
    project.write_env(MODELS + connects(options=own))
    assert project.run("check").run.differences == ()
    project.add_revision(R2, R1, HALF_DONE)
    assert project.run().failure == ""
    check = project.run("check").run
    assert (check.differences, check.failure) == (("remove_table half",), "")


# -- what SQLite itself says of a statement -----------------------------------------------------

# Triggers of the same revision, views and temporary tables included; DDL writes no rows.
STATEMENTS = """\
    for sql in (
        "CREATE TRIGGER tr AFTER UPDATE OF name ON shops BEGIN UPDATE orders SET shop = shop; END",
        "UPDATE shops SET name = 1",
        "DROP TRIGGER tr",
        "WITH x AS (SELECT 1) DELETE FROM main.orders WHERE id < 0",
        "CREATE TEMP TABLE aside (id INTEGER)",
        "INSERT INTO aside VALUES (1)",
        "CREATE VIEW v AS SELECT id FROM shops",
        "CREATE TRIGGER vt INSTEAD OF DELETE ON v BEGIN DELETE FROM shops; END",
        "DELETE FROM v WHERE id < 0",
        "DROP VIEW v",
        "CREATE TABLE counting (id INTEGER PRIMARY KEY AUTOINCREMENT)",
        "UPDATE sqlite_sequence SET seq = 1",
    ):
        op.execute(sql)
"""
DRIVER = "    driver = op.get_bind().connection.driver_connection\n"
# Past SQLAlchemy, and not of the statement that follows.
UNSEEN = '    driver.execute("UPDATE shops SET name = name")\n    op.execute("SELECT 1")'


@on("sqlite")
def test_what_a_statement_writes_is_asked_of_sqlite(project: ChildProject) -> None:
    project.add_revision(R2, R1, STATEMENTS + DRIVER + UNSEEN)
    run = project.run().run
    assert run.failure == ""
    writes = {each.sql: each.writes for each in run.statements}
    assert writes["UPDATE shops SET name = 1"] == (
        ("update", "shops", "name"), ("update", "orders", "shop"),
    )  # fmt: skip
    assert writes["DELETE FROM v WHERE id < 0"] == (("delete", "v", ""), ("delete", "shops", ""))
    assert writes["UPDATE sqlite_sequence SET seq = 1"] == (("update", "sqlite_sequence", "seq"),)
    there = {sql: each for sql, each in writes.items() if each}
    assert {sql.split()[0] for sql in there} == {"UPDATE", "WITH", "DELETE"}
    assert None not in writes.values()


COUNTED = """\
    op.execute("CREATE TABLE own (id INTEGER PRIMARY KEY, a TEXT)")
    own = sa.table("own", sa.column("id"), sa.column("a"))
    op.bulk_insert(own, [{"id": 1}, {"id": 2}, {"id": 3}])
    many = sa.text("UPDATE own SET a = 'x' WHERE id = :id")
    op.get_bind().execute(many, [{"id": 1}, {"id": 2}, {"id": 7}])
    op.execute("UPDATE own SET a = '' WHERE id = 8")
    op.execute("DELETE FROM own WHERE a = 'x'")
"""


@on("sqlite")
def test_it_is_reported_how_many_rows_a_statement_wrote(project: ChildProject) -> None:
    project.add_revision(R2, R1, COUNTED)
    run = project.run().run
    assert run.failure == ""
    rows = [each.rows for each in run.statements if each.sql.startswith(("UPDATE own", "DELETE"))]
    assert rows == [2, 0, 2]


@on("sqlite")
def test_where_the_project_asks_sqlite_itself_the_texts_are_read(project: ChildProject) -> None:
    authorizer = "    driver.set_authorizer(lambda *_: 0)\n"
    project.add_revision(R2, R1, DRIVER + authorizer + '    op.execute("UPDATE shops SET id = id")')
    run = project.run().run
    assert run.failure == ""
    assert run.statements[0].writes is None
