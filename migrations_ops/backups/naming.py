"""The names of backups, and the only way from a name to a path.

A name that was read from a file may be anything: a path, the name of something else, a link. What
is opened or removed by it has to be a file that the tool could have made, in the folder of
backups.
"""

from __future__ import annotations

import re
from pathlib import Path

from migrations_ops.system.files import PART

# How the names end of what lies beside backups and is none: their sidecars, and partial files.
_OTHERS = frozenset({"json", PART.removeprefix(".")})


def stem_pattern(prefix: str) -> str:
    """The date that follows the prefix of an environment, and the number of a second one."""
    return rf"{re.escape(prefix)}_[0-9]{{8}}_[0-9]{{6}}(?:_[0-9]+)?"


def is_backup_name(name: str, prefix: str) -> bool:
    """Whether a backup of that prefix could have this name; no path is such a name anywhere.

    Its ending is the engine's (``BackedUp.suffix``): one or two parts of small letters and digits.
    """
    named = re.fullmatch(rf"{stem_pattern(prefix)}((?:\.[a-z0-9]+){{1,2}})", name)
    return named is not None and _OTHERS.isdisjoint(named[1].split("."))


def path_of(folder: Path, prefix: str, name: str) -> Path:
    """The file of a backup.

    :raises ValueError: no backup of that prefix could have this name.
    """
    if not is_backup_name(name, prefix):
        raise ValueError(f"{name!r} is not the name of a backup")
    return folder / name


def sidecar_of(file: Path) -> Path:
    """Where the description of a backup lies."""
    return file.with_suffix(".json")
