"""What every engine promises through the interface, on SQLite, PostgreSQL and MariaDB alike."""

from __future__ import annotations

import json

import pytest

from migrations_ops.backups.naming import BackupNames
from migrations_ops.child.families import family_of_identity
from migrations_ops.databases.interface import (
    DatabaseFile,
    LeavesInvalidIndexes,
    ResumesRestores,
    neighbours,
)
from migrations_ops.databases.row_changes import Pair, RowQuery
from migrations_ops.model.errors import Locked, StepFailed
from migrations_ops.model.ledger import LedgerEntry
from migrations_ops.model.serialisation import from_document, to_document
from tests.contract.databases.engines import VERSION, Live


@pytest.fixture
def shop(live: Live) -> Live:
    """A database with a version, two tables and four rows."""
    return live.fill()


def test_the_state_of_a_database_is_read(shop: Live) -> None:
    inspection = shop.open().inspect(VERSION)
    assert (inspection.exists, inspection.versioned, inspection.revisions, inspection.tables) == (
        True,
        True,
        ("r1",),
        2,
    )
    assert not inspection.trouble


def test_several_revisions_are_seen_in_order(shop: Live) -> None:
    shop.execute(f"INSERT INTO {VERSION} VALUES ('z1'), ('a9')")
    assert shop.open().inspect(VERSION).revisions == ("a9", "r1", "z1")
    assert not shop.open().inspect("another_version").versioned


def test_how_long_the_ids_may_be_that_a_version_table_takes_is_read_on_servers(shop: Live) -> None:
    is_server = shop.open().is_server
    assert shop.open().inspect(VERSION).version_width == (32 if is_server else None)
    shop.execute("CREATE TABLE version_long (version_num VARCHAR(64) NOT NULL PRIMARY KEY)")
    assert shop.open().inspect("version_long").version_width == (64 if is_server else None)
    assert shop.open().inspect("another_version").version_width is None
    if shop.engine == "postgresql":
        shop.execute("CREATE TABLE version_text (version_num TEXT NOT NULL PRIMARY KEY)")
        assert shop.open().inspect("version_text").version_width is None


def test_an_empty_database_is_looked_at(live: Live) -> None:
    live.execute("CREATE TABLE t (id INTEGER)", "DROP TABLE t")
    inspection = live.open().inspect(VERSION)
    assert (inspection.exists, inspection.versioned, inspection.tables, inspection.trouble) == (
        True,
        False,
        0,
        "",
    )


def test_a_fingerprint_has_no_version_table_and_survives_being_written_down(shop: Live) -> None:
    found = shop.open().fingerprint(VERSION)
    assert found.revisions == ("r1",)
    assert set(found.rows) == {"parents", "children"}
    assert not [key for key in found.schema if VERSION in key]
    assert from_document(type(found), json.loads(json.dumps(to_document(found)))) == found


def test_a_missing_database_is_distinguished_from_an_unreadable_one(shop: Live) -> None:
    missing = shop.open(shop.missing_url)
    assert not missing.inspect(VERSION).exists
    missing.require_usable()
    assert (missing.size(), missing.ledger("alembic_version").environment) == (0, "")
    assert not missing.inspect(VERSION).exists, "reading has made it"


def test_a_version_table_that_is_none_of_alembics_is_a_trouble(shop: Live) -> None:
    assert "has no column version_num" in shop.open().inspect("parents").trouble


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO parents VALUES (3, 'c')",
        "ALTER TABLE parents ADD COLUMN more INTEGER",
        "DROP TABLE children",
        f"UPDATE {VERSION} SET version_num = 'r2'",
    ],
)
def test_a_fingerprint_differs_after_each_change(shop: Live, sql: str) -> None:
    before = shop.open().fingerprint(VERSION)
    assert shop.open().fingerprint(VERSION) == before
    shop.execute(sql)
    assert shop.open().fingerprint(VERSION) != before


def test_a_backup_is_equal_to_its_source_and_restores_it(shop: Live) -> None:
    file, taken = shop.back_up()
    for sql in (
        "DELETE FROM children",
        "DROP TABLE parents",
        f"UPDATE {VERSION} SET version_num = 'r2'",
    ):
        shop.execute(sql)
    database = shop.open()
    with database.locked("restore", 30):
        with database.opened_copy(file) as copy:
            assert not copy.find_damage()
            assert copy.fingerprint(VERSION) == taken
        restored = database.restore_from(file, VERSION, None)
    assert restored.now == taken
    assert shop.open().fingerprint(VERSION).structure_equals(taken)
    assert shop.open().inspect(VERSION).revisions == ("r1",)


def test_a_scratch_copy_is_written_without_the_real_one_and_removed(shop: Live) -> None:
    file, taken = shop.back_up()
    database = shop.open()
    with database.locked("rehearsal", 30):
        scratch = database.make_scratch(shop.root / "scratch.db", file)
        assert scratch.fingerprint(VERSION).structure_equals(taken)
        assert not scratch.same_as(database)
        scratch.add_to_ledger(LedgerEntry("scratch", "alembic_version"))
        scratch.remove()
        assert not scratch.inspect(VERSION).exists
    assert shop.open().ledger("alembic_version").environment == ""


