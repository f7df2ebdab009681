"""A run under each driver: it arrives with its timeouts and its ledger, or fails as a whole."""

from __future__ import annotations

from dataclasses import dataclass

from tests.contract.child.engines import (
    ENGINE_OF,
    HALF_DONE,
    MARIADB,
    POSTGRESQL,
    on,
    on_every_driver,
    on_every_driver_slowly,
)
from tests.contract.child.project import FAILS, R1, R2, R3, Background, ChildProject
from tests.support import wait_for

COLUMN = "    op.add_column('shops', sa.Column('more', sa.Integer))\n"


@dataclass(frozen=True)
class Settings:
    """What a session has to be set to, before the first statement and after a commit."""

    shows: str
    names: tuple[str, ...]
    before: str
    after: str


SETTINGS = {
    "postgresql": Settings(
        "SHOW {name}",
        (
            "lock_timeout",
            "statement_timeout",
            "idle_in_transaction_session_timeout",
            "client_connection_check_interval",
            "application_name",
        ),
        before="before 500ms 7500ms 1min 500ms migrations_ops",
        after="after 500ms 7500ms 1min 500ms migrations_ops",
    ),
    # Nobody queues behind who waits for a row, and the whole cannot be tried again any more.
    "mariadb": Settings(
        "SELECT CAST(@@{name} AS DOUBLE)",
        ("lock_wait_timeout", "innodb_lock_wait_timeout", "max_statement_time"),
        before="before 0.0 1.0 7.5",
        after="after 0.0 50.0 7.5",
    ),
}


@on(*POSTGRESQL.drivers, *MARIADB.drivers)
def test_upgrade_and_downgrade_arrive_with_timeouts_and_ledger_under_any_driver(
    project: ChildProject,
) -> None:
    wanted = SETTINGS[project.engine.name]
    asks = f"[op.get_bind().scalar(sa.text(f'{wanted.shows}')) for name in {wanted.names}]"
    prints = "    print({when!r}, *" + asks + ", flush=True)\n"
    shows = [prints.replace("{when!r}", repr(when)) for when in ("before", "after")]
    project.add_revision(R2, R1, shows[0] + HALF_DONE + shows[1])
    project.add_revision(R3, R2, COLUMN, "    op.drop_column('shops', 'more')")
    step = project.start(("upgrade", "head"), ("downgrade", R2))
    given = project.instructions(statement_timeout=7.5, ledger_entry={"release": "x"})
    try:
        up = step.run(given, last=False)
        assert (up.failure, up.finished, project.revision()) == ("", True, R3)
        assert (up.opened, up.in_transaction) == (True, False)
        down = step.run(given)
        assert (down.failure, project.revision()) == ("", R2)
    finally:
        step.close()
    assert project.log.splitlines()[:2] == [wanted.before, wanted.after]
    assert up.partly_committed == (() if project.engine.is_transactional else (R2, R3))
    ledger = project.ledger()
    assert [run["event"] for run in ledger] == ["identity", "upgrade", "downgrade"]
    assert {(run["release"], run["environment"]) for run in ledger} == {("x", "dev")}
    assert [each["revision"] for each in ledger[1]["revisions"]] == [R2, R3]


# What is said of FAILS.
ERRORS = {
    "sqlite": "no such table: nowhere",
    "postgresql": 'relation "nowhere" does not exist',
    "mariadb": ".nowhere' doesn't exist",
}


@on_every_driver
def test_revision_that_fails_leaves_nothing_under_any_driver(project: ChildProject) -> None:
    """The database says so, and the parent may try again."""
    before = project.everything()
    revision = R2
    if project.engine.is_transactional:
        project.add_revision(R2, R1, HALF_DONE)
        project.add_revision(R3, R2, project.engine.work.replace("half", "more") + FAILS)
        revision = R3
    else:
        project.add_revision(R2, R1, project.engine.work + FAILS)
    ran = project.run(ledger_entry={})
    assert ran.failure.endswith(ERRORS[project.engine.name])
    assert ran.run.failed_revision == revision
    assert (ran.run.locked, ran.committed, project.has_ledger) == (False, False, False)
    assert project.everything() == before


@on(*MARIADB.drivers)
def test_half_applied_revision_is_reported_and_is_in_the_ledger_under_any_driver(
    project: ChildProject,
) -> None:
    project.add_revision(R2, R1, COLUMN)
    project.add_revision(R3, R2, HALF_DONE + FAILS)
    ran = project.run(ledger_entry={"release": "x"})
    assert (ran.committed, ran.run.partly_committed, project.revision()) == (True, (R2, R3), R2)
    _, done, begun = project.ledger()
    assert (done["event"], [each["revision"] for each in done["revisions"]]) == ("upgrade", [R2])
    assert (begun["event"], begun["direction"], begun["release"]) == ("begun", "upgrade", "x")
    assert [each["revision"] for each in begun["revisions"]] == [R3]
    # The rows, at least, are as they were.
    assert project.names() == ["one", "two", "three"]


@on_every_driver_slowly
def test_parent_that_goes_ends_a_long_statement_at_once_under_any_driver(
    project: ChildProject,
) -> None:
    before = project.everything()
    begins = "    from pathlib import Path\n    Path('paused').touch()\n"
    sleeps = f'{begins}    op.execute("{project.engine.sleeps}")'
    project.add_revision(R2, R1, project.engine.work + sleeps)
    work = Background(project)
    project.wait_for_pause()
    asleep = project.engine.asleep
    wait_for(lambda: not asleep or bool(project.database.execute(asleep)))
    work.leave()
    # It left in order, not killed after its time of grace. Where it cannot be seen at work, it may
    # be left before the statement has begun, which is not let in then.
    failure = work.result().failure
    assert failure == "KeyboardInterrupt: interrupted" or "not authorized" in failure
    wait_for(lambda: not asleep or not project.database.execute(asleep))
    assert project.everything() == before


def test_every_driver_of_an_engine_is_tried() -> None:
    from migrations_ops.child.families import FAMILIES

    servers = {name: family.server for name, family in FAMILIES.items() if family.server}
    tried = {engine.name: set(engine.drivers.values()) for engine in ENGINE_OF.values()}
    assert {name: tried[name] for name in servers} == {
        name: server.drivers for name, server in servers.items()
    }
