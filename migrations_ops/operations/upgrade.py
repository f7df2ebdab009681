"""Upgrades one environment and verifies the result; a failure leaves it unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from migrations_ops.backups.store import BackupStore
from migrations_ops.child.protocol.ledger import FOUND
from migrations_ops.databases.interface import DatabaseFile
from migrations_ops.model.backup import Backup
from migrations_ops.model.errors import (
    ExitCode,
    OpsError,
)
from migrations_ops.model.findings import Finding
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.inspection import Inspection
from migrations_ops.model.outcome import Rehearsed, VerifyReport
from migrations_ops.model.plan import StepName
from migrations_ops.operations.attempts import Attempts
from migrations_ops.operations.comparison import (
    Comparison,
    compare_rows,
    compare_schema,
    find_newly_broken,
)
from migrations_ops.operations.drift import record_schema
from migrations_ops.operations.edited_revisions import find_unrecorded
from migrations_ops.operations.failure import messages
from migrations_ops.operations.failure.decision import Ended
from migrations_ops.operations.failure.observe import Failure, how_it_ended
from migrations_ops.operations.failure.reconcile import FailedRun, reconcile, undo_failed_run
from migrations_ops.operations.failure.run_messages import finished_in_words, revisions_in_words
from migrations_ops.operations.other_environments import watched_others
from migrations_ops.operations.report import keep_changes
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import DatabaseState
from migrations_ops.operations.verification import (
    first_error,
    require_verified,
    verify,
)
from migrations_ops.project.environments import Environment
from migrations_ops.revisions.history import Revision
from migrations_ops.revisions.loader import digest
from migrations_ops.steps.command_run import CommandRun


@dataclass(frozen=True)
class _Upgrade:
    """One upgrade. ``rehearsed`` is the end state of the rehearsal, which the database
    must reach as well; None without a rehearsal. ``broken`` did not work before, for an upgrade
    without a rehearsal."""

    session: Session
    state: DatabaseState
    backup: Backup | None
    rehearsed: Rehearsed | None
    broken: Sequence[Finding]
    # Its end, once it has been read.
    after: list[Fingerprint] = field(default_factory=list)

    @property
    def environment(self) -> Environment:
        return self.state.environment

    @property
    def may_stay(self) -> bool:
        """Whether it may stay upgraded though verify failed: where revisions are tried first."""
        return not self.session.project.settings.is_rehearsed(self.environment)


def upgrade_and_verify(
    session: Session,
    state: DatabaseState,
    backup: Backup | None,
    rehearsed: Rehearsed | None = None,
) -> VerifyReport:
    """Run what is pending, verify the result, and undo it if anything is wrong.

    :param backup: from before the upgrade; None where there is no database yet.
    :param rehearsed: the end state of the rehearsal, if there was one.
    :raises Refused: env.py went to another database; or verify found an error in the first
        environment of the path, which stays upgraded for inspection.
    :raises StepFailed: the upgrade, or verify after it, failed; the database is unchanged.
    :raises NeedsAPerson: it failed and the database could not be restored.
    :raises Interrupted: Ctrl-C; the database is unchanged.
    """
    not_rehearsed = state.exists and rehearsed is None
    broken = state.database.find_broken() if not_rehearsed else []
    upgrade = _Upgrade(session, state, backup, rehearsed, broken)
    comparison = _comparison(upgrade)
    attempts = Attempts(session, state, backup)
    try:
        with _kept_open(state) if comparison else nullcontext():
            with watched_others(session, state.environment):
                run = _run(upgrade, attempts, report_sole_writer=comparison is not None)
            attempts.close()
            if run.own_commands:
                _record_commands(upgrade, run)
            report = _verify(upgrade, run, comparison, partly_committed=attempts.has_committed)
            if upgrade.after and (report.passed or upgrade.may_stay):
                before, after = _before(upgrade), upgrade.after[0]
                record_schema(session, state, before, after)
                keep_changes(session, state.environment.name, before, after)
            _undo_unless_passed(upgrade, report)
            return report
    finally:
        attempts.close()


def _comparison(upgrade: _Upgrade) -> Comparison | None:
    """Compares the rows; None without a rehearsal."""
    if upgrade.backup is None or upgrade.rehearsed is None:
        return None
    if upgrade.state.database.is_server:
        return None  # on a server it is unknown whose rows they are
    return Comparison(upgrade.session, upgrade.state, upgrade.backup)


def _kept_open(state: DatabaseState) -> AbstractContextManager[object]:
    """Keep a file open: the last process to close it would change its content stamp."""
    database = state.database
    return database.kept_open() if isinstance(database, DatabaseFile) else nullcontext()


# -- the upgrade ------------------------------------------------------------------------------


def _run(upgrade: _Upgrade, attempts: Attempts, *, report_sole_writer: bool) -> CommandRun:
    """:param report_sole_writer: whether the child reports when no other process can have
    written."""
    session, state, environment = upgrade.session, upgrade.state, upgrade.environment
    run: CommandRun | None
    try:
        with session.record.step(StepName.UPGRADE, environment.name) as step:
            step.argv = attempts.argv
            if upgrade.rehearsed is not None:
                session.record.reporter.expect(upgrade.rehearsed.seconds)
            if not state.exists:
                state.database.prepare()
            if environment.commands:
                session.record.begin_commands(environment.name)
            run = attempts.run(report_sole_writer=report_sole_writer)
            step.add_run(run.exit, run.revisions)
            step.summary = revisions_in_words(run)
            inspection = state.database.inspect(environment.version_table)
            failure = failure_of(run, state.target.revisions, inspection)
            if failure:
                step.outcome, step.summary = "failed", failure
                step.exit = step.exit or ExitCode.FAILED
            else:
                session.record.end_commands(environment.name)
    except KeyboardInterrupt:
        # Also right after its end: a user who presses Ctrl-C does not want it to continue.
        run, failure = None, ""
    except (OpsError, OSError) as error:
        if not attempts.has_begun:
            raise messages.as_step_failed(f"the upgrade of {environment.name}", error) from error
        run, failure = None, messages.reason_of(error)
    if run is None or failure:
        attempts.close()
        ended = how_it_ended(attempts.child, state.database, has_committed=attempts.has_committed)
        subject = f"the upgrade of {environment.name}"
        failed = FailedRun(subject, failure, ended, run or attempts.child.latest)
        raise undo_failed_run(session, state, upgrade.backup, failed)
    session.warn_of_ledger(environment, run.ledger_failure)
    return run


def _hashes(revision: Revision) -> dict[str, str | None]:
    source, _, code = digest(revision).partition(" ")
    return {"source_hash": source, "code_hash": code} if source else {"source_hash": None}


def _record_commands(upgrade: _Upgrade, run: CommandRun) -> None:
    """Write the ledger after the project's own commands, which run without our child."""
    revisions = [
        {"revision": each.revision, **_hashes(each), "started": run.started}
        for each in upgrade.state.pending
    ]
    unrecorded = [{"revision": each} for each in find_unrecorded(upgrade.state)]
    if unrecorded:
        upgrade.session.add_to_ledger(upgrade.environment, FOUND, unrecorded)
    upgrade.session.add_to_ledger(upgrade.environment, "upgrade", revisions)


