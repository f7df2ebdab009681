"""A release: the list of steps that takes every environment of the path to the target."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from migrations_ops.analysis.losses import without_allowed
from migrations_ops.backups import retention
from migrations_ops.backups.store import OPEN_IT, BackupStore
from migrations_ops.databases import Database
from migrations_ops.journal.evidence import Evidence
from migrations_ops.model.errors import Refused, StepFailed
from migrations_ops.model.findings import Finding
from migrations_ops.model.results import Rehearsed
from migrations_ops.operations.backup import back_up
from migrations_ops.operations.failure.recovery import recover
from migrations_ops.operations.locks import lock_databases
from migrations_ops.operations.preflight.edited import find_edited, mend_edited
from migrations_ops.operations.preflight.gate import require_passed
from migrations_ops.operations.preflight.obstacles import require_no_obstacles
from migrations_ops.operations.preflight.presence import require_present
from migrations_ops.operations.preflight.room import require_room
from migrations_ops.operations.preflight.state import require_upgradable
from migrations_ops.operations.rehearsal import rehearsal_commands, rehearse
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import DatabaseState, read_state
from migrations_ops.operations.upgrade import Attempt, upgrade, upgrade_commands
from migrations_ops.operations.verification import require_passed_verify, verify
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.steps.commands import require_rehearsable

# Asked before a later environment is upgraded, where it is configured to ask.
Ask = Callable[[DatabaseState, Rehearsed], bool]


@dataclass(frozen=True)
class ReleaseOptions:
    """What a task was asked for. ``to`` replaces the configured target; ``resume`` means: only
    if something was broken off."""

    to: str | None = None
    ask: Ask | None = None
    resume: bool = False

    def target(self, environment: Environment) -> str:
        return self.to or environment.target


def release(session: Session, options: ReleaseOptions) -> None:
    """Take every environment to the target, one after the other, in the order of the path.

    :raises OpsError: something stopped it; the record says what was done until then.
    """
    project = session.project
    with lock_databases(_databases(project), session.record.task, project.settings.wait):
        if not recover(session, list(project.settings.path)) and options.resume:
            return
        survey = preflight(session, options)
        require_no_doubts(session, options, survey)
        behind = [state for state in survey if state.pending]
        if not behind:
            return
        start_children_ahead(session, options, behind)
        for state in survey:
            if state.pending:
                promote(session, options, state)
            elif any(later.pending for later in survey[survey.index(state) :]):
                certify(session, options, state, behind)
        session.record.update(outcome="released", to=behind[-1].target)
        prune(session, project.settings.path)


def preflight(session: Session, options: ReleaseOptions) -> list[DatabaseState]:
    """Look at everything before anything is changed.

    :raises OpsError: the scripts, or a database, are in no state to be released; or a variable
        that a step needs is missing.
    """
    with session.record.step("preflight", "all") as step:
        project = session.project
        survey = [
            read_state(project, environment, options.to) for environment in project.settings.path
        ]
        for state in survey:
            require_runnable(project, state)
            require_upgradable(state)
            require_present(session, state)
            require_readable_scripts(state)
            require_unedited(session, state)
            if state.pending:
                require_no_obstacles(session, state)
        require_room(project.settings, survey)
        serving = survey[-1]
        session.record.update(from_=serving.look.revisions, to=serving.target)
        step.note = "; ".join(
            f"{state.environment.name}: {_pending_in_words(state)}" for state in survey
        )
        return survey


def require_no_doubts(
    session: Session, options: ReleaseOptions, survey: list[DatabaseState]
) -> None:
    """Verify again what an earlier release has left upgraded, though verify did not pass there.

    :raises Refused: it still does not.
    """
    evidence = Evidence(session.project.settings.releases)
    for state in survey:
        doubted = evidence.doubted(state.environment)
        if doubted and doubted == set(state.look.revisions):
            require_passed_verify(verify(session, state.environment, to=options.to))


def start_children_ahead(
    session: Session, options: ReleaseOptions, behind: list[DatabaseState]
) -> None:
    """Let the first children import Alembic while backups are taken, the others later."""
    first = session.project.settings.path[0]
    for state in behind:
        environment, target = state.environment, options.target(state.environment)
        if environment is first:
            commands = upgrade_commands(environment, target)
            session.start_ahead(f"{environment.name}.upgrade", environment, commands)
        else:
            commands = rehearsal_commands(state, target)
            session.start_ahead(f"{environment.name}.rehearse", environment, commands)
            commands = upgrade_commands(environment, target)
            session.start_ahead(f"{environment.name}.upgrade", environment, commands)


def promote(session: Session, options: ReleaseOptions, state: DatabaseState) -> None:
    """Upgrade one environment: the first of the path directly, a later one through the gate.

    :raises OpsError: the gate, the rehearsal, the upgrade or verify stopped it.
    """
    environment, target = state.environment, options.target(state.environment)
    first = environment is session.project.settings.path[0]
    if not first:
        require_passed(session.project, environment, state.pending)
    backup = back_up(session, state)
    if first:
        upgrade(Attempt(session, state, target, backup))
        return
    rehearsed = rehearse(session, state, target, backup)
    if environment.ask and options.ask is not None and not options.ask(state, rehearsed):
        raise Refused(
            f"The upgrade of {environment.name} was declined.",
            untouched=f"{environment.name} was not touched.",
        )
    upgrade(Attempt(session, state, target, backup, rehearsed))


def certify(
    session: Session, options: ReleaseOptions, state: DatabaseState, behind: list[DatabaseState]
) -> None:
    """Verify an environment that is at head already, if a later one needs that evidence."""
    environment = state.environment
    passed = Evidence(session.project.settings.releases).passed(environment)
    needed = {revision.revision for later in behind for revision in later.pending}
    if needed - set(passed) or _edited_since(state, passed, needed):
        require_passed_verify(verify(session, environment, to=options.to))


def _edited_since(state: DatabaseState, passed: dict[str, str], needed: set[str]) -> bool:
    from migrations_ops.revisions.loader import digest

    revisions = state.history.revisions
    return any(passed[name] != digest(revisions[name]) for name in needed if name in revisions)


def require_readable_scripts(state: DatabaseState) -> None:
    """:raises Refused: a pending revision is no valid Python."""
    for revision in state.pending:
        if not revision.file:
            continue
        try:
            compile(revision.path.read_bytes(), revision.file, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None) or 1
            raise Refused(
                f"Revision {revision.revision} is not valid Python: {error.args[0]}.",
                untouched="No database was touched.",
                next=f"Mend {revision.file}:{line}",
            ) from None


def require_runnable(project: Project, state: DatabaseState) -> None:
    """:raises ConfigurationError: the steps of an environment lack a variable, or its database is
        that of another environment too.
    :raises Refused: there is no place for the backup.
    """
    environment = state.environment
    project.require_steps(environment)
    if not state.pending:
        return
    if environment is not project.settings.path[0]:
        require_rehearsable(project, environment)
    store = BackupStore.of(project.settings, environment)
    obstacle = store.find_closed() if state.exists else ""
    if obstacle:
        raise Refused(obstacle, untouched="No database was touched.", next=OPEN_IT)


def require_unedited(session: Session, state: DatabaseState) -> None:
    """:raises Refused: a revision that this environment has run was edited since, or is gone."""
    allowed = session.allowed(state.environment)
    found = without_allowed(find_edited(state), allowed)
    errors = [each for each in found if each.severity == "error"]
    if errors:
        said = "; ".join(each.message for each in errors)
        raise Refused(
            f"{said[0].upper()}{said[1:]}.",
            untouched="No database was touched.",
            next=mend_edited(state, errors),
        )


def prune(session: Session, environments: Iterable[Environment]) -> None:
    """Retention, when everything new is safe. Where it fails, that undoes nothing."""
    settings = session.project.settings
    past = retention.Past.read(settings.releases)
    # A clock that was set back must not make what was just taken look like an old one, even if
    # no record could be written that names it.
    taken = frozenset(session.record.result.backups)
    past = replace(past, needed=past.needed | taken, verified=taken)
    for environment in environments:
        try:
            retention.prune(BackupStore.of(settings, environment), past)
        except StepFailed as error:
            with session.record.step("prune", environment.name) as step:
                step.note = "old backups stay"
                kept = Finding("backups-kept", "warning", error.what, environment.name)
                session.record.add_findings([kept])


def _databases(project: Project) -> list[Database]:
    return [project.database(environment) for environment in project.settings.path]


def _pending_in_words(state: DatabaseState) -> str:
    count = len(state.pending)
    if not count:
        return "nothing pending"
    return f"{count} revision{'s' * (count > 1)} pending"
