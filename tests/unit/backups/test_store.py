"""Commands that the store prints are typed as they are."""

from __future__ import annotations

import shlex

import pytest

from migrations_ops.backups.store import BackupStore


@pytest.mark.parametrize(
    "name", ["db_20260101_000000.sqlite3", "x; rm -rf /", "$(id)", "a 'b' \"c\""]
)
def test_a_name_from_a_record_is_one_word_of_the_command(name: str) -> None:
    typed = BackupStore.restore_command("prod", name)
    assert shlex.split(typed)[4:] == ["--backup", name, "--yes"]
