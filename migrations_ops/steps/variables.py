"""The dictionary of variables that one child process gets: built anew, never inherited."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from migrations_ops.model.errors import ConfigurationError
from migrations_ops.project.environments import Environment

# What a process needs to run at all and to find its tools, its temporary folder and its
# user's files. None of them names a database. Everything else is left in the shell.
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


def step_variables(
    environment: Environment,
    selector: str,
    url: str,
    shell: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The variables of one step: the base, the selector, and what the configuration names.

    :raises ConfigurationError: a variable to pass, or a configured one, is missing or empty.
        An empty variable has made a project write a fresh database into its working directory.
    """
    shell = os.environ if shell is None else shell
    variables = base_variables(shell)
    for name in environment.passed:
        if not shell.get(name, "").strip():
            state = "empty" if name in shell else "not set"
            raise ConfigurationError(
                f"The variable {name}, which {environment.name} passes on, is {state}.",
                next=f"Set {name}, or take it out of pass in environments.{environment.name}.",
            )
        variables[name] = shell[name]
    variables[selector] = environment.name
    for name, template in environment.variables.items():
        value = template.replace("{url}", url)
        if not value.strip():
            raise ConfigurationError(
                f"The variable {name} of environments.{environment.name} is empty.",
                next="Give it a value, or take it out.",
            )
        variables[name] = value
    return variables
