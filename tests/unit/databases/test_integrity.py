"""What SQLite prints about a damaged file is damage; what a module says of its index is not."""

from __future__ import annotations

from typing import Any

import pytest

from migrations_ops.databases.sqlite.integrity import check

# From SQLite 3.44 to 3.51; older ones do not ask the modules.
OF_MODULES = [
    "malformed inverted index for FTS4 table main.f",
    "malformed inverted index for FTS5 table main.my f",
    "unable to validate the inverted index for FTS3 table main.f: no such tokenizer",
    'fts5: corruption found reading blob 137438953473 from table "f"',
    "In RTree main.r:\nMapping (1 -> 1) missing from %_rowid table",
]
DAMAGE = "Tree 2 page 2: btreeInitPage() returns error code 11"


class Answering:
    """A connection whose quick_check prints these lines, at most as many as it was asked for."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def execute(self, sql: str) -> Any:
        most = int(sql.removeprefix("PRAGMA quick_check(").removesuffix(")"))
        self._rows = [(line,) for line in self._lines[:most]]
        return self

    def fetchall(self) -> list[tuple[str]]:
        return self._rows


@pytest.mark.parametrize("line", OF_MODULES)
def test_what_a_module_finds_in_its_index_is_no_damage_of_the_file(line: str) -> None:
    connection: Any = Answering([line, line])
    assert check(connection, 1) == "ok"


@pytest.mark.parametrize("line", OF_MODULES)
def test_damage_is_seen_behind_what_a_module_finds(line: str) -> None:
    connection: Any = Answering([line, line, DAMAGE])
    assert check(connection, 1) == DAMAGE
