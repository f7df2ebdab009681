"""The ledger that a run writes: in its transaction, where the rights allow it, as it was given."""

from __future__ import annotations

from tests.contract.child.engines import HALF_DONE, cases, on, on_every_engine
from tests.contract.child.project import FAILS, R1, R2, R3, ChildProject

ADDS = "    op.add_column('shops', sa.Column('more', sa.Integer))\n"
# What a user may do who may make no view; and one who may do all with this database alone.
RIGHTS = {
    "postgresql": {
        "no view": ("ALL ON ALL TABLES IN SCHEMA public", "permission denied for schema public"),
        "all": ("ALL ON ALL TABLES IN SCHEMA public; GRANT ALL ON SCHEMA public", ""),
    },
    "mariadb": {
        "no view": (
            "SELECT, INSERT, UPDATE, DELETE, ALTER, CREATE, DROP",
            "CREATE VIEW command denied",
        ),
        "all": ("ALL", ""),
    },
}


@cases("given", RIGHTS)
def test_user_upgrades_with_a_ledger_or_without_one_as_his_rights_are(
    project: ChildProject, given: tuple[str, str]
) -> None:
    rights, failure = given
    if project.engine.is_transactional:
        rights = rights.replace(";", " TO plain;")
    variables = project.plain_user(rights)
    project.add_revision(R2, R1, "    op.execute(\"UPDATE shops SET name = 'seen'\")")
    ran = project.run(variables=variables, ledger_entry={})
    assert (ran.failure, project.revision()) == ("", R2)
    assert failure in ran.run.ledger_failure
    assert bool(ran.run.ledger_failure) == bool(failure) == (not project.has_ledger)


# Settings that decide how a text is read.
MODES = {
    "sqlite": {"usual": "SELECT 1"},
    "postgresql": {"backslashes escape": "SET standard_conforming_strings = off"},
    "mariadb": {
        "usual": "SET SESSION sql_mode = ''",
        "no backslashes": "SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES'",
    },
}


@cases("mode", MODES)
def test_ledger_keeps_every_character_also_in_a_copy(project: ChildProject, mode: str) -> None:
    given = 'it\'s "b" \\ c \\n 100% %s {x} :y $1 \u20ac\U0001f600'
    project.add_revision(R2, R1, f'    op.execute("{mode}")')
    assert project.run(ledger_entry={"user": given}).failure == ""
    assert project.ledger()[-1]["user"] == given
    assert project.beside().ledger() == project.ledger()


@cases(
    "statement",
    {
        "sqlite postgresql": {"a view": "CREATE VIEW migrations_ops_ledger AS SELECT 1 AS ledger"},
        "sqlite mariadb": {"a table": "CREATE TABLE migrations_ops_ledger (ledger int)"},
    },
)
def test_something_else_of_the_ledgers_name_is_left_alone(
    project: ChildProject, statement: str
) -> None:
    project.database.execute(statement)
    before = project.database.execute("SELECT ledger FROM migrations_ops_ledger")
    project.add_revision(R2, R1, HALF_DONE)
    assert project.run(ledger_entry={}).failure == ""
    assert project.database.execute("SELECT ledger FROM migrations_ops_ledger") == before


@on_every_engine
def test_ledger_that_was_there_is_as_it_was_after_a_failure(project: ChildProject) -> None:
    project.add_revision(R2, R1, ADDS)
    project.add_revision(R3, R2, project.engine.work + FAILS)
    with project.upgrades(R2, "head", ledger_entry={}) as run:
        assert run().failure == ""
        before = project.ledger()
        assert not run().committed
    assert project.ledger() == before


@on("postgresql")
def test_ledger_is_in_the_schema_of_the_version_table(project: ChildProject) -> None:
    project.database.execute('CREATE SCHEMA "Odd one"')
    project.database.execute('ALTER TABLE alembic_version SET SCHEMA "Odd one"')
    project.write_env(
        "with create_engine(url).connect() as connection:\n"
        "    migrate(connection, version_table_schema='Odd one')\n"
    )
    project.add_revision(R2, R1, HALF_DONE)
    assert project.run(ledger_entry={}).failure == ""
    rows = project.database.execute("SELECT schemaname FROM pg_views WHERE viewname LIKE 'migr%'")
    assert rows == [("Odd one",)]
    assert project.run("downgrade", R1, ledger_entry={}).failure == ""
    [[text]] = project.database.execute('SELECT ledger FROM "Odd one".migrations_ops_ledger')
    assert '"downgrade"' in text
