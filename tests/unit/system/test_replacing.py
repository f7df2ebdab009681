"""What takes the name of a file of ours is replaced only if it is a regular file itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from migrations_ops.system.files import write_whole
from migrations_ops.system.reading import read_json
from tests.hostile_files import PLACES


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files in a folder")
@pytest.mark.parametrize("place", [each for each in PLACES if each != "500 MB"])
def test_what_is_no_file_is_not_replaced_by_one(tmp_path: Path, place: str) -> None:
    PLACES[place](tmp_path / "a.json")
    before = (tmp_path / "a.json").lstat()
    with pytest.raises(OSError, match="not a regular file"):
        write_whole(tmp_path / "a.json", {})
    assert os.path.samestat((tmp_path / "a.json").lstat(), before)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_document_is_replaced_by_the_next(tmp_path: Path) -> None:
    for number in range(2):
        write_whole(tmp_path / "a.json", {"number": number})
        assert read_json(tmp_path / "a.json") == {"number": number}
