"""The sidecar of a backup: the file beside it that describes it. One writer, and one reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.serialisation import Unreadable, read_versioned, to_versioned
from migrations_ops.system.files import milliseconds, write_whole
from migrations_ops.system.reading import read_json

# The end of the year 9999, in milliseconds since 1970. Backups beyond it are sorted by their times.
LAST = 253_402_300_799_999


@dataclass(frozen=True, slots=True)
class Sidecar:
    """The description of a backup. ``taken`` is its time, ``doubt`` the reason why it is suspect,
    and ``source`` the content stamp of the database: None if the database was written so shortly
    before that the stamp proves nothing.

    ``order`` is what backups are sorted by, in milliseconds since 1970: the time at which it was
    taken, but later than that of each backup that there was, even if the clock was set back. A
    plain sequence would not do: it starts again in a new folder, and old backups that are brought
    back there would count as the newest. Sidecars of earlier versions have none.
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
    order: int = 0
    # Of the database's file: who might read and write it.
    rights: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError("no file has such a size")
        if not 0 <= self.order <= LAST:
            raise ValueError("no clock shows such a time")


def by_order(sidecar: Sidecar) -> tuple[int, str, str]:
    """The key by which backups are sorted, oldest first."""
    return sidecar.order or min(milliseconds(sidecar.taken), LAST), sidecar.taken, sidecar.name


def order_after(newest: Sidecar | None, taken: str) -> int:
    """The order of a backup that is taken now, after the newest that there is."""
    return min(max(milliseconds(taken), by_order(newest)[0] + 1 if newest else 0), LAST)


def read_sidecar(file: Path) -> Sidecar | Unreadable:
    """Read the sidecar of a backup."""
    return read_versioned(Sidecar, file, read_json(file))


def write_sidecar(file: Path, sidecar: Sidecar) -> None:
    """:raises OSError: it cannot be written."""
    write_whole(file, to_versioned(sidecar))
