"""The rehearsal: what is pending, run for real on a copy restored from the backup just taken."""

from __future__ import annotations

from pathlib import Path

from migrations_ops.backups.store import BackupStore
from migrations_ops.databases.interface import Database
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
from migrations_ops.model.outcome import Rehearsed, RevisionRun
from migrations_ops.model.plan import Commands, StepName
from migrations_ops.model.text import counted, see_env_py
from migrations_ops.operations.comparison import Comparing
from migrations_ops.operations.failure.decision import settle, structure_is
from migrations_ops.operations.failure.messages import (
    in_revision,
    ran_to_its_end,
    revisions_in_words,
    what_next,
)
from migrations_ops.operations.schema_check import statements_of
from migrations_ops.operations.session import Session, listener
from migrations_ops.operations.state import DatabaseState
from migrations_ops.operations.verification import CHECK
from migrations_ops.project.environments import Environment
from migrations_ops.revisions.source import has_downgrade
from migrations_ops.steps.command_run import CommandRun
from migrations_ops.steps.instructions import instructions_for
from migrations_ops.steps.step import Step

EMPTY = Fingerprint((), {}, {})


class _Strayed(StepFailed):
    """Commands that had been given the URL of a copy changed the real database."""


def rehearsal_commands(state: DatabaseState, target: str) -> Commands:
    """What the child of a rehearsal runs: up, the check, and down and up again where it can."""
    commands: list[tuple[str, ...]] = [("upgrade", target)]
    at_head = set(state.target) == set(state.history.effective_heads)
    # Before head, Alembic does not compare.
    if state.environment.compares_models and at_head:
        commands.append(CHECK)
    if can_go_down(state):
        commands += [("downgrade", state.look.revisions[0]), ("upgrade", target)]
    return tuple(commands)


def can_go_down(state: DatabaseState) -> bool:
    """Whether there is a single revision to go back to, and each pending one says how."""
    return (
        not state.environment.commands
        and len(state.look.revisions) == 1
        and len(state.target) == 1
        and all(has_downgrade(revision) for revision in state.pending)
    )


def rehearse(
    session: Session, state: DatabaseState, target: str, backup: Backup | None
) -> Rehearsed:
    """Run the pending upgrade on a scratch copy, and compare what it leaves with what was there.

    :raises Refused: it fails there, or something vanishes unsaid; nothing real was touched.
    :raises StepFailed: commands of the project's own went to the real database, which was restored.
    """
    environment = state.environment
    commands = rehearsal_commands(state, target)
    child = session.prestart.take(f"{environment.name}.rehearse", environment, commands)
    scratch: Database | None = None
    try:
        with session.record.step(StepName.REHEARSE, environment.name) as step:
            step.argv = child.argv
            place = session.scratch(f"rehearsal{state.database.suffix}")
            if not state.exists and state.database.is_server:
                # env.py goes to the real one first: the child leads it from there to the copy.
                state.database.prepare()
            scratch = state.database.make_scratch(
                place, None if backup is None else Path(backup.file)
            )
            play = _Play(session, state, child, scratch, commands, backup)
            rehearsed = play.whole(_before(session, environment, backup, scratch))
            step.revisions = play.revisions
            step.note = play.note
            step.outcome = "passed"
            session.record.add_findings(list(rehearsed.findings))
            _require_no_errors(rehearsed, environment)
            return rehearsed
    except _Strayed:
        reason = f"the rehearsal of {environment.name} reached the real database"
        raise StepFailed(
            f"The rehearsal of {environment.name} reached the real database: its commands do not"
            " go where their variables say.",
            untouched=settle(session, state, backup, reason, force=True),
            next=f"Check commands and variables of environments.{environment.name}.",
        ) from None
    except KeyboardInterrupt:
        raise Interrupted(
            f"The rehearsal of {environment.name} was interrupted.",
            untouched=f"{environment.name} itself was not touched.",
        ) from None
    finally:
        child.close()
        if scratch is not None:
            scratch.remove()
        if not state.exists and state.database.is_server:
            state.database.remove()


def _before(
    session: Session, environment: Environment, backup: Backup | None, scratch: Database
) -> Fingerprint:
    if backup is None and not scratch.is_server:
        return EMPTY
    if backup is None:
        # Even an empty database of a server may have something of its own: a character set.
        return scratch.fingerprint(environment.version_table)
    return BackupStore.of(session.project.settings, environment).fingerprint(backup)


