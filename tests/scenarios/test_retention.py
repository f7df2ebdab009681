"""What stays of the past: by count, by age, and however often a release fails."""

from __future__ import annotations

import hashlib
import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from migrations_ops.backups.integrity import require_intact
from migrations_ops.backups.retention import surplus
from migrations_ops.backups.sidecar import Sidecar, write_sidecar
from migrations_ops.backups.store import BackupStore
from migrations_ops.cli.output.progress import Lines
from migrations_ops.journal import old_records
from migrations_ops.journal.backup_uses import BackupUses
from migrations_ops.journal.old_records import prune_records
from migrations_ops.journal.record import RECORD, UnderWay, read_records, write_record
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.outcome import Outcome
from migrations_ops.operations.release import ReleaseOptions, upgrade_environment
from migrations_ops.operations.run import Finished
from migrations_ops.project.project import Project
from tests.contract.databases.support import immutable, running
from tests.records import task_record
from tests.scenarios.in_process import back_up, configure, release, store_of
from tests.support import R3, Sandbox, query

# Releases in a loop.
pytestmark = pytest.mark.slow

DAY = timedelta(days=1)


def store_with(folder: Path, ages: list[float]) -> tuple[BackupStore, list[str]]:
    """A store of small files, taken so many days ago, of which one is kept."""
    lines = ["keep = 1", 'backups = "backups"']
    lines += ["[environments.prod]", 'url = "sqlite:///prod.db"']
    (folder / "migrations_ops.toml").write_text("\n".join(lines))
    found = Project.read(folder).settings
    store = BackupStore.of(found, found.default)
    store.folder.mkdir(exist_ok=True)
    names = []
    for number, age in enumerate(ages):
        name = f"db_20260101_{number:06}.sqlite3"
        (store.folder / name).write_text("xy")
        sidecar = Sidecar(
            name=name,
            environment="prod",
            taken=(datetime.now(UTC) - age * DAY).isoformat(),
            size=2,
            sha256=hashlib.sha256(b"xy").hexdigest(),
            fingerprint=Fingerprint.EMPTY,
        )
        write_sidecar(store.sidecar(name), sidecar)
        names.append(name)
    return store, names


def gone(store: BackupStore, uses: BackupUses | None = None, **how: bool) -> list[int]:
    """Which of them retention removes, by their numbers."""
    return [int(each.name[12:18]) for each in surplus(store, uses or BackupUses(), **how)]


# -- the rule: tests/unit/backups/test_retention.py has the whole of it ------------------------


def test_backup_from_the_future_does_not_push_out_the_one_just_taken(filled: Sandbox) -> None:
    """A clock that was wrong for a while, and was set back."""
    configure(filled, "keep = 1")
    assert back_up(filled).error is None
    [sidecar] = (filled.folder / "data/repom/backups").glob("db_*.json")
    document = json.loads(sidecar.read_text())
    document["taken"] = (datetime.now(UTC) + 300 * DAY).isoformat()
    sidecar.write_text(json.dumps(document))
    query(filled.prod, "DELETE FROM children WHERE id = 1")
    taken = back_up(filled)
    assert taken.error is None
    assert {*taken.result.backups} <= {each.name for each in store_of(filled).backups()}


@pytest.mark.parametrize("newer", ["failed, unchanged", "refused", "interrupted"])
def test_failed_attempts_are_a_group_of_their_own(tmp_path: Path, newer: Outcome) -> None:
    store, names = store_with(tmp_path, [6, 5, 4, 3, 2, 1])
    releases = tmp_path / "releases"
    write(releases, "20260101_000001", "released", names[:3])
    for number in (3, 4, 5):
        write(releases, f"20260101_00000{number}", newer, [names[number]])
    uses = BackupUses.read(releases)
    assert gone(store, uses, failed_only=True) == [3, 4]
    assert gone(store, uses) == [0, 1, 3, 4]


