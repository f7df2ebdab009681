"""Put a backup back into the live database, after a safety backup, and prove the result."""

from __future__ import annotations

from dataclasses import dataclass

from migrations_ops.backups import Shelf, require_intact
from migrations_ops.databases import Database
from migrations_ops.environments import Environment
from migrations_ops.errors import NeedsAPerson, StepFailed
from migrations_ops.results import Backup
from migrations_ops.work import Work


@dataclass(frozen=True)
class Kept:
    """Where that is kept which a database held before a restore.

    ``moved`` tells that its damaged file itself was moved there; ``where`` is empty if there was
    no database.
    """

    where: str = ""
    moved: bool = False

    def __str__(self) -> str:
        if not self.where:
            return "there was no database before"
        return f"what it held until then is in {self.where}"


def restore_and_prove(work: Work, environment: Environment, backup: Backup) -> Kept:
    """Restore a database in place.

    A database that is damaged is moved aside, since no safety backup of it can be taken.

    :raises Refused: the backup is damaged; nothing was changed.
    :raises StepFailed: the safety backup could not be taken, or the restore could not begin;
        nothing was changed.
    :raises NeedsAPerson: the database is not equal to the backup afterwards.
    """
    database = work.project.database(environment)
    shelf = Shelf.of(work.project.settings, environment)
    report = work.record.report

    def progress(done: int, total: int) -> None:
        report.progress("restoring", done, total)

    with work.record.step("restore", environment.name) as step:
        require_intact(backup)
        wanted = shelf.fingerprint(backup)
        kept = _keep(work, shelf, database, backup)
        reason = "something else writes into it"
        try:
            database.restore_from(shelf.folder / backup.name, progress)
            equal = database.fingerprint(environment.version_table) == wanted
        except StepFailed as error:
            if not kept.moved:
                raise
            equal, reason = False, error.what.rstrip(".")
        if not equal:
            raise NeedsAPerson(
                f"{environment.name} is not equal to {backup.name} after the restore: {reason}.",
                untouched=f"What it held before is in {kept.where}." if kept.where else "",
                next="Stop the application and type: invoke restore --env"
                f" {environment.name} --backup {backup.name} --yes",
            )
        step.outcome = "proved equal"
        step.note = f"equal to {backup.name}; {kept}"
        return kept


def _keep(work: Work, shelf: Shelf, database: Database, backup: Backup) -> Kept:
    """Keep what the database holds now, in a backup or, if it is damaged, as it is."""
    if not database.look(shelf.environment.version_table).exists:
        return Kept()
    try:
        safety = shelf.take(database, note=f"before the restore of {backup.name}", progress=None)
    except StepFailed:
        if database.is_damaged():
            return Kept(database.set_aside(), moved=True)
        raise
    work.record.add_backup(safety)
    return Kept(safety.name)
