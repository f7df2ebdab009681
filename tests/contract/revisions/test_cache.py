"""The cache of revision scripts: it may save reading, it may never change an answer."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from migrations_ops.revisions.history import History
from migrations_ops.revisions.loader import ScriptLocation, read_history
from tests.support import REPOSITORY

SCRIPT = '"""a change"""\nrevision = {!r}\ndown_revision = {!r}\n'
MERGE = (
    '"""merge"""\nrevision = "m1"\ndown_revision = ("ae0", "ae2")\n'
    'depends_on = "ae1"\nbranch_labels = ("blue", "green")\n'
)


def put(folder: Path, name: str, source: str | bytes) -> Path:
    """A script that was modified long ago."""
    file = folder / name
    file.write_bytes(source if isinstance(source, bytes) else source.encode())
    long_ago = time.time() - 3600
    os.utime(file, (long_ago, long_ago))
    return file


@pytest.fixture(scope="session")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Folders of scripts that have not changed for two seconds.

    The change of an inode cannot be dated back, so they are all made at once and waited for once.
    """
    pool: list[Path] = []

    def take() -> Path:
        if not pool:
            for _ in range(30):
                pool.append(tmp_path_factory.mktemp("settled"))
                for number in range(3):
                    down = f"ae{number - 1}" if number else None
                    put(pool[-1], f"ae{number}.py", SCRIPT.format(f"ae{number}", down))
                put(pool[-1], "merge.py", MERGE)
            time.sleep(2.1)
        return pool.pop()

    return take


@pytest.fixture
def folder(tmp_path: Path, settled: Callable[[], Path]) -> Path:
    """Scripts that are old enough to be remembered."""
    return settled().rename(tmp_path / "versions")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "state" / "revisions.json"


def remembered(folder: Path, cache: Path) -> History:
    return read_history(ScriptLocation((folder,)), cache)