def test_backup_of_a_release_that_needs_a_person_is_needed_until_one_succeeds(
    tmp_path: Path,
) -> None:
    trouble = [("back up", "prod", "verified"), ("upgrade", "prod", "failed")]
    write(tmp_path, "20260101_000001", "failed, needs a person", ["a"], trouble)
    write(tmp_path, "20260101_000002", "released", [], [("upgrade", "dev", "done")])
    write(tmp_path, "20260101_000003", "released", ["b"], [("back up", "prod", "verified")])
    assert BackupUses.read(tmp_path).needed == {"a"}
    write(tmp_path, "20260101_000004", "released", [], [("restore", "prod", "proved equal")])
    assert BackupUses.read(tmp_path).needed == frozenset()


def test_backup_that_is_being_put_back_is_needed(tmp_path: Path) -> None:
    step = UnderWay("restore", "prod", "", backup="a")
    write(tmp_path, "20260101_000001", None, ["safety"], under_way=step)
    assert BackupUses.read(tmp_path).needed == {"a", "safety"}


# -- releases that fail in a loop -------------------------------------------------------------

ROUNDS = 3
_BROKEN = '    op.execute("CREATE TABLE half (id INTEGER)")\n    raise RuntimeError("no")'
_BROKEN_ON_PROD = (
    "    import os\n"
    '    op.execute("CREATE TABLE half (id INTEGER)")\n'
    '    if os.environ["EXEC_ENV"] == "prod":\n'
    '        raise RuntimeError("no")'
)
# Passes dev and the rehearsal, commits a part of itself on production, and fails there.
_BROKEN_AFTER_A_COMMIT = (
    "    import os\n"
    "    from pathlib import Path\n"
    '    where = str(op.get_bind().exec_driver_sql("PRAGMA database_list").fetchall())\n'
    "    with op.get_context().autocommit_block():\n"
    "        op.execute(\"UPDATE parents SET note = 'half'\")\n"
    '    if os.environ["EXEC_ENV"] == "prod" and "rehearsal" not in where:\n'
    '        raise RuntimeError("no")'
)
# An application that adds a row to each database, says so, and waits for the next attempt.
_APPLICATION = """
import itertools, sqlite3, sys
print("ready", flush=True)
for number in itertools.count(1000):
    if not sys.stdin.readline():
        break
    for file in sys.argv[1:]:
        live = sqlite3.connect(file, timeout=60)
        with live:
            live.execute("INSERT INTO parents (id, name) VALUES (?, 'written')", (number,))
        live.close()
    print(number, flush=True)
"""


def write(
    releases: Path,
    name: str,
    outcome: Outcome | None,
    backups: list[str],
    steps: list[tuple[str, str, str]] | None = None,
    **more: Any,
) -> Path:
    write_record(releases, task_record(name, outcome, backups, steps, **more))
    (releases / name / "prod.upgrade.log").write_text("printed")
    return releases / name


