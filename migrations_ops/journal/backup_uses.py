"""Reads from the records which backups are needed, and which ones failed attempts made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from migrations_ops.journal.record import TaskRecord, read_records
from migrations_ops.journal.unfinished import find_lost
from migrations_ops.model.outcome import DONE, LEFT_UNCHANGED, NOT_DONE
from migrations_ops.model.plan import StepName

_CHANGING = frozenset({StepName.UPGRADE, StepName.DOWNGRADE, StepName.STAMP, StepName.RESTORE})


@dataclass(frozen=True)
class BackupUses:
    """The names of backups that the records mention.

    ``needed`` are those that an unfinished release may need, or one that left a database to a
    person; ``failed`` those that only failed attempts have made; ``taken_now`` those that the
    running task has read completely. ``unclear`` means that the record of an interrupted task
    cannot be read, which may need any of the backups.
    """

    needed: frozenset[str] = frozenset()
    failed: frozenset[str] = frozenset()
    taken_now: frozenset[str] = frozenset()
    unclear: bool = False

    @classmethod
    def read(cls, releases: Path, taken: Iterable[str] = ()) -> BackupUses:
        """Read all records.

        :param taken: the backups that the running task has just taken. They are kept even if a
            clock that was set back makes them look old, or if no record could name them.
        """
        past = cls.of(list(read_records(releases)), unclear=bool(find_lost(releases)))
        mine = frozenset(taken)
        return replace(past, needed=past.needed | mine, taken_now=mine)

    @classmethod
    def of(cls, records: Sequence[TaskRecord], *, unclear: bool = False) -> BackupUses:
        """What these records contain; they come newest first."""
        outcomes: dict[str, set[str | None]] = {}
        for record in records:
            # The backups of a task that takes nothing else are good, whatever stopped it later.
            outcome = "backed up" if record.task == "backup" else record.outcome
            for name in record.backups:
                outcomes.setdefault(name, set()).add(outcome)
        return cls(
            frozenset(name for record in find_open(records) for name in _wanted(record)),
            frozenset(name for name, seen in outcomes.items() if seen <= LEFT_UNCHANGED),
            unclear=unclear,
        )


def _wanted(record: TaskRecord) -> list[str]:
    """The backups that an interrupted task took, the one that it was restoring, and those that
    bring back what it left to a person."""
    back = record.under_way.backup if record.under_way else None
    left = (each.backup for each in record.unresolved)
    return [*record.backups, *filter(None, (back, *left))]


def find_open(records: Iterable[TaskRecord]) -> Iterator[TaskRecord]:
    """The records, newest first, whose backups may still be needed: open ones, and those that left
    a database to a person that nothing has changed since."""
    fixed: set[str] = set()
    for record in records:
        if record.outcome in DONE:
            fixed |= {step.environment for step in record.steps if step.name in _CHANGING}
        if record.is_open or (
            record.outcome == "failed, needs a person" and not _in_trouble(record) <= fixed
        ):
            yield record


def _in_trouble(record: TaskRecord) -> set[str]:
    """The environments that a task left to a person."""
    named = {step.environment for step in record.steps}
    bad = {step.environment for step in record.steps if step.outcome in NOT_DONE}
    return bad or named or {""}
