"""What is PostgreSQL's own: roles, constraints, and a guard that the role may not set up."""

from __future__ import annotations

import pytest

from tests.contract.child.engines import HALF_DONE, cases, on
from tests.contract.child.project import R1, R2, R3, USUAL, ChildProject


def member_of(project: ChildProject, role: str) -> None:
    """The role of the URL becomes one that owns all and may act as another one, too."""
    server = project.server
    server.create_role("plain", "hidden-word")
    server.create_role(role, "x")
    server.execute(f"GRANT {role} TO plain")
    project.database.execute(
        f"GRANT ALL ON DATABASE {project.database.name} TO plain;"
        "ALTER SCHEMA public OWNER TO plain;"
        "ALTER TABLE alembic_version OWNER TO plain; ALTER TABLE shops OWNER TO plain;"
        f"GRANT ALL ON alembic_version TO {role}; CREATE SCHEMA app AUTHORIZATION {role}"
    )
    project.write_env(
        "from sqlalchemy import make_url\n"
        f"url = make_url(url).set(username='plain', password='hidden-word')\n{USUAL}"
    )


@pytest.mark.parametrize("statement", ["SET ROLE", "SET LOCAL ROLE"])
@pytest.mark.parametrize("in_block", [False, True], ids=["in one transaction", "with a block"])
@on("postgresql")
def test_revision_may_go_on_as_another_role(
    project: ChildProject, statement: str, in_block: bool
) -> None:
    member_of(project, "owner_of_app")
    block = "    with op.get_context().autocommit_block():\n        op.execute('SELECT 1')\n"
    project.add_revision(R2, R1, block * in_block + "    op.execute('SELECT 1')")
    project.add_revision(
        R3,
        R2,
        block * in_block
        + f"    op.execute('{statement} owner_of_app')\n"
        + "    op.execute('CREATE TABLE app.x (id int)')\n"
        + "    op.execute('SET CONSTRAINTS ALL IMMEDIATE')",
    )
    with project.upgrades(R2, "head", ledger_entry={}) as run:
        for _ in range(2):
            ran = run()
            assert (ran.failure, ran.run.finished, ran.run.ledger_failure) == ("", True, "")
    assert project.revision() == R3
    owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'x'"
    assert project.database.execute(owner) == [("owner_of_app",)]
    assert [run["revisions"][0]["revision"] for run in project.ledger()[1:]] == [R2, R3]


@on("postgresql")
def test_commit_behind_our_back_is_reported_where_the_role_may_make_no_temporary_tables(
    project: ChildProject,
) -> None:
    """The server's own net is missing then, and the damage done: it must not pass for nothing."""
    project.database.execute(f"REVOKE TEMPORARY ON DATABASE {project.database.name} FROM PUBLIC")
    project.database.execute("GRANT ALL ON SCHEMA public TO PUBLIC")
    variables = project.plain_user("ALL ON ALL TABLES IN SCHEMA public")
    commits = "    op.get_bind().connection.driver_connection.commit()"
    project.add_revision(R2, R1, HALF_DONE + commits)
    ran = project.run(variables=variables)
    assert ran.committed
    assert f"revision {R2} has committed the transaction of the run" in ran.failure


ALLOWED = {
    "constraints that are checked early": "SET CONSTRAINTS ALL IMMEDIATE",
    "a function with an END of its own": (
        "CREATE FUNCTION one() RETURNS int BEGIN ATOMIC SELECT 1; END"
    ),
    "a block with an END of its own": "DO $$ BEGIN PERFORM 1; END $$",
}


@cases("statement", {"postgresql": ALLOWED})
def test_statement_that_only_looks_like_an_end_of_the_transaction_works(
    project: ChildProject, statement: str
) -> None:
    project.add_revision(R2, R1, f"{HALF_DONE}    op.execute('{statement}')")
    assert project.run().failure == ""
    assert project.revision() == R2


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


@cases("env", {"postgresql": TELLING})
def test_password_is_in_no_event_and_no_log(project: ChildProject, env: str) -> None:
    project.write_env(env + USUAL)
    project.add_revision(R2, R1, HALF_DONE)
    ran = project.run()
    assert ran.failure
    assert "hidden-word" not in str(ran.events)
    assert "hidden-word" not in project.log
