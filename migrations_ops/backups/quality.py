"""Copies that nobody should go back to without a second look, and files that are no backups.

Such a copy is kept, since it may be the only one of what it holds. But it neither is the ``latest``
nor does it push a good backup out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

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
        Fingerprint.from_json(document["fingerprint"])
        return int(document["size"]) >= 0 and all(isinstance(document[key], str) for key in _TOLD)
    except (TypeError, KeyError, ValueError):
        return False


def find_strays(folder: Path, prefix: str, environment: str) -> Iterator[tuple[str, str]]:
    """The files that are named as backups of an environment and do not count, each with why.

    :param prefix: how the names of its backups begin, before their date.
    """
    named = re.compile(rf"{re.escape(prefix)}_\d{{8}}_\d{{6}}(_\d+)?\.\w+")
    for file in sorted(folder.glob(f"{prefix}_*")):
        if not named.fullmatch(file.name) or file.suffix in (".json", PART) or not file.is_file():
            continue
        sidecar = file.with_suffix(".json")
        document = read_json(sidecar)
        if not describes(document):
            state = "cannot be understood" if sidecar.exists() else "is missing"
            yield file.name, f"its sidecar {sidecar.name} {state}"
        elif document["name"] != file.name:
            yield file.name, f"its sidecar {sidecar.name} describes {document['name']}"
        elif document["environment"] != environment:
            yield file.name, f"its sidecar says that it is one of {document['environment']}"
