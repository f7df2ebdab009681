"""A verified copy of a database, and what became of old ones."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backup:
    """A verified copy of one database, as described by its sidecar."""

    name: str
    file: str
    environment: str
    taken: str
    revisions: tuple[str, ...]
    size: int
    sha256: str
    note: str = ""
    reused: bool = False
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Pruned:
    """The names of the removed backups. With ``obstacle`` nothing was removed: a task may need any
    of them."""

    removed: tuple[str, ...]
    obstacle: str = ""
