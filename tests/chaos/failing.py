"""Calls of the system that fail as on a full or broken disk, one after the other, by strace."""

from __future__ import annotations

import functools
import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

# What writes files, and not to pipes: write() is called for both.
_CALLS = ("pwrite64", "pwrite64", "fsync", "fdatasync", "rename", "ftruncate", "mkdir")
_ERRORS = ("ENOSPC", "ENOSPC", "EIO")


@dataclass(frozen=True)
class FailingCall:
    """The call of that number fails in each process; with ``stays`` all that follow do, too."""

    name: str
    number: int
    error: str
    stays: bool

    @classmethod
    def draw(cls, chance: random.Random) -> FailingCall:
        return cls(
            chance.choice(_CALLS),
            chance.choice([chance.randrange(1, 8), chance.randrange(1, 60)]),
            chance.choice(_ERRORS),
            chance.random() < 0.5,
        )

    def __str__(self) -> str:
        return f"{self.error} of {self.name} {self.number}{'+' * self.stays}"

    def argv(self, argv: Sequence[str]) -> list[str]:
        """The command, with that call failing in it and in all that it starts."""
        inject = f"{self.name}:error={self.error}:when={self.number}{'+' * self.stays}"
        words = ["strace", "-f", "-qq", "-o", "/dev/null", "--seccomp-bpf"]
        return [*words, "-e", f"trace={self.name}", "-e", f"inject={inject}", *argv]


@functools.cache
def can_fail() -> bool:
    """Whether calls can be made to fail here."""
    if shutil.which("strace") is None:
        return False
    argv = FailingCall("mkdir", 1, "EIO", stays=False).argv([sys.executable, "-c", ""])
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0
