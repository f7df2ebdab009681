"""Finds how long others could not read or write which table, from the locks of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from migrations_ops.child.protocol.events import TableLocked
from migrations_ops.model.measured_plan import BLOCKS_READS, BLOCKS_WRITES, Blocked, StatementLock

# From the weakest to the strongest, of PostgreSQL and then of MariaDB
# (https://www.postgresql.org/docs/current/explicit-locking.html).
_MODES = (
    "AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock", "ShareLock",
    "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock",
    "SHARED_UPGRADABLE", "SHARED_NO_WRITE", "EXCLUSIVE",
)  # fmt: skip


def blocked_tables(locks: Sequence[TableLocked]) -> tuple[Blocked, ...]:
    """How long each table was blocked, the longest first."""
    found = [
        Blocked(
            table,
            _longest(locks, table, BLOCKS_READS),
            _longest(locks, table, BLOCKS_WRITES),
        )
        for table in dict.fromkeys(each.table for each in locks)
    ]
    blocked = [each for each in found if each.writes]
    return tuple(sorted(blocked, key=lambda each: (each.reads or 0.0, each.writes), reverse=True))


def _longest(locks: Sequence[TableLocked], table: str, modes: frozenset[str]) -> float:
    return max((each.seconds for each in locks if each.table == table and each.mode in modes),
               default=0.0)  # fmt: skip


def without_weaker(locks: Sequence[TableLocked]) -> list[TableLocked]:
    """The locks but for those on a table that its transaction had locked more strongly before.

    Those of PostgreSQL end together, so that the earlier one is the longer one; those of MariaDB
    end with their statement.
    """
    return [
        each
        for each in locks
        if not any(
            other.table == each.table
            and each.mode.endswith("Lock")
            and _strength(other)[0] > _strength(each)[0]
            and other.seconds > each.seconds
            for other in locks
        )
    ]


def strongest(locks: Sequence[TableLocked]) -> Iterator[StatementLock]:
    """The strongest lock on each table."""
    for table in dict.fromkeys(each.table for each in locks):
        found = max((each for each in locks if each.table == table), key=_strength)
        yield StatementLock(table, found.mode, found.seconds)


def _strength(lock: TableLocked) -> tuple[int, float]:
    return _MODES.index(lock.mode) if lock.mode in _MODES else len(_MODES), lock.seconds
