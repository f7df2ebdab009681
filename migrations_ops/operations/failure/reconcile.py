"""Reconciles a database after a failure: proves it unchanged, restores it, or tells a person what
to do.

Every step that fails goes through here: upgrade, downgrade, stamp, any Alembic command, a restore,
a rehearsal that changed the real database, and what a killed task left.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

from migrations_ops.backups.store import BackupStore
from migrations_ops.databases.interface import drop_invalid_indexes
from migrations_ops.journal.evidence import Evidence
from migrations_ops.model.backup import Backup
from migrations_ops.model.errors import (
    ExitCode,
    Memory,
    NeedsAPerson,
    OpsError,
)
from migrations_ops.model.inspection import Inspection
from migrations_ops.model.ledger import LedgerEntry
from migrations_ops.operations.advice import (
    advice_on_copy,
    advice_on_destination,
    with_advice_on_url,
)
from migrations_ops.operations.failure import messages, run_messages
from migrations_ops.operations.failure.decision import KILLED, Action, Decision, Ended, decide
from migrations_ops.operations.failure.observe import Failure, Observation, observe
from migrations_ops.operations.restore import restore_and_prove
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import (
    DatabaseState,
    LocatedDatabase,
    identity_mismatch,
    locate,
)
from migrations_ops.project.environments import Environment
from migrations_ops.steps.command_run import CommandRun


@dataclass(frozen=True)
class FailedRun:
    """A child's run that failed: its subject (``the upgrade of prod``), and why it failed, empty if
    the user interrupted it. ``run`` is the last known state."""

    subject: str
    why: str
    ended: Ended
    run: CommandRun | None


def undo_failed_run(
    session: Session, state: DatabaseState, backup: Backup | None, failed: FailedRun
) -> OpsError:
    """Reconcile a database after a run that failed.

    :returns: the error that says what happened and how the database is now, to be raised.
    :raises OpsError: as ``reconcile``.
    """
    name, run = state.environment.name, failed.run
    if run is not None and not failed.why:
        run = replace(run, failed_revision=run.at_work)
    how = run_messages.how_it_failed(run if failed.why else None, failed.why)
    failure = Failure.of(state, backup, f"{failed.subject} {how}", failed.ended, run)
    try:
        untouched = reconcile(session, failure)
    except NeedsAPerson:
        if _runs_them_again(state):
            session.record.end_commands(name)
        raise
    session.record.end_commands(name)
    advice = ""
    if run is not None and failed.why:
        refused, environment = bool(run.refused), state.environment
        advice = (
            advice_after_refusal(session, environment)
            if refused
            else advice_after_failure(session, environment, run)
        )
    return run_messages.run_stopped(
        failed.subject, run, failed.why, untouched=untouched, next=advice
    )


def undo_failed_restore(
    session: Session,
    located: LocatedDatabase,
    backup: Backup,
    error: OpsError | OSError | KeyboardInterrupt,
) -> OpsError:
    """Find out what a failed manual restore left; the engine leaves no half.

    :param located: the database before it.
    :param error: what stopped it.
    :returns: the error that says what happened and how the database is now, to be raised.
    :raises OpsError: as ``reconcile``.
    """
    name = located.environment.name
    ended = Ended.RESTORE_FAILED if isinstance(error, OpsError) else Ended.RESTORE_INTERRUPTED
    reason = f"the restore of {name} {messages.how_restore_stopped(error)}"
    safety = _safety_backup(session, located.environment)
    untouched = reconcile(session, Failure(located, backup, reason, ended, safety=safety))
    return messages.restore_stopped(name, error, untouched)


def _safety_backup(session: Session, environment: Environment) -> Backup | None:
    """The safety backup of a restore: the only one that it takes."""
    taken = session.record.result.backups
    store = BackupStore.of(session.project.settings, environment)
    return next((each for each in store.backups() if each.name in taken), None)


def advice_after_failure(session: Session, environment: Environment, run: CommandRun) -> str:
    """What to do after a failure; if env.py opened no database, it may lack its URL."""
    if run.finished and not run.failure and not run.own_commands:
        # Nothing failed there, and yet the version is another one: env.py is where to look.
        with suppress(OpsError):
            file = session.project.script_location(environment).env
            run = replace(run, where=run.where or str(file or ""))
    advice = run_messages.advice_on_run(run)
    if run.opened or run.own_commands:
        return advice
    return with_advice_on_url(session.project, environment, advice)


def advice_after_refusal(session: Session, environment: Environment) -> str:
    """What to do when env.py connected to another database than the configured one."""
    there = locate(session.project, environment)
    if identity_mismatch(there):
        return advice_on_copy(there)
    return advice_on_destination(session.project, environment)


def _runs_them_again(state: DatabaseState) -> bool:
    """Whether the next upgrade runs the project's own commands again, judging by the version; then
    their record can be closed. A database that is not live is restored by the next task."""
    inspection = state.database.inspect(state.environment.version_table)
    behind = not inspection.trouble and set(inspection.revisions) != set(state.target.revisions)
    return state.is_live and behind


def reconcile(session: Session, failure: Failure) -> str:
    """Prove that a database is unchanged, or restore it.

    :returns: a sentence about its current state.
    :raises StepFailed: its server does not answer, and nothing of the step can have been committed.
    :raises NeedsAPerson: part of the step remains, or the database could not be restored.
    """
    decision: Decision | None = None
    try:
        seen = observe(session, failure)
        decision = decide(seen.case)
        if decision.action is Action.DROP_LEFT_INDEXES:
            table = failure.located.environment.version_table
            dropped = drop_invalid_indexes(failure.located.database, table)
            seen = observe(session, failure, dropped)
            decision = decide(seen.case)
        sentence = _carry_out(session, failure, seen, decision)
    except NeedsAPerson as error:
        raise error.remember(Memory.RECORD, failure.unresolved) from None
    except (OpsError, OSError, KeyboardInterrupt) as error:
        # Nothing has changed since a kill, and the next task tries again.
        if failure.ended in KILLED and not _is_left_half(decision, error):
            raise
        raise _not_put_back(session, failure, error) from error
    if decision.action is Action.UNREACHABLE and decision.exit is ExitCode.FAILED:
        raise messages.unreachable(failure, seen)
    if decision.memory is not None:
        memory = decision.memory
        if memory is Memory.EVIDENCE and not _record_unverified(session, failure, seen):
            memory = Memory.NEXT_TASK
        failure = _with_lack(session, failure)
        person = messages.for_a_person(decision.sentence, failure, seen)
        raise person.remember(memory, failure.unresolved)
    return sentence


def _is_left_half(decision: Decision | None, error: BaseException) -> bool:
    """Whether a restore that was needed has failed; one that the user stopped is begun again."""
    is_needed = decision is not None and decision.action is Action.RESTORE
    return is_needed and not isinstance(error, KeyboardInterrupt)


def _not_put_back(session: Session, failure: Failure, error: BaseException) -> NeedsAPerson:
    """The error that says why a database could be neither restored nor removed."""
    if failure.backup is None:
        left = messages.new_left(failure, str(error).removesuffix("."))
    else:
        left = messages.not_restored(_with_lack(session, failure), error)
    memory = Memory.NEXT_TASK if failure.ended in KILLED else Memory.RECORD
    return left.remember(memory, failure.unresolved)


def _with_lack(session: Session, failure: Failure) -> Failure:
    """Look for the backup again: a message must not call safe what is no longer there."""
    if failure.backup is None:
        return failure
    store = BackupStore.of(session.project.settings, failure.located.environment)
    return replace(failure, lack=store.find_lack(failure.backup.name))


def _record_unverified(session: Session, failure: Failure, seen: Observation) -> bool:
    """Let each release verify it first, until it passes; returns whether that was recorded."""
    evidence = Evidence(session.project.settings.releases)
    try:
        evidence.record_unverified(failure.located.environment, seen.inspection.revisions)
    except OSError:
        return False
    return True


def _carry_out(session: Session, failure: Failure, seen: Observation, decision: Decision) -> str:
    environment, database = failure.located.environment, failure.located.database
    previous: object = ""
    match decision.action:
        case Action.RESTORE if failure.backup is not None:
            previous = restore_and_prove(session, environment, failure.backup)
        case Action.REMOVE_NEW:
            database.remove()
            # What holds more than tables, functions for example, is not removed.
            if database.inspect(environment.version_table).exists:
                raise messages.new_left(failure)
        case Action.UNCHANGED if seen.inspection.begun:
            record_resolution(session, failure.located, seen.inspection, "rolled back")
    return messages.how_it_is(decision.sentence, failure, seen, previous)


def record_resolution(
    session: Session, located: LocatedDatabase, inspection: Inspection, how: str
) -> None:
    """Record in the ledger how the unfinished revisions ended: applied, or rolled back."""
    revisions = [{"revision": each} for each in inspection.begun]
    run = {"event": "resolved", "how": how, **session.ledger_facts, "revisions": revisions}
    environment = located.environment
    located.database.add_to_ledger(LedgerEntry(environment.name, environment.version_table, run))
