"""The sidecar of a backup: the file beside it that describes it. One writer, and one reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.serialisation import Unreadable, read_versioned, to_versioned
from migrations_ops.system.files import is_regular, read_json, write_whole


@dataclass(frozen=True, slots=True)
class Sidecar:
    """The description of a backup. ``taken`` is its time, ``doubt`` the reason why it is suspect,
    and ``source`` the content stamp of the database: None if the database was written so shortly
    before that the stamp proves nothing.
    """

    name: str
    environment: str
    taken: str
    size: int
    sha256: str
    fingerprint: Fingerprint
    note: str = ""
    doubt: str = ""
    database: str = ""
    source: Mapping[str, int | str] | None = None
    tools: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError("no file has such a size")


def read_sidecar(file: Path) -> Sidecar | Unreadable:
    """Read the sidecar of a backup."""
    return read_versioned(Sidecar, file, read_json(file) if is_regular(file) else None)


def write_sidecar(file: Path, sidecar: Sidecar) -> None:
    """:raises OSError: it cannot be written."""
    write_whole(file, to_versioned(sidecar))
