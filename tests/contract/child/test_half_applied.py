"""A revision of which a part is committed: the parent hears it before, and the ledger has it."""

from __future__ import annotations

import os
import signal

from migrations_ops.child.protocol.events import PartlyCommitted, decode
from tests.contract.child.engines import HALF_DONE, POSTGRESQL, ROWS, on
from tests.contract.child.project import PAUSING, R1, R2, R3, Background, ChildProject

BLOCK = (
    HALF_DONE
    + "    with op.get_context().autocommit_block():\n"
    + "        op.execute('CREATE UNIQUE INDEX CONCURRENTLY late ON shops (name)')\n"
)


@on("mariadb")
def test_killed_child_leaves_a_database_that_says_what_was_begun(project: ChildProject) -> None:
    project.add_revision(R2, R1, PAUSING)
    work = Background(project, ledger_entry={})
    project.wait_for_pause()
    os.kill(work.pid, signal.SIGKILL)
    ran = work.result()
    assert (ran.run.finished, ran.committed) == (False, True)
    begun = project.ledger()[-1]
    assert (begun["event"], begun["revisions"][0]["revision"]) == ("begun", R2)
    assert project.revision() == R1


@on("mariadb")
def test_parent_hears_of_rows_that_ddl_commits_before_it_does(project: ChildProject) -> None:
    """The child waits until that is written down: a parent that is gone keeps it from happening."""
    before = project.everything()
    adds = "    op.add_column('shops', sa.Column('more', sa.Integer))\n"
    project.add_revision(R2, R1, ROWS + adds)
    child = project.start(("upgrade", "head"))._child
    child.say(project.instructions().to_json())
    for line in child.lines():
        if isinstance(decode(line), PartlyCommitted):
            break
    child.stop()
    assert project.everything() == before


@on("postgresql")
def test_autocommit_block_is_reported_before_and_the_ledger_says_that_it_is_done(
    project: ChildProject,
) -> None:
    project.add_revision(R2, R1, BLOCK)
    ran = project.run(ledger_entry={})
    assert (ran.failure, ran.committed, len(ran.run.partly_committed)) == ("", True, 1)
    assert project.events() == ["identity", "upgrade"]


@on("postgresql")
def test_ledger_says_which_revision_an_autocommit_block_left_half_applied(
    project: ChildProject,
) -> None:
    project.add_revision(R2, R1, "    op.execute('SELECT 1')")
    project.add_revision(R3, R2, BLOCK.replace("late ON shops (name)", "late ON shops ((id / 2))"))
    ran = project.run(ledger_entry={"release": "x"})
    assert ran.committed
    assert (ran.run.failed_revision, ran.run.locked) == (R3, False)
    _, done, begun = project.ledger()
    assert (done["event"], [each["revision"] for each in done["revisions"]]) == ("upgrade", [R2])
    assert (begun["event"], begun["outcome"], begun["release"]) == ("begun", "begun", "x")
    assert [each["revision"] for each in begun["revisions"]] == [R3]
    assert project.revision() == R2


# Under pg8000 no statement with CONCURRENTLY runs in an autocommit_block(): it is in a transaction.
@on(*sorted(set(POSTGRESQL.drivers) - {"pg8000"}))
def test_ledger_knows_which_indexes_a_revision_makes_under_any_driver(
    project: ChildProject,
) -> None:
    project.database.execute('CREATE SCHEMA "Odd s"; CREATE TABLE "Odd s".t (a int)')
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
    assert "division by zero" in project.run(ledger_entry={}).failure
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
