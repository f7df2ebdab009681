"""What is made is for its owner alone, whatever the umask."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrations_ops.system.files import (
    Rights,
    give_rights,
    make_folder,
    make_own,
    open_own,
    rights_of,
    write_whole,
)
from tests.support import REPOSITORY

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o777], ids=oct)
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


@pytest.mark.usefixtures("_umask")
def test_files_and_folders_are_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    make_folder(folder)
    make_folder(folder)
    os.close(open_own(folder / "log", os.O_WRONLY | os.O_APPEND))
    make_own(folder / "copy")
    write_whole(folder / "record", {})
    assert {mode(tmp_path / "a"), mode(folder)} == {0o700}
    assert {mode(file) for file in folder.iterdir()} == {0o600}


@pytest.mark.usefixtures("_umask")
def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before")
    log.chmod(0o666)
    os.close(open_own(log, os.O_WRONLY | os.O_APPEND))
    assert mode(log) == 0o600
    assert log.read_text() == "before"


def test_a_folder_that_is_there_keeps_its_rights(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    make_folder(tmp_path)
    assert mode(tmp_path) == 0o750


def test_a_file_in_the_place_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    for folder in (tmp_path / "a", tmp_path / "a" / "b"):
        with pytest.raises(NotADirectoryError):
            make_folder(folder)


@pytest.mark.parametrize("flags", [os.O_WRONLY, os.O_RDWR])
def test_only_a_regular_file_is_written_to(tmp_path: Path, flags: int) -> None:
    """Neither the file to which a link leads, nor a FIFO, which would wait for its reader."""
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "fifo"):
        with pytest.raises(OSError, match=name):
            open_own(tmp_path / name, flags | getattr(os, "O_TRUNC", 0))
    assert (tmp_path / "theirs").read_text() == "theirs"


def test_rights_are_given_on_and_never_more(tmp_path: Path) -> None:
    make_own(tmp_path / "new")
    own = rights_of(tmp_path / "new")
    for wanted, given in ((0o640, 0o640), (0o600, 0o600), (0o664, 0o664)):
        give_rights(tmp_path / "new", own._replace(mode=wanted))
        assert mode(tmp_path / "new") == given
    # Another group than the one that was meant may do what everybody may.
    for wanted, given in ((0o640, 0o600), (0o664, 0o644), (0o666, 0o666)):
        give_rights(tmp_path / "new", Rights(wanted))
        assert mode(tmp_path / "new") == given


_MAKES = re.compile(
    r"\.mkdir\(|makedirs\(|\.touch\(|\.write_text\(|\.write_bytes\(|O_CREAT|\bmkstemp\("
    r"|\bopen\([^)]*[\"'][rwax]*[wax+]"
)
# The child runs without these modules: it writes what Alembic prints, with the same mode.
_ELSEWHERE = {"system/files.py", "child/launcher.py"}


def test_no_other_module_makes_a_file() -> None:
    package = REPOSITORY / "migrations_ops"
    found = {
        f"{file.relative_to(package).as_posix()}: {line.strip()}"
        for file in package.rglob("*.py")
        for line in file.read_text(encoding="utf-8").splitlines()
        if _MAKES.search(line) and file.relative_to(package).as_posix() not in _ELSEWHERE
    }
    assert not found
