"""What an earlier task left when it was killed: looked at, finished or undone, and recorded."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from migrations_ops.analysis.schema_diff import differences, in_brief
from migrations_ops.backups import partial as partial_files
from migrations_ops.backups.store import BackupStore
from migrations_ops.databases.interface import DatabaseFile, ResumesRestores
from migrations_ops.journal.evidence import Evidence
from migrations_ops.journal.marks import remove_mark
from migrations_ops.journal.record import TaskRecord, write_record
from migrations_ops.journal.unfinished import find_broken_off, require_readable_records, sweep
from migrations_ops.model.backup import Backup
from migrations_ops.model.errors import NeedsAPerson, Refused, StepFailed
from migrations_ops.model.findings import RESTORE_RESUMED
from migrations_ops.model.plan import StepName
from migrations_ops.operations.failure.decision import structure_is
from migrations_ops.operations.failure.half_applied import (
    is_live,
    note_resolved,
    settle_unseen,
    stays_upgraded,
)
from migrations_ops.operations.preflight.state import require_readable
from migrations_ops.operations.restore import restore_and_prove
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import LocatedDatabase, locate, read_state
from migrations_ops.operations.verification import first_error, verify
from migrations_ops.project.environments import Environment

# The steps after which an environment is looked at: it was changed, or was about to be.
_TOUCHING = frozenset(
    {"back up", "rehearse", "upgrade", "verify", "downgrade", "stamp", "alembic", "restore"}
)


def recover(session: Session, environments: Sequence[Environment]) -> bool:
    """Take up what was broken off in these environments, whose locks must be held.

    What the engine rolled back by itself needs nothing. An environment that was upgraded, but
    not verified any more, is verified now, and put back if it does not pass.

    :returns: whether there was anything.
    :raises Refused: a database, or the record of what was broken off, cannot be looked at now.
    :raises StepFailed: it did not pass, and was restored.
    :raises NeedsAPerson: it did not pass, and there is no backup to put back.
    """
    require_readable_records(session.project.settings.releases)
    names = {environment.name: environment for environment in environments}
    found = False
    for environment in environments:
        report_resumed_restores(session, environment)
    for record, mine in _broken_off(session, names):
        found = True
        _say(session, record, mine)
        for name in mine:
            _finish_or_undo(session, names[name], record)
            database = session.project.database(names[name])
            if isinstance(database, DatabaseFile):
                database.tidy()
            store = BackupStore.of(session.project.settings, names[name])
            partial_files.sweep(store.folder, store.prefix)
            record = _settle(session, record, name)
        if not mine:
            _close(session, record)
    sweep(session.project.settings.releases)
    return found


def overrule(session: Session, environment: Environment) -> None:
    """A backup was put back: what was broken off in that environment before is settled by it."""
    for record, mine in _broken_off(session, [environment.name]):
        if mine:
            _say(session, record, mine)
            _settle(session, record, environment.name)


def resolve_half_run(session: Session, environment: Environment, *, applied: bool) -> bool:
    """Take a person's word for it that commands, broken off, came to their end by hand, or that
    nothing of them is there, as far as it can be seen.

    :returns: whether any were broken off there.
    :raises Refused: the version, or the schema, shows that it is not so.
    """
    found = False
    for record, _ in list(_broken_off(session, [environment.name])):
        if not record.is_half_run(environment.name):
            continue
        found = True
        with session.record.step(StepName.RESOLVE, environment.name) as step:
            if applied:
                _require_at_head(session, environment)
            else:
                _require_as_before(session, environment, record)
            step.note = f"the commands are {'done' if applied else 'undone'}, a person says"
        _settle(session, record, environment.name)
    return found


def _require_at_head(session: Session, environment: Environment) -> None:
    state = read_state(session.project, environment)
    require_readable(state)
    if state.kind != "dirty":
        stands = ", ".join(state.look.revisions) or "no revision"
        raise Refused(
            f"{environment.name} stands at {stands} instead of {', '.join(state.target)}: its"
            " commands did not come to their end.",
            untouched="Nothing was changed.",
            next=f"Type: invoke upgrade-{environment.name}",
        )


def _require_as_before(session: Session, environment: Environment, record: TaskRecord) -> None:
    place = locate(session.project, environment)
    require_readable(place)
    backup = _backup_of(session, environment, record)
    if backup is None:
        raise Refused(
            f"There is no backup of {environment.name} from before its commands began, to compare"
            " it with.",
            untouched="Nothing was changed.",
            next=_begin_anew(place),
        )
    before = BackupStore.of(session.project.settings, environment).fingerprint(backup)
    found = differences(before, place.database.fingerprint(environment.version_table))
    if found:
        raise Refused(
            f"{environment.name} is not as it was before its commands began: {in_brief(found)}.",
            untouched="Nothing was changed.",
            next="Undo that too, and try again; or put the backup back:"
            f" {BackupStore.restore_command(environment.name, backup.name)}",
        )


def report_resumed_restores(session: Session, environment: Environment) -> bool:
    """Say what its engine finished or undid by itself when the lock was taken.

    :returns: whether there was anything.
    """
    database = session.project.database(environment)
    said = database.resumed_restores() if isinstance(database, ResumesRestores) else []
    session.record.add_findings(
        [RESTORE_RESUMED.found(environment.name, what=each) for each in said]
    )
    return bool(said)


def settle_taken_up(session: Session, environment: Environment) -> None:
    """Say that; a restore on its own is settled by it: nothing of it is half done any more."""
    if not report_resumed_restores(session, environment):
        return
    for record, mine in _broken_off(session, [environment.name]):
        if mine and record.task == "restore":
            _say(session, record, mine)
            _settle(session, record, environment.name)


def _broken_off(session: Session, names: Collection[str]) -> Iterator[tuple[TaskRecord, list[str]]]:
    """What was broken off in these environments, oldest first, each with those of them that it
    touched; with none, if it had touched nothing yet that is still configured."""
    configured = {environment.name for environment in session.project.settings.path}
    for record in find_broken_off(session.project.settings.releases):
        touched = [name for name in _open(record) if name in configured]
        mine = [name for name in touched if name in names]
        if mine or not touched:
            yield record, mine


def _say(session: Session, record: TaskRecord, mine: list[str]) -> None:
    with session.record.step(StepName.RECOVER, ", ".join(mine) or record.environment) as step:
        step.note = f"{record.title} was broken off{record.where}"


def _open(record: TaskRecord) -> list[str]:
    """The environments that a task had begun with, and that nobody has settled since."""
    steps = [*record.steps, *([record.under_way] if record.under_way else ())]
    touched = dict.fromkeys(step.environment for step in steps if step.name in _TOUCHING)
    return [name for name in touched if name not in record.settled]


def _finish_or_undo(session: Session, environment: Environment, record: TaskRecord) -> None:
    step = record.under_way
    if step is not None and (step.name, step.environment) == ("restore", environment.name):
        _finish_restore(session, environment, record)
        return
    state = read_state(session.project, environment)
    if state.exists:
        # What cannot be looked at now, since somebody holds it locked for instance, is not settled.
        require_readable(state)
    arrived = set(state.look.revisions) == set(record.to)
    if not arrived or state.kind != "at head" or record.is_half_run(environment.name):
        _undo_what_was_committed(session, environment, record)
        return
    report = verify(session, environment)
    if report.passed:
        return
    backup = _backup_of(session, environment, record)
    if backup is None:
        raise NeedsAPerson(
            f"{environment.name} was upgraded by {record.id}, which was broken off, and does"
            f" not pass verify: {first_error(report)}.",
            untouched="It was not touched now.",
            next=f"See its backups: invoke backups --env {environment.name}",
        )
    if environment is session.project.settings.path[0]:
        return
    if is_live(environment, state.database):
        _settle(session, record, environment.name)
        reason = f"{record.id} was broken off, and verify fails: {first_error(report)}"
        evidence = Evidence(session.project.settings.releases)
        raise stays_upgraded(state, backup, reason, evidence)
    kept = restore_and_prove(session, environment, backup)
    _settle(session, record, environment.name)
    raise StepFailed(
        f"{environment.name} was upgraded by {record.id}, which was broken off, and did not"
        f" pass verify: {first_error(report)}.",
        untouched=f"{environment.name} was restored from {backup.name} and proved equal to it;"
        f" {kept}.",
        next="Mend what verify names, and release again.",
    )


def _finish_restore(session: Session, environment: Environment, record: TaskRecord) -> None:
    """A restore that was broken off has changed everything or nothing, unless the database was
    damaged and had been moved aside: then there is nothing in its place yet.

    One that a release had begun, to undo something, is done again if it had changed nothing.

    :raises NeedsAPerson: there is nothing in the place of the database, nor a backup.
    """
    store = BackupStore.of(session.project.settings, environment)
    database = session.project.database(environment)
    wanted = record.under_way.backup if record.under_way else None
    backup = next((each for each in store.backups() if each.name == wanted), None)
    place = locate(session.project, environment)
    look = place.look
    gone = not (look.exists and (look.tables or look.versioned))
    if look.trouble and not (isinstance(database, DatabaseFile) and database.is_damaged()):
        require_readable(place)
    if backup is None:
        if gone:
            raise NeedsAPerson(
                f"The restore of {environment.name} by {record.id} was broken off, and"
                f" {wanted or 'its backup'} is not there any more.",
                untouched="What the database held before lies beside it.",
                next=f"See its backups: invoke backups --env {environment.name}",
            )
        return
    if gone or record.task != "restore":
        now = None if gone else database.fingerprint(environment.version_table)
        # What was committed on its own may be rows alone, and no count tells of them.
        rows = record.has_committed(environment.name)
        if now is None or rows or not now.structure_equals(store.fingerprint(backup)):
            restore_and_prove(session, environment, backup)


def _undo_what_was_committed(
    session: Session, environment: Environment, record: TaskRecord
) -> None:
    """Put back what an upgrade, broken off, had committed: nothing else rolls that back.

    :raises NeedsAPerson: there is no backup to put back.
    """
    backup = _backup_of(session, environment, record)
    committed = record.has_committed(environment.name)
    state = locate(session.project, environment)
    database = state.database
    if database.is_server and backup is not None:
        half = state.look.begun
        before = BackupStore.of(session.project.settings, environment).fingerprint(backup)
        if half and not committed and structure_is(state, before):
            note_resolved(session, environment, database)
            return
        if half and database.is_transactional and settle_unseen(session, state, before):
            return
        if half and environment.protected:
            return  # whatever comes next is refused, and says so
        if not half and not record.is_half_run(environment.name):
            return  # each revision that was committed is whole: the next upgrade goes on
    if backup is not None and is_live(environment, database):
        if committed:
            _leave_to_a_person(session, environment, record, backup)
        return
    if committed:
        look = session.project.database(environment).look(environment.version_table)
        if not look.exists:
            return  # it was new, and somebody has removed it
        if backup is None:
            half_run = record.is_half_run(environment.name)
            raise NeedsAPerson(
                f"{record.id} was broken off after it had committed a part of the upgrade of"
                f" {environment.name}, and there is no backup from before.",
                untouched="It was not touched now.",
                next=_begin_anew(state) if half_run else _go_on_as_it_is(environment),
            )
        if not _is_as_in(session, environment, backup):
            restore_and_prove(session, environment, backup)


def _is_as_in(session: Session, environment: Environment, backup: Backup) -> bool:
    """Whether nothing at all was written since that backup, rows included."""
    sidecar = BackupStore.of(session.project.settings, environment).describe(backup)
    database = session.project.database(environment)
    table = environment.version_table
    return database.unchanged_since(sidecar.fingerprint, sidecar.source, table)


def _leave_to_a_person(
    session: Session, environment: Environment, record: TaskRecord, backup: Backup
) -> None:
    """Commands of the project's own were broken off: what they did to a database to which
    applications write, nobody can tell from what those did.

    :raises NeedsAPerson: its schema is not that of the backup any more.
    """
    before = BackupStore.of(session.project.settings, environment).fingerprint(backup)
    now = session.project.database(environment).fingerprint(environment.version_table)
    if now.structure_equals(before):
        return
    name = environment.name
    go_on = "to go on as it is, type the same again"
    if read_state(session.project, environment).kind == "dirty":
        # Nothing is pending, so that no upgrade would run the commands again.
        go_on = (
            "or bring the commands to their end by hand, and then:"
            f" invoke resolve --env {name} --applied"
        )
    else:
        _settle(session, record, name)
    raise NeedsAPerson(
        f"{record.id} was broken off while the commands of {name} were at work, and {name} is"
        f" not as in its backup: {in_brief(differences(before, now))}.",
        untouched=f"Its content before is safe in {backup.name}.",
        next=f"To go back: {BackupStore.restore_command(name, backup.name)}; {go_on}.",
    )


def _begin_anew(place: LocatedDatabase) -> str:
    """What to do with a database that commands began to create."""
    return (
        f"If nothing in {place.database.label} is needed, delete it and type the same again; or"
        " bring the commands to their end by hand, and then:"
        f" invoke resolve --env {place.environment.name} --applied"
    )


def _go_on_as_it_is(environment: Environment) -> str:
    """A restore settles what was broken off, also one of what is there now."""
    name, yes = environment.name, " --yes" * environment.protected
    return (
        f"To go on with it as it is: invoke backup --env {name}; and put that back by its name:"
        f" invoke restore --env {name} --backup NAME{yes}; to look at it first:"
        f" invoke verify --env {name}"
    )


def _backup_of(session: Session, environment: Environment, record: TaskRecord) -> Backup | None:
    """The first backup of that environment that the task took: the one from before the upgrade."""
    backups = BackupStore.of(session.project.settings, environment).backups()
    return next((backup for backup in backups if backup.name in record.backups), None)


def _settle(session: Session, record: TaskRecord, name: str) -> TaskRecord:
    """Note that an environment needs nothing more; the last one closes the record."""
    settled = replace(record, settled=(*record.settled, name))
    configured = {environment.name for environment in session.project.settings.path}
    if configured.intersection(_open(settled)):
        write_record(session.project.settings.releases, settled)
    else:
        _close(session, settled)
    return settled


def _close(session: Session, record: TaskRecord) -> None:
    """Give the record an outcome, and take away the scratch files beside it."""
    releases = session.project.settings.releases
    for pattern in ("rehearsal*", "stamp*", "*.part"):
        for leftover in (releases / record.id).glob(pattern):
            with suppress(OSError):
                leftover.unlink()
    outcome = record.outcome or "interrupted"
    write_record(releases, replace(record, outcome=outcome, under_way=None))
    remove_mark(releases, record.id)