class _Play:
    """The acts of one rehearsal, on one scratch copy, by one child.

    A command that fails ends its child: without target_metadata for instance the check does. What
    is left is then done by another one.
    """

    def __init__(
        self,
        session: Session,
        state: DatabaseState,
        child: Step,
        scratch: Database,
        commands: Commands,
        backup: Backup | None,
    ) -> None:
        self._session, self._state, self._child = session, state, child
        self._left = list(commands)
        self._ended = False
        self._backup = backup
        self._scratch = scratch
        environment = state.environment
        self._instructions = instructions_for(
            session.project, environment, scratch=scratch, facts=session.facts
        )
        self._was = EMPTY
        self.revisions: tuple[RevisionRun, ...] = ()
        self.note = ""

    def whole(self, before: Fingerprint) -> Rehearsed:
        try:
            return self._whole(before)
        finally:
            self._child.close()

    def _whole(self, before: Fingerprint) -> Rehearsed:
        self._was = before
        up = self._act()
        self.revisions = tuple(up.revisions)
        self.note = revisions_in_words(up)
        self._require(up)
        after = self._fingerprint()
        if set(after.revisions) != set(self._state.target):
            raise self._refusal(
                f"{ran_to_its_end(up)}, but the copy stands at"
                f" {', '.join(after.revisions) or 'no revision'}"
            )
        findings = self._lost(up, before, after)
        if self._left and self._left[0] == CHECK:
            findings += self._drift(self._act())
        if self._left:
            findings += self._down_and_up(before, after)
        allowed = self._session.allowed(self._state.environment)
        return Rehearsed(after, tuple(without_allowed(findings, allowed)), statements_of(up))

    def _act(self) -> CommandRun:
        """Let the child run its next command on the copy."""
        if self._ended:
            self._child.close()
            environment = self._state.environment
            name = f"{environment.name}.rehearse"
            self._child = self._session.prestart.take(name, environment, tuple(self._left))
        self._left.pop(0)
        # Nobody waits here for its end: the copy is looked at while the child leaves.
        run = self._child.run(self._instructions, listener(self._session), last=False)
        self._ended = not run.finished
        if run.commands and self._child.committed and not structure_is(self._state, self._was):
            raise _Strayed(f"{self._state.environment.name} itself was changed")
        return run

    def _lost(self, up: CommandRun, before: Fingerprint, after: Fingerprint) -> list[Finding]:
        """What is not there any more, or is not as it was, and no revision says so."""
        if self._backup is None:
            return []
        comparing = Comparing(self._session, self._state, self._backup)
        return comparing.find(self._scratch, up, before, after, orphans=True)

    def _fingerprint(self) -> Fingerprint:
        return self._scratch.fingerprint(self._state.environment.version_table)

    def _require(self, run: CommandRun) -> None:
        if run.refused or run.failure:
            raise self._refusal(run.refused or run.failure, run)

    def _refusal(self, reason: str, run: CommandRun | None = None) -> Refused:
        name = self._state.environment.name
        where = in_revision(run) if run else ""
        todo = what_next(run) if run else "Mend it and try again."
        if run and run.refused:
            todo = see_env_py(name)
        return Refused(
            f"The rehearsal on a copy of {name} failed{where}: {reason}.",
            untouched=self._untouched(run),
            next=todo,
        )

    def _untouched(self, run: CommandRun | None) -> str:
        """On MariaDB a program that a revision calls can name the real database, unseen."""
        name = self._state.environment.name
        if run and run.failed_revision and not self._state.database.is_transactional:
            return f"No statement that leads to {name} itself was let through."
        return f"{name} itself was not touched."

    def _drift(self, run: CommandRun) -> list[Finding]:
        environment = self._state.environment
        strict = environment.drift == "strict"
        return [
            DRIFT_OF_COPY.found(line, strict=strict, environment=environment.name)
            for line in run.differences
        ]

    def _down_and_up(self, before: Fingerprint, after: Fingerprint) -> list[Finding]:
        """Downgrades are tried, not trusted: the way back is the backup, so they only warn."""
        name = self._state.environment.name
        down = self._act()
        if down.failure or down.refused:
            reason = down.failure or down.refused
            return [DOWNGRADE_FAILS.found(down.where, revision=in_revision(down), reason=reason)]
        if self._fingerprint().schema != before.schema:
            return [DOWNGRADE_NOT_INVERSE.found(name)]
        up = self._act()
        if up.failure or up.refused:
            reason = up.failure or up.refused
            return [UPGRADE_FAILS_AGAIN.found(up.where, revision=in_revision(up), reason=reason)]
        if self._fingerprint().schema != after.schema:
            return [UPGRADE_NOT_REPEATABLE.found(name)]
        self.note += "; down and up again"
        return []


def _require_no_errors(rehearsed: Rehearsed, environment: Environment) -> None:
    errors = [finding for finding in rehearsed.findings if finding.severity == "error"]
    if errors:
        more = f" (and {counted(len(errors) - 1, 'more finding')})" if len(errors) > 1 else ""
        raise Refused(
            f"The rehearsal on a copy of {environment.name} stops the release:"
            f" {errors[0].message}{more}.",
            untouched=f"{environment.name} itself was not touched.",
            next=f"Mend the revision; or, if that is meant, allow it: {allow_flags(errors)}",
        )
