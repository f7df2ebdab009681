"""Who runs a task, on which machine, from which commit."""

from __future__ import annotations

import getpass
import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from migrations_ops.system.reading import read_text


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who runs a task, where, and from which commit; None where that is unknown."""

    account: str
    host: str
    git_commit: str | None


_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def provenance(folder: Path) -> Provenance:
    """The provenance of a task whose project is in this folder."""
    return Provenance(account(), host(), git_commit(folder))


def account() -> str:
    """The account that this process runs under."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        # No variable says it, and the user has no entry; Windows has no module that would know.
        return "somebody"


def host() -> str:
    """The name of this machine."""
    return socket.gethostname()


def git_commit(folder: Path) -> str | None:
    """The commit that is checked out in a folder, or above it; None where it is unknown.

    Read from git's own files (https://git-scm.com/docs/gitrepository-layout), without starting git:
    a program of that name may be anything.
    """
    with suppress(OSError, ValueError):
        for ancestor in (folder, *folder.parents):
            if (ancestor / ".git").exists():
                return _head(_repository(ancestor / ".git"))
    return None


def _repository(entry: Path) -> Path:
    """The folder with HEAD; in a worktree or submodule, the file .git names that folder."""
    if entry.is_dir():
        return entry
    return entry.parent / read_text(entry).removeprefix("gitdir:").strip()


def _head(repository: Path) -> str | None:
    text = read_text(repository / "HEAD").strip()
    if not text.startswith("ref:"):
        return text if _COMMIT.fullmatch(text) else None
    name = text.removeprefix("ref:").strip()
    common = repository / "commondir"  # a worktree has its own HEAD, and shares the branches
    shared = repository / read_text(common).strip() if common.exists() else repository
    loose = shared / name
    if loose.is_file():
        found = read_text(loose).strip()
        return found if _COMMIT.fullmatch(found) else None
    for line in read_text(shared / "packed-refs").splitlines():
        commit, _, packed = line.partition(" ")
        if packed == name and _COMMIT.fullmatch(commit):
            return commit
    return None
