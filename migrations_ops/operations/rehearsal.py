"""Rehearses an upgrade: runs it for real on a copy restored from the backup just taken."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from migrations_ops.analysis.destroyed import judged
from migrations_ops.analysis.published import find_published
from migrations_ops.backups.store import BackupStore
from migrations_ops.databases.interface import Database, find_left_out, published_tables
from migrations_ops.model.allowed import allow_flags, without_allowed
from migrations_ops.model.backup import Backup
from migrations_ops.model.errors import Interrupted, Refused, StepFailed
from migrations_ops.model.findings import (
    DOWNGRADE_FAILS,
    DOWNGRADE_NOT_INVERSE,
    DRIFT_OF_COPY,
    UPGRADE_FAILS_AGAIN,
    UPGRADE_NOT_REPEATABLE,
    Finding,
)
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.measured_plan import Destroyed
from migrations_ops.model.outcome import Rehearsed, RevisionRun
from migrations_ops.model.plan import AlembicCommands, StepName
from migrations_ops.model.text import counted
from migrations_ops.operations.advice import advice_on_destination
from migrations_ops.operations.comparison import Comparison, find_newly_broken, statements_of
from migrations_ops.operations.failure.decision import Ended
from migrations_ops.operations.failure.observe import Failure
from migrations_ops.operations.failure.reconcile import advice_after_failure, reconcile
from migrations_ops.operations.failure.run_messages import (
    AGAIN,
    finished_in_words,
    in_revision,
    revisions_in_words,
)
from migrations_ops.operations.other_environments import watched_others
from migrations_ops.operations.session import Session, listener
from migrations_ops.operations.state import DatabaseState
from migrations_ops.operations.verification import CHECK, folded_drift
from migrations_ops.revisions.consents import comment_for
from migrations_ops.revisions.source import has_downgrade
from migrations_ops.steps.command_run import CommandRun
from migrations_ops.steps.instructions import instructions_for
from migrations_ops.steps.step import Step

_MOST_COMMENTS = 5


class _RealDatabaseChanged(StepFailed):
    """Commands that were given the URL of a copy changed the real database."""


@dataclass(frozen=True)
class MeasuredRun:
    """The upgrade of a copy, with the time, rows and locks of each statement.

    ``destroyed`` is None where it failed; ``copied_in`` is how many seconds the copy took to make,
    and ``growth`` how many bytes larger the upgrade has made it. ``down_and_up`` says whether the
    downgrades and the upgrade again went well, None where they were not tried.
    """

    run: CommandRun
    before: Fingerprint
    destroyed: tuple[Destroyed, ...] | None
    copied_in: float
    growth: int = 0
    down_and_up: bool | None = None


@dataclass(frozen=True)
class Measuring:
    """Asks to measure a rehearsal; ``report`` is called with the upgrade of the copy as soon as it
    has ended, however it ended. For ``values`` and ``script`` see Instructions."""

    report: Callable[[MeasuredRun], None]
    values: bool = False
    script: bool = False


def rehearsal_commands(state: DatabaseState) -> AlembicCommands:
    """The commands of a rehearsal's child: up, the check, and down and up again if possible."""
    upgrade = ("upgrade", state.target.argument)
    commands: list[tuple[str, ...]] = [upgrade]
    at_head = set(state.target.revisions) == set(state.history.effective_heads)
    # Before head, Alembic does not compare.
    if state.environment.compares_models and at_head:
        commands.append(CHECK)
    if can_go_down(state):
        commands += [("downgrade", state.inspection.revisions[0]), upgrade]
    return tuple(commands)


def can_go_down(state: DatabaseState) -> bool:
    """Whether there is a single revision to go back to, and each pending one has a downgrade."""
    return (
        not state.environment.commands
        and len(state.inspection.revisions) == 1
        and len(state.target.revisions) == 1
        and all(has_downgrade(revision) for revision in state.pending)
    )


def rehearse(
    session: Session,
    state: DatabaseState,
    backup: Backup | None,
    measuring: Measuring | None = None,
) -> Rehearsed:
    """Run the pending upgrade on a scratch copy, and compare the result with the content before.

    :param measuring: measures each statement; None measures nothing.
    :raises Refused: it fails there, or something vanishes that no revision declares; nothing real
        was touched.
    :raises StepFailed: the project's own commands changed the real database, which was restored.
    """
    environment = state.environment
    children = _Children(session, state, measuring)
    scratch: Database | None = None
    try:
        with session.record.step(StepName.REHEARSE, environment.name) as step:
            step.argv = children.argv
            scratch, copied_in = _make_copy(session, state, backup)
            rehearsal = _Rehearsal(session, state, backup, scratch, children)
            try:
                with watched_others(session, environment):
                    rehearsed = rehearsal.run()
            finally:
                children.close()
                if measuring is not None and rehearsal.up is not None:
                    measuring.report(rehearsal.measured(copied_in))
            step.revisions = rehearsal.revisions
            step.summary = rehearsal.summary
            step.outcome = "passed"
            session.record.add_findings(list(rehearsed.findings))
            _require_no_errors(session, state, rehearsed)
            return rehearsed
    except _RealDatabaseChanged:
        raise _undo_real_change(session, state, backup) from None
    except KeyboardInterrupt:
        raise Interrupted(
            f"The rehearsal of {environment.name} was interrupted.",
            untouched=f"{environment.name} itself was not touched.",
            next=AGAIN,
        ) from None
    finally:
        children.close()
        if scratch is not None:
            scratch.remove()
        if not state.exists and state.database.is_server:
            state.database.remove()


