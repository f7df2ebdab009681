"""Finds files that look like backups but are not, each with the reason."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from migrations_ops.backups.naming import BackupNames, sidecar_of
from migrations_ops.backups.sidecar import Sidecar, read_sidecar
from migrations_ops.model.serialisation import Unreadable
from migrations_ops.system.files import PART
from migrations_ops.system.reading import is_regular


def read_backup(file: Path, names: BackupNames, environment: str) -> Sidecar | None:
    """Read a sidecar; None if the backup that it describes does not exist."""
    sidecar = read_sidecar(file)
    if isinstance(sidecar, Unreadable) or sidecar.environment != environment:
        return None
    if _find_wrong_name(file, sidecar.name, names):
        return None
    return sidecar if is_regular(names.path(file.parent, sidecar.name)) else None


def _find_wrong_name(file: Path, name: str, names: BackupNames) -> str:
    """Why a sidecar cannot describe a file of that name; empty where it can."""
    if not names.include(name):
        return f"it names {_shown(name)}, which is not the name of a backup"
    if sidecar_of(names.path(file.parent, name)).name != file.name:
        return f"it describes {name}"
    return ""


def find_strays(folder: Path, names: BackupNames, environment: str) -> Iterator[tuple[str, str]]:
    """The files named like backups of an environment that do not count, each with the reason."""
    named = re.compile(names.pattern)
    for file in sorted(names.files(folder)):
        if named.fullmatch(file.name) and file.suffix not in (".json", PART) and file.is_file():
            why = _find_why_stray(file, names, environment)
            if why:
                yield file.name, why


def _find_why_stray(file: Path, names: BackupNames, environment: str) -> str:
    """Why a file does not count as a backup; empty if it does."""
    path = sidecar_of(file)
    sidecar, its = read_sidecar(path), f"its sidecar {path.name}"
    if isinstance(sidecar, Unreadable):
        if not os.path.lexists(path):
            return f"{its} is missing"
        return f"{its} {sidecar.why if sidecar.newer else 'cannot be understood'}"
    if sidecar.name != file.name:
        return f"{its} describes {_shown(sidecar.name)}"
    if sidecar.environment != environment:
        return f"its sidecar says that it belongs to {_shown(sidecar.environment)}"
    if file.is_symlink():
        return "it is a symbolic link"
    return "" if names.include(file.name) else f"no backup ends with {file.suffix}"


def find_stray_sidecars(
    folder: Path, names: BackupNames, environment: str
) -> Iterator[tuple[str, str]]:
    """The sidecars of an environment that do not describe a file next to them."""
    for path in sorted(names.files(folder, ".json")):
        sidecar = read_sidecar(path)
        if isinstance(sidecar, Unreadable) or sidecar.environment != environment:
            continue
        wrong = _find_wrong_name(path, sidecar.name, names)
        if wrong:
            yield path.name, wrong
            continue
        file = names.path(folder, sidecar.name)
        # A sidecar without a file misleads no one; a link to a file is reported as a stray itself.
        if os.path.lexists(file) and not file.is_file():
            yield path.name, f"{sidecar.name} is not a file"


def _shown(name: str) -> str:
    """A name for a message: unchanged, if it is printable and not a path."""
    return name if re.fullmatch(r"[\w.-]+", name) else repr(name)
