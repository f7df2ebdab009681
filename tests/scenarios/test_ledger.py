"""Each database remembers which environment it is, and what was applied to it."""

from __future__ import annotations

import getpass
import hashlib
import json
import shutil
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from migrations_ops.child.protocol.ledger import NAME as LEDGER
from migrations_ops.databases.sqlite.database import SQLite
from migrations_ops.project.project import Project
from tests.contract.child.steps import run_child
from tests.support import R1, R2, R3, Sandbox, dump, query

# Several releases a case; the ledger of each engine has its contract.
pytestmark = pytest.mark.slow

# Without our plugin, which leaves an application's own calls alone.
AUTOGENERATE = """
from alembic import command
from alembic.config import Config
command.check(Config("alembic.ini"))
command.revision(Config("alembic.ini"), message="next", autogenerate=True)
"""


def runs(file: Path) -> list[dict[str, Any]]:
    """What the ledger holds, as anybody reads it."""
    ((text,),) = query(file, f"SELECT ledger FROM {LEDGER}")
    return list(json.loads(text)["runs"])


def events(file: Path) -> list[tuple[str, str]]:
    """Each revision of the ledger, with what became of it; not those that were there before."""
    return [
        (run["event"], each["revision"])
        for run in runs(file)
        for each in run.get("revisions", ())
        if run["event"] != "found"
    ]


def has_ledger(file: Path) -> bool:
    return bool(query(file, "SELECT 1 FROM sqlite_master WHERE name = ?", LEDGER))


def commit_everything(folder: Path) -> str:
    """Make the folder a git repository; returns its commit."""
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"]):
        subprocess.run(["git", *identity, *arguments], cwd=folder, check=True)
    ran = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True
    )
    return ran.stdout.strip()


def test_a_release_is_remembered_in_each_database(filled: Sandbox) -> None:
    commit = commit_everything(filled.folder)
    ran = filled.invoke("release-migration", "--json", GIT_DIR="/nowhere")
    assert ran.code == 0, ran.err
    source = (filled.folder / "alembic/versions/r3_note.py").read_bytes()
    identities = set()
    for name, file in (("dev", filled.dev), ("prod", filled.prod)):
        identity, found, run = runs(file)
        assert {each["revision"] for each in found["revisions"]} == {R1, R2}
        identities.add(identity["identity"])
        assert [each["environment"] for each in (identity, run)] == [name, name]
        assert (run["event"], run["outcome"]) == ("upgrade", "done")
        assert (run["git_commit"], run["release_id"]) == (commit, ran.json["id"])
        assert (run["account"], run["host"]) == (getpass.getuser(), socket.gethostname())
        (revision,) = run["revisions"]
        assert revision["revision"] == R3
        assert revision["source_hash"] == hashlib.sha256(source).hexdigest()
        assert revision["seconds"] > 0
        assert revision["started"].endswith("Z")
    assert len(identities) == 2


def test_what_is_rolled_back_was_never_applied(filled: Sandbox) -> None:
    filled.add_revision("r4dddddddddd", R3, "    raise RuntimeError")
    before = dump(filled.dev)
    run = run_child(filled, ledger_entry={"release_id": "x"})
    assert run.failed_revision == "r4dddddddddd"
    assert dump(filled.dev) == before


def test_the_ways_back_and_the_stamps_are_remembered(filled: Sandbox) -> None:
    assert filled.invoke("upgrade-dev", "downgrade", "--env", "dev", "--to", R1).code == 0
    assert events(filled.dev) == [("upgrade", R3), ("downgrade", R3), ("downgrade", R2)]
    database = SQLite(filled.dev, "dev")
    assert database.ledger("alembic_version").ran == {}
    run = run_child(filled, command=("stamp", "head"), ledger_entry={})
    assert run.finished, run.failure
    assert database.ledger("alembic_version").stamped == {R2, R3}
    assert run_child(filled, command=("stamp", R1), ledger_entry={}).finished
    assert database.ledger("alembic_version").stamped == frozenset()


class TestHidden:
    """No project ever sees the ledger as a part of its schema."""

    def test_from_autogenerate_with_the_plugin_and_without(self, filled: Sandbox) -> None:
        assert filled.invoke("upgrade-dev").code == 0
        assert has_ledger(filled.dev)
        assert filled.alembic("check", EXEC_ENV="dev").code == 0
        ran = filled.run(sys.executable, "-c", AUTOGENERATE, cwd=None, EXEC_ENV="dev")
        assert ran.code == 0, ran.err
        assert LEDGER not in ran.out + ran.err
        (file,) = (filled.folder / "alembic/versions").glob("*_next.py")
        assert "    pass" in file.read_text()

    def test_from_verify_and_from_the_sidecars(self, filled: Sandbox) -> None:
        ran = filled.invoke("release-migration", "backup", "--env", "dev", "verify", "--json")
        assert ran.code == 0, ran.err
        assert LEDGER not in ran.out + ran.err
        backups = filled.folder / "data/repom/backups"
        for sidecar in backups.glob("*.json"):
            assert LEDGER not in sidecar.read_text()
        assert has_ledger(max(backups.glob("*dev*3")))

    def test_from_whoever_changes_a_table(self, filled: Sandbox) -> None:
        """SQLite reads every view again when a table or a column is renamed."""
        assert filled.invoke("upgrade-dev").code == 0
        with closing(sqlite3.connect(filled.dev)) as connection:
            connection.execute("PRAGMA trusted_schema=OFF")
            connection.execute("ALTER TABLE parents RENAME COLUMN note TO remark")
            connection.execute("ALTER TABLE children RENAME TO kids")
            connection.execute("ALTER TABLE parents DROP COLUMN remark")
        assert events(filled.dev) == [("upgrade", R3)]