def test_one_release_at_a_time(shop: Live) -> None:
    one, other = shop.open(), shop.open()
    assert one.lock_order == other.lock_order
    with one.locked("release-migration", 0):
        one.require_lock()
        with pytest.raises(Locked, match="works on"), other.locked("upgrade", 0):
            pass
    with other.locked("upgrade", 30):
        pass


def test_the_ledger_keeps_its_identity_until_it_is_adopted(shop: Live) -> None:
    database = shop.open()
    before = database.fingerprint(VERSION)
    run = {"event": "upgrade", "revisions": [{"revision": "r1", "source_hash": "h"}]}
    database.add_to_ledger(LedgerEntry("prod", "alembic_version", run))
    first = shop.open().ledger("alembic_version")
    assert (first.environment, dict(first.ran)) == ("prod", {"r1": "h"})
    database.add_to_ledger(LedgerEntry("prod", "alembic_version"))
    assert shop.open().ledger("alembic_version").identity == first.identity
    database.add_to_ledger(LedgerEntry("dev", "alembic_version", adopt=True))
    now = shop.open().ledger("alembic_version")
    assert (now.environment, dict(now.ran)) == ("dev", {"r1": "h"})
    assert now.identity != first.identity
    assert database.fingerprint(VERSION) == before, "the ledger is no part of the schema"


def test_rows_are_compared_with_a_backup(shop: Live) -> None:
    file, _ = shop.back_up()
    shop.execute("DELETE FROM children WHERE id = 1")
    shop.execute("UPDATE parents SET name = 'x' WHERE id = 2")
    database = shop.open()
    pairs = [Pair("parents", "parents"), Pair("children", "children")]
    with database.locked("verify", 30):
        change = database.compare_content(file, RowQuery(pairs, orphans=True), None)
    found = {each.pair.after: (each.gone, [c.rows for c in each.columns]) for each in change.tables}
    assert found == {"parents": (0, [1]), "children": (1, [])}


def test_what_a_backup_cannot_be_read_from_is_refused(shop: Live) -> None:
    database = shop.open()
    before = database.fingerprint(VERSION)
    file = shop.root / f"broken{database.suffix}"
    file.write_bytes(b"no backup")
    with pytest.raises(StepFailed), database.locked("restore", 30):
        database.restore_from(file, VERSION, None)
    assert shop.open().fingerprint(VERSION) == before


def test_its_backups_are_found_by_the_names_that_it_gives_them(shop: Live) -> None:
    assert BackupNames("shop").include(f"shop_20260101_000000{shop.open().suffix}")


def test_a_step_tells_its_family_by_its_identity(shop: Live) -> None:
    database = shop.open()
    assert family_of_identity(database.identity()).name == database.syntax


def test_what_an_engine_can_do_is_known_by_its_type(shop: Live) -> None:
    database = shop.open()
    assert database.is_server != isinstance(database, DatabaseFile)
    assert isinstance(database, LeavesInvalidIndexes) == (database.syntax == "postgresql")
    assert isinstance(database, ResumesRestores) == (database.syntax == "mariadb")
    assert database.is_transactional == (database.syntax != "mariadb")


def test_a_version_table_of_another_project_is_seen(live: Live) -> None:
    live.fill()
    assert live.open().inspect(VERSION).other_versions == {}
    live.execute("CREATE TABLE version_other (version_num VARCHAR(32) NOT NULL)")
    live.execute("INSERT INTO version_other VALUES ('o1'), ('a1')")
    expected: dict[str, tuple[str, ...]] = {"version_other": ("a1", "o1")}
    if live.engine == "postgresql":
        live.execute("CREATE SCHEMA tenant")
        live.execute('CREATE TABLE tenant."alembic_version" (version_num VARCHAR(32) NOT NULL)')
        expected["tenant.alembic_version"] = ()
    inspection = live.open().inspect(VERSION)
    assert inspection.other_versions == expected
    assert inspection.revisions
    assert live.open().inspect("version_other").revisions == ("a1", "o1")


def test_what_may_be_meant_by_a_mistyped_url_is_found(shop: Live) -> None:
    if shop.server is None:
        (shop.root / "text.db").write_text("no database")
        mistyped = shop.open("sqlite:///shpo.db")
    else:
        name = shop.server.name
        mistyped = shop.open(shop.url_of(f"{name[0]}{name[2:]}"))
    # On a server, other tests have databases with names of the same series.
    [found] = [each for each in neighbours(mistyped) if each.same_as(shop.open())]
    assert found.inspect(VERSION).revisions == ("r1",)
    assert found.label != mistyped.label
    assert not mistyped.inspect(VERSION).exists
    assert list(neighbours(shop.open())) == []
