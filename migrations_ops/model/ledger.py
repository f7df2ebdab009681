"""The ledger: the history that a database keeps of its own migrations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class BuiltIndex:
    """An index that a revision makes, recorded beforehand.

    ``table`` is the oid of its table; ``name`` is empty where the server chooses one; ``again``
    is set for a REINDEX, which gives its own names to what it leaves.
    """

    table: int
    name: str = ""
    again: bool = False


@dataclass(frozen=True, slots=True)
class MadeIndexes:
    """The indexes of revisions that were started and have not finished.

    ``unseen`` is whether there may be more.
    """

    built: tuple[BuiltIndex, ...] = ()
    unseen: bool = False

    def joined(self, other: MadeIndexes) -> MadeIndexes:
        return MadeIndexes(self.built + other.built, self.unseen or other.unseen)


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What is added to the ledger of a version table.

    ``run`` is None where only an identity is added: with ``adopt`` a new one in any case, as that
    environment's; otherwise where there is none.
    """

    environment: str
    version_table: str
    run: Mapping[str, Any] | None = None
    adopt: bool = False


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger of one version table: which environment the database is, and what was applied to
    it.

    ``unreadable`` is why it could not be read, where another version of this package wrote it.
    ``ran`` maps each revision that ran there, and was not taken back, to the digest of its source;
    ``stamped`` are those in the version table that never ran; ``found`` those from before the
    ledger, or that were run by something that keeps no ledger; ``begun`` maps those that started
    and did not finish, where nothing is rolled back, to their direction: ``upgrade`` or
    ``downgrade``. ``invalid`` are the oids of the indexes that were INVALID when the first of them
    began; None where they were not recorded. ``made`` are the indexes that are theirs. ``origins``
    tells in words when, by whom and from which commit each revision ran.
    """

    environment: str = ""
    identity: str = ""
    ran: Mapping[str, str | None] = field(default_factory=dict)
    stamped: frozenset[str] = frozenset()
    found: frozenset[str] = frozenset()
    begun: Mapping[str, str] = field(default_factory=dict)
    invalid: frozenset[int] | None = None
    made: MadeIndexes | None = None
    origins: Mapping[str, str] = field(default_factory=dict)
    unreadable: str = ""

    @property
    def recorded(self) -> frozenset[str]:
        """The revisions that are there, according to the ledger."""
        return self.stamped | self.found | self.ran.keys()