@pytest.mark.parametrize(
    ("broken", "outcome", "a_round"),
    # In dev: the next test.
    [(_BROKEN_ON_PROD, "refused", 1), (_BROKEN_AFTER_A_COMMIT, "failed, restored", 2)],
    ids=["rehearsal", "restored"],
)
def test_release_that_fails_in_a_loop_fills_no_disk_and_costs_no_good_backup(
    filled: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
    outcome: str,
    a_round: int,
) -> None:
    records = 2
    monkeypatch.setattr(old_records, "RECORDS_KEPT", records)
    monkeypatch.setattr(old_records, "LOGS_KEPT", 0)
    configure(filled, "keep = 1")
    store = store_of(filled)
    assert release(filled).result.outcome == "released"
    good = {each.name for each in store.backups()}
    assert good
    filled.add_revision("r4dddddddddd", R3, broken)
    with running(_APPLICATION, str(filled.dev), str(filled.prod)) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        for attempt in range(ROUNDS):
            writer.stdin.write("\n")
            writer.stdin.flush()
            written = int(writer.stdout.readline())
            failed = release(filled)
            assert failed.result.outcome == outcome, failed.error
            # dev takes part in the first attempt only, where it is prod that fails.
            named = {name for name in failed.result.backups if (store.folder / name).exists()}
            assert named == set(failed.result.backups), "the record names what is there"
            assert len(named) >= a_round
            assert query(filled.prod, "SELECT max(id) FROM parents") == [(written,)]
            left = store.backups()
            assert good <= {each.name for each in left}
            assert len(left) <= len(good) + a_round + (attempt == 0)
    for each in store.backups():
        require_intact(each)
    folders = [each for each in store.folder.parent.joinpath("releases").iterdir() if each.is_dir()]
    # Besides the newest: the last good upgrade, and where each backup that is kept comes from.
    assert len(folders) <= records + 1 + len(list(store.folder.glob("*.sqlite3")))
    named_by = {
        name for each in read_records(store.folder.parent / "releases") for name in each.backups
    }
    assert {each.name for each in store.backups()} <= named_by


def test_success_after_failures_cuts_both_rows(filled: Sandbox) -> None:
    configure(filled, "keep = 1")
    revision = filled.add_revision("r4dddddddddd", R3, _BROKEN)
    for number in range(3):
        query(filled.dev, "INSERT INTO parents (id, name) VALUES (?, 'x')", 2000 + number)
        failed = upgrade_dev(filled)
        assert failed.result.outcome == "failed, unchanged"
    assert len(store_of(filled, "dev").backups()) == 1
    revision.write_text(revision.read_text().replace('raise RuntimeError("no")', "pass"))
    query(filled.dev, "INSERT INTO parents (id, name) VALUES (3000, 'x')")
    done = upgrade_dev(filled)
    assert done.result.outcome == "released", done.error
    left = [each.name for each in store_of(filled, "dev").backups()]
    assert left == [*failed.result.backups, *done.result.backups], "one of each row"


def upgrade_dev(sandbox: Sandbox) -> Finished:
    project = Project.read(sandbox.folder)
    return upgrade_environment(project, project.settings.path[0], ReleaseOptions(), Lines())


def test_backups_that_cannot_be_removed_do_not_change_how_a_release_failed(
    filled: Sandbox,
) -> None:
    configure(filled, "keep = 1")
    filled.add_revision("r4dddddddddd", R3, _BROKEN)
    first = upgrade_dev(filled)
    query(filled.dev, "INSERT INTO parents (id, name) VALUES (3000, 'x')")
    file = store_of(filled, "dev").folder / first.result.backups[0]
    with immutable(file):
        again = upgrade_dev(filled)
    assert again.result.outcome == "failed, unchanged"
    assert file.exists()


# -- records ----------------------------------------------------------------------------------


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(old_records, "RECORDS_KEPT", 3)
    monkeypatch.setattr(old_records, "LOGS_KEPT", 2)


def left_in(releases: Path) -> list[int]:
    return sorted(int(each.name[9:]) for each in releases.iterdir() if each.is_dir())


def record(
    releases: Path, number: int, outcome: Outcome | None, *backups: str, **more: str
) -> Path:
    steps = [("upgrade", environment, result) for environment, result in more.items()]
    return write(releases, f"20260101_{number:06}", outcome, [*backups], steps)


@pytest.mark.usefixtures("few")
def test_old_records_go_but_for_those_that_something_refers_to(tmp_path: Path) -> None:
    releases, backups = tmp_path / "releases", tmp_path / "backups"
    backups.mkdir()
    (backups / "kept").touch()
    record(releases, 1, None)
    record(releases, 2, "failed, needs a person", prod="failed")
    record(releases, 3, "released", "kept", "lost")
    record(releases, 4, "refused", "kept")
    record(releases, 5, "released", dev="done", prod="done")
    record(releases, 6, "released", "lost", dev="done")
    record(releases, 7, "refused", prod="failed")
    for number in (8, 9, 10):
        record(releases, number, "refused")
    prune_records(releases, backups)
    # 6 holds the last upgrade of dev, 5 of prod, 3 tells of the backup that a good release used.
    # 2 is no matter any more, since 5 has succeeded there.
    assert left_in(releases) == [1, 3, 5, 6, 8, 9, 10]


