"""Each database remembers which environment it is, and what was applied to it."""

from __future__ import annotations

import getpass
import hashlib
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from migrations_ops.databases import LEDGER
from migrations_ops.databases.sqlite import SQLite
from migrations_ops.project import Project
from tests.child.steps import run_child, write_env
from tests.support import R1, R2, R3, Sandbox, dump, query

# The models come from the database itself; what passes the filters is printed.
REFLECTING = """
asked, applied = [], []

def by_name(name, kind, parents):
    asked.append(name)
    return True

def by_object(item, name, kind, reflected, compared):
    asked.append(name)
    return True

engine = create_engine(url, poolclass=pool.NullPool)
with engine.connect() as connection:
    models = MetaData()
    models.reflect(connection)
    connection.rollback()
    context.configure(
        connection=connection, target_metadata=models, include_name=by_name,
        include_object=by_object, on_version_apply=lambda **what: applied.append(what["step"]),
    )
    with context.begin_transaction():
        context.run_migrations()
print("ASKED", *asked)
print("APPLIED", *(step.up_revision_id for step in applied))
"""
EVENTS = f"SELECT event, environment, revision, outcome FROM {LEDGER} ORDER BY id"


def events(file: Path) -> list[tuple[object, ...]]:
    return query(file, EVENTS)


def tables(file: Path) -> set[str]:
    return {row[0] for row in query(file, "SELECT name FROM sqlite_master WHERE type = 'table'")}


def commit_everything(folder: Path) -> str:
    """Make the folder a git repository; returns its commit."""
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"]):
        subprocess.run(["git", *identity, *arguments], cwd=folder, check=True)
    told = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True
    )
    return told.stdout.strip()


def test_a_release_is_remembered_in_each_database(filled: Sandbox) -> None:
    commit = commit_everything(filled.folder)
    ran = filled.invoke("release-migration", "--json", GIT_DIR="/nowhere")
    assert ran.code == 0, ran.err
    source = (filled.folder / "alembic/versions/r3_note.py").read_bytes()
    for name, file in (("dev", filled.dev), ("prod", filled.prod)):
        assert events(file) == [("identity", name, None, "done"), ("upgrade", name, R3, "done")]
        ((source_hash, found, account, host, release, seconds, started),) = query(
            file,
            "SELECT source_hash, git_commit, account, host, release_id, seconds, started"
            f" FROM {LEDGER} WHERE revision = ?",
            R3,
        )
        assert source_hash == hashlib.sha256(source).hexdigest()
        assert (found, account, host) == (commit, getpass.getuser(), socket.gethostname())
        assert release == ran.json["id"]
        assert seconds > 0
        assert started.endswith("Z")
    keys = {query(file, f"SELECT identity FROM {LEDGER}")[0] for file in (filled.dev, filled.prod)}
    assert len(keys) == 2


def test_what_is_rolled_back_was_never_applied(filled: Sandbox) -> None:
    filled.add_revision("r4dddddddddd", R3, "    raise RuntimeError")
    before = dump(filled.dev)
    run = run_child(filled, facts={"release_id": "x"})
    assert run.failed_revision == "r4dddddddddd"
    assert dump(filled.dev) == before


def test_the_ways_back_and_the_stamps_are_remembered(filled: Sandbox) -> None:
    assert filled.invoke("upgrade-dev", "downgrade", "--env", "dev", "--to", R1).code == 0
    assert [row[::2] for row in events(filled.dev)][1:] == [
        ("upgrade", R3), ("downgrade", R3), ("downgrade", R2),
    ]  # fmt: skip
    database = SQLite(filled.dev, "dev")
    assert database.ledger().ran == {}
    run = run_child(filled, command=("stamp", "head"), facts={})
    assert run.finished, run.failure
    assert database.ledger().stamped == {R2, R3}
    assert run_child(filled, command=("stamp", R1), facts={}).finished
    assert database.ledger().stamped == frozenset()


