"""Room on the disk is looked at before anything is touched: with small file systems for real."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrations_ops.backups.store import BackupStore
from migrations_ops.backups.taking import QUIET_SECONDS, room_for, take_backup
from migrations_ops.operations.preflight.disk_space import Need, find_shortage, phases
from migrations_ops.operations.state import read_state
from migrations_ops.project.project import Project
from tests.disks import small_disk
from tests.support import R2, R3, Sandbox, dump, query

# Whole releases on disks of several sizes.
pytestmark = pytest.mark.slow

MEGABYTE = 1_000_000


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 40 MB."""
    with small_disk(tmp_path / "disk", "40000k"):
        yield tmp_path / "disk"


@pytest.fixture
def tight(filled: Sandbox, small: Path) -> Sandbox:
    """The project on a disk of its own, each database with 6 MB."""
    folder = small / "shop"
    shutil.copytree(filled.folder, folder)
    moved = Sandbox(folder)
    for file in (moved.dev, moved.prod):
        query(file, "CREATE TABLE ballast (bytes BLOB)")
        query(file, "INSERT INTO ballast VALUES (randomblob(6000000))")
    return moved


def leave_free(disk: Path, size: int) -> None:
    """Fill the disk up to so many bytes."""
    filler = disk / "filler"
    filler.unlink(missing_ok=True)
    filler.write_bytes(b"\0" * (shutil.disk_usage(disk).free - size))


def everything(sandbox: Sandbox) -> list[tuple[str, int]]:
    data = sandbox.folder / "data"
    return sorted(
        (str(each.relative_to(data)), each.stat().st_size)
        for each in data.rglob("*")
        if each.is_file() and not each.name.startswith(".")
    )


def test_release_without_room_for_all_of_it_is_refused_with_figures(
    tight: Sandbox, small: Path
) -> None:
    """There is room for both backups, and none for the rehearsal after them."""
    leave_free(small, 15 * MEGABYTE)
    before, dumps = everything(tight), [dump(tight.dev), dump(tight.prod)]
    ran = tight.invoke("release-migration")
    assert ran.code == 1, ran.err
    amounts = (
        r"[12]\d\.\d MB are needed \(6\.\d MB for the backup of dev, .*6\.\d MB for the backup of"
    )
    assert re.search(rf"There is not enough space .*{amounts} prod", ran.err)
    assert re.search(r"6\.\d MB for the rehearsal of prod\), and 1[45]\.\d MB are free", ran.err)
    assert "No database was touched." in ran.err
    assert [dump(tight.dev), dump(tight.prod)] == dumps
    # A refusal leaves its record where the disk has room for that.
    left = [each for each in everything(tight) if "releases" not in each[0]]
    assert left == [each for each in before if "releases" not in each[0]]


@pytest.mark.parametrize("breaks", [False, True])
def test_room_that_is_asked_for_suffices_for_a_release_and_for_undoing_it(
    tight: Sandbox, small: Path, breaks: bool
) -> None:
    if breaks:
        body = "    with op.get_context().autocommit_block():\n"
        body += "        op.execute('DELETE FROM children')\n    raise RuntimeError('broken off')"
        tight.add_revision("r4dddddddddd", R3, body)
    project = Project.read(tight.folder)
    states = [read_state(project, environment) for environment in project.settings.path]
    wanted = max(sum(n.size for n in phase) for phase in phases(project.settings, states))
    leave_free(small, wanted + MEGABYTE)
    before = dump(tight.dev)
    ran = tight.invoke("release-migration")
    assert ran.code == (3 if breaks else 0), ran.err
    assert (dump(tight.dev) == before) is breaks


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_upgrade_of_one_environment_looks_at_the_room_too(
    tight: Sandbox, small: Path, name: str
) -> None:
    if name == "prod":
        assert tight.invoke("upgrade-dev", "verify").code == 0
    leave_free(small, 5 * MEGABYTE)
    ran = tight.invoke(f"upgrade-{name}", "--json")
    assert ran.code == 1, ran.err
    assert "There is not enough space" in ran.json["error"]["what"]
    file = tight.dev if name == "dev" else tight.prod
    assert query(file, "SELECT version_num FROM alembic_version") == [(R2,)]


def test_backup_without_room_is_reported_and_leaves_nothing(tight: Sandbox, small: Path) -> None:
    leave_free(small, 5 * MEGABYTE)
    before = [each for each in everything(tight) if "releases" not in each[0]]
    ran = tight.invoke("backup")
    assert ran.code == 3
    assert re.search(r"needs 6\.\d MB in .*, and \d\.\d MB are free", ran.err)
    assert [each for each in everything(tight) if "releases" not in each[0]] == before


def test_database_that_is_still_equal_to_its_backup_needs_no_room_for_another(
    filled: Sandbox,
) -> None:
    project = Project.read(filled.folder)
    prod = project.settings.default
    store, database = BackupStore.of(project.settings, prod), project.database(prod)
    time.sleep(2 * QUIET_SECONDS)
    assert room_for(store, database) == database.size()
    take_backup(store, database, progress=None)
    assert room_for(store, database) == 0
    query(filled.prod, "DELETE FROM children")
    assert room_for(store, database) == database.size()


def test_needs_on_one_file_system_are_summed_up(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    one = Need(tmp_path / "not" / "there", free * 2 // 3, "the backup of dev")
    other = Need(tmp_path, free * 2 // 3, "the backup of prod")
    assert find_shortage([one]) == find_shortage([other]) == find_shortage([]) == ""
    sentence = find_shortage([one, other])
    assert sentence.startswith(f"There is not enough space on the disk of {tmp_path}: ")
    assert "for the backup of dev, " in sentence
