"""What a direct read of a database shows, without Alembic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

# How many version tables are named, and how many revisions of more of them.
_NAMED, _SHOWN = 3, 5


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
    # What other version tables there hold, by their names.
    other_versions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    at_work: str = ""
    # How many characters the version table takes; None where any number fits.
    version_width: int | None = None

    @property
    def shared(self) -> bool:
        """Whether other Alembic projects keep their version there too: then it is unknown whose
        tables are whose."""
        return bool(self.other_versions)

    @property
    def besides(self) -> str:
        """The other version tables as the end of a clause; empty if there are none."""
        others = versions_in_words(self.other_versions)
        return f" (its other version tables: {others})" if others else ""


def versions_in_words(versions: Mapping[str, tuple[str, ...]]) -> str:
    """A few by name, many counted by their revisions."""
    if len(versions) <= _NAMED:
        return ", ".join(f"{name} at {_at(at)}" for name, at in versions.items())
    counts = Counter(map(_at, versions.values())).most_common()
    shown = ", ".join(f"{count} at {at}" for at, count in counts[:_SHOWN])
    more = sum(count for _, count in counts[_SHOWN:])
    return f"{shown}, {more} at others" if more else shown


def _at(revisions: tuple[str, ...]) -> str:
    return " and ".join(revisions) or "no revision"
