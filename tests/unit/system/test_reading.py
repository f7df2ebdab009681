"""Files are read as a whole, up to a size; tests/unit/system/test_hostile_files.py has the rest."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from migrations_ops.system.files import make_folder, write_text
from migrations_ops.system.reading import (
    MOST_BYTES,
    open_regular,
    read_bytes,
    read_json,
    read_text,
    read_toml,
    what_else,
)
from tests.hostile_files import PLACES


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 300_000])
def test_a_file_is_read_to_its_end(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "a").write_bytes(content)
    assert read_bytes(tmp_path / "a") == content
    assert read_bytes(str(tmp_path / "a"), most=size) == content


@pytest.mark.parametrize(("size", "most"), [(MOST_BYTES + 1, MOST_BYTES), (1, 0), (9000, 8999)])
def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, size: int, most: int) -> None:
    with (tmp_path / "a").open("wb") as stream:
        stream.truncate(size)
    with pytest.raises(OSError, match="larger than"):
        read_bytes(tmp_path / "a", most)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
def test_a_file_whose_system_tells_no_size_is_read_up_to_the_limit() -> None:
    assert Path("/proc/cpuinfo").stat().st_size == 0
    assert read_bytes("/proc/self/status").startswith(b"Name:")
    with pytest.raises(OSError, match="larger than"):
        read_bytes("/proc/self/status", 100)


@pytest.mark.parametrize(
    "name",
    [
        "a\0b",
        pytest.param(
            "\ud800",
            marks=pytest.mark.skipif(
                os.name == "nt", reason="a file of Windows may have this name"
            ),
        ),
    ],
)
def test_a_name_that_no_file_has_is_an_error_of_the_system(tmp_path: Path, name: str) -> None:
    with pytest.raises(OSError, match="no file has such a name"):
        read_bytes(tmp_path / name)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@pytest.mark.parametrize("by_flag", [True, False])
def test_a_link_is_followed_where_it_may_be(
    tmp_path: Path, by_flag: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not by_flag:
        monkeypatch.delattr(os, "O_NOFOLLOW")  # as on Windows
    (tmp_path / "a").write_text("[1]")
    (tmp_path / "b").symlink_to("a")
    assert read_bytes(tmp_path / "b") == b"[1]"
    assert read_json(tmp_path / "a") == [1]
    assert read_json(tmp_path / "b") is None


def test_line_ends_are_those_of_python(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a = 1\r\nb = 2\rc = 3\n")
    assert read_text(tmp_path / "a") == "a = 1\nb = 2\nc = 3\n"
    assert read_toml(tmp_path / "a") == {"a": 1, "b": 2, "c": 3}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files in a folder")
@pytest.mark.parametrize("place", [each for each in PLACES if each != "500 MB"])
def test_only_a_regular_file_is_opened(tmp_path: Path, place: str) -> None:
    PLACES[place](tmp_path / "a")
    for follow in (True, False):
        with pytest.raises(OSError, match=r"regular|levels|such") as caught:
            open_regular(tmp_path / "a", follow=follow)
        assert caught.value.errno != errno.EFBIG


def test_a_file_that_has_just_gone_is_not_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer of a database removes its journal between two looks at it."""
    file = tmp_path / "db-journal"
    monkeypatch.setattr(os.path, "lexists", lambda _: True)
    assert not what_else(file)
    file.write_text("")
    assert not what_else(file)
    file.unlink()
    file.mkdir()
    assert what_else(file) == "a directory"


@pytest.mark.skipif(os.name == "nt", reason="there are no such files there")
def test_what_is_no_file_is_called_what_it_is(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    kinds = {each: what_else(each) for each in (pipe, link, Path("/dev/null"))}
    assert kinds == {
        pipe: "a named pipe",
        link: "a symbolic link",
        Path("/dev/null"): "a device",
    }
    # A link stands for what it leads to.
    for each in (pipe, link):
        with pytest.raises(OSError, match="it is a named pipe, not a regular file"):
            read_bytes(each)
    with pytest.raises(OSError, match="it is a named pipe, not a regular file"):
        write_text(pipe, "")
    with pytest.raises(NotADirectoryError, match="it is a named pipe, not a folder"):
        make_folder(pipe / "inside")