@pytest.mark.usefixtures("few")
def test_folder_that_holds_something_of_somebody_else_stays(tmp_path: Path) -> None:
    for number in range(1, 7):
        record(tmp_path, number, "refused")
    (tmp_path / "20260101_000001" / "notes.txt").write_text("mine")
    (tmp_path / "mine").mkdir()
    (tmp_path / "evidence.json").write_text("{}")
    prune_records(tmp_path, tmp_path / "none")
    assert sorted(each.name for each in (tmp_path / "20260101_000001").iterdir()) == [
        "notes.txt", "prod.upgrade.log", RECORD,
    ]  # fmt: skip
    assert (tmp_path / "mine").exists()
    assert (tmp_path / "evidence.json").exists()
    assert len(list(tmp_path.glob("2026*"))) == 4


@pytest.mark.usefixtures("few")
def test_logs_without_a_record_go_when_no_task_can_be_at_work_on_them(tmp_path: Path) -> None:
    for number in range(1, 8):
        folder = tmp_path / f"20260101_{number:06}"
        folder.mkdir()
        (folder / "dev.verify.log").touch()
        if number < 5:
            os.utime(folder, (time.time() - 7200, time.time() - 7200))
    prune_records(tmp_path, tmp_path)
    assert left_in(tmp_path) == [5, 6, 7]


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("name", ["stdout.txt", "resolve.sqlite3", "rehearsal.sqlite3-wal"])
def test_what_a_killed_task_threw_away_no_more_keeps_no_folder(tmp_path: Path, name: str) -> None:
    for number in range(1, 7):
        record(tmp_path, number, "refused")
    (tmp_path / "20260101_000001" / name).touch()
    prune_records(tmp_path, tmp_path / "none")
    assert left_in(tmp_path) == [4, 5, 6]


@pytest.mark.usefixtures("few")
def test_verify_that_fails_in_a_loop_leaves_a_bounded_number_of_records(filled: Sandbox) -> None:
    from migrations_ops.operations.verification import verify_environment

    project = Project.read(filled.folder)
    for _ in range(5):  # dev is behind
        finished, _found = verify_environment(project, project.settings.path[0], Lines())
        assert finished.error is not None
    assert len(list(read_records(project.settings.releases))) == 3


# -- the task ---------------------------------------------------------------------------------


def test_prune_obeys_count_age_and_rows_and_dry_says_the_same(filled: Sandbox) -> None:
    text = (filled.folder / "pyproject.toml").read_text()
    filled.configure(text.replace("wait = 1", "wait = 1\nkeep = 10"))
    for number in range(4):
        query(filled.prod, "INSERT INTO parents (id, name) VALUES (?, 'x')", 3000 + number)
        assert back_up(filled).error is None
    names = [each.name for each in store_of(filled).backups()]
    filled.configure(text.replace("wait = 1", "wait = 1\nkeep = 2\nkeep_days = 1"))
    assert "Nothing to remove" in filled.invoke("prune").out
    sidecar = store_of(filled).sidecar(names[0])
    document = json.loads(sidecar.read_text())
    document["taken"] = (datetime.now(UTC) - 2 * DAY).isoformat()
    sidecar.write_text(json.dumps(document))
    planned = filled.invoke("--dry", "prune").out
    assert f"would remove {names[0]}\n" in planned
    assert names[1] not in planned
    assert filled.invoke("prune").out == f"removed {names[0]}\n"
    assert [each.name for each in store_of(filled).backups()] == names[1:]
