"""What is reported of a run: enough for a plan and a record, and no row of anybody."""

from __future__ import annotations

from tests.contract.child.steps import HALF_DONE, R4, run_child
from tests.support import R1, R2, R3, Sandbox


def test_each_revision_is_reported_with_its_statements(shop: Sandbox) -> None:
    run = run_child(shop)
    assert [each.revision for each in run.revisions] == [R1, R2, R3]
    assert all(each.statements >= 1 and each.seconds >= 0 for each in run.revisions)
    by_revision = {each.revision: each.sql for each in run.statements[::-1]}
    assert by_revision[R1].startswith("CREATE TABLE parents")
    assert by_revision[R2].startswith("CREATE TABLE children")
    assert by_revision[R3] == "UPDATE parents SET name = 'nobody' WHERE name IS NULL"


def test_downgrade_is_reported_as_well(filled: Sandbox) -> None:
    down = run_child(filled, command=["downgrade", "base"])
    assert [each.revision for each in down.revisions] == [R2, R1]
    assert [each.kind for each in down.operations] == ["drop_table", "drop_table"]


def test_values_of_rows_are_not_reported(filled: Sandbox) -> None:
    filled.add_revision(
        R4,
        R3,
        '    op.bulk_insert(sa.table("parents", sa.column("id"), sa.column("name")),\n'
        '        [{"id": 501, "name": "secret name"}])\n'
        "    op.get_bind().execute(\n"
        '        sa.text("UPDATE parents SET name = :new WHERE name = :old"),\n'
        '        {"new": "other secret", "old": "secret name"})',
    )
    run = run_child(filled)
    assert run.failure == ""
    sent = [each for each in run.statements if each.revision == R4]
    assert "UPDATE parents SET name = " in sent[1].sql
    assert "secret" not in str(run)


def test_values_of_rows_are_not_reported_when_their_statement_fails(filled: Sandbox) -> None:
    filled.add_revision(
        R4,
        R3,
        "    op.get_bind().execute(\n"
        '        sa.text("INSERT INTO parents (id, name) VALUES (1, :name)"),\n'
        '        {"name": "secret name"})',
    )
    run = run_child(filled)
    assert run.failure == "IntegrityError: UNIQUE constraint failed: parents.id"
    assert run.where.endswith(f"{R4}.py:10")
    assert "secret" not in str(run)


def test_row_by_row_migration_is_counted_not_reported(filled: Sandbox) -> None:
    filled.add_revision(
        R4,
        R3,
        "    for number in range(1200):\n"
        '        op.execute(f"UPDATE parents SET note = {number} WHERE id = 1")',
    )
    run = run_child(filled)
    sent = [each for each in run.statements if each.revision == R4]
    assert len(sent) == 500
    assert run.revisions[-1].statements > 1200


def test_statement_without_end_is_reported_in_part(filled: Sandbox) -> None:
    filled.add_revision(
        R4, R3, '    op.execute("UPDATE parents SET note = \'" + "x" * 100000 + "\'")'
    )
    run = run_child(filled)
    assert run.failure == ""
    assert max(len(each.sql) for each in run.statements) == 4000


def test_what_a_revision_drops_on_purpose_is_reported_by_name(filled: Sandbox) -> None:
    filled.add_revision(
        R4,
        R3,
        '    op.create_index("by_note", "parents", ["note"])\n'
        '    op.drop_index("by_note", table_name="parents")\n'
        '    op.drop_column("parents", "note")\n'
        '    op.drop_table("children")\n'
        '    op.create_table("other", sa.Column("id", sa.Integer))\n'
        '    op.rename_table("other", "another")\n'
        '    with op.batch_alter_table("parents") as batch_op:\n'
        '        batch_op.create_unique_constraint("one_name", ["name"])\n'
        '    with op.batch_alter_table("parents") as batch_op:\n'
        '        batch_op.drop_constraint("one_name", type_="unique")\n'
        '        batch_op.alter_column("name", new_column_name="label", server_default="x")',
    )
    run = run_child(filled)
    assert run.failure == ""
    assert [(each.kind, each.table, each.name) for each in run.operations[1:]] == [
        ("drop_index", "parents", "by_note"),
        ("drop_column", "parents", "note"),
        ("drop_table", "children", None),
        ("rename_table", "other", None),
        ("drop_constraint", "parents", "one_name"),
        ("alter_column", "parents", "name"),
        ("rename_column", "parents", "name"),
    ]
    assert run.operations[-2].changes == ("default",)
    assert run.operations[-1].to == "label"


