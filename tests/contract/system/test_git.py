"""Files of other commits, read from a real repository."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from migrations_ops.system.git import GitError, Repository
from tests.support import clean_environment

GIT = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git here")
pytestmark = GIT


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    done = subprocess.run(
        ["git", *identity, *arguments],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository with a branch: main went on after it began."""
    folder = tmp_path / "a repository"
    versions = folder / "app/ver sions"
    (versions / "old").mkdir(parents=True)
    (folder / "top.py").write_text("0", encoding="utf-8")
    if os.name != "nt":  # there a link needs a privilege
        (versions / "link.py").symlink_to("old/b.py")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "config", "core.autocrlf", "false")
    for name, text in (("é.py", "1"), ("old/b.py", "2\r\n"), ("c.txt", "3")):
        (versions / name).write_bytes(text.encode())
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    git(folder, "checkout", "-qb", "mine")
    git(folder, "checkout", "-q", "main")
    (versions / "é.py").write_text("4", encoding="utf-8")
    git(folder, "commit", "-qam", "second")
    git(folder, "checkout", "-q", "mine")
    return folder


def test_files_of_a_commit_are_read_without_a_checkout(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook of git runs with variables that name its index and its repository."""
    monkeypatch.setenv("GIT_DIR", str(folder / "nowhere"))
    repository = Repository.around(folder / "app")
    versions = folder / "app/ver sions"
    main = repository.commit("main")
    assert main
    assert repository.files(main, [versions], recursive=False) == {"app/ver sions/é.py": b"4"}
    common = repository.merge_base(main)
    assert common == git(folder, "rev-parse", "HEAD")
    assert repository.files(common, [versions], recursive=True) == {
        "app/ver sions/old/b.py": b"2\r\n",
        "app/ver sions/é.py": b"1",
    }
    assert repository.files(main, [folder], recursive=False) == {"top.py": b"0"}
    assert repository.path(versions / "é.py") == "app/ver sions/é.py"
    assert repository.files(main, [versions / "none", folder.parent], recursive=True) == {}


def test_a_name_that_git_does_not_know_is_none(folder: Path) -> None:
    repository = Repository.around(folder)
    for name in ("nowhere", "--help", "main:app", "a b", ""):
        assert repository.commit(name) is None


def test_the_default_branch_is_that_of_origin(folder: Path, tmp_path: Path) -> None:
    assert Repository.around(folder).default_branch() == "main"
    git(folder, "branch", "-qm", "main", "trunk")
    assert Repository.around(folder).default_branch() is None
    git(folder, "checkout", "-q", "trunk")
    git(tmp_path, "clone", "-q", str(folder), "clone")
    clone = Repository.around(tmp_path / "clone")
    assert clone.default_branch() == "origin/trunk"


def test_what_git_says_is_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GitError, match="not a git repository"):
        Repository.around(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitError, match="git cannot be started: "):
        Repository.around(tmp_path)
