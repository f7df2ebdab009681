"""Heads are checked and mended in a real repository, over real databases."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from migrations_ops.journal.evidence import Evidence
from migrations_ops.model.errors import OpsError, Refused
from migrations_ops.operations.heads.changes import write_changes
from migrations_ops.operations.heads.check import check_heads
from migrations_ops.operations.heads.decision import Merge, Rewrite
from migrations_ops.operations.heads.fix import Fix, plan_fix
from migrations_ops.project.project import Project
from tests.contract.system.test_git import GIT, git
from tests.support import R3, Sandbox, query

pytestmark = GIT


def project_of(shop: Sandbox) -> Project:
    return Project.read(shop.folder)


def check(shop: Sandbox, base: str | None = None) -> tuple[str, ...]:
    project = project_of(shop)
    return check_heads(project, project.settings.default, base).heads


def planned(shop: Sandbox, base: str | None = None) -> Fix | None:
    project = project_of(shop)
    return plan_fix(project, project.settings.default, base)


def add(shop: Sandbox, name: str, down: str = R3) -> Path:
    return shop.add_revision(name, down, "    pass")


@pytest.fixture
def forked(shop: Sandbox) -> Sandbox:
    """A branch ``mine`` with the revision ``own``, where ``main`` has got ``other`` meanwhile."""
    git(shop.folder, "init", "-q", "-b", "main")
    shop.write(".gitignore", "data\n__pycache__\n")
    commit(shop, "first")
    git(shop.folder, "checkout", "-qb", "mine")
    add(shop, "own")
    commit(shop, "own")
    git(shop.folder, "checkout", "-q", "main")
    add(shop, "other")
    commit(shop, "other")
    git(shop.folder, "checkout", "-q", "mine")
    return shop


def commit(shop: Sandbox, message: str) -> None:
    git(shop.folder, "add", ".")
    git(shop.folder, "commit", "-qm", message)


def test_a_branch_is_checked_against_another_that_is_not_checked_out(forked: Sandbox) -> None:
    assert check(forked) == ("own",)
    for act in (check, planned):
        with pytest.raises(OpsError, match=r"own \(own\) of this branch does not come"):
            act(forked, "main")
    with pytest.raises(OpsError, match="Merge main into this branch"):
        check(forked, "main")
    git(forked.folder, "merge", "-q", "main", "-m", "merge")
    with pytest.raises(OpsError, match=r"2 heads: other \(other\), own \(own\)"):
        check(forked)


def test_what_ran_nowhere_follows_and_the_check_passes(forked: Sandbox) -> None:
    git(forked.folder, "merge", "-q", "main", "-m", "merge")
    script = forked.folder / "alembic/versions/own.py"
    script.chmod(0o751)
    fix = planned(forked)
    assert fix
    assert fix.decided == Rewrite({"own": ("other",)}, ("own",), "other")
    assert check_is_unchanged(script, fix)
    write_changes(fix.changes)
    assert check(forked, "main") == ("own",)
    assert planned(forked, "main") is None
    if os.name != "nt":
        assert script.stat().st_mode & 0o777 == 0o751
    assert script.read_text(encoding="utf-8") == fix.changes[0].before.decode().replace(R3, "other")
    assert git(forked.folder, "status", "--porcelain") == "M alembic/versions/own.py"


def check_is_unchanged(script: Path, fix: Fix) -> bool:
    return script.read_bytes() == fix.changes[0].before != fix.changes[0].after


@pytest.mark.parametrize("known_by", ["version table", "evidence"])
def test_what_ran_somewhere_is_merged(forked: Sandbox, known_by: str) -> None:
    git(forked.folder, "merge", "-q", "main", "-m", "merge")
    if known_by == "version table":
        forked.dev.parent.mkdir(parents=True, exist_ok=True)
        query(forked.dev, "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        query(forked.dev, "INSERT INTO alembic_version VALUES ('own')")
    else:
        project = project_of(forked)
        own = project.read_sources(project.settings.default).revisions["own"]
        Evidence(project.settings.releases).record_passed(project.settings.path[0], [own])
    fix = planned(forked)
    assert fix
    assert fix.decided == Merge(("other", "own"), "own ran in dev")
    assert fix.message == "merge other and own"


def test_without_git_what_ran_stays_first(forked: Sandbox) -> None:
    git(forked.folder, "merge", "-q", "main", "-m", "merge")
    shutil.rmtree(forked.folder / ".git")
    with pytest.raises(Refused, match="Which of other and own comes first") as caught:
        planned(forked)
    assert "invoke heads --fix --base origin/main" in caught.value.next
    forked.dev.parent.mkdir(parents=True, exist_ok=True)
    query(forked.dev, "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    query(forked.dev, "INSERT INTO alembic_version VALUES ('own')")
    fix = planned(forked)
    assert fix
    assert fix.decided == Rewrite({"other": ("own",)}, ("other",), "own")


@pytest.mark.parametrize(
    ("base", "reason"),
    [
        ("nowhere", "git knows no commit 'nowhere'"),
        ("nowhere", "git fetch origin nowhere"),
        ("--all", "git knows no commit '--all'"),
        ("HEAD~999", "git log --oneline --all"),
    ],
)
def test_a_base_that_is_not_there_is_an_error_of_usage(
    forked: Sandbox, base: str, reason: str
) -> None:
    for act in (check, planned):
        with pytest.raises(OpsError, match=reason) as caught:
            act(forked, base)
        assert caught.value.exit_code == 2


def test_a_base_needs_a_repository(shop: Sandbox) -> None:
    with pytest.raises(OpsError, match="cannot be read from git: not a git repository") as caught:
        check(shop, "main")
    assert caught.value.exit_code == 2


def test_a_file_that_was_edited_meanwhile_is_not_replaced(forked: Sandbox) -> None:
    git(forked.folder, "merge", "-q", "main", "-m", "merge")
    fix = planned(forked)
    assert fix
    script = forked.folder / "alembic/versions/own.py"
    script.write_text("# mine\n", encoding="utf-8")
    with pytest.raises(Refused, match="it was changed meanwhile"):
        write_changes(fix.changes)
    assert script.read_text(encoding="utf-8") == "# mine\n"


def test_numbers_in_names_of_files_follow(shop: Sandbox) -> None:
    versions = shop.folder / "alembic/versions"
    for number, name in enumerate(("r1_parents", "r2_children", "r3_note"), start=1):
        (versions / f"{name}.py").rename(versions / f"000{number}_{name}.py")
    git(shop.folder, "init", "-q", "-b", "main")
    shop.write(".gitignore", "data\n__pycache__\n")
    add(shop, "other").rename(versions / "0004_other.py")
    commit(shop, "first")
    own = add(shop, "own").rename(versions / "0004_own.py")
    taken = versions / "0005_own.py"
    taken.mkdir()
    fix = planned(shop)
    assert fix
    assert [(each.file.name, each.to.name) for each in fix.changes] == [
        ("0004_own.py", "0005_own.py")
    ]
    with pytest.raises(Refused, match=r"there is .*0005_own\.py already"):
        write_changes(fix.changes)
    assert own.read_bytes() == fix.changes[0].before
    taken.rmdir()
    write_changes(fix.changes)
    assert not own.exists()
    assert taken.read_bytes() == fix.changes[0].after
    assert check(shop, "main") == ("own",)


def test_an_id_that_no_version_table_takes_is_refused_where_it_is_added(forked: Sandbox) -> None:
    """SQLite enforces no length; an older revision that ran is nobody's fault any more."""
    name = "r" * 41
    add(forked, name, "own")
    assert check(forked) == (name,)
    text = (forked.folder / "pyproject.toml").read_text(encoding="utf-8")
    forked.configure(text.replace("sqlite:///data/repom/db.sqlite3", "postgresql://db/shop"))
    with pytest.raises(Refused, match="has 41 characters, and alembic_version"):
        check(forked)
    commit(forked, "long")
    assert check(forked, "mine") == (name,)