def test_a_production_file_that_was_copied_over_dev_is_recognised_until_it_is_adopted(
    filled: Sandbox,
) -> None:
    assert filled.invoke("release-migration").code == 0
    filled.add_revision("r4dddddddddd", R3, '    op.execute("DELETE FROM children")')
    shutil.copyfile(filled.prod, filled.dev)
    before = dump(filled.dev), dump(filled.prod)
    dev, prod = filled.invoke("status-all", "--json").json["environments"]
    assert dev["trouble"] == "its ledger says that it is prod"
    assert "trouble" not in prod
    assert filled.invoke("status", "--env", "dev", "--check").code == 1
    verified = filled.invoke("verify", "--json")
    assert verified.code == 1
    assert "other-environment" in [each["code"] for each in verified.json["findings"]]
    for task in (
        ("upgrade-dev",),
        ("release-migration",),
        ("downgrade", "--env", "dev"),
        ("stamp", "--env", "dev", "--to", R2),
        ("alembic", "--env", "dev", "--args", "upgrade head"),
    ):
        ran = filled.invoke(*task)
        assert ran.code == 1, ran.err
        assert "its ledger says that it is prod" in ran.err or "prod" in ran.err
    # The child refuses it by itself, and bare Alembic says it.
    assert "whose ledger says that it is prod" in run_child(filled, ledger_entry={}).refused
    bare = filled.alembic("current", EXEC_ENV="dev")
    assert "this reaches dev" in bare.err
    assert "whose ledger says that it is prod" in bare.err
    assert (dump(filled.dev), dump(filled.prod)) == before

    adopted = filled.invoke("adopt", "--env", "dev", "--json")
    assert adopted.code == 0, adopted.err
    assert [step["name"] for step in adopted.json["steps"]] == ["back up", "adopt"]
    again = filled.invoke("adopt", "--env", "dev", "--json")
    assert again.json["outcome"] == "nothing to do"
    released = filled.invoke("release-migration")
    assert released.code == 0, released.err
    assert runs(filled.dev)[-2]["environment"] == "dev"
    assert runs(filled.dev)[-2]["identity"] != runs(filled.prod)[0]["identity"]


def test_adopt_asks_where_the_environment_is_protected(filled: Sandbox) -> None:
    before = dump(filled.prod)
    assert filled.invoke("adopt", "--env", "prod").code == 1
    assert filled.invoke("adopt").code == 2
    assert filled.invoke("--dry", "adopt", "--env", "prod").code == 0
    assert dump(filled.prod) == before
    assert filled.invoke("adopt", "--env", "prod", "--yes").code == 0
    assert SQLite(filled.prod, "prod").inspect("alembic_version").environment == "prod"


class TestSources:
    """What ran must still be what lies there."""

    def test_an_edit_is_seen_from_another_checkout(self, filled: Sandbox) -> None:
        assert filled.invoke("upgrade-dev").code == 0
        shutil.rmtree(filled.folder / "data/repom/releases")
        file = filled.folder / "alembic/versions/r3_note.py"
        file.write_text(file.read_text() + "\nharmless = True\n")
        before = dump(filled.prod)
        ran = filled.invoke("verify", "--json")
        assert ran.code == 1
        assert "edited-revision" in [each["code"] for each in ran.json["findings"]]
        release = filled.invoke("release-migration")
        assert release.code == 1
        assert f"Revision {R3} was edited after dev had run it" in release.err
        assert dump(filled.prod) == before
        meant = filled.invoke("release-migration", "--allow", "edited-revision")
        assert meant.code == 0, meant.err

    def test_a_file_that_is_gone_is_named(self, shop: Sandbox) -> None:
        """Cut off at the base, so that what is left is a history by itself."""
        assert shop.invoke("release-migration").code == 0
        versions = shop.folder / "alembic/versions"
        (versions / "r1_parents.py").unlink()
        second = versions / "r2_children.py"
        second.write_text(second.read_text().replace(f'"{R1}"', "None"))
        ran = shop.invoke("verify", "--json")
        assert ran.code == 1, ran.err
        found = {each["code"]: each["where"] for each in ran.json["findings"]}
        assert found["missing-revision"] == R1
        shop.add_revision("r4dddddddddd", R3, '    op.execute("UPDATE parents SET note = id")')
        before = dump(shop.dev), dump(shop.prod)
        release = shop.invoke("release-migration")
        assert release.code == 1
        assert f"Revision {R1}, which dev has run, is no longer among the scripts" in release.err
        assert (dump(shop.dev), dump(shop.prod)) == before
        allowed = ("--allow", f"missing-revision:{R1}", "--allow", "edited-revision")
        meant = shop.invoke("release-migration", *allowed)
        assert meant.code == 0, meant.err


