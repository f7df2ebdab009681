"""What applications have locked: a run gives up at once, or waits where nobody waits behind it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.contract.child.engines import HALF_DONE, ROWS, cases, on
from tests.contract.child.project import R1, R2, Background, ChildProject
from tests.support import wait_for

ADDS = "    op.execute('ALTER TABLE shops ADD more int')\n"
SELECTS, UPDATES = "SELECT * FROM shops", "UPDATE shops SET name = 'theirs' WHERE id = 2"


@dataclass(frozen=True)
class Locked:
    """What an application does in a transaction, and what a revision wants meanwhile."""

    theirs: str
    wants: str


IN_USE = {
    "postgresql": {"a table": Locked(SELECTS, HALF_DONE + ADDS)},
    "mariadb": {
        "a table": Locked(SELECTS, ADDS),
        "a row": Locked(UPDATES, ROWS + ADDS),
    },
}


@cases("locked", IN_USE)
def test_lock_of_somebody_else_is_reported_as_one_and_changes_nothing(
    project: ChildProject, locked: Locked
) -> None:
    before = project.everything()
    project.add_revision(R2, R1, locked.wants)
    with project.session(autocommit=False) as application:
        application.cursor().execute(locked.theirs)
        ran = project.run(
            ledger_entry={}, lock_timeout=0.1 if project.engine.is_transactional else None
        )
        assert ran.run.locked
        assert (ran.committed, project.has_ledger) == (False, False)
        assert project.everything() == before
        application.rollback()
    assert project.run(ledger_entry={}).failure == ""


@on("postgresql")
def test_index_that_is_built_beside_others_waits_for_them(project: ChildProject) -> None:
    """With the usual lock timeout it would break off, and leave an invalid index behind."""
    project.add_revision(
        R2,
        R1,
        "    with op.get_context().autocommit_block():\n"
        "        op.execute('CREATE UNIQUE INDEX CONCURRENTLY late ON shops (name)')\n"
        "        op.execute('SHOW lock_timeout')",
    )
    waiting = (
        "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND"
        " query LIKE 'CREATE UNIQUE INDEX CONCURRENTLY%'"
    )
    with project.session(autocommit=False) as application:
        application.execute(UPDATES)
        work = Background(project, lock_timeout=0.05)
        wait_for(lambda: bool(project.database.execute(waiting)))
        # Much longer than the lock timeout.
        application.execute("SELECT pg_sleep(0.5)")
        application.rollback()
    assert work.result().failure == "", "it gave up"
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'late'::regclass"
    assert project.database.execute(valid) == [(True,)]


def asked_again(project: ChildProject) -> Callable[[], bool]:
    """Whether MariaDB was asked for an update twice since now, which PostgreSQL never is."""
    asked = "SHOW GLOBAL STATUS LIKE 'Com_update'"
    known = int(project.database.execute(asked)[0][1])
    return lambda: int(project.database.execute(asked)[0][1]) > known + 1


@on("mariadb")
def test_table_without_transactions_that_is_in_use_is_waited_for(project: ChildProject) -> None:
    project.database.execute("CREATE TABLE counts (n int) ENGINE = MyISAM")
    project.database.execute("INSERT INTO counts VALUES (1)")
    project.add_revision(R2, R1, "    op.execute('UPDATE counts SET n = n + 10')")
    with project.session() as application:
        application.cursor().execute("LOCK TABLES counts READ")
        was_asked_again = asked_again(project)
        work = Background(project, ledger_entry={})
        wait_for(was_asked_again)
    assert work.result().failure == ""
    assert project.database.execute("SELECT n FROM counts") == [(11,)]


@on("mariadb")
def test_row_in_use_in_the_middle_of_a_revision_is_waited_for(project: ChildProject) -> None:
    other = "    op.create_table('more', sa.Column('id', sa.Integer))\n"
    project.add_revision(R2, R1, other + ROWS)
    # Asked of the list of processes: innodb_trx stays as it was while it is asked often.
    waiting = (
        "SELECT 1 FROM information_schema.processlist"
        " WHERE info LIKE 'UPDATE shops%' AND time_ms > 100"
    )
    with project.session(autocommit=False) as application:
        application.cursor().execute(UPDATES)
        work = Background(project, ledger_entry={})
        wait_for(lambda: bool(project.database.execute(waiting)))
        # Longer than the second for which a row is waited for before anything is committed.
        time.sleep(1.5)
        application.rollback()
    assert work.result().failure == ""
