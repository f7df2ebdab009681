"""Rows of the tables that an extension made: compared like others, and named where no dump holds
them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.databases.postgresql.engines import TABLE, back_up, engine_of
from tests.servers.databases import ServerDatabase
from tests.servers.extensions import add_atlas, atlas
from tests.servers.postgres import PostgresServer

pytestmark = pytest.mark.usefixtures("postgres_clients")
ROWS = "INSERT INTO choices VALUES ('mine', 'y'); INSERT INTO jobs VALUES (1), (2)"


@pytest.fixture
def control(postgres: PostgresServer, postgres_database: ServerDatabase) -> Iterator[Path]:
    """The extension ``atlas`` in the database; yields the file that names its version."""
    with atlas(postgres) as file:
        add_atlas(postgres_database)
        postgres_database.execute(f"{ROWS}; CREATE TABLE t (id int); INSERT INTO t VALUES (1)")
        yield file


def test_rows_that_the_extension_lets_be_dumped_are_backed_up_and_proved(
    control: Path, postgres_database: ServerDatabase, tmp_path: Path
) -> None:
    engine = engine_of(postgres_database)
    file, taken = back_up(engine, tmp_path)
    assert taken.rows == {"maps.choices": 2, "maps.jobs": 2, "maps.places": 2, "t": 1}
    assert engine.find_left_out(file) == []
    with engine.opened_copy(file) as copy:
        assert copy.fingerprint(TABLE) == taken


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ("UPDATE places SET name = 'other' WHERE id = 1", '"maps.places"'),
        ("INSERT INTO places VALUES (3, 'three')", '"maps.places"'),
        ("DELETE FROM places", '"maps.places"'),
        ("UPDATE choices SET value = 'other' WHERE name = 'own'", '"maps.choices"'),
        ("ALTER EXTENSION atlas ADD TABLE t", "t"),
    ],
)
def test_rows_that_are_in_no_dump_are_named(
    control: Path, postgres_database: ServerDatabase, tmp_path: Path, change: str, where: str
) -> None:
    postgres_database.execute(change)
    engine = engine_of(postgres_database)
    file, taken = back_up(engine, tmp_path)
    [found] = engine.find_left_out(file)
    assert (found.code, found.severity, found.where) == ("extension-rows", "error", where)
    with engine.opened_copy(file) as copy:  # what the backup does hold is proved all the same
        assert copy.fingerprint(TABLE) == taken
    restored = engine.restore_from(file, TABLE, None)
    assert f"the rows of {where} are those of CREATE EXTENSION" in restored.previous


def test_a_version_that_a_restore_changes_is_reported_and_the_planner_knows_the_rows(
    control: Path, postgres_database: ServerDatabase, tmp_path: Path
) -> None:
    engine = engine_of(postgres_database)
    assert engine.find_obstacles() == []
    file, _ = back_up(engine, tmp_path)
    control.write_text("default_version = '1.1'\n")
    [found] = engine.find_obstacles()
    assert (found.code, found.severity, found.where) == ("extension-version", "warning", "atlas")
    kept = engine_of(postgres_database).restore_from(file, TABLE, None).previous
    assert kept.endswith("the extension atlas is version 1.1, and was 1.0")
    [(rows,)] = postgres_database.execute(
        "SELECT reltuples::int FROM pg_class WHERE oid = 't'::regclass"
    )
    assert rows == 1
    assert engine.find_obstacles() == []
