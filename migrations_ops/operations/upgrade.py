"""Upgrade one environment, and see to it that a failure leaves it as it was."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from itertools import count

from migrations_ops.backups.store import BackupStore
from migrations_ops.databases.interface import DatabaseFile
from migrations_ops.model.backup import Backup
from migrations_ops.model.errors import (
    ExitCode,
    Interrupted,
    NeedsAPerson,
    OpsError,
    Refused,
    StepFailed,
)
from migrations_ops.model.findings import LEDGER_BEHIND, ROWS_NOT_COMPARED, Finding
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.outcome import Rehearsed, RevisionRun, VerifyReport
from migrations_ops.model.plan import Commands, StepName
from migrations_ops.model.status import Look
from migrations_ops.model.text import see_env_py
from migrations_ops.operations.comparison import Comparing, Witness
from migrations_ops.operations.failure.decision import settle, structure_is
from migrations_ops.operations.failure.half_applied import is_live
from migrations_ops.operations.failure.messages import (
    how_it_failed,
    in_revision,
    ran_to_its_end,
    revisions_in_words,
    what_next,
)
from migrations_ops.operations.schema_check import find_unlike
from migrations_ops.operations.session import Session, listener
from migrations_ops.operations.state import DatabaseState, read_state
from migrations_ops.operations.verification import (
    compared_models,
    first_error,
    judge,
    require_passed_verify,
    summary,
)
from migrations_ops.project.environments import Environment
from migrations_ops.revisions.loader import digest
from migrations_ops.steps.command_run import CommandRun
from migrations_ops.steps.instructions import instructions_for
from migrations_ops.steps.retry import LOCKED, delays
from migrations_ops.steps.step import Step


def upgrade_commands(target: str) -> Commands:
    """What the child of an upgrade runs."""
    return (("upgrade", target),)


@dataclass(frozen=True)
class Attempt:
    """One upgrade of one environment.

    ``rehearsed`` is what the rehearsal ended with: the database has to end with the same.
    """

    session: Session
    state: DatabaseState
    target: str
    backup: Backup | None
    rehearsed: Rehearsed | None = None

    @property
    def environment(self) -> Environment:
        return self.state.environment

    @property
    def name(self) -> str:
        """The name under which its child is started ahead."""
        return f"{self.environment.name}.upgrade"

    @property
    def commands(self) -> Commands:
        return upgrade_commands(self.target)

    @property
    def end(self) -> str:
        """Where it ends: +1 would mean another revision after the upgrade than before it."""
        wanted = self.state.target
        return wanted[0] if len(wanted) == 1 else self.target


@dataclass
class _Course:
    """How far an attempt has come: the child at work, and what those before it have committed.

    ``in_part`` are the revisions of which a part was committed by itself.
    """

    child: Step
    committed: bool = False
    in_part: set[str] = field(default_factory=set)

    def close(self) -> None:
        """Let the child go, and keep what it has told."""
        self.child.close()
        self.committed |= self.child.committed
        self.in_part |= self.child.in_part


def upgrade(attempt: Attempt) -> VerifyReport:
    """Run what is pending, verify the result, and undo it if anything is wrong.

    :raises Refused: env.py went to another database; or verify found an error in the first
        environment of the path, which is left upgraded for a look at it.
    :raises StepFailed: the upgrade, or verify after it, failed; the database is as it was.
    :raises NeedsAPerson: it failed and the database could not be put back.
    :raises Interrupted: Ctrl-C; the database is as it was.
    """
    session = attempt.session
    child = session.prestart.take(attempt.name, attempt.environment, attempt.commands)
    try:
        witness = _witness(attempt)
        database = attempt.state.database
        with (
            database.kept_open()
            if witness and isinstance(database, DatabaseFile)
            else nullcontext()
        ):
            course = _Course(child)
            run = _upgrade(attempt, course, watched=witness is not None)
            child = course.child
            course.close()
            if run.commands:
                _note_commands(attempt, run)
            try:
                report = _verify(attempt, run, witness, in_parts=course.committed)
            except KeyboardInterrupt:
                raise _interrupted(attempt) from None
            except OpsError as error:
                raise _verify_broke_off(attempt, error) from error
            _require_verified(attempt, report)
            return report
    finally:
        child.close()


def _witness(attempt: Attempt) -> Witness | None:
    """Compares the rows; None where no rehearsal has shown what is to come."""
    if attempt.backup is None or attempt.rehearsed is None:
        return None
    if attempt.state.database.is_server:
        return None  # on a server nobody can tell whose rows they are
    return Witness(Comparing(attempt.session, attempt.state, attempt.backup))


def _note_commands(attempt: Attempt, run: CommandRun) -> None:
    """Where our child is not inside, the ledger is written afterwards."""
    revisions = [
        {"revision": each.revision, "source_hash": digest(each) or None, "started": run.started}
        for each in attempt.state.pending
    ]
    name = attempt.environment.name
    try:
        attempt.state.database.note(
            name, {"event": "upgrade", **attempt.session.facts, "revisions": revisions}
        )
    except StepFailed as error:
        # The upgrade is done: that it was not noted must not undo it.
        found = LEDGER_BEHIND.found(name, reason=error.what.removesuffix("."))
        attempt.session.record.add_findings([found])


def _upgrade(attempt: Attempt, course: _Course, *, watched: bool) -> CommandRun:
    session, state, environment = attempt.session, attempt.state, attempt.environment
    run: CommandRun | None
    try:
        with session.record.step(StepName.UPGRADE, environment.name) as step:
            step.argv = course.child.argv
            if not state.exists:
                state.database.prepare()
            if environment.commands:
                session.record.note_commands(environment.name)
            run = _run(attempt, course, watched=watched)
            step.add_run(run.exit, run.revisions)
            step.note = revisions_in_words(run)
            failure = failure_of(run, state, state.database.look(environment.version_table))
            if failure:
                step.outcome, step.note = "failed", failure
                step.exit = step.exit or ExitCode.FAILED
            else:
                _end_commands(attempt)
    except KeyboardInterrupt:
        # Also right after its end: whoever presses Ctrl-C does not want it to go on.
        run, failure = None, "it was interrupted"
    if run is not None and not failure:
        session.warn_of_ledger(environment, run.ledger_failure)
        return run
    course.close()
    reason = f"the upgrade of {environment.name} {how_it_failed(run, failure)}"
    ended = run or course.child.latest
    if run is None and ended is not None:
        ended = replace(ended, failed_revision=ended.at_work)
    with _ending_commands(attempt):
        settled = settle(
            session,
            state,
            attempt.backup,
            reason,
            force=course.committed,
            run=ended,
            whole=course.committed and _is_whole(attempt, course, ended),
        )
    if run is None:
        raise Interrupted(f"The upgrade of {environment.name} was interrupted.", untouched=settled)
    if run.refused:
        raise Refused(
            f"The upgrade of {environment.name} was refused: {run.refused}.",
            untouched=settled,
            next=see_env_py(environment.name),
        )
    raise StepFailed(
        f"The upgrade of {environment.name} failed{in_revision(run)}: {failure}.",
        untouched=settled,
        next=what_next(run),
    )


@contextmanager
def _ending_commands(attempt: Attempt) -> Iterator[None]:
    """Commands that failed are over when the database is as it was. Where they are left to a
    person they are not, unless the version tells that the next upgrade runs them again."""
    environment, database = attempt.environment, attempt.state.database
    try:
        yield
    except NeedsAPerson:
        look = database.look(environment.version_table)
        behind = not look.trouble and set(look.revisions) != set(attempt.state.target)
        if not (is_live(environment, database) and behind):
            raise
        _end_commands(attempt)
        raise
    _end_commands(attempt)


def _end_commands(attempt: Attempt) -> None:
    if attempt.environment.commands:
        attempt.session.record.end_commands(attempt.environment.name)


def _run(attempt: Attempt, course: _Course, *, watched: bool) -> CommandRun:
    """Let the child upgrade; where a table was locked and nothing has changed, try again."""
    session, environment = attempt.session, attempt.environment
    waits = delays()
    revisions: tuple[RevisionRun, ...] = ()
    for number in count(1):
        attempt.state.database.require_lock()
        instructions = instructions_for(
            session.project, environment, facts=session.facts, watched=watched
        )
        try:
            run = course.child.run(instructions, listener(session, environment))
        except BaseException:
            course.close()  # it may not be the one that our caller knows
            raise
        run = replace(run, revisions=(*revisions, *run.revisions), attempts=number)
        if run.sqlstate not in LOCKED:
            return run
        course.close()
        run = replace(run, holders=tuple(attempt.state.database.find_blocking_sessions()))
        if not _may_try_again(attempt, course, run):
            return run
        wait = next(waits, None)
        if wait is None:
            return run
        # Of one transaction for the whole run nothing is left.
        is_kept = course.committed or not attempt.state.database.is_transactional
        revisions = run.revisions if is_kept else ()
        whom = run.holders[0] if run.holders else "others"
        session.record.report.progress(f"locked by {whom}; trying again in {wait:.1f} s")
        time.sleep(wait)
        course.child = session.prestart.take(attempt.name, environment, attempt.commands)
    raise AssertionError("the attempts are counted without end")


def _may_try_again(attempt: Attempt, course: _Course, run: CommandRun) -> bool:
    """Whether nothing of the revision that failed is there."""
    backup, state = attempt.backup, attempt.state
    if not state.database.is_transactional:
        return not state.database.look(attempt.environment.version_table).begun
    if course.committed:
        return _is_whole(attempt, course, run)
    if state.database.is_server:
        # The version goes with the transaction; whatever else has changed, others did that.
        look = state.database.look(attempt.environment.version_table)
        return not look.trouble and look.revisions == state.look.revisions
    if backup is None:
        return False
    store = BackupStore.of(attempt.session.project.settings, attempt.environment)
    return structure_is(state, store.fingerprint(backup))


def _is_whole(attempt: Attempt, course: _Course, run: CommandRun | None) -> bool:
    """Whether each revision of which something was committed has come to its end: from the first
    autocommit_block() on, a server commits at the end of each."""
    database, failed = attempt.state.database, run.failed_revision if run is not None else ""
    if not database.is_server or not failed or failed in course.in_part:
        return False
    look = database.look(attempt.environment.version_table)
    return not look.trouble and not look.begun and look.revisions != attempt.state.look.revisions


def _verify(
    attempt: Attempt, run: CommandRun, witness: Witness | None, *, in_parts: bool
) -> VerifyReport:
    """Verify what the upgrade has led to.

    :param in_parts: whether it was committed in parts.
    """
    session, environment = attempt.session, attempt.environment
    with session.record.step(StepName.VERIFY, environment.name) as step:
        with compared_models(session, environment, step) as drift:
            now = read_state(session.project, environment, attempt.end)
            found = _find_unlike(attempt, now, run)
            if witness is not None and not found:
                # The child looks after the parents of rows, where it is inside and all is at once.
                found = witness.find(run, orphans=bool(run.commands) or in_parts)
                if witness.unsure:
                    found = [*found, ROWS_NOT_COMPARED.found(environment.name)]
            report = judge(session, now, drift, found)
        session.record.add_findings(list(report.findings))
        step.note = summary(report)
        step.outcome = "passed" if report.passed else "failed"
        step.exit = 0 if report.passed else ExitCode.REFUSED
    return report


def _undo_unverified(attempt: Attempt, reason: str, *, stays: str) -> str:
    """What was not seen to pass does not stay, except in the first environment, which the next
    release verifies before anything else.

    :param stays: why it stays there, where it does.
    """
    name = attempt.environment.name
    if attempt.environment is attempt.session.project.settings.path[0]:
        return f"{name} stays upgraded{stays}; nothing after it was touched."
    return settle(attempt.session, attempt.state, attempt.backup, reason, force=True, upgraded=True)


def _require_verified(attempt: Attempt, report: VerifyReport) -> None:
    """:raises Refused: verify failed in the first environment of the path.
    :raises StepFailed: it failed in a later one, which was put back.
    """
    if report.passed:
        return
    name, backup = attempt.environment.name, attempt.backup
    error = first_error(report)
    settled = _undo_unverified(attempt, f"verify of {name} failed: {error}", stays=", for a look")
    if attempt.environment is attempt.session.project.settings.path[0]:
        back = f"restore --env {name} --backup {backup.name}" if backup else ""
        require_passed_verify(
            report,
            untouched=settled,
            next=f"To mend the revision, go back first: invoke {back}" if back else "",
        )
    raise StepFailed(
        f"{name} was upgraded, but verify failed: {error}.",
        untouched=settled,
        next="Mend what verify names, and release again.",
    )


def _verify_broke_off(attempt: Attempt, error: OpsError) -> OpsError:
    """Verify could not come to its end: its process was killed, for instance."""
    name = attempt.environment.name
    reason = f"verify of {name} could not come to its end"
    settled = _undo_unverified(attempt, reason, stays=", for a look")
    first = attempt.environment is attempt.session.project.settings.path[0]
    what = f"{name} was upgraded, but could not be verified: {error.what}"
    return (Refused if first else StepFailed)(what, untouched=settled, next=error.next)


def _find_unlike(attempt: Attempt, now: DatabaseState, run: CommandRun) -> list[Finding]:
    if attempt.rehearsed is None:
        return []
    store = BackupStore.of(attempt.session.project.settings, attempt.environment)
    before = (
        Fingerprint((), {}, {}) if attempt.backup is None else store.fingerprint(attempt.backup)
    )
    return find_unlike(now, run, before, attempt.rehearsed)


def _interrupted(attempt: Attempt) -> Interrupted:
    """Ctrl-C during verify."""
    name = attempt.environment.name
    settled = _undo_unverified(attempt, f"verify of {name} was interrupted", stays="")
    return Interrupted(f"Verify of {name} was interrupted.", untouched=settled)


def failure_of(run: CommandRun, state: DatabaseState, look: Look) -> str:
    """Why an upgrade did not arrive, empty if it did.

    The version is read from the database itself: an exit code of 0 proves nothing, since an
    env.py may swallow the error, or forget to commit.
    """
    if run.refused or run.failure:
        return run.refused or run.failure
    if set(look.revisions) == set(state.target):
        return ""
    stands = look.trouble or ", ".join(look.revisions) or "no revision"
    why = "; it began a transaction before context.configure() and did not commit it"
    return (
        f"{ran_to_its_end(run)}, but the database stands at {stands} instead of"
        f" {', '.join(state.target)}{why if run.in_transaction else ''}"
    )
