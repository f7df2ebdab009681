"""Compares a database with the backup from before an upgrade, and judges what is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from migrations_ops.analysis.losses import find_losses
from migrations_ops.analysis.reader import read_declared
from migrations_ops.analysis.row_changes import find_changes, rows_gone, surviving
from migrations_ops.child.protocol.events import Traced
from migrations_ops.databases.interface import Database
from migrations_ops.model.backup import Backup
from migrations_ops.model.findings import Finding
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import DatabaseState
from migrations_ops.revisions.source import read_upgrades
from migrations_ops.steps.command_run import CommandRun


@dataclass(frozen=True)
class Comparison:
    """What an upgrade did to a database, or to a copy of it, beside what its revisions declare."""

    session: Session
    state: DatabaseState
    backup: Backup

    def find(
        self,
        database: Database,
        run: CommandRun,
        before: Fingerprint,
        after: Fingerprint,
        *,
        rows: bool = True,
        orphans: bool,
    ) -> list[Finding]:
        """What vanished or changed and, where no revision says so, is an error.

        :param database: what was upgraded.
        :param run: how, with what its revisions did.
        :param rows: whether to compare the rows.
        :param orphans: whether to count the rows without their parents.
        """
        name = self.state.environment.name
        syntax = self.state.database.syntax
        declared = read_declared(self._events(run), before.schema, after.schema, syntax)
        report = self.session.record.report

        def progress(done: int, total: int) -> None:
            report.progress("comparing rows", done, total)

        pairs = surviving(before, after, declared) if rows else []
        change = database.compare_content(Path(self.backup.file), pairs, progress, orphans=orphans)
        changes = find_changes(change, declared, name)
        if not rows:
            return changes
        return find_losses(before, after, declared, name, rows_gone(change, declared)) + changes

    def _events(self, run: CommandRun) -> Sequence[Traced]:
        if run.commands:
            # The project's own commands run without our child inside.
            return read_upgrades(self.state.pending)
        return run.trace
