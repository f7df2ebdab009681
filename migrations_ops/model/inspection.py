"""What a direct read of a database shows, without Alembic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Inspection:
    """The state of a database as one read found it.

    ``trouble`` says why it could not be read, and ``advice`` what to do about it; ``tables`` counts
    the tables other than the version table; ``environment`` is the one that its ledger names, empty
    without a ledger; ``begun`` are the revisions that are half applied according to the ledger,
    with their direction; ``at_work`` is who has the lock of a release meanwhile, so that they may
    be at work on those; empty for nobody else.
    """

    exists: bool
    revisions: tuple[str, ...] = ()
    versioned: bool = False
    tables: int = 0
    leftovers: tuple[str, ...] = ()
    trouble: str = ""
    advice: str = ""
    environment: str = ""
    begun: Mapping[str, str] = field(default_factory=dict)
    # Whether other Alembic projects keep their version there too: then it is unknown whose tables
    # are whose.
    shared: bool = False
    at_work: str = ""
    # How many characters the version table takes; None where any number fits.
    version_width: int | None = None
