"""A database and a task that exist in memory alone, for what follows after a failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from migrations_ops.model.backup import Backup
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.inspection import Inspection
from migrations_ops.model.ledger import LedgerEntry
from migrations_ops.operations.failure.decision import Ended
from migrations_ops.operations.failure.observe import Failure
from migrations_ops.operations.state import DatabaseState
from migrations_ops.revisions.targets import Target

SAFETY = "db_2.dump"
BEFORE = Fingerprint(("one",), {"table items": "..."}, {"items": 3})


@dataclass
class FakeDatabase:
    """Answers as it was told, and counts what is asked of it."""

    label: str = "prod"
    is_server: bool = True
    is_transactional: bool = True
    now: Fingerprint = BEFORE
    exists: bool = True
    trouble: str = ""
    begun: Mapping[str, str] = field(default_factory=dict)
    stamp: Mapping[str, int | str] = field(default_factory=dict)
    same_content: bool = False
    same_as: str = ""
    invalid: tuple[list[str], list[str]] = ((), ())  # type: ignore[assignment]
    is_stubborn: bool = False
    calls: list[str] = field(default_factory=list)

    def inspect(self, version_table: str) -> Inspection:
        self.calls.append("inspect")
        revisions = self.now.revisions if self.exists and not self.trouble else ()
        tables = len(self.now.rows) if self.exists else 0
        return Inspection(
            self.exists, revisions, tables=tables, trouble=self.trouble, begun=dict(self.begun)
        )

    def fingerprint(self, version_table: str) -> Fingerprint:
        self.calls.append("fingerprint")
        return self.now

    def stamp_of_content(self) -> Mapping[str, int | str]:
        return self.stamp

    def unchanged_since(self, before: Fingerprint, source: object, version_table: str) -> bool:
        return self.same_content or source == self.same_as

    def find_blocking_sessions(self) -> list[str]:
        return []

    def indexes_of_others(self, version_table: str) -> Mapping[str, bool]:
        return {}

    def drop_invalid_indexes(self, version_table: str) -> tuple[list[str], list[str]]:
        self.calls.append("drop")
        schema = {key: self.now.schema[key] for key in BEFORE.schema}
        self.now = Fingerprint(self.now.revisions, schema, self.now.rows)
        return self.invalid

    def remove(self) -> None:
        self.calls.append("remove")
        self.exists = self.is_stubborn

    def add_to_ledger(self, entry: LedgerEntry) -> None:
        assert entry.run is not None
        self.calls.append(f"note {entry.run['how']}")


class FakeStore:
    """A store that holds a backup, and perhaps a safety backup that a restore has taken."""

    def __init__(self, safety: Fingerprint = BEFORE, lack: str = "") -> None:
        self.safety, self.lack = safety, lack

    def find_lack(self, name: str) -> str:
        return self.lack

    def fingerprint(self, backup: Backup) -> Fingerprint:
        return self.safety if backup.name == SAFETY else BEFORE

    def describe(self, backup: Backup) -> Any:
        return SimpleNamespace(fingerprint=self.fingerprint(backup), source=backup.name)


def session() -> Any:
    settings = SimpleNamespace(wait=0, releases=Path("releases"))
    return SimpleNamespace(project=SimpleNamespace(settings=settings), ledger_facts={})


def backup(name: str = "db_1.dump") -> Any:
    return SimpleNamespace(name=name)


def failure(
    database: FakeDatabase,
    ended: Ended,
    *,
    protected: bool = True,
    no_backup: bool = False,
    run: Any = None,
    kind: str = "at head",
) -> Failure:
    environment = SimpleNamespace(name="prod", protected=protected, version_table="version")
    state = DatabaseState(
        environment,  # type: ignore[arg-type]
        database,  # type: ignore[arg-type]
        Inspection(exists=not no_backup),
        "",
        None,  # type: ignore[arg-type]
        kind,  # type: ignore[arg-type]
        Target(("two",)),
    )
    return Failure.of(
        state, None if no_backup else backup(), "the upgrade of prod failed", ended, run
    )
