"""A copy that could not be made leaves nothing: its first part holds rows all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrations_ops.databases.sqlite.database import SQLite


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_copy_that_could_not_be_made_leaves_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def copy(source: Path, target: Path) -> None:
        target.write_bytes(b"rows")
        raise error

    monkeypatch.setattr("shutil.copyfile", copy)
    folder = tmp_path / "record"
    folder.mkdir()
    real = SQLite(tmp_path / "db.sqlite3", "db.sqlite3")
    with pytest.raises(type(error)):
        real.make_scratch(folder / "rehearsal.sqlite3", tmp_path / "backup")
    assert list(folder.iterdir()) == []
