"""What is removed is a regular file of the folder that was looked at, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from migrations_ops.system import removal
from migrations_ops.system.removal import open_folder, remove_file

POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows has no such files in a folder")


@pytest.fixture(params=["by handle", "by path"], autouse=True)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has no handles of folders: the same has to hold there."""
    if request.param == "by path":
        monkeypatch.setattr(removal, "_HANDLES", False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    (made / "file").write_text("ours")
    (tmp_path / "victim").write_text("theirs")
    return made


def test_a_file_is_removed_once(folder: Path) -> None:
    with open_folder(folder) as opened:
        assert opened.names() == ["file"]
        opened.remove("file")
        with pytest.raises(FileNotFoundError):
            opened.remove("file")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["../victim", "..", ".", "", "a/../../victim", "\0", "\ud800"])
def test_a_name_that_leads_out_of_the_folder_removes_nothing(folder: Path, name: str) -> None:
    (folder / "a").mkdir()
    with open_folder(folder) as opened, pytest.raises((OSError, ValueError)):
        opened.remove(name)
    assert (folder.parent / "victim").read_text() == "theirs"


def _link(file: Path) -> None:
    file.symlink_to(file.parent.parent / "victim")


@POSIX
@pytest.mark.parametrize("make", [_link, Path.mkdir, lambda file: os.mkfifo(file)])
def test_what_is_no_regular_file_stays(folder: Path, make: Callable[[Path], None]) -> None:
    make(folder / "x")
    before = (folder / "x").lstat()
    with pytest.raises(OSError, match="not a regular file"):
        remove_file(folder / "x")
    assert os.path.samestat((folder / "x").lstat(), before)
    assert (folder.parent / "victim").read_text() == "theirs"


@POSIX
def test_another_name_of_the_file_keeps_its_content(folder: Path) -> None:
    os.link(folder / "file", folder.parent / "other")
    remove_file(folder / "file")
    assert (folder.parent / "other").read_text() == "ours"


@POSIX
def test_nothing_is_removed_once_the_path_leads_to_another_folder(folder: Path) -> None:
    other, aside = folder.parent / "other", folder.parent / "aside"
    other.mkdir()
    (other / "file").write_text("theirs")
    with open_folder(folder) as opened:
        folder.rename(aside)
        folder.symlink_to(other)
        with pytest.raises(OSError, match="taken the place"):
            opened.remove("file")
    assert (other / "file").read_text() == "theirs"
    assert (aside / "file").read_text() == "ours"


@POSIX
def test_only_a_folder_that_the_configuration_names_may_be_a_link(folder: Path) -> None:
    link = folder.parent / "link"
    link.symlink_to(folder)
    with (
        pytest.raises(OSError, match=r"not a folder|Not a directory"),
        open_folder(link, follow=False),
    ):
        pytest.fail("a link was followed")
    with open_folder(link) as opened:
        opened.remove("file")
    assert list(folder.iterdir()) == []


@POSIX
def test_a_document_is_read_through_the_folder(folder: Path) -> None:
    (folder / "a.json").write_text("[1]")
    (folder / "b.json").symlink_to(folder / "a.json")
    with open_folder(folder) as opened:
        assert opened.read_json("a.json") == [1]
        for name in ("b.json", "../victim", "c.json"):
            assert opened.read_json(name) is None
