"""Who applies a revision, on which machine, from which commit."""

from __future__ import annotations

import getpass
import socket
import subprocess
from pathlib import Path

from migrations_ops import process
from migrations_ops.process_env import base_variables

# Longer, in seconds, no release waits to learn its commit.
_PATIENCE = 5.0


def account() -> str:
    """Whose process this is."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no variable says it and the user has no entry
        return "somebody"


def host() -> str:
    """The name of this machine."""
    return socket.gethostname()


def git_commit(folder: Path) -> str | None:
    """The commit that is checked out in a folder; None where git cannot tell."""
    argv = ["git", "rev-parse", "--verify", "HEAD"]
    try:
        done = process.run(argv, base_variables(), folder, timeout=_PATIENCE)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode().strip() or None if done.returncode == 0 else None
