"""A database that is made anew is for those who could read it before, and for nobody else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrations_ops.operations.locks import lock_databases
from tests.contract.databases.support import NOBODY, sqlite
from tests.support import query

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")


@pytest.fixture(autouse=True, params=[0o000, 0o077], ids=oct)
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def made(path: Path, mode: int, owner: int | None = None) -> Path:
    query(path, "CREATE TABLE t (a)")
    path.chmod(mode)
    if owner is not None:
        os.chown(path, owner, owner)
    return path


def rights(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mode & 0o777, found.st_uid


ROOT = pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root gives files away")


def test_the_first_database_of_a_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    database = sqlite(tmp_path / "new" / "a.db")
    database.prepare()
    assert rights(database.path) == (0o600, os.getuid())
    assert database.path.parent.stat().st_mode & 0o777 == 0o700


def test_a_further_database_is_for_those_who_may_read_all_others(tmp_path: Path) -> None:
    made(tmp_path / "b.db", 0o664)
    made(tmp_path / "c.db", 0o640)
    (tmp_path / "d.db").write_text("no database")
    database = sqlite(tmp_path / "a.db")
    database.prepare()
    assert rights(database.path) == (0o640, os.getuid())


@pytest.mark.parametrize(
    ("mode", "owner"), [(0o600, None), (0o664, None), pytest.param(0o640, NOBODY, marks=ROOT)]
)
def test_a_database_that_went_missing_gets_the_rights_that_it_had(
    tmp_path: Path, mode: int, owner: int | None
) -> None:
    made(tmp_path / "b.db", 0o644)
    path = made(tmp_path / "a.db", mode, owner)
    database, backup = sqlite(path), tmp_path / "backup"
    with lock_databases([database], "backup", 0):
        database.back_up(backup, "alembic_version", None)
    before = rights(path)
    database.remove()
    for _ in range(2):
        with lock_databases([database], "restore", 0):
            database.restore_from(backup, "alembic_version", None)
            assert rights(path) == before
        database.remove()
    assert before[0] == mode


def test_a_lock_that_was_taken_before_there_was_a_database_gives_no_rights(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    database = sqlite(tmp_path / "a.db")
    with lock_databases([database], "release-migration", 0):
        database.prepare()
        assert rights(database.path)[0] == 0o600


def test_a_restore_keeps_the_rights_of_a_live_database(tmp_path: Path) -> None:
    path = made(tmp_path / "a.db", 0o664)
    database, backup = sqlite(path), tmp_path / "backup"
    database.back_up(backup, "alembic_version", None)
    database.restore_from(backup, "alembic_version", None)
    assert rights(path)[0] == 0o664
    assert rights(backup)[0] == 0o600


def test_a_copy_is_for_its_owner_alone_and_so_is_what_sqlite_puts_beside_it(tmp_path: Path) -> None:
    path = made(tmp_path / "a.db", 0o666)
    (tmp_path / "copy").mkdir()
    for backup in (None, path):
        scratch = sqlite(path).make_scratch(tmp_path / "copy" / "rehearsal.db", backup)
        with scratch.connect(writing=True) as connection:
            connection.execute("BEGIN")
            connection.execute("CREATE TABLE more (a)")
            found = {each.name: rights(each)[0] for each in (tmp_path / "copy").iterdir()}
            assert found == {"rehearsal.db": 0o600, "rehearsal.db-journal": 0o600}
