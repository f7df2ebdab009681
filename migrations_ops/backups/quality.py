"""Copies that nobody should go back to without a second look, and files that are no backups.

Such a copy is kept, since it may be the only one of what it holds. But it neither is the ``latest``
nor does it push a good backup out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from migrations_ops.backups.naming import (
    is_backup_name,
    is_regular,
    path_of,
    sidecar_of,
    stem_pattern,
)
from migrations_ops.model.results import Backup, Fingerprint
from migrations_ops.system.files import PART, read_json

# What the note of a copy begins with that a restore has taken of what it replaced.
BEFORE_RESTORE = "before the restore of "
EMPTY = "it is empty, and others are not"
# What a sidecar must tell in words, for its file to count as a backup.
_TOLD = ("name", "environment", "taken", "sha256")

Row = Literal["good", "replaced", "doubtful"]


def row_of(backup: Backup) -> Row:
    """Among which backups it is counted."""
    if backup.doubt:
        return "doubtful"
    return "replaced" if backup.note.startswith(BEFORE_RESTORE) else "good"


def is_good(sidecar: dict[str, Any]) -> bool:
    """The same of a sidecar that :func:`with_doubts` has seen."""
    return not sidecar["doubt"] and not str(sidecar.get("note", "")).startswith(BEFORE_RESTORE)


def with_doubts(sidecars: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """These sidecars, each with what speaks against it; empty where nothing does.

    Whether an empty copy is to be doubted, only the others tell.
    """
    empty = [is_empty(sidecar) for sidecar in sidecars]
    doubted = "" if all(empty) else EMPTY
    return [
        sidecar | {"doubt": str(sidecar.get("doubt") or (doubted if nothing else ""))}
        for sidecar, nothing in zip(sidecars, empty, strict=True)
    ]


def is_empty(sidecar: dict[str, Any]) -> bool:
    """Whether the copy holds nothing at all: no table, and no version."""
    taken = sidecar["fingerprint"]
    # A database of MariaDB has a character set, even if there is nothing in it.
    return not taken["revisions"] and not {*taken["schema"]} - {'schema "character set"'}


def describes(document: Any) -> bool:
    """Whether a document is a whole sidecar, not one that was cut short or written by others."""
    try:
        taken = Fingerprint.from_json(document["fingerprint"])
        texts = [*(document[key] for key in _TOLD), document.get("note", ""), *taken.revisions]
        mappings = (taken.schema, taken.rows, taken.sums)
        return (
            int(document["size"]) >= 0
            and all(isinstance(text, str) for text in texts)
            and all(isinstance(mapping, Mapping) for mapping in mappings)
        )
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError):
        return False


def read_sidecar(sidecar: Path) -> dict[str, Any] | None:
    """What a sidecar says, None if it says nothing of a backup."""
    document = read_json(sidecar) if is_regular(sidecar) else None
    return document if describes(document) else None


def read_backup(sidecar: Path, prefix: str, environment: str) -> dict[str, Any] | None:
    """What a sidecar says of the backup beside it, None if there is no such backup.

    :param prefix: how the names of the environment's backups begin, before their date.
    """
    document = read_sidecar(sidecar)
    if document is None or document["environment"] != environment:
        return None
    name = document["name"]
    if _find_wrong_name(sidecar, name, prefix):
        return None
    return document if is_regular(path_of(sidecar.parent, prefix, name)) else None


def _find_wrong_name(sidecar: Path, name: str, prefix: str) -> str:
    """Why a sidecar cannot describe a file of that name; empty where it can."""
    if not is_backup_name(name, prefix):
        return f"it names {_shown(name)}, and no backup is called that"
    if sidecar_of(path_of(sidecar.parent, prefix, name)).name != sidecar.name:
        return f"it describes {name}"
    return ""


def find_strays(folder: Path, prefix: str, environment: str) -> Iterator[tuple[str, str]]:
    """The files that are named as backups of an environment and do not count, each with why.

    :param prefix: how the names of its backups begin, before their date.
    """
    named = re.compile(rf"{stem_pattern(prefix)}(\.\w+){{1,2}}")
    for file in sorted(folder.glob(f"{prefix}_*")):
        if not named.fullmatch(file.name) or file.suffix in (".json", PART) or not file.is_file():
            continue
        sidecar = sidecar_of(file)
        document = read_sidecar(sidecar)
        if document is None:
            state = "cannot be understood" if os.path.lexists(sidecar) else "is missing"
            yield file.name, f"its sidecar {sidecar.name} {state}"
        elif document["name"] != file.name:
            yield file.name, f"its sidecar {sidecar.name} describes {_shown(document['name'])}"
        elif document["environment"] != environment:
            yield file.name, f"its sidecar says that it is one of {_shown(document['environment'])}"
        elif file.is_symlink():
            yield file.name, "it is a symbolic link"
        elif not is_backup_name(file.name, prefix):
            yield file.name, f"no backup ends with {file.suffix}"


def find_stray_sidecars(folder: Path, prefix: str, environment: str) -> Iterator[tuple[str, str]]:
    """The sidecars of an environment that describe something else than a file beside them."""
    for sidecar in sorted(folder.glob(f"{prefix}_*.json")):
        document = read_sidecar(sidecar)
        if document is None or document["environment"] != environment:
            continue
        name = document["name"]
        wrong = _find_wrong_name(sidecar, name, prefix)
        if wrong:
            yield sidecar.name, wrong
            continue
        file = path_of(folder, prefix, name)
        # One whose file is gone misleads nobody; a link to a file is a stray itself.
        if os.path.lexists(file) and not file.is_file():
            yield sidecar.name, f"{name} is not a file"


def _shown(name: str) -> str:
    """A name as it is, if it can be printed and is no path."""
    return name if re.fullmatch(r"[\w.-]+", name) else repr(name)