class TestHidden:
    """No project ever sees the ledger as a part of its schema."""

    def test_from_alembic_check_and_autogenerate_by_hand(self, filled: Sandbox) -> None:
        assert filled.invoke("upgrade-dev").code == 0
        assert LEDGER in tables(filled.dev)
        ran = filled.alembic("check", EXEC_ENV="dev")
        assert LEDGER not in ran.out + ran.err
        written = filled.alembic("revision", "--autogenerate", "-m", "next", EXEC_ENV="dev")
        assert written.code == 0, written.err
        (file,) = (filled.folder / "alembic/versions").glob("*_next.py")
        assert LEDGER not in file.read_text()

    def test_from_verify_and_from_the_backups(self, filled: Sandbox) -> None:
        ran = filled.invoke("release-migration", "backup", "--env", "dev", "verify", "--json")
        assert ran.code == 0, ran.err
        assert LEDGER not in ran.out + ran.err
        for sidecar in (filled.folder / "data/repom/backups").glob("*.json"):
            assert LEDGER not in sidecar.read_text()
        assert LEDGER in tables(max((filled.folder / "data/repom/backups").glob("*dev*3")))

    def test_from_an_env_py_that_reflects_its_models(self, filled: Sandbox) -> None:
        """And the filters that env.py has of its own go on working."""
        write_env(filled, REFLECTING)
        ran = filled.invoke("upgrade-dev", "verify", "--json")
        assert ran.code == 0, ran.err
        log = "\n".join(
            each.read_text() for each in (filled.folder / "data/repom/releases").glob("*/*.log")
        )
        assert "parents" in log.partition("ASKED")[2]
        assert f"APPLIED {R3}" in log
        assert LEDGER not in log
        assert LEDGER not in ran.out


class TestCopiedDatabase:
    """A production file that was copied over dev is recognised."""

    @pytest.fixture
    def copied(self, filled: Sandbox) -> Sandbox:
        assert filled.invoke("release-migration").code == 0
        filled.add_revision("r4dddddddddd", R3, '    op.execute("DELETE FROM children")')
        shutil.copyfile(filled.prod, filled.dev)
        return filled

    def test_status_says_it(self, copied: Sandbox) -> None:
        ran = copied.invoke("status-all", "--json")
        dev, prod = ran.json["environments"]
        assert dev["trouble"] == "its ledger says that it is prod"
        assert "trouble" not in prod
        assert copied.invoke("status", "--env", "dev", "--check").code == 1

    def test_verify_names_it(self, copied: Sandbox) -> None:
        ran = copied.invoke("verify", "--json")
        assert ran.code == 1
        assert "other-environment" in [each["code"] for each in ran.json["findings"]]

    @pytest.mark.parametrize(
        "arguments",
        [
            ("upgrade-dev",),
            ("release-migration",),
            ("downgrade", "--env", "dev"),
            ("stamp", "--env", "dev", "--to", R2),
            ("alembic", "--env", "dev", "--args", "upgrade head"),
        ],
    )
    def test_nothing_changes_it(self, copied: Sandbox, arguments: tuple[str, ...]) -> None:
        before = dump(copied.dev), dump(copied.prod)
        ran = copied.invoke(*arguments)
        assert ran.code == 1, ran.err
        assert "its ledger says that it is prod" in ran.err or "prod" in ran.err
        assert (dump(copied.dev), dump(copied.prod)) == before

    def test_the_child_refuses_it_by_itself(self, copied: Sandbox) -> None:
        before = dump(copied.dev)
        run = run_child(copied, facts={})
        assert "whose ledger says that it is prod" in run.refused
        assert dump(copied.dev) == before

    def test_a_bare_alembic_says_it(self, copied: Sandbox) -> None:
        ran = copied.alembic("current", EXEC_ENV="dev")
        assert "this reaches dev" in ran.err
        assert "whose ledger says that it is prod" in ran.err

    def test_adopt_is_the_way_on(self, copied: Sandbox) -> None:
        ran = copied.invoke("adopt", "--env", "dev", "--json")
        assert ran.code == 0, ran.err
        assert [step["name"] for step in ran.json["steps"]] == ["back up", "adopt"]
        assert copied.invoke("adopt", "--env", "dev", "--json").json["outcome"] == "nothing to do"
        again = copied.invoke("release-migration")
        assert again.code == 0, again.err
        identities = [
            query(file, f"SELECT identity FROM {LEDGER} WHERE event = 'identity' ORDER BY id DESC")
            for file in (copied.dev, copied.prod)
        ]
        assert identities[0][0] != identities[1][0]


