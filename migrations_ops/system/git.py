"""Reads files of other commits from git, without a checkout.

git gets none of the shell's ``GIT_*`` variables: within a hook they name another index, or another
repository.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from migrations_ops.system.variables import base_variables

# Never ask for a password, never write, never fetch what a partial clone left out.
_QUIET = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "LC_ALL": "C",
}
# In the order in which a branch is compared with them.
_DEFAULTS = ("refs/remotes/origin/HEAD", "origin/main", "origin/master", "main", "master")


class GitError(Exception):
    """git is missing, or does not answer; the text says why, without a full stop."""


@dataclass(frozen=True)
class Repository:
    """A git repository, by the folder that its paths start from."""

    top: Path

    @classmethod
    def around(cls, folder: Path) -> Repository:
        """The repository that a folder belongs to.

        :raises GitError: there is none, or no git.
        """
        code, out, why = _run(folder, "rev-parse", "--show-toplevel")
        if code:
            raise GitError(why)
        return cls(Path(os.fsdecode(out.removesuffix(b"\n"))))

    def commit(self, name: str) -> str | None:
        """The commit that a name means; None where git knows no such name."""
        if name.startswith("-"):
            return None
        return self._line("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")

    def default_branch(self) -> str | None:
        """The branch that others start from: origin's, or the local one; None where git knows
        none."""
        for name in _DEFAULTS:
            if self.commit(name):
                return self._line("rev-parse", "--abbrev-ref", name) or name
        return None

    def merge_base(self, commit: str) -> str | None:
        """The newest commit that HEAD shares with another; None in a shallow clone, for instance,
        or before the first commit."""
        return self._line("merge-base", commit, "HEAD")

    def path(self, file: Path | str) -> str:
        """A file's path within the repository, with slashes."""
        return Path(os.path.relpath(os.path.realpath(file), os.path.realpath(self.top))).as_posix()

    def files(
        self, commit: str, folders: Iterable[Path], *, recursive: bool
    ) -> Mapping[str, bytes]:
        """The Python files of a commit in these folders, by their paths.

        :raises GitError: git cannot read them.
        """
        blobs: dict[str, bytes] = {}
        for path in map(self.path, folders):
            if path.split("/")[0] == "..":
                continue  # another repository's
            listing = ("ls-tree", "-r", "-z", "--full-tree", commit, "--", path)
            code, out, why = _run(self.top, *listing)
            if code:
                raise GitError(why)
            for entry in filter(None, out.split(b"\0")):
                about, _, name = entry.partition(b"\t")
                file = os.fsdecode(name)
                within = recursive or str(PurePosixPath(file).parent) == path
                # A link has its target for content.
                if within and about.startswith(b"100") and file.endswith(".py"):
                    blobs[file] = about.split()[2]
        return dict(zip(blobs, self._contents(blobs.values()), strict=True))

    def _contents(self, blobs: Iterable[bytes]) -> Iterator[bytes]:
        asked = b"".join(b"%s\n" % each for each in blobs)
        code, out, why = _run(self.top, "cat-file", "--batch", given=asked)
        if code:
            raise GitError(why)
        at = 0
        while at < len(out):
            end = out.index(b"\n", at)
            words = out[at:end].split()
            if words[1] != b"blob":  # of a partial clone, which has not fetched it
                raise GitError(f"it has no content of {words[0].decode()}")
            size = int(words[2])
            yield out[end + 1 : end + 1 + size]
            at = end + size + 2

    def _line(self, *arguments: str) -> str | None:
        code, out, _ = _run(self.top, *arguments)
        return None if code else os.fsdecode(out).strip() or None


def _run(folder: Path, *arguments: str, given: bytes = b"") -> tuple[int, bytes, str]:
    """Run git; its exit code, its output, and the first line that it writes to standard error.

    :raises GitError: there is no git.
    """
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env=base_variables() | _QUIET,
            input=given,
            capture_output=True,
            check=False,
        )
    except OSError as error:
        raise GitError(f"git cannot be started: {error.strerror}") from None
    why = done.stderr.decode("utf-8", "replace").partition("\n")[0]
    return done.returncode, done.stdout, why.removeprefix("fatal: ").rstrip(".")
