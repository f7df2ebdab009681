"""A database that needs a person is not forgotten: no task builds on it until that is resolved."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.disks import small_disk
from tests.scenarios.suffering import row
from tests.support import R3, Ran, Sandbox, dump, query

TO_TYPE = re.compile(r"invoke (restore --env dev --backup (\S+) --yes)")
# It commits a part, breaks, and takes the way back along.
HALF = """    from pathlib import Path

    with op.get_context().autocommit_block():
        op.execute("CREATE TABLE half (id INTEGER)")
    {breaks}
    raise RuntimeError("broken off")"""
# One byte of the backup is another one; what it was lies beside it.
DAMAGE = """for backup in Path("data/repom/backups").glob("db.dev_*.sqlite3"):
        content = backup.read_bytes()
        Path("kept-" + backup.name).write_bytes(content)
        backup.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))"""
FILL = """with open("data/ballast", "wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(bytes(4096))
        except OSError:
            pass"""


def needs_a_person(ran: Ran) -> str:
    """:returns: the command that it says, which names the backup from before."""
    assert ran.code == 4, ran.err
    assert "as it was" not in ran.err
    assert "is unchanged" not in ran.err
    found = TO_TYPE.search(ran.err)
    assert found is not None, ran.err
    return found[1]


def refused(sandbox: Sandbox, *argv: str, command: str) -> None:
    before = dump(sandbox.dev)
    ran = sandbox.invoke(*argv)
    assert ran.code == 1, (argv, ran.err)
    assert f"invoke {command}" in ran.err, (argv, ran.err)
    assert "needs a person first" in ran.err
    assert dump(sandbox.dev) == before


@pytest.fixture
def half(filled: Sandbox) -> tuple[Sandbox, str, list[str] | None]:
    """Dev with a part of a revision, its backup damaged; the way back, and what was before it."""
    assert filled.invoke("upgrade-dev").code == 0
    before = dump(filled.dev)
    filled.add_revision("r4half000000", R3, HALF.format(breaks=DAMAGE))
    command = needs_a_person(filled.invoke("release-migration"))
    assert query(filled.dev, "SELECT count(*) FROM half") == [(0,)]
    return filled, command, before


def test_half_of_a_revision_is_neither_backed_up_as_good_nor_built_on(
    half: tuple[Sandbox, str, list[str] | None],
) -> None:
    sandbox, command, before = half
    repair(sandbox)
    refused(sandbox, "release-migration", command=command)
    taken = sandbox.invoke("backup", "--env", "dev")
    assert taken.code == 0, taken.err
    assert "backup-in-doubt" in taken.err
    latest = sandbox.invoke("restore", "--env", "dev", "--backup", "latest", "--dry")
    assert Path(taken.out.strip()).name not in latest.out
    put_back = sandbox.invoke(*command.split())
    assert put_back.code == 0, put_back.err
    assert dump(sandbox.dev) == before
    (sandbox.folder / "alembic/versions/r4half000000.py").unlink()
    released = sandbox.invoke("release-migration")
    assert released.code == 0, released.err


def repair(sandbox: Sandbox) -> None:
    """The backups as they were taken."""
    for backup in (sandbox.folder / "data/repom/backups").glob("db.dev_*.sqlite3"):
        backup.write_bytes((sandbox.folder / f"kept-{backup.name}").read_bytes())


@pytest.mark.slow
def test_every_task_that_changes_it_is_refused_and_those_that_read_it_say_so(
    half: tuple[Sandbox, str, list[str] | None],
) -> None:
    sandbox, command, _ = half
    for argv in (
        ("upgrade-dev",),
        ("downgrade", "--env", "dev", "--to", "-1"),
        ("stamp", "--env", "dev", "--to", "head"),
        ("alembic", "--env", "dev", "--args", "upgrade head"),
        ("adopt", "--env", "dev"),
    ):
        refused(sandbox, *argv, command=command)
    status = sandbox.invoke("status-all", "--json")
    assert (row(status, "dev")["state"], row(status, "dev")["dirty"]) == ("dirty", True)
    assert "release-migration" in row(status, "dev")["trouble"]
    assert row(status, "prod")["dirty"] is False
    verified = sandbox.invoke("verify", "--json")
    assert verified.code == 1
    assert f"invoke {command}" in verified.err
    for planning in (("release-migration", "--plan"), ("plan", "--env", "dev")):
        planned = sandbox.invoke(*planning)
        assert planned.code == 1, planned.err
        assert f"invoke {command}" in planned.err


@pytest.mark.slow
def test_person_who_repairs_it_by_hand_says_how(
    half: tuple[Sandbox, str, list[str] | None],
) -> None:
    sandbox, command, _ = half
    repair(sandbox)
    undone = ("resolve", "--env", "dev", "--rolled-back")
    differs = sandbox.invoke(*undone)
    assert differs.code == 1
    assert f"invoke {command}" in differs.err
    query(sandbox.dev, "DROP TABLE half")
    resolved = sandbox.invoke(*undone)
    assert resolved.code == 0, resolved.err
    assert row(sandbox.invoke("status-all", "--json"), "dev")["dirty"] is False
    (sandbox.folder / "alembic/versions/r4half000000.py").unlink()
    released = sandbox.invoke("release-migration")
    assert released.code == 0, released.err


@pytest.mark.slow
def test_what_a_person_keeps_is_verified_before_the_next_release(
    half: tuple[Sandbox, str, list[str] | None],
) -> None:
    sandbox, _, _ = half
    kept = sandbox.invoke("resolve", "--env", "dev", "--applied")
    assert kept.code == 0, kept.err
    evidence = json.loads((sandbox.folder / "data/repom/releases/evidence.json").read_text())
    assert evidence["environments"]["dev"]["unverified"]


@pytest.fixture
def on_small_disk(filled: Sandbox, tmp_path: Path) -> Iterator[Sandbox]:
    data = filled.folder / "data"
    aside = tmp_path / "aside"
    data.rename(aside)
    with small_disk(data, "8m"):
        shutil.copytree(aside, data, dirs_exist_ok=True)
        yield filled


@pytest.mark.slow
def test_disk_that_is_full_after_a_commit_is_remembered_when_there_is_room_again(
    on_small_disk: Sandbox,
) -> None:
    sandbox = on_small_disk
    query(sandbox.dev, "CREATE TABLE large (bytes BLOB)")
    query(sandbox.dev, "INSERT INTO large VALUES (randomblob(1000000))")
    before = dump(sandbox.dev)
    sandbox.add_revision("r4half000000", R3, HALF.format(breaks=FILL))
    command = needs_a_person(sandbox.invoke("release-migration"))
    (sandbox.folder / "data/ballast").unlink()
    refused(sandbox, "release-migration", command=command)
    put_back = sandbox.invoke(*command.split())
    assert put_back.code == 0, put_back.err
    assert dump(sandbox.dev) == before


@pytest.mark.slow
def test_database_itself_says_that_half_of_a_revision_is_there_where_no_record_is_left(
    half: tuple[Sandbox, str, list[str] | None],
) -> None:
    sandbox, _, before = half
    repair(sandbox)
    shutil.rmtree(sandbox.folder / "data/repom/releases")
    assert row(sandbox.invoke("status-all", "--json"), "dev")["state"] == "dirty"
    ran = sandbox.invoke("release-migration")
    assert ran.code == 1
    assert "half applied" in ran.err
    taken = sandbox.invoke("backup", "--env", "dev")
    assert "backup-in-doubt" in taken.err
    put_back = sandbox.invoke("restore", "--env", "dev", "--backup", "latest", "--yes")
    assert put_back.code == 0, put_back.err
    assert dump(sandbox.dev) == before
