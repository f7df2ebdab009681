"""Which ids are longer than a server's version table takes, and what makes it take them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from migrations_ops.child.protocol.sql import Syntax
from migrations_ops.model.inspection import Inspection
from migrations_ops.operations.preflight.long_ids import (
    find_too_long,
    width_of,
    write_statement,
)
from migrations_ops.project.environments import Environment
from migrations_ops.revisions.history import Revision

LONG = "r" * 41


def script(folder: Path, name: str, text: str = "") -> Revision:
    file = folder / f"{name}.py"
    file.write_text(text)
    return Revision(name, (), (), (), str(file), "")


@pytest.mark.parametrize(
    ("is_server", "versioned", "has", "width"),
    [
        (True, True, 32, 32),
        (True, True, 64, 64),
        (True, True, None, None),
        (True, False, None, 32),
        (False, True, None, None),
        (False, False, None, None),
    ],
)
def test_a_version_table_that_is_made_anew_has_32_on_a_server(
    is_server: bool, versioned: bool, has: int | None, width: int | None
) -> None:
    database = SimpleNamespace(is_server=is_server)
    inspection = Inspection(exists=True, versioned=versioned, version_width=has)
    assert width_of(cast(Any, SimpleNamespace(database=database, inspection=inspection))) == width


def test_an_id_is_too_long_by_the_first_character_that_does_not_fit(tmp_path: Path) -> None:
    names = ("r" * 32, "s" * 33, LONG)
    revisions = [script(tmp_path, each) for each in names]
    assert [each.revision for each in find_too_long(revisions, 32)] == ["s" * 33, LONG]
    assert not find_too_long(revisions, 41)


def test_what_an_earlier_revision_may_have_made_longer_is_not_refused(tmp_path: Path) -> None:
    wider = script(tmp_path, "wider", 'op.alter_column("alembic_version", "version_num")')
    long = script(tmp_path, LONG)
    assert not find_too_long([wider, long], 32)
    assert find_too_long([long, wider], 32) == [long]


@pytest.mark.parametrize(
    ("syntax", "schema", "made", "statement"),
    [
        ("postgresql", None, True, 'ALTER TABLE "v" ALTER COLUMN version_num TYPE VARCHAR(128)'),
        ("postgresql", "s", True, 'ALTER TABLE "s"."v" ALTER COLUMN version_num TYPE VARCHAR(128)'),
        ("postgresql", "s", False, 'CREATE TABLE "s"."v" (version_num VARCHAR(128) NOT NULL'),
        ("mariadb", None, True, "ALTER TABLE `v` MODIFY version_num VARCHAR(128) NOT NULL"),
        ("mariadb", None, False, "CREATE TABLE `v` (version_num VARCHAR(128) NOT NULL"),
    ],
)
def test_the_statement_names_the_version_table_as_configured(
    syntax: Syntax, schema: str | None, made: bool, statement: str
) -> None:
    environment = Environment("dev", "x", Path(), version_table="v", version_table_schema=schema)
    assert write_statement(syntax, environment, 128, made=made).startswith(statement)
