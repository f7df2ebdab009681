"""Compares a database with the backup from before an upgrade, and judges what is found."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from migrations_ops.alembic_steps import CommandRun
from migrations_ops.backups import Shelf
from migrations_ops.changes import find_changes, rows_gone, surviving
from migrations_ops.databases import Database
from migrations_ops.errors import StepFailed
from migrations_ops.losses import find_losses, without_allowed
from migrations_ops.results import Backup, Finding, Fingerprint
from migrations_ops.said import Said
from migrations_ops.sources import Sayings
from migrations_ops.status import Standing
from migrations_ops.work import Work


@dataclass(frozen=True)
class Comparing:
    """What an upgrade did to a database, or to a copy of it, beside what its revisions said."""

    work: Work
    standing: Standing
    backup: Backup

    def find(
        self,
        database: Database,
        run: CommandRun,
        before: Fingerprint,
        after: Fingerprint,
        *,
        orphans: bool,
    ) -> list[Finding]:
        """What vanished or changed and, where no revision says so, is an error.

        :param database: what was upgraded.
        :param run: how, with what its revisions said.
        """
        said, name = self._said(run), self.standing.environment.name
        said.note_triggers(before.schema)
        report = self.work.record.report

        def progress(done: int, total: int) -> None:
            report.progress("comparing rows", done, total)

        pairs = surviving(before, after, said)
        change = database.compare_content(Path(self.backup.file), pairs, progress, orphans=orphans)
        losses = find_losses(before, after, said, name, rows_gone(change, said))
        return losses + find_changes(change, said, name)

    def _said(self, run: CommandRun) -> Said:
        if run.commands:
            # Nobody listened inside of the project's own commands.
            sources = Sayings.of(self.standing.pending)
            return Said.by(sources.operations, sources.statements)
        return Said.by(run.operations, run.statements)


@dataclass
class Witness:
    """Compares the rows of a real database after its upgrade, if nobody else has written to it.

    Where others write, a row that is gone may be one that they deleted. ``disturbed`` tells that
    somebody did, from the backup on until the rows were compared.
    """

    comparing: Comparing
    disturbed: bool = field(init=False)
    _knows: bool = field(init=False)
    _since: dict[str, int | str] = field(init=False)

    def __post_init__(self) -> None:
        comparing = self.comparing
        shelf = Shelf.of(comparing.work.project.settings, comparing.standing.environment)
        source = shelf.source(comparing.backup)
        # A backup of what had only just been written does not know whether that was the last.
        self._knows = source is not None
        self.disturbed = self._knows and source != self._stamp()
        self._since = {}

    def upgraded(self) -> None:
        """The upgrade has ended: from now on nothing may change."""
        self._since = self._stamp()

    def find(self, run: CommandRun, *, orphans: bool) -> list[Finding]:
        """What the rehearsal would have stopped, and it did not show there."""
        if not self._knows or self.disturbed:
            return []
        comparing, standing = self.comparing, self.comparing.standing
        environment, database = standing.environment, standing.database
        before = Shelf.of(comparing.work.project.settings, environment).fingerprint(
            comparing.backup
        )
        try:
            after = database.fingerprint(environment.version_table)
            found = comparing.find(database, run, before, after, orphans=orphans)
        except StepFailed:
            self.disturbed = True  # somebody holds it locked
            return []
        self.disturbed = self._since != self._stamp()
        allowed = comparing.work.allowed(environment)
        found = without_allowed([] if self.disturbed else found, allowed)
        return [finding for finding in found if finding.severity == "error"]

    def _stamp(self) -> dict[str, int | str]:
        return self.comparing.standing.database.stamp_of_content()
