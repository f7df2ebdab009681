"""The base environment variables of every child process; no others are inherited."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

# What a process needs to run at all and to find its tools, its temporary folder and its user's
# files. None of them names a database. Nothing else is inherited.
_POSIX = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR",
    "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
)  # fmt: skip
# Without SYSTEMROOT, Python on Windows cannot seed its random generator or open sockets;
# COMSPEC and PATHEXT are read by subprocess, TEMP and the profile folders by tempfile and site.
_WINDOWS = (
    "PATH", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "TEMP", "TMP",
    "USERPROFILE", "APPDATA", "LOCALAPPDATA", "USERNAME", "TZ",
)  # fmt: skip


def base_variables(shell: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables that every child process gets."""
    shell = os.environ if shell is None else shell
    names = _WINDOWS if sys.platform == "win32" else _POSIX
    kept = {name: shell[name] for name in names if name in shell}
    return kept | {"PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8"}
