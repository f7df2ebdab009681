"""Several files are written together, or none of them; nothing that changed is overwritten."""

from __future__ import annotations

import os
import py_compile
import stat
import sys
from pathlib import Path

import pytest

from migrations_ops.system import file_set
from migrations_ops.system.file_set import Change, write_all


@pytest.fixture
def changes(tmp_path: Path) -> list[Change]:
    """One file that is there, and two that are new."""
    old = tmp_path / "old.toml"
    old.write_bytes(b"old")
    old.chmod(0o640)
    new = [Change(tmp_path / name, None, b"new") for name in ("a.txt", "b.txt")]
    return [new[0], Change(old, b"old", b"new"), new[1]]


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


BEFORE = {"old.toml": b"old"}


def test_all_are_there_with_their_rights(tmp_path: Path, changes: list[Change]) -> None:
    write_all(changes)
    assert content(tmp_path) == {"a.txt": b"new", "old.toml": b"new", "b.txt": b"new"}
    if os.name != "nt":
        assert stat.S_IMODE((tmp_path / "old.toml").stat().st_mode) == 0o640


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_name_that_cannot_be_given_undoes_those_before(
    tmp_path: Path, changes: list[Change], number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Path] = []
    name = file_set._name

    def fails(change: Change) -> None:
        given.append(change.file)
        if len(given) == number:
            raise OSError(28, "No space left on device")
        name(change)

    monkeypatch.setattr(file_set, "_name", fails)
    with pytest.raises(OSError, match="No space"):
        write_all(changes)
    assert content(tmp_path) == BEFORE


def test_a_folder_that_is_not_there_leaves_the_others(
    tmp_path: Path, changes: list[Change]
) -> None:
    with pytest.raises(FileNotFoundError):
        write_all([*changes, Change(tmp_path / "no/c.txt", None, b"new")])
    assert content(tmp_path) == BEFORE


@pytest.mark.parametrize("name", ["a.txt", "old.toml"])
def test_a_file_that_somebody_else_wrote_stays(
    tmp_path: Path, changes: list[Change], name: str
) -> None:
    (tmp_path / name).write_bytes(b"theirs")
    with pytest.raises(OSError, match="changed meanwhile"):
        write_all(changes)
    assert content(tmp_path) == BEFORE | {name: b"theirs"}


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    write_all([Change(tmp_path / "link", b"old", b"new")])
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_bytecode_of_the_old_content_is_not_taken_for_that_of_the_new(tmp_path: Path) -> None:
    """Python compares seconds and sizes."""
    file = tmp_path / "r1.py"
    file.write_bytes(b"value = 1\n")
    sys.path.insert(0, str(tmp_path))
    try:
        py_compile.compile(str(file))
        write_all([Change(file, b"value = 1\n", b"value = 2\n")])
        assert __import__("r1").value == 2
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("r1", None)
