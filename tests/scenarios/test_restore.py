"""A backup is put back into the live database, whatever state that is in, and proved."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from migrations_ops.databases.sqlite import connect as sqlite_connect
from migrations_ops.databases.sqlite import dump as sqlite_copy
from tests.contract.databases.support import held, make_pair, sides, writer
from tests.scenarios.in_process import backed_up, restore
from tests.support import R2, Sandbox, dump, query, wait_for


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_connect, "WAIT_SECONDS", 0.2)
    monkeypatch.setattr(sqlite_copy, "STALLED_AFTER", 0.4)


def kept_backups(sandbox: Sandbox) -> list[Path]:
    return sorted((sandbox.folder / "data/repom/backups").glob("db_*.sqlite3"))


WRITER = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
stream, number = open(sys.argv[2], "a"), 0
while True:
    number += 1
    try:
        connection.execute("INSERT INTO journal VALUES (?)", (f"token-{number}",))
    except sqlite3.OperationalError:
        continue
    stream.write(f"token-{number}\\n")
    stream.flush()
    time.sleep(0.001)
"""


def test_a_restore_puts_back_what_was_there_and_keeps_what_is_there_now(filled: Sandbox) -> None:
    before = dump(filled.prod)
    name = Path(filled.invoke("backup").out.strip()).name
    query(filled.prod, "DELETE FROM children")
    query(filled.prod, "DROP TABLE parents")
    changed = dump(filled.prod)

    ran = filled.invoke("restore", "--env", "prod", "--backup", name, "--yes", "--json")
    assert ran.code == 0, ran.err
    assert dump(filled.prod) == before
    assert ran.json["outcome"] == "restored"
    assert [(each["name"], each["outcome"]) for each in ran.json["steps"]] == [
        ("restore", "proved equal")
    ]
    (safety,) = ran.json["backups"]
    assert dump(filled.folder / "data/repom/backups" / safety) == changed
    kept = filled.invoke("backups", "--json").json["backups"]
    assert f"before the restore of {name}" in [each["note"] for each in kept]

    back = filled.invoke("restore", "--env", "prod", "--backup", safety, "--yes")
    assert back.code == 0, back.err
    assert dump(filled.prod) == changed


def test_a_missing_database_is_made_from_its_backup(filled: Sandbox) -> None:
    before, name = dump(filled.prod), backed_up(filled)
    filled.prod.unlink()
    finished = restore(filled, name)
    assert finished.error is None
    assert dump(filled.prod) == before
    assert len(kept_backups(filled)) == 1, "there was nothing of which to take a safety backup"


def _truncate(path: Path) -> None:
    os.truncate(path, 4096)


def _fill_with_junk(path: Path) -> None:
    path.write_bytes(b"this is no database " * 1000)


def _overwrite_a_page(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[2 * 4096 : 3 * 4096] = b"\xaa" * 4096
    path.write_bytes(content)


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
def test_a_missing_database_gets_the_rights_that_it_had(filled: Sandbox) -> None:
    filled.dev.chmod(0o644)
    filled.prod.chmod(0o664)
    backup = backed_up(filled)
    filled.prod.unlink()
    assert restore(filled, backup).error is None
    assert filled.prod.stat().st_mode & 0o777 == 0o664


@pytest.mark.parametrize("damage", [_truncate, _fill_with_junk, _overwrite_a_page])
def test_a_damaged_database_is_moved_aside_and_made_anew(
    filled: Sandbox, damage: Callable[[Path], None]
) -> None:
    before, name = dump(filled.prod), backed_up(filled)
    damage(filled.prod)
    content = filled.prod.read_bytes()
    finished = restore(filled, name)
    assert finished.error is None
    assert dump(filled.prod) == before
    (aside,) = filled.prod.parent.glob("db.sqlite3.damaged_*")
    assert aside.read_bytes() == content


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_no_commit_is_lost_between_the_safety_backup_and_the_restore(
    filled: Sandbox, mode: str
) -> None:
    query(filled.prod, f"PRAGMA journal_mode={mode}")
    query(filled.prod, "CREATE TABLE journal (token TEXT)")
    name, journal = backed_up(filled), filled.folder / "journal.txt"
    writer = filled.start_python("-c", WRITER, str(filled.prod), str(journal))
    try:
        wait_for(lambda: journal.exists() and journal.stat().st_size > 100)
        for _ in range(5):
            finished = restore(filled, name)
            assert finished.error is None, finished.error
    finally:
        writer.kill()
        writer.communicate()
    kept: set[str] = set()
    files = (filled.folder / "data/repom/backups").glob("db_*.sqlite3")
    for file in (filled.prod, *files):
        kept |= {row[0] for row in query(file, "SELECT token FROM journal")}
    assert set(journal.read_text().split()) <= kept


def test_a_restore_beside_a_writer_tears_nothing(filled: Sandbox) -> None:
    filled.prod.unlink()
    make_pair(filled.prod, "wal", megabytes=1)
    name = backed_up(filled)
    with writer(filled.prod):
        restore(filled, name)
    left, right = sides(filled.prod)
    assert left == right


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "statements",
    [("BEGIN EXCLUSIVE",), ("BEGIN", "SELECT * FROM parents")],
    ids=["writer", "reader"],
)
def test_a_restore_into_a_locked_database_changes_nothing(
    filled: Sandbox, statements: tuple[str, ...]
) -> None:
    name = backed_up(filled)
    query(filled.prod, "DELETE FROM children")
    before = dump(filled.prod)
    with held(filled.prod, *statements):
        finished = restore(filled, name)
    assert finished.error is not None
    assert finished.error.exit_code == 3
    assert finished.result.outcome == "failed, unchanged"
    assert "lock" in finished.error.what
    assert dump(filled.prod) == before


