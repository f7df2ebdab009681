"""Finds files that look like backups but are not, each with the reason."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from migrations_ops.backups.naming import (
    is_backup_name,
    path_of,
    sidecar_of,
    stem_pattern,
)
from migrations_ops.backups.sidecar import Sidecar, read_sidecar
from migrations_ops.model.serialisation import Unreadable
from migrations_ops.system.files import PART, is_regular


def read_backup(file: Path, prefix: str, environment: str) -> Sidecar | None:
    """What a sidecar says of the backup beside it, None if there is no such backup.

    :param prefix: how the names of the environment's backups begin, before their date.
    """
    sidecar = read_sidecar(file)
    if isinstance(sidecar, Unreadable) or sidecar.environment != environment:
        return None
    if _find_wrong_name(file, sidecar.name, prefix):
        return None
    return sidecar if is_regular(path_of(file.parent, prefix, sidecar.name)) else None


def _find_wrong_name(file: Path, name: str, prefix: str) -> str:
    """Why a sidecar cannot describe a file of that name; empty where it can."""
    if not is_backup_name(name, prefix):
        return f"it names {_shown(name)}, which is not the name of a backup"
    if sidecar_of(path_of(file.parent, prefix, name)).name != file.name:
        return f"it describes {name}"
    return ""


def find_strays(folder: Path, prefix: str, environment: str) -> Iterator[tuple[str, str]]:
    """The files that are named as backups of an environment and do not count, each with why.

    :param prefix: how the names of its backups begin, before their date.
    """
    named = re.compile(rf"{stem_pattern(prefix)}(\.\w+){{1,2}}")
    for file in sorted(folder.glob(f"{prefix}_*")):
        if named.fullmatch(file.name) and file.suffix not in (".json", PART) and file.is_file():
            why = _find_why_stray(file, prefix, environment)
            if why:
                yield file.name, why


def _find_why_stray(file: Path, prefix: str, environment: str) -> str:
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
    return "" if is_backup_name(file.name, prefix) else f"no backup ends with {file.suffix}"


def find_stray_sidecars(folder: Path, prefix: str, environment: str) -> Iterator[tuple[str, str]]:
    """The sidecars of an environment that describe something else than a file beside them."""
    for path in sorted(folder.glob(f"{prefix}_*.json")):
        sidecar = read_sidecar(path)
        if isinstance(sidecar, Unreadable) or sidecar.environment != environment:
            continue
        wrong = _find_wrong_name(path, sidecar.name, prefix)
        if wrong:
            yield path.name, wrong
            continue
        file = path_of(folder, prefix, sidecar.name)
        # One whose file is gone misleads no one; a link to a file is a stray itself.
        if os.path.lexists(file) and not file.is_file():
            yield path.name, f"{sidecar.name} is not a file"


def _shown(name: str) -> str:
    """A name as it is, if it can be printed and is no path."""
    return name if re.fullmatch(r"[\w.-]+", name) else repr(name)