def test_past_the_limit_each_kind_of_change_is_reported_once(filled: Sandbox) -> None:
    filled.add_revision(
        R4,
        R3,
        "    for number in range(600):\n"
        '        op.execute(f"UPDATE parents SET note = {number} WHERE id = 1")\n'
        "    for number in range(3):\n"
        "        op.execute(f\"UPDATE parents SET note=NULL, name='{number}' WHERE id = 1\")\n"
        '        op.execute(f"INSERT INTO children VALUES ({number + 50}, 1)")\n'
        '        op.execute(f"INSERT OR REPLACE INTO children VALUES ({number + 70}, 1)")\n'
        '        op.execute(f"DELETE FROM children WHERE id = {number}")',
    )
    run = run_child(filled)
    assert run.failure == ""
    late = [each.sql for each in run.statements if each.revision == R4][500:]
    assert late == [
        "UPDATE parents SET note=NULL, name='0' WHERE id = 1",
        "INSERT INTO children VALUES (50, 1)",
        "INSERT OR REPLACE INTO children VALUES (70, 1)",
        "DELETE FROM children WHERE id = 0",
    ]


def test_differences_from_the_models_are_reported(filled: Sandbox) -> None:
    run_child(filled)
    assert run_child(filled, command=["check"]).differences == ()
    filled.add_revision(R4, R3, HALF_DONE)
    run_child(filled)
    check = run_child(filled, command=["check"])
    assert (check.differences, check.failure) == (("remove_table half",), "")


def test_failed_revision_is_named_with_its_line(filled: Sandbox) -> None:
    filled.add_revision(R4, R3, "    op.get_bind()\n    1 / 0")
    run = run_child(filled)
    assert run.failed_revision == R4
    assert run.failure == "ZeroDivisionError: division by zero"
    assert run.where.endswith(f"{R4}.py:11")
    assert [each.revision for each in run.revisions] == [R3]


def test_error_outside_of_every_revision_names_no_revision(filled: Sandbox) -> None:
    env = filled.folder / "alembic/env.py"
    env.write_text("raise LookupError('no settings')\n", encoding="utf-8")
    run = run_child(filled)
    assert (run.failed_revision, run.failure) == ("", "LookupError: no settings")
    assert run.where.endswith("env.py:1")
    assert not run.opened


def test_what_a_statement_writes_is_asked_of_sqlite(filled: Sandbox) -> None:
    """Triggers of the same revision, views and temporary tables included; DDL writes no rows."""
    filled.add_revision(
        R4,
        R3,
        "    for sql in (\n"
        '        "CREATE TRIGGER tr AFTER UPDATE OF note ON parents BEGIN"\n'
        '        " UPDATE children SET parent_id = parent_id; END",\n'
        '        "UPDATE parents SET note = 1",\n'
        '        "DROP TRIGGER tr",\n'
        '        "WITH x AS (SELECT 1) DELETE FROM main.children WHERE id < 0",\n'
        '        "CREATE TEMP TABLE aside (id INTEGER)",\n'
        '        "INSERT INTO aside VALUES (1)",\n'
        '        "CREATE VIEW v AS SELECT id FROM parents",\n'
        '        "CREATE TRIGGER vt INSTEAD OF DELETE ON v BEGIN DELETE FROM parents; END",\n'
        '        "DELETE FROM v WHERE id < 0",\n'
        '        "DROP VIEW v",\n'
        '        "CREATE TABLE counting (id INTEGER PRIMARY KEY AUTOINCREMENT)",\n'
        '        "UPDATE sqlite_sequence SET seq = 1",\n'
        "    ):\n"
        "        op.execute(sql)\n"
        # Past SQLAlchemy, and not of the statement that follows.
        "    driver = op.get_bind().connection.driver_connection\n"
        '    driver.execute("UPDATE parents SET name = name")\n'
        '    op.execute("SELECT 1")',
    )
    run = run_child(filled)
    assert run.failure == ""
    writes = {each.sql: each.writes for each in run.statements if each.revision == R4}
    assert writes["UPDATE parents SET note = 1"] == (
        ("update", "parents", "note"), ("update", "children", "parent_id"),
    )  # fmt: skip
    assert writes["DELETE FROM v WHERE id < 0"] == (("delete", "v", ""), ("delete", "parents", ""))
    assert writes["UPDATE sqlite_sequence SET seq = 1"] == (("update", "sqlite_sequence", "seq"),)
    there = {sql: each for sql, each in writes.items() if each}
    assert {sql.split()[0] for sql in there} == {"UPDATE", "WITH", "DELETE"}
    assert None not in writes.values()


def test_where_the_project_asks_sqlite_itself_the_texts_are_read(filled: Sandbox) -> None:
    filled.add_revision(
        R4,
        R3,
        "    driver = op.get_bind().connection.driver_connection\n"
        "    driver.set_authorizer(lambda *_: 0)\n"
        '    op.execute("UPDATE parents SET note = 1")',
    )
    run = run_child(filled)
    assert run.failure == ""
    assert next(each.writes for each in run.statements if each.revision == R4) is None