# -- verify -----------------------------------------------------------------------------------


def _verify(
    upgrade: _Upgrade, run: CommandRun, comparison: Comparison | None, *, partly_committed: bool
) -> VerifyReport:
    """Verify the result of the upgrade.

    :param partly_committed: whether it was committed in parts.
    :raises OpsError: verify could not finish; the database is as ``_undo_unverified``
        says.
    """
    name = upgrade.environment.name
    try:
        return verify(
            upgrade.session,
            upgrade.environment,
            upgrade.state.target,
            find_more=lambda now: _find_changes(
                upgrade, run, comparison, now, partly_committed=partly_committed
            ),
            index_fails=False,
        )
    except KeyboardInterrupt:
        untouched = _undo_unverified(upgrade, f"verify of {name} was interrupted", stays="")
        raise messages.verify_interrupted(name, untouched) from None
    except (OpsError, OSError) as stopped:
        # Its process was killed, or the disk is full, for instance.
        error = messages.as_step_failed(f"verify of {name}", stopped)
        untouched = _undo_unverified(upgrade, f"verify of {name} could not finish")
        may_stay = upgrade.may_stay
        raise messages.verify_not_finished(name, error, untouched, may_stay=may_stay) from stopped


def _find_changes(
    upgrade: _Upgrade,
    run: CommandRun,
    comparison: Comparison | None,
    now: DatabaseState,
    *,
    partly_committed: bool,
) -> list[Finding]:
    """What the upgrade did to schema and rows that it was not to do."""
    after = _read_after(upgrade, now)
    found = []
    if upgrade.rehearsed is not None and after is not None:
        found = compare_schema(now, run, _before(upgrade), upgrade.rehearsed, after.schema)
    if comparison is not None and not found:
        # The child checks the parents of rows, if it runs inside and everything is one transaction.
        orphans = bool(run.own_commands) or partly_committed
        found = compare_rows(comparison, run, orphans=orphans)
    # What it broke, where no rehearsal would have shown it.
    if upgrade.rehearsed is None and upgrade.backup is not None and after is not None:
        before = _before(upgrade).schema
        found += find_newly_broken(now.database, upgrade.broken, before, after.schema)
    return found