def test_adopt_asks_where_the_environment_is_protected(filled: Sandbox) -> None:
    before = dump(filled.prod)
    assert filled.invoke("adopt", "--env", "prod").code == 1
    assert filled.invoke("adopt").code == 2
    assert filled.invoke("--dry", "adopt", "--env", "prod").code == 0
    assert dump(filled.prod) == before
    assert filled.invoke("adopt", "--env", "prod", "--yes").code == 0
    assert SQLite(filled.prod, "prod").look("alembic_version").environment == "prod"


class TestSources:
    """What ran must still be what lies there."""

    def test_an_edit_is_seen_from_another_checkout(self, filled: Sandbox) -> None:
        assert filled.invoke("upgrade-dev").code == 0
        shutil.rmtree(filled.folder / "data/repom/releases")
        file = filled.folder / "alembic/versions/r3_note.py"
        file.write_text(file.read_text() + "\n# harmless, or is it?\n")
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
        assert f"Revision {R1}, which dev has run, is not among the scripts" in release.err
        assert (dump(shop.dev), dump(shop.prod)) == before
        allowed = ("--allow", f"missing-revision:{R1}", "--allow", "edited-revision")
        meant = shop.invoke("release-migration", *allowed)
        assert meant.code == 0, meant.err

    def test_a_revision_that_drops_the_ledger_is_refused(self, filled: Sandbox) -> None:
        assert filled.invoke("upgrade-dev").code == 0
        filled.add_revision("r4dddddddddd", R3, f'    op.drop_table("{LEDGER}")')
        before = dump(filled.dev)
        ran = filled.invoke("upgrade-dev")
        assert ran.code == 3
        assert "leave out what drops it" in ran.err
        assert dump(filled.dev) == before


class TestBareAlembic:
    """Without a release, a ledger is continued, and never begun."""

    def test_begins_no_ledger(self, filled: Sandbox) -> None:
        assert filled.alembic("upgrade", "head", EXEC_ENV="dev").code == 0
        assert LEDGER not in tables(filled.dev)

    def test_continues_one(self, filled: Sandbox) -> None:
        assert filled.invoke("upgrade-dev").code == 0
        assert filled.alembic("downgrade", R2, EXEC_ENV="dev").code == 0
        assert SQLite(filled.dev, "dev").ledger().ran == {}


class TestWithoutOne:
    """Neither an older database nor a foreign one is a problem."""

    def test_a_foreign_table_of_that_name_is_no_ledger(self, filled: Sandbox) -> None:
        query(filled.dev, f"CREATE TABLE {LEDGER} (id INTEGER)")
        ran = filled.invoke("status-all", "--json")
        assert ran.code == 0, ran.err
        assert ran.json["environments"][0]["state"] == "behind"

    def test_the_commands_that_replace_alembic_are_remembered(self, filled: Sandbox) -> None:
        text = (filled.folder / "pyproject.toml").read_text()
        command = 'commands = [["python", "-m", "alembic", "upgrade", "head"]]\n'
        filled.configure(text.replace('db.dev.sqlite3"\n', f'db.dev.sqlite3"\n{command}'))
        ran = filled.invoke("upgrade-dev")
        assert ran.code == 0, ran.err
        ledger = SQLite(filled.dev, "dev").ledger()
        assert list(ledger.ran) == [R3]
        assert ledger.environment == "dev"

    def test_the_table_of_the_parent_is_the_one_that_the_child_writes(self) -> None:
        from migrations_ops.child import ledger

        assert ledger.TABLE == LEDGER

    def test_both_hash_a_script_alike(self, filled: Sandbox) -> None:
        from migrations_ops.child.ledger import source_hash
        from migrations_ops.scripts import digest

        project = Project.read(filled.folder)
        for revision in project.history(project.settings.default).revisions.values():
            revision.path.write_bytes(revision.path.read_bytes().replace(b"\n", b"\r\n"))
            assert source_hash(revision.file) == digest(revision)