class TestBareAlembic:
    """Without a release, a ledger is continued, and never begun."""

    def test_begins_no_ledger(self, filled: Sandbox) -> None:
        assert filled.alembic("upgrade", "head", EXEC_ENV="dev").code == 0
        assert not has_ledger(filled.dev)

    def test_continues_one(self, filled: Sandbox) -> None:
        assert filled.invoke("upgrade-dev").code == 0
        assert filled.alembic("downgrade", R2, EXEC_ENV="dev").code == 0
        assert SQLite(filled.dev, "dev").ledger("alembic_version").ran == {}


class TestWithoutOne:
    """Neither an older database nor a foreign one is a problem."""

    @pytest.mark.parametrize("given", ["1 AS one", "'[1]' AS ledger", "'7' AS ledger"])
    def test_a_view_of_something_else_says_nothing(self, filled: Sandbox, given: str) -> None:
        query(filled.dev, f"CREATE VIEW {LEDGER} AS SELECT {given}")
        assert SQLite(filled.dev, "dev").inspect("alembic_version").environment == ""
        assert not SQLite(filled.dev, "dev").ledger("alembic_version").ran

    @pytest.mark.parametrize(
        "foreign", ["TABLE {} (id INTEGER)", "VIEW {} AS SELECT 'no JSON' AS ledger"]
    )
    def test_something_else_of_that_name_is_no_ledger(self, filled: Sandbox, foreign: str) -> None:
        query(filled.dev, f"CREATE {foreign.format(LEDGER)}")
        kept = query(filled.dev, "SELECT sql FROM sqlite_master WHERE name = ?", LEDGER)
        assert SQLite(filled.dev, "dev").inspect("alembic_version").environment == ""
        ran = filled.invoke("upgrade-dev", "status-all", "--json")
        assert ran.code == 0, ran.err
        assert filled.invoke("adopt", "--env", "dev").code == 3
        left = query(filled.dev, "SELECT sql FROM sqlite_master WHERE name = ?", LEDGER)
        assert left == kept

    def test_entries_that_cannot_be_understood_say_nothing(self, filled: Sandbox) -> None:
        text = '[{"event": "upgrade", "revisions": [7]}]'
        query(filled.dev, f"CREATE VIEW {LEDGER} AS SELECT '{text}' AS ledger")
        ran = filled.invoke("upgrade-dev", "verify", "status-all")
        assert ran.code == 0, ran.err

    def test_the_commands_that_replace_alembic_are_remembered(self, filled: Sandbox) -> None:
        text = (filled.folder / "pyproject.toml").read_text()
        argv = json.dumps([sys.executable, "-m", "alembic", "upgrade", "head"])
        command = f"commands = [{argv}]\n"
        filled.configure(text.replace('db.dev.sqlite3"\n', f'db.dev.sqlite3"\n{command}'))
        ran = filled.invoke("upgrade-dev")
        assert ran.code == 0, ran.err
        ledger = SQLite(filled.dev, "dev").ledger("alembic_version")
        assert list(ledger.ran) == [R3]
        assert ledger.environment == "dev"

    def test_both_hash_a_script_alike(self, filled: Sandbox) -> None:
        from migrations_ops.child.recording.ledger import hashes
        from migrations_ops.revisions.loader import digest

        project = Project.read(filled.folder)
        for revision in project.history(project.settings.default).revisions.values():
            revision.path.write_bytes(revision.path.read_bytes().replace(b"\n", b"\r\n"))
            assert " ".join(map(str, hashes(revision.file).values())) == digest(revision)


def test_the_ledger_of_a_later_version_is_named_and_left_alone(filled: Sandbox) -> None:
    text = json.dumps({"format": 2, "runs": []})
    query(filled.dev, f"CREATE VIEW {LEDGER} AS SELECT '{text}' AS ledger")
    before = dump(filled.dev)
    for call in (["upgrade-dev"], ["verify"], ["adopt", "--env", "dev"]):
        ran = filled.invoke(*call)
        assert ran.code in (1, 2), ran.err
        assert "has the format 2, which this version does not know" in ran.err
    assert filled.alembic("upgrade", "head", EXEC_ENV="dev").code == 0
    kept = [line for line in dump(filled.dev) or [] if LEDGER in line]
    assert kept == [line for line in before or [] if LEDGER in line]