def _make_copy(
    session: Session, state: DatabaseState, backup: Backup | None
) -> tuple[Database, float]:
    """The copy to rehearse on, and how many seconds it took to make."""
    file = session.scratch(f"rehearsal{state.database.suffix}")
    if not state.exists and state.database.is_server:
        # env.py connects to the real one: the child redirects it to the copy.
        state.database.prepare()
    begun = time.monotonic()
    scratch = state.database.make_scratch(file, None if backup is None else Path(backup.file))
    return scratch, round(time.monotonic() - begun, 6)


def _undo_real_change(session: Session, state: DatabaseState, backup: Backup | None) -> StepFailed:
    """Restore the real database after the project's own commands changed it in a rehearsal."""
    name = state.environment.name
    reason = f"the rehearsal of {name} reached the real database"
    return StepFailed(
        f"The rehearsal of {name} reached the real database: its commands do not connect where"
        " their variables point.",
        untouched=reconcile(session, Failure.of(state, backup, reason, Ended.COMMANDS)),
        next=f"Check commands and variables of environments.{name}.",
    )


class _Children:
    """Run the commands of a rehearsal one by one, in one process.

    A command that fails ends its process: without target_metadata for instance the check does.
    Another process then runs the rest.
    """

    def __init__(self, session: Session, state: DatabaseState, measuring: Measuring | None) -> None:
        self._session, self._environment = session, state.environment
        self._pending = state.pending
        self.measuring = measuring
        self._left = list(rehearsal_commands(state))
        self._child = self._take()
        self._has_ended = False

    @property
    def argv(self) -> tuple[str, ...]:
        return self._child.argv

    @property
    def has_committed(self) -> bool:
        return self._child.has_committed

    @property
    def next(self) -> tuple[str, ...] | None:
        """The command that is next; None after the last."""
        return self._left[0] if self._left else None

    def run(self, scratch: Database) -> CommandRun:
        """Run the next command on the copy."""
        session, asked = self._session, self.measuring
        if self._has_ended:
            self._child.close()
            self._child = self._take()
        self._left.pop(0)
        instructions = instructions_for(
            session.project,
            self._environment,
            scratch=scratch,
            ledger_entry=session.ledger_facts,
            measure=asked is not None,
            values=asked is not None and asked.values,
            script=asked is not None and asked.script,
            allow=session.allowed(self._environment, self._pending),
        )
        # The copy is inspected while the child ends: no one waits for it.
        run = self._child.run(instructions, listener(session), last=False)
        self._has_ended = not run.finished
        return run

    def close(self) -> None:
        self._child.close()

    def _take(self) -> Step:
        prestart, commands = self._session.prestart, tuple(self._left)
        return prestart.take(self._environment, StepName.REHEARSE, commands)


