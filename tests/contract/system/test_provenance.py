"""The commit that a project was released from is known without starting any git."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from migrations_ops.system.provenance import git_commit


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    argv = ["git", *identity, *arguments]
    done = subprocess.run(argv, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    return folder


def head(folder: Path) -> str:
    return git(folder, "rev-parse", "HEAD")


def test_of_a_branch(repository: Path) -> None:
    assert git_commit(repository) == head(repository)


def test_of_a_folder_inside(repository: Path) -> None:
    inside = repository / "some/where"
    inside.mkdir(parents=True)
    assert git_commit(inside) == head(repository)


def test_of_packed_branches(repository: Path) -> None:
    git(repository, "pack-refs", "--all")
    git(repository, "tag", "-m", "annotated", "v1")
    git(repository, "pack-refs", "--all")
    assert git_commit(repository) == head(repository)


def test_of_a_detached_head(repository: Path) -> None:
    git(repository, "checkout", "-q", "--detach")
    assert git_commit(repository) == head(repository)


def test_of_a_worktree(repository: Path) -> None:
    git(repository, "worktree", "add", "-q", "-b", "other/name", "../worktree")
    worktree = repository.parent / "worktree"
    git(worktree, "commit", "-q", "--allow-empty", "-m", "second")
    assert git_commit(worktree) == head(worktree) != head(repository)


def test_unknown_where_there_is_no_commit_yet(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert git_commit(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"gitdir:", b"\xff\xfe", b"gitdir: nowhere"])
def test_unknown_where_the_repository_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".git").write_bytes(content)
    assert git_commit(tmp_path) is None
