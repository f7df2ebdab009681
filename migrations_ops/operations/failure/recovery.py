"""Recovery: inspects what a killed task left, finishes or undoes it, and records that."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from migrations_ops.backups import partial as partial_files
from migrations_ops.backups.quality import is_good
from migrations_ops.backups.store import BackupStore
from migrations_ops.databases.interface import DatabaseFile, ResumesRestores
from migrations_ops.journal.marks import remove_mark
from migrations_ops.journal.record import TaskRecord, write_record
from migrations_ops.journal.scratch import remove_scratch
from migrations_ops.journal.unfinished import find_interrupted, require_readable_records, sweep
from migrations_ops.model.backup import Backup
from migrations_ops.model.errors import Memory, NeedsAPerson
from migrations_ops.model.findings import (
    RESTORE_RESUMED,
)
from migrations_ops.model.plan import StepName
from migrations_ops.operations.drift import record_late
from migrations_ops.operations.failure import messages
from migrations_ops.operations.failure.decision import Ended
from migrations_ops.operations.failure.observe import Failure, is_as
from migrations_ops.operations.failure.reconcile import reconcile
from migrations_ops.operations.preflight.state import require_readable
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import (
    DatabaseState,
    locate,
    read_state,
    read_state_without_target,
)
from migrations_ops.operations.verification import first_error, verify
from migrations_ops.project.environments import Environment
from migrations_ops.revisions.targets import Target


def recover(session: Session, environments: Sequence[Environment]) -> bool:
    """Finish or undo what killed tasks left in these environments, whose locks must be held.

    What the engine rolled back by itself needs nothing. An environment that was upgraded but not
    yet verified is verified now, and restored if it does not pass.

    :returns: whether there was anything to do.
    :raises Refused: a database, or the record of a killed task, cannot be read now; or a person has
        not resolved yet what was left to them.
    :raises StepFailed: it did not pass, and was restored.
    :raises NeedsAPerson: it did not pass, and there is no backup to restore.
    """
    require_readable_records(session.project.settings.releases)
    names = {environment.name: environment for environment in environments}
    found = False
    for environment in environments:
        report_resumed_restores(session, environment)
    for record, mine in interrupted_tasks(session, names):
        found = True
        for name in mine:
            _require_resolved(session, names[name], record)
        _report(session, record, mine)
        for name in mine:
            if record.unresolved_in(name) is None:
                _finish_or_undo(session, names[name], record)
            database = session.project.database(names[name])
            if isinstance(database, DatabaseFile):
                database.tidy()
            store = BackupStore.of(session.project.settings, names[name])
            partial_files.sweep(store.folder, store.names)
            record = close_for(session, record, name)
        if not mine:
            _close(session, record)
    sweep(session.project.settings.releases)
    return found


def tidy(session: Session) -> None:
    """Remove the copies of databases that killed tasks left, which no recovery needs, and close the
    tasks that had changed nothing. So a task that changes nothing leaves no rows of theirs either.
    """
    releases = session.project.settings.releases
    for record in find_interrupted(releases):
        remove_scratch(releases / record.id)
        if not record.left_open:
            with suppress(OSError):
                _close(session, record)


def close_interrupted(session: Session, environment: Environment, restored: Backup) -> None:
    """Close the unfinished tasks of an environment: this backup was restored there.

    What was left to a person is resolved by the backup that it names, or by another good one: one
    that was taken meanwhile is suspect.
    """
    for record, mine in interrupted_tasks(session, [environment.name]):
        left = record.unresolved_in(environment.name)
        if mine and (left is None or restored.name == left.backup or is_good(restored)):
            _report(session, record, mine)
            close_for(session, record, environment.name)


def _require_resolved(session: Session, environment: Environment, record: TaskRecord) -> None:
    """:raises Refused: a database needs a person, as far as can be seen."""
    left = record.unresolved_in(environment.name)
    if left is None:
        return
    located = locate(session.project, environment)
    store = BackupStore.of(session.project.settings, environment)
    if not left.backup and not located.exists:
        return  # what the failed task had created was deleted
    mine = [each for each in store.backups() if each.name == left.backup]
    if any(is_as(located, store.describe(each)) for each in mine) and not located.inspection.begun:
        return  # it was put back by other means
    raise messages.unresolved(located, record, left)


def report_resumed_restores(session: Session, environment: Environment) -> bool:
    """Report what the engine finished or undid by itself when the lock was taken.

    :returns: whether there was anything to do.
    """
    database = session.project.database(environment)
    resumed = database.resumed_restores() if isinstance(database, ResumesRestores) else []
    session.record.add_findings(
        [RESTORE_RESUMED.found(environment.name, what=each) for each in resumed]
    )
    return bool(resumed)


def end_resumed_restore(session: Session, environment: Environment) -> None:
    """Report that, and close the manual restore: nothing of it is half done any longer."""
    if not report_resumed_restores(session, environment):
        return
    for record, mine in interrupted_tasks(session, [environment.name]):
        if mine and record.task == "restore":
            _report(session, record, mine)
            close_for(session, record, environment.name)


def interrupted_tasks(
    session: Session, names: Collection[str]
) -> Iterator[tuple[TaskRecord, list[str]]]:
    """The killed tasks of these environments, oldest first, each with the environments that it
    touched; with none, if it had touched none that is still configured."""
    configured = {environment.name for environment in session.project.settings.path}
    for record in find_interrupted(session.project.settings.releases):
        touched = [name for name in record.left_open if name in configured]
        mine = [name for name in touched if name in names]
        if mine or not touched:
            yield record, mine


def _report(session: Session, record: TaskRecord, mine: list[str]) -> None:
    with session.record.step(StepName.RECOVER, ", ".join(mine) or record.environment) as step:
        step.summary = f"{record.title} {record.how_it_ended}{record.where}"


def _finish_or_undo(session: Session, environment: Environment, record: TaskRecord) -> None:
    step = record.under_way
    if step is not None and (step.name, step.environment) == (StepName.RESTORE, environment.name):
        _finish_restore(session, environment, record)
        return
    state = read_state_after(session, environment, record)
    if state.exists:
        # A database that cannot be read now, for instance because it is locked, stays open.
        require_readable(state)
    arrived = set(state.inspection.revisions) == set(
        record.targets.get(environment.name, record.to)
    )
    if arrived and state.kind == "at head" and not record.has_unfinished_commands(environment.name):
        _verify_what_arrived(session, state, record)
        return
    backup = backup_of(session, environment, record)
    reason = f"{record.id} was interrupted"
    failure = Failure.of(state, backup, reason, _how_it_was_killed(record, environment.name))
    if backup is None:
        failure = replace(failure, lack=find_lost_backup(session, environment, record))
    _reconcile(session, failure, record)


def read_state_after(
    session: Session, environment: Environment, record: TaskRecord
) -> DatabaseState:
    """Read the state that a killed task left. If it reached its target, that is the target: the
    configured one may be beyond it."""
    inspection = locate(session.project, environment).inspection
    target = record.targets.get(environment.name)
    has_arrived = target is not None and set(inspection.revisions) == set(target)
    if has_arrived:
        return read_state(session.project, environment, Target.here(inspection.revisions))
    return read_state_without_target(session.project, environment)


def _how_it_was_killed(record: TaskRecord, name: str) -> Ended:
    if record.has_unfinished_commands(name):
        return Ended.KILLED_COMMANDS
    return Ended.KILLED_PARTLY_COMMITTED if name in record.committed else Ended.KILLED


def _reconcile(session: Session, failure: Failure, record: TaskRecord) -> str:
    """Reconcile; what a person has to decide about a live database is recorded as left to them,
    unless the next task could not continue with it as it is."""
    name = failure.located.environment.name
    try:
        return reconcile(session, failure)
    except NeedsAPerson as error:
        live = failure.located.is_live
        # What cannot be written now is found again by the next task.
        with suppress(OSError):
            if live and failure.backup is not None and not failure.dirty:
                _leave_to_a_person(session, record, name, error)
        raise


def _leave_to_a_person(
    session: Session, record: TaskRecord, name: str, error: NeedsAPerson
) -> None:
    if error.memory is Memory.EVIDENCE:
        close_for(session, record, name)
    elif error.memory is Memory.RECORD:
        commands = tuple(each for each in record.commands if each != name)
        left = (*record.unresolved, *error.unresolved)
        releases = session.project.settings.releases
        write_record(releases, replace(record, commands=commands, unresolved=left))


def _verify_what_arrived(session: Session, state: DatabaseState, record: TaskRecord) -> None:
    """Verify an environment that was upgraded and not verified, and restore it if it does not pass;
    the first environment of the path stays as it is, to be inspected."""
    environment, task = state.environment, record.id
    # An index that the upgrade has broken has stopped its rehearsal; an older fault is no reason to
    # undo it.
    report = verify(session, environment, state.target, index_fails=False)
    backup = backup_of(session, environment, record)
    if report.passed:
        record_late(session, state, backup)
        return
    error = first_error(report)
    if backup is None:
        lost = find_lost_backup(session, environment, record)
        raise messages.killed_before_verify_without_backup(environment.name, task, error, lost)
    if not session.project.settings.is_rehearsed(environment):
        return
    reason = f"{task} was interrupted, and verify fails: {error}"
    failure = Failure.of(state, backup, reason, Ended.FAILED_VERIFY)
    untouched = _reconcile(session, failure, record)
    close_for(session, record, environment.name)
    raise messages.killed_before_verify(environment.name, task, error, untouched)


def _finish_restore(session: Session, environment: Environment, record: TaskRecord) -> None:
    """Finish a restore that was killed, if there is nothing now, or if it was undoing something.

    :raises NeedsAPerson: there is neither a database nor a backup.
    """
    name = environment.name
    located = locate(session.project, environment)
    database = located.database
    if located.inspection.trouble and not (
        isinstance(database, DatabaseFile) and database.is_damaged()
    ):
        require_readable(located)
    wanted = record.under_way.backup if record.under_way else None
    backups = BackupStore.of(session.project.settings, environment).backups()
    failure = Failure(
        located,
        next((each for each in backups if each.name == wanted), None),
        f"the restore of {wanted or 'a backup'} into {name} by {record.id} was interrupted",
        Ended.KILLED_RESTORE if record.task == "restore" else Ended.KILLED_UNDO,
        # Only rows may have been committed on their own, which no count shows.
        rows_unknown=_how_it_was_killed(record, name) is not Ended.KILLED,
    )
    reconcile(session, failure)


def backup_of(session: Session, environment: Environment, record: TaskRecord) -> Backup | None:
    """The first backup of that environment that the task took: the one from before the upgrade."""
    backups = BackupStore.of(session.project.settings, environment).backups()
    return next((backup for backup in backups if backup.name in record.backups), None)


def find_lost_backup(session: Session, environment: Environment, record: TaskRecord) -> str:
    """What of the backup from before is no longer there; empty if none was taken."""
    store = BackupStore.of(session.project.settings, environment)
    taken = next(filter(store.names.include, record.backups), None)
    return store.find_lack(taken) if taken else ""


def close_for(session: Session, record: TaskRecord, name: str) -> TaskRecord:
    """Record that an environment is recovered; the last one closes the record."""
    closed = replace(record, closed=(*record.closed, name))
    configured = {environment.name for environment in session.project.settings.path}
    if configured.intersection(closed.left_open):
        write_record(session.project.settings.releases, closed)
    else:
        _close(session, closed)
    return closed


def _close(session: Session, record: TaskRecord) -> None:
    """Give the record an outcome, and remove the scratch files next to it."""
    releases = session.project.settings.releases
    remove_scratch(releases / record.id)
    outcome = record.outcome or "interrupted"
    write_record(releases, replace(record, outcome=outcome, under_way=None))
    remove_mark(releases, record.id)
