"""Resolve: records in the ledger that a person repaired a half applied revision by hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from migrations_ops.analysis.schema_diff import (
    differences,
    in_brief,
    invalid_in_words,
    others_in_words,
)
from migrations_ops.backups.quality import is_good
from migrations_ops.backups.store import BackupStore
from migrations_ops.databases.interface import drop_invalid_indexes, indexes_of_others
from migrations_ops.journal.evidence import Evidence
from migrations_ops.journal.record import TaskRecord
from migrations_ops.journal.recorder import Reporter
from migrations_ops.model.backup import Backup
from migrations_ops.model.errors import Refused, Unresolved
from migrations_ops.model.findings import CHANGED_VALUES_SINCE_BACKUP, ROWS_NOT_KNOWN, Finding
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.plan import StepName
from migrations_ops.operations.backup import back_up
from migrations_ops.operations.failure.messages import how_to_resolve, start_over
from migrations_ops.operations.failure.reconcile import record_resolution
from migrations_ops.operations.failure.recovery import (
    backup_of,
    close_for,
    find_lost_backup,
    interrupted_tasks,
    read_state_after,
    recover,
)
from migrations_ops.operations.manual.change import change
from migrations_ops.operations.preflight.state import require_own, require_readable
from migrations_ops.operations.run import Finished, run_recorded
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import (
    DatabaseState,
    LocatedDatabase,
    locate,
    read_state_without_target,
)
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.steps.instructions import instructions_for


def resolve_environment(
    project: Project, environment: Environment, reporter: Reporter, *, applied: bool
) -> Finished:
    """Accept how a person repaired a half applied revision, as far as the database confirms it.

    :param applied: whether the whole revision is applied now; otherwise nothing of it is.
    """

    def body(session: Session) -> None:
        project.require_startable(environment)
        with session.locked([environment]):
            if _resolve_commands(session, environment, applied=applied):
                session.record.update(outcome="resolved")
                return
            if _accept(session, environment, applied=applied):
                session.record.update(outcome="resolved")
            recover(session, [environment])
            state = read_state_without_target(project, environment)
            require_readable(state)
            require_own(state)
            if not state.inspection.begun:
                return
            before = None
            if applied:
                _stamp(session, state)
            else:
                before = _require_as_before(session, state)
            with session.record.step(StepName.RESOLVE, environment.name) as step:
                record_resolution(
                    session, state, state.inspection, "applied" if applied else "rolled back"
                )
                step.summary = _outcome(state, applied=applied)
            if not applied:
                # Not earlier: a backup with half of a revision in it is not good.
                now = back_up(session, state)
                _report_rows(session, environment, before, now)
            session.record.update(outcome="resolved")

    return run_recorded(project, "resolve", environment.name, reporter, body)


def _outcome(state: DatabaseState, *, applied: bool) -> str:
    """Describe how each revision ended."""
    outcomes = []
    for name, direction in state.inspection.begun.items():
        is_there = applied is (direction == "upgrade")
        outcomes.append(f"{name} is {'whole' if is_there else 'gone'}")
    return ", ".join(outcomes)


def _stamp(session: Session, state: DatabaseState) -> None:
    name, direction = list(state.inspection.begun.items())[-1]
    to = name if direction == "upgrade" else (state.history.parents[name] or ("base",))[0]
    wanted = state.history.resolve(to, state.inspection.revisions)
    session.record.update(from_=state.inspection.revisions, to=wanted)
    change(session, state, ["stamp", to], name=StepName.STAMP, wanted=wanted)


@dataclass(frozen=True)
class _Before:
    """The database before the revision started, and the backup of that state."""

    backup: str
    fingerprint: Fingerprint


def _require_as_before(session: Session, state: DatabaseState) -> _Before | None:
    """Compare the database with its newest backup from before; None where there is none.

    :raises Refused: the schema differs from before the revision started.
    """
    environment, database = state.environment, state.database
    store = BackupStore.of(session.project.settings, environment)
    good = list(filter(is_good, store.backups()))
    if not good:
        return None
    with session.record.step(StepName.COMPARE, environment.name) as step:
        before = _as_it_was(session, state, good[-1], store.fingerprint(good[-1]))
        _, left = drop_invalid_indexes(database, environment.version_table)
        now = database.fingerprint(environment.version_table)
        others = indexes_of_others(database, environment.version_table)
        found = [*invalid_in_words(left), *differences(before, now, others)]
        if found:
            raise Refused(
                f"{environment.name} differs from its state before the revision started:"
                f" {in_brief(found)}.",
                untouched="Nothing was changed.",
                next="Undo that too, and try again; or restore the backup:"
                f" {BackupStore.restore_command(environment.name, good[-1].name)}",
            )
        step.summary = "; ".join(["the schema is unchanged", *others_in_words(before, now, others)])
    return _Before(good[-1].name, before)


def _report_rows(
    session: Session, environment: Environment, before: _Before | None, now: Backup | None
) -> None:
    """Report tables whose rows changed since the backup, by any session."""
    if before is None or now is None:
        return
    was = before.fingerprint
    has = BackupStore.of(session.project.settings, environment).fingerprint(now)
    if not was.sums:
        found = [ROWS_NOT_KNOWN.found(environment.name)]
    else:
        found = [
            CHANGED_VALUES_SINCE_BACKUP.found(table, backup=before.backup)
            for table in was.rows
            if has.sums.get(table) != was.sums.get(table)
        ]
    session.record.add_findings(found)


def _as_it_was(
    session: Session, state: DatabaseState, backup: Backup, taken: Fingerprint
) -> Fingerprint:
    """The database when the revision started: the backup plus the revisions in between.

    :raises Refused: these fail on a copy.
    """
    if set(taken.revisions) == set(state.inspection.revisions):
        return taken
    environment = state.environment
    file = session.scratch(f"resolve{state.database.suffix}")
    scratch = state.database.make_scratch(file, Path(backup.file))
    commands = tuple(("upgrade", name) for name in state.inspection.revisions)
    child = session.prestart.take(environment, StepName.COMPARE, commands)
    try:
        for _ in commands:
            run = child.run(
                instructions_for(session.project, environment, scratch=scratch), last=False
            )
            if run.failure or run.refused:
                raise Refused(
                    f"The revisions since {backup.name} fail on a copy of it:"
                    f" {run.failure or run.refused}.",
                    untouched=f"{environment.name} was not touched.",
                    next=f"Restore it:"
                    f" {BackupStore.restore_command(environment.name, backup.name)}",
                )
        return scratch.fingerprint(environment.version_table)
    finally:
        child.close()
        scratch.remove()


# -- what a task left to a person


def _accept(session: Session, environment: Environment, *, applied: bool) -> bool:
    """Accept that a person has repaired what a task left to them, as far as the database confirms
    it; the next release verifies what nothing confirms.

    :returns: whether anything was left to them.
    :raises Refused: the version or the schema contradicts it, or it cannot be read.
    """
    name, found = environment.name, False
    for record, _ in list(interrupted_tasks(session, [name])):
        left = record.unresolved_in(name)
        if left is None:
            continue
        found = True
        located = locate(session.project, environment)
        require_readable(located)
        require_own(located)
        with session.record.step(StepName.RESOLVE, name) as step:
            if applied:
                evidence = Evidence(session.project.settings.releases)
                evidence.record_unverified(environment, located.inspection.revisions)
            else:
                session.record.add_findings(_require_undone(session, located, left))
            step.summary = f"a person recorded it as {'whole' if applied else 'undone'}"
        close_for(session, record, name)
    return found


def _require_undone(session: Session, located: LocatedDatabase, left: Unresolved) -> list[Finding]:
    """:raises Refused: the version or the schema is not that of the backup from before."""
    store = BackupStore.of(session.project.settings, located.environment)
    backup = next((each for each in store.backups() if each.name == left.backup), None)
    if backup is None:
        otherwise = how_to_resolve(located, Unresolved(located.environment.name))
        lost = store.find_lack(left.backup) if left.backup else ""
        raise _nothing_to_compare_with(located, lost, otherwise)
    return _compare_with(session, located, backup, "that task")


def _nothing_to_compare_with(located: LocatedDatabase, lost: str, otherwise: str) -> Refused:
    """:param lost: what of the backup is no longer there; empty if none was taken.
    :param otherwise: what to type if none was taken.
    """
    name = located.environment.name
    if not lost:
        return Refused(
            f"There is no backup of {name} from before to compare it with.",
            untouched="Nothing was changed.",
            next=otherwise,
        )
    resolve = f"invoke resolve --env {name}"
    return Refused(
        f"The backup of {name} from before cannot be compared with it: {lost}.",
        untouched="Nothing was changed.",
        next=f"Bring that back, and type: {resolve} --rolled-back; or, to keep {name} as it is:"
        f" {resolve} --applied",
    )


# -- commands of the project that were killed


def _resolve_commands(session: Session, environment: Environment, *, applied: bool) -> bool:
    """Accept that killed commands were finished or completely undone by hand, as far as the
    database confirms it.

    :returns: whether any were killed there.
    :raises Refused: the version or the schema contradicts it.
    """
    found = False
    for record, _ in list(interrupted_tasks(session, [environment.name])):
        if not record.has_unfinished_commands(environment.name):
            continue
        found = True
        with session.record.step(StepName.RESOLVE, environment.name) as step:
            if applied:
                _require_commands_done(session, environment, record)
            else:
                session.record.add_findings(_require_commands_undone(session, environment, record))
            step.summary = f"a person recorded the commands as {'done' if applied else 'undone'}"
        close_for(session, record, environment.name)
    return found


def _require_commands_done(session: Session, environment: Environment, record: TaskRecord) -> None:
    """:raises Refused: the database is not where the killed task was to lead it."""
    state = read_state_after(session, environment, record)
    require_readable(state)
    if state.kind != "dirty":
        version = ", ".join(state.inspection.revisions) or "no revision"
        target = ", ".join(record.targets.get(environment.name, state.target.revisions))
        raise Refused(
            f"{environment.name} is at {version} instead of {target}: its commands did not finish.",
            untouched="Nothing was changed.",
            next=f"Type: invoke upgrade-{environment.name}",
        )


def _require_commands_undone(
    session: Session, environment: Environment, record: TaskRecord
) -> list[Finding]:
    """Report the tables whose rows differ from the backup from before the commands, or that their
    rows are unknown: equal counts prove little.

    :raises Refused: its version or schema differs from before; or there is no such backup.
    """
    located = locate(session.project, environment)
    require_readable(located)
    backup = backup_of(session, environment, record)
    if backup is None:
        lost = find_lost_backup(session, environment, record)
        raise _nothing_to_compare_with(located, lost, start_over(located))
    return _compare_with(session, located, backup, "its commands started")


def _compare_with(
    session: Session, located: LocatedDatabase, backup: Backup, since: str
) -> list[Finding]:
    """Report the tables whose rows differ from a backup, or that their rows are unknown.

    :param since: what came after the backup.
    :raises Refused: the version or the schema differs from it.
    """
    environment = located.environment
    before = BackupStore.of(session.project.settings, environment).fingerprint(backup)
    now = located.database.fingerprint(environment.version_table)
    found = differences(before, now)
    if found:
        raise Refused(
            f"{environment.name} differs from its state before {since}: {in_brief(found)}.",
            untouched="Nothing was changed.",
            next="Undo that too, and try again; or restore the backup:"
            f" {BackupStore.restore_command(environment.name, backup.name)}",
        )
    changed = [table for table, rows in before.rows.items() if now.rows.get(table) != rows]
    if not changed:
        return [ROWS_NOT_KNOWN.found(environment.name)]
    return [CHANGED_VALUES_SINCE_BACKUP.found(table, backup=backup.name) for table in changed]
