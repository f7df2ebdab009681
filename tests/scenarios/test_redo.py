"""``--redo``: what was edited after the first environments ran it runs there again."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.small import Scripts, configure, copy_small, make_small, tables
from tests.support import Ran, Sandbox, query

MADE = 'op.create_table("t_new", sa.Column("id", sa.Integer, primary_key=True))'
FILLED = f'{MADE}; op.execute("INSERT INTO t_new VALUES (1), (2)")'
DROPPED = 'op.drop_table("t_new")'
LEAVES = 'op.execute("SELECT 1")'
FAILS_IN_PROD = 'op.execute("INSERT INTO t_new SELECT 100 FROM t_r1")'


@pytest.fixture
def small(tmp_path: Path) -> tuple[Sandbox, Scripts]:
    return make_small(tmp_path / "small")


@pytest.fixture(scope="session")
def at_r1(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    project, scripts = make_small(tmp_path_factory.mktemp("at-r1") / "small")
    scripts.table("r1", None)
    assert project.invoke("release-migration").code == 0
    return project


@pytest.fixture
def released(at_r1: Sandbox, tmp_path: Path) -> tuple[Sandbox, Scripts]:
    """r1 is released, and has a row in each environment."""
    project, scripts = copy_small(at_r1, tmp_path / "small")
    for name in ("dev.db", "prod.db"):
        query(project.folder / name, "INSERT INTO t_r1 VALUES (7)")
    return project, scripts


def advice_of(ran: Ran) -> str:
    """The last line of a refusal: what to do next."""
    return ran.err.rstrip().splitlines()[-1]


def typed(sentence: str) -> list[str]:
    """The last command of a sentence."""
    return shlex.split(sentence.rpartition("invoke ")[2].partition(";")[0])


def without_backups(project: Sandbox) -> None:
    for file in (project.folder / "data/repom/backups").glob("db.dev_*"):
        file.unlink()


@pytest.mark.slow
def test_what_failed_in_the_rehearsal_is_mended_and_run_again_by_the_command_that_is_printed(
    released: tuple[Sandbox, Scripts],
) -> None:
    """Its downgrade fails; one that works: on_servers/test_redo.py."""
    project, scripts = released
    down = "raise NotImplementedError"
    query(project.folder / "dev.db", "DELETE FROM t_r1")
    made = 'op.create_table("t_new", sa.Column("id", sa.Integer, primary_key=True))'
    fails = 'op.execute("INSERT INTO t_new SELECT id FROM t_r1 UNION ALL SELECT id FROM t_r1")'
    scripts.revision("r2", "r1", f"{made}; {fails}", down)
    assert project.invoke("release-migration").code != 0
    scripts.revision("r2", "r1", made, down)
    refused = project.invoke("release-migration")
    assert refused.code == 1
    assert "invoke release-migration --redo" in advice_of(refused)
    plan = project.invoke("release-migration", "--redo", "--plan")
    assert plan.code == 0, plan.err
    assert "restore" in plan.out
    ran = project.invoke("release-migration", "--redo")
    assert ran.code == 0, ran.err
    assert tables(project.folder / "prod.db") == {"t_r1", "t_new"}
    assert query(project.folder / "prod.db", "SELECT id FROM t_r1") == [(7,)]
    ran = project.invoke("verify", "release-migration", "--redo", "--json")
    assert ran.code == 0, ran.err


@pytest.mark.slow
def test_production_is_never_taken_back_to_run_what_was_edited(
    released: tuple[Sandbox, Scripts],
) -> None:
    project, scripts = released
    scripts.revision("r1", None, "pass")
    before = [
        query(project.folder / name, "SELECT sql FROM sqlite_master")
        for name in ("dev.db", "prod.db")
    ]
    for call in (["release-migration", "--redo"], ["release-migration", "--redo", "--plan"]):
        ran = project.invoke(*call)
        assert ran.code == 1
    assert before == [
        query(project.folder / name, "SELECT sql FROM sqlite_master")
        for name in ("dev.db", "prod.db")
    ]


@pytest.mark.slow
def test_what_is_edited_again_and_again_runs_again_each_time(
    released: tuple[Sandbox, Scripts],
) -> None:
    project, scripts = released
    query(project.folder / "prod.db", "INSERT INTO t_r1 VALUES (8)")
    redo: list[str] = []
    for row in (1, 2):
        filled = f'{MADE}; op.execute("INSERT INTO t_new VALUES ({row})")'
        scripts.revision("r2", "r1", f"{filled}; {FAILS_IN_PROD}", DROPPED)
        ran = project.invoke("release-migration", *redo)
        assert ran.code == 1, ran.err
        assert "rehearsal" in ran.err
        rows = query(project.folder / "dev.db", "SELECT id FROM t_new")
        assert rows == [(row,), (100,)]
        redo = ["--redo"]
    scripts.revision("r2", "r1", FILLED, DROPPED)
    ran = project.invoke("release-migration", "--redo", "verify", "verify", "--env", "prod")
    assert ran.code == 0, ran.err
    for name, kept in (("dev.db", [(7,)]), ("prod.db", [(7,), (8,)])):
        assert query(project.folder / name, "SELECT id FROM t_new") == [(1,), (2,)]
        assert query(project.folder / name, "SELECT id FROM t_r1") == kept


# -- without a backup from before -----------------------------------------------------------------


def edited(project: Sandbox, scripts: Scripts, made: str, down: str) -> None:
    """dev has run r2, which is edited since, and has no backup from before."""
    scripts.revision("r2", "r1", made, down)
    assert project.invoke("upgrade-dev").code == 0
    scripts.revision("r2", "r1", f"{made}; {LEAVES}", down)
    without_backups(project)


@pytest.mark.slow
def test_without_a_backup_downgrades_are_compared_with_an_environment_that_is_there(
    released: tuple[Sandbox, Scripts],
) -> None:
    project, scripts = released
    edited(project, scripts, MADE, LEAVES)
    ran = project.invoke("release-migration", "--redo")
    assert ran.code == 1, ran.err
    assert "The downgrades of dev leave" in ran.err
    assert "table t_new" in ran.err
    assert tables(project.folder / "dev.db") == {"t_r1", "t_new"}
    assert query(project.folder / "dev.db", "SELECT version_num FROM alembic_version") == [("r2",)]
    without_backups(project)
    edited_again = f"{MADE}; {LEAVES}; {LEAVES}"
    scripts.revision("r2", "r1", edited_again, DROPPED)
    ran = project.invoke("release-migration", "--redo")
    assert ran.code == 0, ran.err
    assert query(project.folder / "dev.db", "SELECT id FROM t_r1") == [(7,)]


@pytest.mark.slow
@pytest.mark.parametrize("down", [DROPPED, f'{DROPPED}; op.execute("DELETE FROM t_r1")'])
def test_without_a_backup_rows_that_downgrades_take_stop_it(
    released: tuple[Sandbox, Scripts], down: str
) -> None:
    project, scripts = released
    is_of_r1 = "DELETE" in down
    edited(project, scripts, MADE if is_of_r1 else FILLED, down)
    ran = project.invoke("release-migration", "--redo")
    assert ran.code == 1, ran.err
    assert ("1 of t_r1" if is_of_r1 else "2 of t_new") in ran.err
    assert "dev is unchanged" in ran.err
    assert query(project.folder / "dev.db", "SELECT id FROM t_r1") == [(7,)]
    assert typed(advice_of(ran)) == ["downgrade", "--env", "dev", "--to", "r1", "release-migration"]
    ran = project.invoke(*typed(advice_of(ran)))
    assert ran.code == 0, ran.err


def test_rows_that_downgrades_take_come_back_with_the_backup_from_before(
    released: tuple[Sandbox, Scripts],
) -> None:
    project, scripts = released
    down = f'{DROPPED}; op.execute("DELETE FROM t_r1")'
    scripts.revision("r2", "r1", FILLED, down)
    assert project.invoke("upgrade-dev").code == 0
    scripts.revision("r2", "r1", MADE, down)
    ran = project.invoke("release-migration", "--redo")
    assert ran.code == 0, ran.err
    assert query(project.folder / "dev.db", "SELECT id FROM t_r1") == [(7,)]


@pytest.mark.slow
@pytest.mark.parametrize("down", [DROPPED, "pass"])
def test_without_anything_to_compare_with_nothing_is_taken_back(
    small: tuple[Sandbox, Scripts], down: str
) -> None:
    project, scripts = small
    scripts.table("r1", None)
    edited(project, scripts, MADE, down)
    ran = project.invoke("release-migration", "--redo")
    assert ran.code == 1, ran.err
    assert "No database was touched" in ran.err
    assert tables(project.folder / "dev.db") == {"t_r1", "t_new"}
    if down == DROPPED:
        ran = project.invoke(*typed(advice_of(ran)))
        assert ran.code == 0, ran.err
        assert tables(project.folder / "prod.db") == {"t_r1", "t_new"}


@pytest.mark.slow
def test_a_first_revision_is_taken_back_where_nothing_is_lost(
    small: tuple[Sandbox, Scripts],
) -> None:
    project, scripts = small
    scripts.revision("r1", None, FILLED, DROPPED)
    assert project.invoke("upgrade-dev").code == 0
    scripts.revision("r1", None, MADE, DROPPED)
    ran = project.invoke("release-migration", "--redo")
    assert ran.code == 1, ran.err
    assert "2 of t_new" in ran.err
    query(project.folder / "dev.db", "DELETE FROM t_new")
    without_backups(project)
    ran = project.invoke("release-migration", "--redo")
    assert ran.code == 0, ran.err


# -- where it leads on ----------------------------------------------------------------------------


@pytest.mark.slow
def test_where_the_last_environment_has_run_what_was_edited_no_redo_is_advised(
    small: tuple[Sandbox, Scripts],
) -> None:
    project, scripts = small
    configure(project, (("dev", "dev.db", ""), ("prod", "prod.db", "protected = false")))
    scripts.table("r1", None)
    scripts.revision("r2", "r1", FILLED, DROPPED)
    assert project.invoke("release-migration").code == 0
    scripts.revision("r2", "r1", MADE, DROPPED)
    for name in ("dev", "prod"):
        sentence = advice_of(project.invoke("release-migration"))
        assert "--redo" not in sentence
        assert typed(sentence) == ["downgrade", "--env", name, "--to", "r1"]
        assert project.invoke(*typed(sentence)).code == 0
    ran = project.invoke("release-migration")
    assert ran.code == 0, ran.err


@pytest.mark.slow
def test_production_asks_at_once_for_what_dev_has_run_in_another_form(
    released: tuple[Sandbox, Scripts],
) -> None:
    project, scripts = released
    scripts.revision("r2", "r1", MADE, DROPPED)
    assert project.invoke("upgrade-dev").code == 0
    scripts.revision("r2", "r1", f"{MADE}; {LEAVES}", DROPPED)
    ran = project.invoke("upgrade-prod")
    assert ran.code == 1
    assert "r2 has run there in another form" in ran.err
    ran = project.invoke(*typed(advice_of(ran)))
    assert ran.code == 0, ran.err


@pytest.mark.slow
@pytest.mark.parametrize("has_backup", [True, False])
def test_what_was_put_before_what_ran_is_run_again_where_that_works(
    released: tuple[Sandbox, Scripts], has_backup: bool
) -> None:
    project, scripts = released
    scripts.table("r3", "r1")
    assert project.invoke("upgrade-dev").code == 0
    scripts.table("r2", "r1")
    scripts.table("r3", "r2")
    if not has_backup:
        without_backups(project)
    ran = project.invoke("release-migration")
    assert ran.code == 1
    first = advice_of(ran).strip().partition(";")[0]
    assert first.startswith("Take dev back") if has_backup else first.startswith("Put r2 after r3")
    if has_backup:
        ran = project.invoke(*typed(first))
        assert ran.code == 0, ran.err


@pytest.mark.slow
@pytest.mark.parametrize("has_backup", [True, False])
def test_what_was_put_before_what_ran_and_allowed_is_run_by_the_command_of_the_gate(
    released: tuple[Sandbox, Scripts], has_backup: bool
) -> None:
    project, scripts = released
    allow = 'allow = ["skipped-revision:r2", "edited-revision:r3"]'
    configure(project, (("dev", "dev.db", allow), ("prod", "prod.db", "")))
    scripts.table("r3", "r1")
    assert project.invoke("upgrade-dev").code == 0
    scripts.table("r2", "r1")
    scripts.table("r3", "r2")
    query(project.folder / "dev.db", "CREATE TABLE t_r2 (id INTEGER NOT NULL PRIMARY KEY)")
    if not has_backup:
        without_backups(project)
    ran = project.invoke("verify", "upgrade-prod")
    assert ran.code == 1
    assert "dev is verified: r3, with 2 warnings." in ran.out
    assert "r2 never ran there" in ran.err
    sentence = advice_of(ran)
    assert ("--redo" in sentence) is has_backup
    ran = project.invoke(*shlex.split(sentence.partition("invoke ")[2].partition(";")[0]))
    assert ran.code == 0, ran.err
    for name in ("dev.db", "prod.db"):
        assert tables(project.folder / name) == {"t_r1", "t_r2", "t_r3"}
        assert query(project.folder / name, "SELECT id FROM t_r1") == [(7,)]
