"""Put a backup back into the live database, after a safety backup, and prove the result."""

from __future__ import annotations

from migrations_ops.backups import Shelf, require_intact
from migrations_ops.environments import Environment
from migrations_ops.errors import NeedsAPerson
from migrations_ops.results import Backup
from migrations_ops.work import Work


def restore_and_prove(work: Work, environment: Environment, backup: Backup) -> Backup:
    """Restore a database in place.

    :returns: the safety backup of what the database held until now.
    :raises Refused: the backup is damaged; nothing was changed.
    :raises StepFailed: the safety backup could not be taken; nothing was changed.
    :raises NeedsAPerson: the database is not equal to the backup afterwards.
    """
    database = work.project.database(environment)
    shelf = Shelf.of(work.project.settings, environment)
    report = work.record.report

    def progress(done: int, total: int) -> None:
        report.progress("restoring", done, total)

    with work.record.step("restore", environment.name) as step:
        require_intact(backup)
        safety = shelf.take(database, note=f"before the restore of {backup.name}", progress=None)
        work.record.add_backup(safety)
        wanted = shelf.fingerprint(backup)
        database.restore_from(shelf.folder / backup.name, progress)
        if database.fingerprint(environment.version_table) != wanted:
            raise NeedsAPerson(
                f"{environment.name} is not equal to {backup.name} after the restore:"
                " something else writes into it.",
                untouched=f"What it held before is in {safety.name}.",
                next="Stop the application and type: invoke restore --env"
                f" {environment.name} --backup {backup.name} --yes",
            )
        step.outcome = "proved equal"
        step.note = f"equal to {backup.name}; before it: {safety.name}"
        return safety