def run(code: str, *arguments: str | Path) -> str:
    """What a new process prints that runs the code."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_what_is_remembered_is_not_parsed_again(folder: Path, cache: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from migrations_ops.revisions.loader import ScriptLocation, read_history\n"
        "print(read_history(ScriptLocation((Path(sys.argv[1]),)), Path(sys.argv[2])))\n"
        "print('migrations_ops.revisions.parser' in sys.modules)\n"
    )
    first, parsed = run(code, folder, cache).splitlines()
    second, parsed_again = run(code, folder, cache).splitlines()
    assert first == second
    assert (parsed, parsed_again) == ("True", "False")
    assert remembered(folder, cache) == read_history(ScriptLocation((folder,)))


def scribble(file: Path, content: bytes) -> None:
    """Change a file in place, keeping its inode and the time of its last modification."""
    status = file.stat()
    file.write_bytes(content)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.skipif(os.name == "nt", reason="Windows does not record when an inode changed")
def test_an_edit_that_keeps_size_and_time_shows(folder: Path, cache: Path) -> None:
    remembered(folder, cache)
    file = folder / "ae2.py"
    scribble(file, file.read_bytes().replace(b"a change", b"A CHANGE"))
    assert remembered(folder, cache).revisions["ae2"].message == "A CHANGE"


def test_a_file_that_was_replaced_is_read_again(tmp_path: Path, folder: Path, cache: Path) -> None:
    remembered(folder, cache)
    file = folder / "ae2.py"
    status = file.stat()
    other = put(tmp_path, "other.py", file.read_bytes().replace(b"a change", b"A CHANGE"))
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(file)
    assert remembered(folder, cache).revisions["ae2"].message == "A CHANGE"


def test_a_file_written_this_moment_is_not_remembered(folder: Path, cache: Path) -> None:
    (folder / "new.py").write_text(SCRIPT.format("new1", "m1"), encoding="utf-8")
    assert remembered(folder, cache).heads == ("new1",)
    assert b"ae2.py" in cache.read_bytes()
    assert b"new.py" not in cache.read_bytes()


def test_new_and_removed_files_show(folder: Path, cache: Path) -> None:
    assert remembered(folder, cache).heads == ("m1",)
    put(folder, "ae3.py", SCRIPT.format("ae3", "m1"))
    assert remembered(folder, cache).heads == ("ae3",)
    (folder / "ae3.py").unlink()
    (folder / "merge.py").unlink()
    assert remembered(folder, cache).heads == ("ae2",)
    assert b"merge.py" not in cache.read_bytes()


def test_the_cache_is_written_only_when_something_changed(folder: Path, cache: Path) -> None:
    remembered(folder, cache)
    first = cache.stat()
    remembered(folder, cache)
    second = cache.stat()
    assert (first.st_mtime_ns, first.st_ino) == (second.st_mtime_ns, second.st_ino)
    assert [each.name for each in cache.parent.iterdir()] == [cache.name]


def test_two_places_share_a_cache(folder: Path, cache: Path, settled: Callable[[], Path]) -> None:
    other = settled()
    remembered(folder, cache)
    remembered(other, cache)
    both = cache.read_bytes()
    assert remembered(folder, cache).heads == remembered(other, cache).heads == ("m1",)
    assert cache.read_bytes() == both


def test_folders_that_are_gone_are_forgotten(tmp_path: Path, folder: Path, cache: Path) -> None:
    remembered(folder, cache)
    moved = folder.rename(tmp_path / "moved")
    remembered(moved, cache)
    assert b"versions" not in cache.read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-20],
        lambda content: content[20:],
        lambda content: b"{}",
        lambda content: b"not json",
        lambda content: b'{"format": 1, "folders": {"a": 1}}',
        lambda content: content.replace(b"a change", b"A CHANGE"),
        lambda content: content.replace(b'"format": 1', b'"format": 0'),
        lambda content: content + b"\n",
        lambda content: b"\xff\xfe" + content,
    ],
)
def test_a_damaged_cache_is_as_none(
    folder: Path, cache: Path, damage: Callable[[bytes], bytes]
) -> None:
    first = remembered(folder, cache)
    whole = cache.read_bytes()
    cache.write_bytes(damage(whole))
    assert remembered(folder, cache) == first
    assert cache.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_no_matter(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for cache in (tmp_path / "file" / "cache.json", tmp_path / "folder"):
        assert remembered(folder, cache).heads == ("m1",)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "folder", "versions"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no read-only folders")
def test_a_read_only_folder_is_no_matter(folder: Path, cache: Path) -> None:
    cache.parent.mkdir(mode=0o500)
    if os.access(cache.parent, os.W_OK):
        pytest.skip("whoever runs the tests may write to read-only folders")
    assert remembered(folder, cache).heads == ("m1",)
    assert list(cache.parent.iterdir()) == []


def test_processes_that_write_at_the_same_time_leave_a_whole_cache(
    folder: Path, cache: Path
) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from migrations_ops.revisions.loader import ScriptLocation, read_history\n"
        "for _ in range(50):\n"
        "    Path(sys.argv[2]).unlink(missing_ok=True)\n"
        "    read_history(ScriptLocation((Path(sys.argv[1]),)), Path(sys.argv[2]))\n"
    )
    command = [sys.executable, "-c", code, str(folder), str(cache)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    running = [subprocess.Popen(command, env=environment) for _ in range(4)]
    assert [each.wait() for each in running] == [0, 0, 0, 0]
    assert [each.name for each in cache.parent.iterdir()] == [cache.name]
    before = cache.read_bytes()
    assert remembered(folder, cache).heads == ("m1",)
    assert cache.read_bytes() == before


@pytest.mark.skipif(os.name == "nt", reason="on Windows every name is text")
def test_a_file_name_that_is_no_text(folder: Path, cache: Path) -> None:
    try:
        (folder / "ae1.py").rename(folder / os.fsdecode(b"ae1_\xff.py"))
    except OSError:
        pytest.skip("this file system keeps only names that are text")
    time.sleep(2.1)
    first = remembered(folder, cache)
    written = cache.read_bytes()
    assert remembered(folder, cache) == first
    assert cache.read_bytes() == written