def _read_after(upgrade: _Upgrade, now: DatabaseState) -> Fingerprint | None:
    """The end of the upgrade. None where it cannot be read, and nothing depends on that.

    :raises StepFailed: it cannot be read.
    """
    if upgrade.rehearsed is None and now.inspection.trouble:
        return None
    after = now.database.fingerprint(upgrade.environment.version_table)
    upgrade.after.append(after)
    return after


def _before(upgrade: _Upgrade) -> Fingerprint:
    """What was there before the upgrade."""
    if upgrade.backup is None:
        return Fingerprint.EMPTY
    store = BackupStore.of(upgrade.session.project.settings, upgrade.environment)
    return store.fingerprint(upgrade.backup)


def _undo_unless_passed(upgrade: _Upgrade, report: VerifyReport) -> None:
    """:raises Refused: verify failed in the first environment of the path.
    :raises StepFailed: it failed in a later one, which was restored.
    """
    if report.passed:
        return
    name, backup, error = upgrade.environment.name, upgrade.backup, first_error(report)
    untouched = _undo_unverified(upgrade, f"verify of {name} failed: {error}")
    if upgrade.may_stay:
        back = f"restore --env {name} --backup {backup.name}" if backup else ""
        advice = f"To fix the revision, go back first: invoke {back}" if back else ""
        require_verified(report, untouched=untouched, next=advice)
    raise messages.verify_failed(name, error, untouched)


def _undo_unverified(upgrade: _Upgrade, reason: str, *, stays: str = ", for a look") -> str:
    """Undo an upgrade that did not pass verify, except in the first environment, which the next
    release verifies before anything else.

    :param stays: why it stays there.
    :returns: a sentence about the current state of the database.
    :raises NeedsAPerson: it could not be restored.
    """
    if upgrade.may_stay:
        return (
            f"{upgrade.environment.name} stays upgraded{stays}; no later environment was touched."
        )
    return reconcile(
        upgrade.session, Failure.of(upgrade.state, upgrade.backup, reason, Ended.FAILED_VERIFY)
    )


def failure_of(run: CommandRun, target: tuple[str, ...], inspection: Inspection) -> str:
    """Why an upgrade did not reach its target; empty if it did.

    The version is read from the database itself: an exit code of 0 proves nothing, since an
    env.py may swallow the error, or forget to commit.
    """
    if run.refused or run.failure:
        return run.refused or run.failure
    if set(inspection.revisions) == set(target):
        return ""
    reached = inspection.trouble or ", ".join(inspection.revisions) or "no revision"
    why = "; it began a transaction before context.configure() and did not commit it"
    return (
        f"{finished_in_words(run)}, but the database is at {reached} instead of"
        f" {', '.join(target)}{why if run.in_transaction else ''}"
    )
