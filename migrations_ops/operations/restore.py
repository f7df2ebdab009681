"""Restores a backup into a database, after a safety backup, and proves the result."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from migrations_ops.backups.integrity import require_intact
from migrations_ops.backups.quality import BEFORE_RESTORE
from migrations_ops.backups.sidecar import Sidecar
from migrations_ops.backups.store import BackupStore
from migrations_ops.backups.taking import take_backup
from migrations_ops.databases.interface import Database, DatabaseFile, Progress, Restored
from migrations_ops.model.backup import Backup
from migrations_ops.model.errors import Memory, NeedsAPerson, OpsError, StepFailed, Unresolved
from migrations_ops.model.findings import SIDECAR_WRONG
from migrations_ops.model.fingerprint import Fingerprint, in_short
from migrations_ops.model.plan import StepName
from migrations_ops.operations.session import Session
from migrations_ops.project.environments import Environment


@dataclass(frozen=True)
class PreviousContent:
    """Where the content from before a restore is stored.

    ``moved`` means that the damaged file itself was moved there; ``where`` is empty if there was no
    database.
    """

    where: str = ""
    moved: bool = False

    def __str__(self) -> str:
        if not self.where:
            return "there was no database before"
        return f"its previous content is in {self.where}"


def restore_and_prove(
    session: Session, environment: Environment, backup: Backup
) -> PreviousContent:
    """Restore a database in place.

    A database that is damaged is moved aside, since no safety backup of it can be taken.

    :raises Refused: the backup is damaged; nothing was changed.
    :raises StepFailed: the safety backup could not be taken, or the restore could not begin;
        nothing was changed.
    :raises NeedsAPerson: the database is not equal to the backup afterwards.
    """
    database = session.project.database(environment)
    store = BackupStore.of(session.project.settings, environment)
    reporter = session.record.reporter

    def progress(done: int, total: int) -> None:
        reporter.progress("restoring", done, total)

    with session.record.step(StepName.RESTORE, environment.name, backup=backup.name) as step:
        require_intact(backup)
        sidecar = store.describe(backup)
        wanted = sidecar.fingerprint
        database.require_lock()
        try:
            previous, restored = _replace(session, store, database, sidecar, progress)
            # Rows may differ already: an application continues to write as soon as it can.
            now = restored.now
            if not now.structure_equals(wanted) and not _is_sidecar_wrong(
                session, store, backup, now
            ):
                raise _differs(environment.name, backup.name, previous)
        except NeedsAPerson as error:
            raise error.remember(
                Memory.RECORD, Unresolved(environment.name, backup.name)
            ) from error.__cause__
        step.outcome = "proved equal"
        since = "" if restored.now == wanted else ", except for what was written since"
        step.summary = f"equal to {backup.name}{since}; {previous}"
        return previous


def _is_sidecar_wrong(
    session: Session, store: BackupStore, backup: Backup, now: Fingerprint
) -> bool:
    """Whether the database is equal to the backup, whose sidecar was edited; if so, report it."""
    database = session.project.database(store.environment)
    with suppress(OpsError, OSError), database.opened_copy(Path(backup.file)) as copy:
        found = copy.fingerprint(store.environment.version_table)
        if now.structure_equals(found):
            differing = in_short(found.differing(store.fingerprint(backup)))
            name = store.environment.name
            session.record.add_findings(
                [SIDECAR_WRONG.found(name, backup=backup.name, differing=differing)]
            )
            return True
    return False


def _differs(name: str, backup: str, previous: PreviousContent) -> NeedsAPerson:
    return NeedsAPerson(
        f"{name} differs from {backup} after the restore: something else is changing its tables.",
        untouched=f"Its previous content is in {previous.where}." if previous.where else "",
        next=f"Stop the application and type: {BackupStore.restore_command(name, backup)}",
    )


def _replace(
    session: Session, store: BackupStore, database: Database, backup: Sidecar, progress: Progress
) -> tuple[PreviousContent, Restored]:
    """Replace the content of the database by the backup, and keep the old content."""
    file, version_table = store.file(backup.name), store.environment.version_table
    if not database.inspect(version_table).exists:
        restored = database.restore_from(file, version_table, progress)
        if isinstance(database, DatabaseFile):
            # Not before its content is there: until then it is for fewer.
            database.give_rights(backup.rights)
        return PreviousContent(), restored
    safety: list[Backup] = []

    def save(replaced: Database) -> None:
        note = f"{BEFORE_RESTORE}{backup.name}"
        safety.append(take_backup(store, replaced, note=note))
        session.record.add_backup(safety[0])

    try:
        restored = database.restore_from(file, version_table, progress, save)
    except StepFailed:
        if safety or not (isinstance(database, DatabaseFile) and database.is_damaged()):
            raise
        return _replace_damaged(
            database, lambda: database.restore_from(file, version_table, progress)
        )
    return PreviousContent(restored.previous or safety[0].name), restored


def _replace_damaged(
    damaged: DatabaseFile, restore: Callable[[], Restored]
) -> tuple[PreviousContent, Restored]:
    """No safety backup of a damaged database can be taken: its files are moved aside."""
    previous = PreviousContent(damaged.set_aside(), moved=True)
    try:
        return previous, restore()
    except NeedsAPerson:
        raise
    except BaseException:
        # The damaged file has the only copy of what the application wrote since.
        damaged.put_back(previous.where)
        raise