class _Rehearsal:
    """One rehearsal on one scratch copy: up, the check, down and up again."""

    def __init__(
        self,
        session: Session,
        state: DatabaseState,
        backup: Backup | None,
        scratch: Database,
        children: _Children,
    ) -> None:
        self._session, self._state, self._backup = session, state, backup
        self._scratch, self._children = scratch, children
        self._before = self._fingerprint_before()
        self._broken = state.database.find_broken() if state.exists else []
        self._consents = session.allowed(state.environment, state.pending)
        self._is_measured = children.measuring is not None
        self.revisions: tuple[RevisionRun, ...] = ()
        self.summary = ""
        self.up: CommandRun | None = None
        self._destroyed: tuple[Destroyed, ...] | None = None
        self._size = self._growth = 0
        self._down_and_up: bool | None = None

    def run(self) -> Rehearsed:
        """:raises Refused: a command fails, or does not lead to the target."""
        self._size = self._scratch.size() if self._is_measured else 0
        up = self.up = self._run_next()
        self.revisions, self.summary = up.revisions, revisions_in_words(up)
        if up.refused or up.failure:
            raise self._refusal(up.refused or up.failure, up)
        after = self._fingerprint()
        self._growth = self._scratch.size() - self._size if self._is_measured else 0
        if set(after.revisions) != set(self._state.target.revisions):
            now = ", ".join(after.revisions) or "no revision"
            raise self._refusal(f"{finished_in_words(up)}, but the copy is at {now}")
        findings = self._find_losses(up, after)
        if self._children.next == CHECK:
            findings += self._find_drift(self._run_next())
        if self._children.next:
            findings += self._go_down_and_up(after)
        comments = self._session.comments(self._state.pending)
        # A rule of lint that is not installed here may have that code.
        unknown = [replace(each, severity="warning") for each in comments.unknown]
        findings += [*comments.problems, *unknown]
        found = tuple(without_allowed(findings, self._consents))
        return Rehearsed(after, found, statements_of(up), up.seconds)

    def measured(self, copied_in: float) -> MeasuredRun:
        """The upgrade, which has run."""
        assert self.up is not None
        return MeasuredRun(
            self.up, self._before, self._destroyed, copied_in, self._growth, self._down_and_up
        )

    def _fingerprint_before(self) -> Fingerprint:
        if self._backup is not None:
            settings = self._session.project.settings
            return BackupStore.of(settings, self._state.environment).fingerprint(self._backup)
        # Even an empty database of a server may have something of its own: a character set.
        return self._fingerprint() if self._scratch.is_server else Fingerprint.EMPTY

    def _fingerprint(self) -> Fingerprint:
        return self._scratch.fingerprint(self._state.environment.version_table)

    def _run_next(self) -> CommandRun:
        run = self._children.run(self._scratch)
        is_real = run.own_commands and self._children.has_committed
        if is_real and not self._state.has_structure(self._before):
            raise _RealDatabaseChanged(f"{self._state.environment.name} itself was changed")
        return run

    def _find_losses(self, up: CommandRun, after: Fingerprint) -> list[Finding]:
        """What disappeared or changed without being declared by a revision."""
        if self._backup is None:
            self._destroyed = ()
            return []
        comparison = Comparison(self._session, self._state, self._backup)
        broken = find_newly_broken(self._scratch, self._broken, self._before.schema, after.schema)
        compared = comparison.find(self._scratch, up, self._before, after, orphans=True)
        self._destroyed = judged(compared.destroyed, compared.findings, self._consents)
        found = compared.findings + find_left_out(self._scratch, Path(self._backup.file))
        published = published_tables(self._state.database)
        found += find_published(self._before.schema, after.schema, published)
        return broken + found

    def _find_drift(self, check: CommandRun) -> list[Finding]:
        environment = self._state.environment
        strict = environment.drift == "strict"
        lines, more = folded_drift(environment, check)
        found = [
            DRIFT_OF_COPY.found(line, strict=strict, environment=environment.name) for line in lines
        ]
        return found + more

    def _go_down_and_up(self, after: Fingerprint) -> list[Finding]:
        """Try the downgrades. Failures only warn, since the way back is the backup."""
        name = self._state.environment.name
        self._down_and_up = False
        down = self._run_next()
        if down.failure or down.refused:
            reason = down.failure or down.refused
            return [DOWNGRADE_FAILS.found(down.where, revision=in_revision(down), reason=reason)]
        if self._fingerprint().schema != self._before.schema:
            return [DOWNGRADE_NOT_INVERSE.found(name)]
        up = self._run_next()
        if up.failure or up.refused:
            reason = up.failure or up.refused
            return [UPGRADE_FAILS_AGAIN.found(up.where, revision=in_revision(up), reason=reason)]
        if self._fingerprint().schema != after.schema:
            return [UPGRADE_NOT_REPEATABLE.found(name)]
        self._down_and_up = True
        self.summary += "; down and up again"
        return []

    def _refusal(self, reason: str, run: CommandRun | None = None) -> Refused:
        name = self._state.environment.name
        where = in_revision(run) if run else ""
        environment = self._state.environment
        advice = "Fix it and try again."
        if run and run.refused:
            advice = advice_on_destination(self._session.project, environment)
        elif run:
            advice = advice_after_failure(self._session, environment, run)
        return Refused(
            f"The rehearsal on a copy of {name} failed{where}: {reason}.",
            untouched=self._untouched(run),
            next=advice,
        )

    def _untouched(self, run: CommandRun | None) -> str:
        """The sentence that the real database is untouched. On MariaDB a routine that a revision
        calls can name the real database unseen."""
        name = self._state.environment.name
        if run and run.failed_revision and not self._state.database.is_transactional:
            return f"No statement was allowed to reach {name} itself."
        return f"{name} itself was not touched."


def _require_no_errors(session: Session, state: DatabaseState, rehearsed: Rehearsed) -> None:
    errors = [finding for finding in rehearsed.findings if finding.severity == "error"]
    if errors:
        more = f" (and {counted(len(errors) - 1, 'more finding')})" if len(errors) > 1 else ""
        raise Refused(
            f"The rehearsal on a copy of {state.environment.name} stops the release:"
            f" {errors[0].message}{more}.",
            untouched=f"{state.environment.name} itself was not touched.",
            next="Fix the revision; or, if it is intended, allow it:"
            f" {allow_flags(errors)}{_or_by_comments(session, state, errors)}",
        )


def _or_by_comments(session: Session, state: DatabaseState, errors: Sequence[Finding]) -> str:
    """The comments that allow what a known revision does, ready to be pasted; none into a script
    of an installed package, which is not the project's own."""
    root = session.project.settings.root
    own = {each.revision: each.shown(root) for each in state.pending
           if each.file and each.path.is_relative_to(root)}  # fmt: skip
    comments = [
        f"in {own[each.revision]}: {comment_for(each)}" for each in errors if each.revision in own
    ]
    return f"; or by a comment {', and '.join(comments[:_MOST_COMMENTS])}" if comments else ""