@pytest.mark.parametrize("when", ["before", "after"])
def test_interrupted_restore_says_which_of_both_is_there(
    filled: Sandbox, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    old, name = dump(filled.prod), backed_up(filled)
    query(filled.prod, "DELETE FROM children")
    new = dump(filled.prod)
    real = sqlite_copy._replace

    def interrupted(*arguments: Any) -> None:
        if when == "after":
            real(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(sqlite_copy, "_replace", interrupted)
    finished = restore(filled, name)
    assert finished.error is not None
    assert finished.error.exit_code == 130
    if when == "before":
        assert finished.error.untouched == "prod is unchanged."
        assert dump(filled.prod) == new
    else:
        [safety] = finished.result.backups
        assert finished.error.untouched == (
            f"The restore is complete: prod has the content of {name}; its previous content is in"
            f" {safety}."
        )
        assert dump(filled.prod) == old


def test_a_damaged_backup_is_refused_and_nothing_is_changed(filled: Sandbox) -> None:
    name = backed_up(filled)
    file = filled.folder / "data/repom/backups" / name
    content = bytearray(file.read_bytes())
    content[-10] ^= 0xFF
    file.write_bytes(content)
    query(filled.prod, "DELETE FROM children")
    before = dump(filled.prod)
    finished = restore(filled, name)
    assert finished.error is not None
    assert finished.error.exit_code == 1
    assert "is damaged" in finished.error.what
    assert dump(filled.prod) == before
    assert len(kept_backups(filled)) == 1


def test_a_backup_of_another_environment_is_not_taken(filled: Sandbox) -> None:
    query(filled.dev, "DELETE FROM children")
    name, before = backed_up(filled, "dev"), dump(filled.prod)
    ran = filled.invoke("restore", "--env", "prod", "--backup", name, "--yes", "--json")
    assert ran.code == 1, ran.err
    assert "prod has no backup" in ran.json["error"]["what"]
    assert dump(filled.prod) == before


def test_a_restore_never_goes_through_a_second_name_of_production(filled: Sandbox) -> None:
    """dev is not protected: under its name, production could be overwritten without a question."""
    backed_up(filled, "dev")
    text = (filled.folder / "pyproject.toml").read_text()
    filled.configure(text.replace("db.dev.sqlite3", "db.sqlite3"))
    before = dump(filled.prod)
    ran = filled.invoke("restore", "--env", "dev", "--backup", "latest", "--json")
    assert ran.code == 2, ran.err
    assert "are the same database" in ran.json["error"]["what"]
    assert dump(filled.prod) == before


def test_a_database_without_migrations_is_restored_too(shop: Sandbox) -> None:
    make_pair(shop.prod, "delete")
    name = backed_up(shop)
    with closing(sqlite3.connect(shop.prod)) as live, live:
        live.execute("UPDATE left_side SET n = 5")
    assert restore(shop, name).error is None
    assert sides(shop.prod) == (0, 0)


@pytest.mark.slow
def test_a_restored_database_is_upgraded_again_by_a_release(filled: Sandbox) -> None:
    name = backed_up(filled)
    assert filled.invoke("release-migration").code == 0
    assert restore(filled, name).error is None
    assert query(filled.prod, "SELECT version_num FROM alembic_version") == [(R2,)]
    again = filled.invoke("release-migration", "--json")
    assert (again.code, again.json["outcome"]) == (0, "released")


def test_latest_is_not_what_a_restore_has_just_replaced(filled: Sandbox) -> None:
    """Half migrated as that may be, the advice to restore the latest must not bring it back."""
    name = backed_up(filled)
    query(filled.prod, "CREATE TABLE half_migrated (id INTEGER)")
    for _ in range(2):
        assert restore(filled, "latest").error is None
        assert query(filled.prod, "SELECT * FROM sqlite_master WHERE name = 'half_migrated'") == []
    safety, _ = [file.name for file in kept_backups(filled) if file.name != name]
    assert restore(filled, safety).error is None
    assert query(filled.prod, "SELECT count(*) FROM half_migrated") == [(0,)]
