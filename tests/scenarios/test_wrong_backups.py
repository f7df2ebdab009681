"""The wrong database, or none, never takes the place of the backups of the right one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from migrations_ops.backups.retention import prune
from migrations_ops.backups.taking import take_backup
from migrations_ops.cli.output.progress import Lines
from migrations_ops.journal.backup_uses import BackupUses
from migrations_ops.journal.marks import Mark
from migrations_ops.journal.record import RECORD, write_record
from migrations_ops.model.errors import ConfigurationError, OpsError, Refused
from migrations_ops.model.ledger import LedgerEntry
from migrations_ops.operations.manual.adopt import adopt_environment
from migrations_ops.operations.status import read_status
from migrations_ops.operations.verification import verify_environment
from migrations_ops.project.settings import read
from tests.contract.databases.support import immutable
from tests.records import task_record
from tests.scenarios.in_process import (
    back_up,
    configure,
    project_of,
    release,
    restore,
    store_of,
)
from tests.small import configure as configure_small
from tests.small import make_small, upgrade_by_application
from tests.support import Sandbox, dump, query


def kept(sandbox: Sandbox, name: str = "prod") -> list[str]:
    return [each.name for each in store_of(sandbox, name).backups()]


def change(sandbox: Sandbox, number: int) -> None:
    query(sandbox.prod, "INSERT INTO parents VALUES (?, 'written')", number)


def type_it(sandbox: Sandbox, error: OpsError | None) -> None:
    """Type the first command of an advice, as it is printed."""
    assert error is not None
    words = error.next.partition("invoke ")[2].partition(";")[0].split()
    ran = sandbox.invoke(*words)
    assert ran.code == 0, ran.err


def lose(sandbox: Sandbox) -> None:
    sandbox.prod.unlink()


def empty(sandbox: Sandbox) -> None:
    sandbox.prod.write_bytes(b"")


def replace_by_dev(sandbox: Sandbox) -> None:
    """The ledger of dev tells whose database it is."""
    project = project_of(sandbox)
    project.database(project.settings.environment("dev")).add_to_ledger(
        LedgerEntry("dev", "alembic_version")
    )
    shutil.copyfile(sandbox.dev, sandbox.prod)


def break_off(sandbox: Sandbox, backups: tuple[str, ...]) -> Path:
    """What a task leaves that was killed after it had committed a part of an upgrade of prod."""
    releases = project_of(sandbox).settings.releases
    name, steps = "20260101_000000", [("upgrade", "prod", "failed")]
    record = task_record(name, None, [*backups], steps, committed=("prod",))
    write_record(releases, record)
    mark = Mark(releases, name)
    mark.create_mark()
    mark.close_mark(finished=False)
    return releases / name


# -- the wrong database -----------------------------------------------------------------------


@pytest.mark.parametrize("harm", [lose, empty, replace_by_dev])
def test_backup_of_the_wrong_database_is_refused_and_its_advice_brings_back_the_right_one(
    filled: Sandbox, harm: Any
) -> None:
    good, before = back_up(filled).result.backups, dump(filled.prod)
    harm(filled)
    finished = back_up(filled)
    assert finished.error is not None
    assert finished.error.exit_code == 1
    assert finished.result.backups == ()
    assert kept(filled) == [*good]
    if harm is replace_by_dev:
        assert restore(filled, "latest").error is None
    else:
        type_it(filled, finished.error)
    assert dump(filled.prod) == before
    assert back_up(filled).error is None


@pytest.mark.slow
def test_backup_of_an_empty_database_that_never_had_content_is_taken(shop: Sandbox) -> None:
    shop.prod.write_bytes(b"")
    for _ in range(2):
        finished = back_up(shop)
        assert finished.error is None
    assert store_of(shop).find("latest").name in finished.result.backups


@pytest.mark.slow
def test_refusal_of_one_environment_keeps_no_other_from_its_backup(filled: Sandbox) -> None:
    assert back_up(filled).error is None
    lose(filled)
    ran = filled.invoke("backup", "--all")
    assert ran.code == 1
    assert "invoke restore --env prod --backup latest --yes" in ran.err
    [taken] = kept(filled, "dev")
    assert taken not in BackupUses.read(project_of(filled).settings.releases).failed


@pytest.mark.slow
def test_copy_of_another_environment_never_pushes_out_the_own_ones(filled: Sandbox) -> None:
    configure(filled, "keep = 2")
    good = back_up(filled).result.backups
    replace_by_dev(filled)
    project = project_of(filled)
    store = store_of(filled)
    for number in range(4):
        change(filled, 5000 + number)
        taken = take_backup(store, project.database(project.settings.default), progress=None)
    assert "dev" in store.backups()[-1].doubt
    assert store.find("latest").name == good[0]
    prune(store, BackupUses())
    assert len(kept(filled)) == 1 + 2
    assert {*good, taken.name} < {*kept(filled)}
    # The way on, where the copy is meant: adopt keeps what was there, and all is as ever.
    assert adopt_environment(project, project.settings.default, Lines()).error is None
    change(filled, 6000)
    fresh = back_up(filled)
    assert fresh.error is None
    assert store.find("latest").name == fresh.result.backups[0]


@pytest.mark.slow
def test_empty_copy_is_never_the_latest_once_there_is_a_filled_one(filled: Sandbox) -> None:
    configure(filled, "keep = 1")
    good, before = back_up(filled).result.backups, dump(filled.prod)
    empty(filled)
    store, project = store_of(filled), project_of(filled)
    database = project.database(project.settings.default)
    poisoned = [take_backup(store, database, note="by hand", progress=None).name for _ in range(3)]
    assert store.find("latest").name == good[0]
    prune(store, BackupUses())
    assert kept(filled) == [*good, poisoned[-1]]
    assert restore(filled, "latest").error is None
    assert dump(filled.prod) == before


@pytest.mark.slow
def test_what_an_interrupted_task_has_half_committed_is_kept_separately(filled: Sandbox) -> None:
    good = back_up(filled).result.backups
    break_off(filled, good)
    change(filled, 5000)
    finished = back_up(filled)
    assert finished.error is None
    assert [each.code for each in finished.result.findings] == ["backup-in-doubt"]
    [half] = finished.result.backups
    assert "interrupted" in store_of(filled).find(half).doubt
    assert store_of(filled).find("latest").name == good[0]


# -- what a restore replaces ------------------------------------------------------------------


@pytest.mark.slow
def test_restores_of_a_baseline_never_cost_the_baseline(filled: Sandbox) -> None:
    configure(filled, "keep = 3")
    [base] = back_up(filled).result.backups
    for number in range(5):
        change(filled, 5000 + number)
        assert restore(filled, base).error is None
    prune(store_of(filled), BackupUses.read(project_of(filled).settings.releases))
    assert kept(filled)[0] == base
    assert len(kept(filled)) == 1 + 3
    assert store_of(filled).find("latest").name == base


@pytest.mark.slow
def test_latest_is_refused_where_there_is_only_what_restores_replaced(filled: Sandbox) -> None:
    [base] = back_up(filled).result.backups
    change(filled, 5000)
    changed = dump(filled.prod)
    assert restore(filled, base).error is None
    (store_of(filled).folder / base).unlink()
    with pytest.raises(Refused, match="safety backup of a restore") as caught:
        store_of(filled).find("latest")
    assert (
        read_status(project_of(filled), [project_of(filled).settings.default])
        .environments[0]
        .last_backup
        is None
    )
    type_it(filled, caught.value)
    assert dump(filled.prod) == changed


@pytest.mark.slow
def test_status_names_the_backup_that_latest_means(filled: Sandbox) -> None:
    [base] = back_up(filled).result.backups
    change(filled, 5000)
    assert restore(filled, base).error is None
    project = project_of(filled)
    [row] = read_status(project, [project.settings.default]).environments
    assert row.last_backup == base


# -- a database that is gone ------------------------------------------------------------------


def forget_backups(sandbox: Sandbox) -> None:
    shutil.rmtree(sandbox.folder / "data/repom/backups", ignore_errors=True)


def break_sidecars(sandbox: Sandbox) -> None:
    for sidecar in (sandbox.folder / "data/repom/backups").glob("db_*.json"):
        sidecar.write_text("{")


def remove_sidecars(sandbox: Sandbox) -> None:
    for sidecar in (sandbox.folder / "data/repom/backups").glob("db_*.json"):
        sidecar.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("then", [forget_backups, break_sidecars, remove_sidecars])
@pytest.mark.parametrize("harm", [lose, empty])
def test_production_that_was_there_once_is_not_made_anew_in_silence(
    filled: Sandbox, harm: Any, then: Any
) -> None:
    assert back_up(filled).error is None
    harm(filled)
    then(filled)
    left = dump(filled.prod)
    finished = release(filled)
    assert finished.error is not None
    assert finished.error.exit_code == 1
    assert "--allow missing-database" in finished.error.next
    assert dump(filled.prod) == left


@pytest.mark.slow
def test_a_mistyped_url_is_answered_with_the_database_of_the_backups(filled: Sandbox) -> None:
    """Its backup would make a second, older production."""
    assert back_up(filled).error is None
    right = (filled.folder / "pyproject.toml").read_text()
    filled.configure(right.replace("repom/db.sqlite3", "repom/bd.sqlite3"))
    finished = release(filled)
    assert finished.error is not None
    assert "its backups are of data/repom/db.sqlite3" in finished.error.what
    assert finished.error.next.startswith("Correct url in environments.prod")
    filled.configure(right)
    assert release(filled).error is None


def test_no_folder_is_made_for_a_url_that_may_be_mistyped(tmp_path: Path) -> None:
    project, scripts = make_small(tmp_path / "small")
    scripts.table("r1", None)
    configure_small(project, (("dev", "dev.db", ""), ("prod", "nodir/prod.db", "")))
    assert project.invoke("upgrade-dev").code == 0
    for task in ("release-migration", "release-migration", "upgrade-prod"):
        ran = project.invoke(task)
        assert ran.code == 1, ran.err
        assert "so is the folder" in ran.err
        assert not (project.folder / "nodir").exists()
    ran = project.invoke("release-migration", "--allow", "missing-database")
    assert ran.code == 0, ran.err


def test_a_first_release_makes_no_second_production_by_a_mistyped_url(tmp_path: Path) -> None:
    """Nothing of ours was ever there: the database next to it is all that can be known."""
    project, scripts = make_small(tmp_path / "small")
    scripts.table("r1", None)
    for file in ("dev.db", "prod.db"):
        upgrade_by_application(project, file)
    scripts.table("r2", "r1")
    right = (project.folder / "pyproject.toml").read_text()
    project.configure(right.replace("///prod.db", "///prd.db"))
    for _ in range(2):
        ran = project.invoke("release-migration")
        assert ran.code == 1, ran.err
        assert "prod (prd.db) is missing, and no environment has prod.db" in ran.err
        assert "correct url in environments.prod" in ran.err
        assert not (project.folder / "prd.db").exists()
    ran = project.invoke("release-migration", "--allow", "missing-database")
    assert ran.code == 0, ran.err
    (project.folder / "prd.db").unlink()
    # One that was never migrated, and was to be stamped.
    (project.folder / "data").rename(project.folder / "aside")
    query(project.folder / "prod.db", "DROP TABLE alembic_version")
    ran = project.invoke("upgrade-prod")
    assert ran.code == 1, ran.err
    assert "no environment has prod.db, which has tables and nearly the same name" in ran.err
    project.configure(right)
    ran = project.invoke("stamp", "--env", "prod", "--to", "r1", "--yes", "release-migration")
    assert ran.code == 0, ran.err


@pytest.mark.slow
def test_databases_next_to_a_new_production_stop_no_first_release(tmp_path: Path) -> None:
    project, scripts = make_small(tmp_path / "small")
    scripts.table("r1", None)
    assert project.invoke("upgrade-dev").code == 0
    # A copy of dev, a database of another program, and a file that is none.
    shutil.copy(project.folder / "dev.db", project.folder / "copy.db")
    query(project.folder / "other.db", "CREATE TABLE alembic_version (version_num TEXT)")
    query(project.folder / "other.db", "INSERT INTO alembic_version VALUES ('x1')")
    project.write("notes.db", "SQLite?")
    ran = project.invoke("release-migration")
    assert ran.code == 0, ran.err


def test_the_first_release_of_a_project_makes_its_folder(tmp_path: Path) -> None:
    project, scripts = make_small(tmp_path / "small")
    scripts.table("r1", None)
    configure_small(project, (("dev", "new/dev.db", ""), ("prod", "new/prod.db", "")))
    ran = project.invoke("release-migration")
    assert ran.code == 0, ran.err


@pytest.mark.slow
def test_production_without_any_backup_is_known_from_its_record(shop: Sandbox) -> None:
    assert release(shop).error is None
    assert kept(shop) == []
    lose(shop)
    finished = release(shop)
    assert finished.error is not None
    assert "release-migration" in finished.error.what
    assert not shop.prod.exists()
    assert release(shop, "missing-database").error is None


@pytest.mark.slow
@pytest.mark.parametrize("spoil", [break_sidecars, remove_sidecars])
def test_lost_production_is_known_from_a_file_that_only_looks_like_its_backup(
    filled: Sandbox, spoil: Any
) -> None:
    [name] = back_up(filled).result.backups
    before = dump(filled.prod)
    lose(filled)
    spoil(filled)
    shutil.rmtree(project_of(filled).settings.releases)
    finished = release(filled)
    assert finished.error is not None
    assert f"{name} looks like a backup of it" in finished.error.what
    assert not filled.prod.exists()
    _, file, rest = finished.error.next.partition(str(store_of(filled).folder / name))
    assert rest.startswith(" to data/repom/db.sqlite3 and type: invoke verify --env prod")
    shutil.copyfile(file, filled.prod)
    assert dump(filled.prod) == before


@pytest.mark.slow
def test_verify_of_a_lost_production_names_its_backups(filled: Sandbox) -> None:
    assert back_up(filled).error is None
    before = dump(filled.prod)
    lose(filled)
    project = project_of(filled)
    finished, _ = verify_environment(project, project.settings.default, Lines())
    type_it(filled, finished.error)
    assert dump(filled.prod) == before


# -- files that are no backups ----------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "why"),
    [(break_sidecars, "cannot be understood"), (remove_sidecars, "is missing")],
)
def test_file_without_a_good_sidecar_is_named_with_the_reason(
    filled: Sandbox, spoil: Any, why: str
) -> None:
    [name] = back_up(filled).result.backups
    spoil(filled)
    for wanted in ("latest", name):
        with pytest.raises(Refused, match=f"{name} lies in .*{why}"):
            store_of(filled).find(wanted)
    change(filled, 5000)
    [other] = back_up(filled).result.backups
    assert store_of(filled).find("latest").name == other
    with pytest.raises(Refused, match=why):
        store_of(filled).find(name)
    with pytest.raises(ConfigurationError):
        store_of(filled).find("nope")
    listed = filled.invoke("backups", "--env", "prod").out
    assert f"{name} does not count as a backup of prod" in listed


@pytest.mark.slow
def test_backup_of_an_environment_that_was_renamed_is_named(filled: Sandbox) -> None:
    [name] = back_up(filled).result.backups
    sidecar = store_of(filled).sidecar(name)
    sidecar.write_text(sidecar.read_text().replace('"prod"', '"live"'))
    with pytest.raises(Refused, match=f"{name} .* belongs to live"):
        store_of(filled).find("latest")


# -- odds and ends ----------------------------------------------------------------------------


@pytest.mark.slow
def test_damage_in_place_of_the_newest_costs_no_older_backup(filled: Sandbox) -> None:
    configure(filled, "keep = 1")
    store, project = store_of(filled), project_of(filled)
    database = project.database(project.settings.default)
    first, second = (take_backup(store, database, note=str(n), progress=None) for n in range(2))
    content = bytearray(Path(second.file).read_bytes())
    content[-10] ^= 0xFF
    Path(second.file).write_bytes(content)
    assert prune(store, BackupUses()) == []
    assert kept(filled) == [first.name, second.name]
    third = take_backup(store, database, note="3", progress=None)
    prune(store, BackupUses())
    assert kept(filled) == [third.name]


@pytest.mark.slow
def test_database_with_a_foreign_version_table_can_be_left_by_a_restore(filled: Sandbox) -> None:
    good, before = back_up(filled).result.backups, dump(filled.prod)
    query(filled.prod, "ALTER TABLE alembic_version RENAME COLUMN version_num TO v")
    changed = dump(filled.prod)
    for finished in (back_up(filled), release(filled)):
        assert finished.error is not None
        assert finished.error.exit_code == 1
        assert "no column version_num" in finished.error.what
        assert "invoke backups" in finished.error.next
    ended = restore(filled, "latest")
    assert ended.error is None
    assert dump(filled.prod) == before
    [safety] = ended.result.backups
    assert dump(store_of(filled).folder / safety) == changed
    assert restore(filled, safety).error is None
    assert dump(filled.prod) == changed
    assert store_of(filled).find("latest").name == good[0]


@pytest.mark.slow
@pytest.mark.parametrize("value", [0, -1])
def test_to_keep_no_backup_at_all_is_a_mistake_of_the_configuration(
    filled: Sandbox, value: int
) -> None:
    configure(filled, f"keep = {value}")
    with pytest.raises(ConfigurationError, match=r"keep .* at least 1"):
        read(filled.folder)


@pytest.mark.slow
def test_folder_that_may_not_be_written_is_not_reported_as_full(filled: Sandbox) -> None:
    folder = filled.folder / "data/repom/backups"
    folder.mkdir()
    with immutable(folder):
        finished = back_up(filled)
    assert finished.error is not None
    assert "permissions" in finished.error.next
    assert "room" not in finished.error.next


@pytest.mark.slow
def test_nothing_is_removed_while_the_record_of_an_interrupted_task_cannot_be_read(
    filled: Sandbox,
) -> None:
    configure(filled, "keep = 1")
    folder = break_off(filled, back_up(filled).result.backups)
    change(filled, 5000)
    (folder / RECORD).write_text("{")
    assert back_up(filled).error is None
    assert len(kept(filled)) == 2
    (folder / RECORD).write_text("{}")
    (folder.parent / ".unfinished" / folder.name).unlink()
    change(filled, 5001)
    assert back_up(filled).error is None
    assert len(kept(filled)) == 1
