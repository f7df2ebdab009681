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
def test_the_rights_of_a_database_are_known_and_given_again(
    tmp_path: Path, mode: int, owner: int | None
) -> None:
    path = made(tmp_path / "a.db", mode, owner)
    before, known = rights(path), sqlite(path).rights()
    path.unlink()
    made(path, 0o600)
    sqlite(path).give_rights(known)
    assert rights(path) == before


@pytest.mark.parametrize(
    "forged", [{}, {"mode": 0o7777}, {"user": 2**62, "mode": -1}, {"other": 1}, {"group": -7}]
)
def test_rights_that_make_no_sense_do_no_harm(tmp_path: Path, forged: dict[str, int]) -> None:
    path = made(tmp_path / "a.db", 0o600)
    sqlite(path).give_rights(forged)
    assert rights(path)[0] & ~0o666 == 0
    assert rights(path)[0] & 0o600 == 0o600


@pytest.mark.parametrize(
    ("database", "lock"), [(0o644, 0o600), (0o640, 0o600), (0o664, 0o660), (0o666, 0o666)]
)
def test_a_lock_is_for_those_who_may_write_the_database(
    tmp_path: Path, database: int, lock: int
) -> None:
    path = made(tmp_path / "a.db", database)
    with lock_databases([sqlite(path)], "backup", 0):
        found = {each.name: rights(each)[0] for each in tmp_path.glob(".*")}
    assert found == {".a.db.release-lock": lock, ".a.db.release-lock-holder": lock & ~0o022}


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
