"""A way of handing env.py its URL works if env.py opens what it was handed, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrations_ops.operations.init.facts import Way
from migrations_ops.operations.init.reading import find_alembic, read_facts
from migrations_ops.operations.init.trial import try_way
from tests.support import copy_project


@pytest.mark.parametrize(
    ("way", "works", "reason"),
    [
        (Way(variable="SQLALCHEMY_DATABASE_URI", selector="SHOP_ENV"), True, ""),
        (Way(variable="OTHER_URL"), False, "env.py opened the database"),
        (Way(variable="SQLALCHEMY_DATABASE_URI", python="no/python"), False, "no/python"),
    ],
)
def test_a_way_is_tried_with_a_database_that_is_thrown_away(
    tmp_path: Path, way: Way, works: bool, reason: str
) -> None:
    folder = copy_project("sqlmodel", tmp_path / "shop").folder
    before = sorted(folder.rglob("*"))
    tried = try_way(folder, read_facts(*find_alembic(folder)), way, "dev")
    assert (tried.works, tried.way) == (works, way)
    assert reason in tried.reason
    # What env.py opened instead was not there, and is not there now.
    assert [each for each in sorted(folder.rglob("*")) if "__pycache__" not in str(each)] == before


def test_an_env_py_that_fails_says_why(tmp_path: Path) -> None:
    folder = copy_project("toml", tmp_path / "shop").folder
    tried = try_way(folder, read_facts(*find_alembic(folder)), Way(ini_url=True), "dev")
    assert not tried.works
    assert "KeyError: 'APP_DB_URL'" in tried.reason
