"""Takes a verified backup of one database, and records it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from migrations_ops.backups.quality import is_damaged, is_empty
from migrations_ops.backups.store import BackupStore
from migrations_ops.backups.taking import take_backup
from migrations_ops.databases.interface import find_left_out
from migrations_ops.journal.evidence import Evidence
from migrations_ops.journal.recorder import Reporter
from migrations_ops.journal.unfinished import find_interrupted
from migrations_ops.model.allowed import advice_on_finding, without_allowed
from migrations_ops.model.backup import Backup
from migrations_ops.model.errors import Refused
from migrations_ops.model.findings import BACKUP_IN_DOUBT
from migrations_ops.model.plan import StepName
from migrations_ops.model.text import human_size
from migrations_ops.operations.failure.recovery import end_resumed_restore, tidy
from migrations_ops.operations.preflight.clock import find_clock_behind
from migrations_ops.operations.preflight.state import require_own, require_readable
from migrations_ops.operations.prune import prune
from migrations_ops.operations.run import Finished, run_recorded
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import LocatedDatabase, locate
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project


def back_up(
    session: Session,
    located: LocatedDatabase,
    note: str = "",
    doubt: str = "",
    *,
    must_hold_all: bool = False,
) -> Backup | None:
    """Take a verified backup of a database; None if it does not exist yet.

    :raises Refused: it does not hold all rows, and it must.
    """
    environment, database = located.environment, located.database
    if not located.exists:
        return None
    with session.record.step(StepName.BACK_UP, environment.name) as step:
        store = BackupStore.of(session.project.settings, environment)
        session.record.add_findings(find_clock_behind(session.project, environment))
        show = session.record.reporter.progress
        backup = take_backup(
            store,
            database,
            note=note,
            doubt=doubt,
            progress=partial(show, "copying"),
            verifying=partial(show, "verifying"),
        )
        session.record.add_backup(backup)
        step.outcome = "reused" if backup.reused else "verified"
        step.summary = f"{backup.name}, {human_size(backup.size)}"
        if backup.reused:
            step.summary += ", still equal"
        else:
            _report_left_out(session, located, backup, must_hold_all=must_hold_all)
        return backup


def _report_left_out(
    session: Session, located: LocatedDatabase, backup: Backup, *, must_hold_all: bool
) -> None:
    environment = located.environment
    found = find_left_out(located.database, Path(backup.file))
    if not must_hold_all:
        found = [replace(each, severity="warning") for each in found]
    found = without_allowed(found, session.allowed(environment))
    session.record.add_findings(found)
    errors = [each for each in found if each.severity == "error"]
    if errors:
        raise Refused(
            f"No backup holds all of {environment.name}: {errors[0].message}.",
            untouched=f"{environment.name} was not changed.",
            next=advice_on_finding(errors[0], environment.name, by_flag=True),
        )


def find_environments_in_use(project: Project) -> list[Environment]:
    """The environments that have a database, or had one that can be restored."""
    settings = project.settings
    return [
        each
        for each in settings.path
        if project.database(each).size() or BackupStore.of(settings, each).sidecars()
    ]


def back_up_environments(
    project: Project, environments: list[Environment], note: str, reporter: Reporter
) -> Finished:
    """Take a verified backup of each environment, then apply retention.

    A refused one does not stop the others.
    """

    def body(session: Session) -> None:
        refused: list[Refused] = []
        tidy(session)
        for environment in environments:
            # The scripts are not read: a user with broken scripts needs a backup first.
            located = locate(project, environment)
            try:
                require_worth_keeping(project, located)
            except Refused as error:
                refused.append(error)
                continue
            with session.locked([environment]):
                end_resumed_restore(session, environment)
                _back_up(session, environment, note)
        if refused:
            raise refused[0]
        session.record.update(outcome="backed up")

    names = ", ".join(environment.name for environment in environments)
    return run_recorded(project, "backup", names, reporter, body)


def _back_up(session: Session, environment: Environment, note: str) -> None:
    """Back up one environment; after an interrupted task, the backup is marked as suspect."""
    located = locate(session.project, environment)
    backup = back_up(session, located, note, find_doubt(session.project, located))
    if backup is not None and backup.doubt:
        found = BACKUP_IN_DOUBT.found(environment.name, backup=backup.name, reason=backup.doubt)
        session.record.add_findings([found])
    prune(session, [environment])


def require_worth_keeping(project: Project, located: LocatedDatabase) -> None:
    """Refuse to let a backup of the wrong database displace one of the right database.

    :raises Refused: there is no database; it names another environment; or it is empty and has
        backups that are not.
    """
    require_readable(located)
    require_own(located)
    if located.inspection.revisions or located.inspection.tables:
        return
    store = BackupStore.of(project.settings, located.environment)
    damaged = filter(is_damaged, reversed(store.sidecars()))
    newest = store.latest_sidecar() or next(damaged, None)
    if newest is not None and not is_empty(newest):
        way_back = store.way_back()
        raise Refused(
            f"{located.environment.name} ({located.database.label}) is empty, and there are backups"
            f" of it that are not: the newest is {newest.name}.",
            untouched="No backup was taken.",
            next=f"Restore it: {way_back}"
            if way_back
            else f"Bring {newest.name} back as it was, and restore it.",
        )


def find_doubt(project: Project, located: LocatedDatabase) -> str:
    """Why a database may not be as it should be, and a backup of it is suspect; else empty."""
    name, releases = located.environment.name, project.settings.releases
    for record in find_interrupted(releases):
        if name in record.left_open and record.outcome is not None:
            return f"{record.title} failed, and what it left is not resolved"
        if name not in record.closed and record.has_committed(name):
            return f"{record.title} was interrupted and had committed a part"
    unverified = Evidence(releases).unverified(located.environment)
    if unverified and unverified == set(located.inspection.revisions):
        return "it was upgraded, and has not passed verify"
    return ""
