"""Takes a verified backup of one database, and notes it in the record."""

from __future__ import annotations

from functools import partial

from migrations_ops.backups.store import BackupStore
from migrations_ops.model.results import Backup
from migrations_ops.model.text import human_size
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import LocatedDatabase


def back_up(
    session: Session, place: LocatedDatabase, note: str = "", doubt: str = ""
) -> Backup | None:
    """Take a verified backup of a database; None where there is none yet."""
    environment, database = place.environment, place.database
    if not place.exists:
        return None
    with session.record.step("back up", environment.name) as step:
        store = BackupStore.of(session.project.settings, environment)

        show = session.record.report.progress
        backup = store.take(
            database,
            note=note,
            doubt=doubt,
            progress=partial(show, "copying"),
            verifying=partial(show, "verifying"),
        )
        session.record.add_backup(backup)
        step.outcome = "reused" if backup.reused else "verified"
        step.note = f"{backup.name}, {human_size(backup.size)}"
        if backup.reused:
            step.note += ", still equal"
        return backup
