"""A release: the list of steps that takes every environment of the path to the target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from migrations_ops.databases import Database
from migrations_ops.journal.evidence import Evidence
from migrations_ops.journal.record import Report
from migrations_ops.model.errors import Refused
from migrations_ops.model.results import Rehearsed
from migrations_ops.operations.backup import back_up, prune
from migrations_ops.operations.failure.recovery import (
    recover,
)
from migrations_ops.operations.locks import lock_databases
from migrations_ops.operations.preflight.edited import require_unedited
from migrations_ops.operations.preflight.gate import require_passed
from migrations_ops.operations.preflight.obstacles import require_no_obstacles
from migrations_ops.operations.preflight.presence import (
    require_present,
)
from migrations_ops.operations.preflight.room import require_room
from migrations_ops.operations.preflight.runnable import require_readable_scripts, require_runnable
from migrations_ops.operations.preflight.state import require_upgradable
from migrations_ops.operations.rehearsal import rehearsal_commands, rehearse
from migrations_ops.operations.run import Finished, run_recorded
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import DatabaseState, read_state
from migrations_ops.operations.upgrade import Attempt, upgrade, upgrade_commands
from migrations_ops.operations.verification import require_passed_verify, verify
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project

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


def _databases(project: Project) -> list[Database]:
    return [project.database(environment) for environment in project.settings.path]


def _pending_in_words(state: DatabaseState) -> str:
    count = len(state.pending)
    if not count:
        return "nothing pending"
    return f"{count} revision{'s' * (count > 1)} pending"


def release_all(
    project: Project, options: ReleaseOptions, report: Report, allow: tuple[str, ...]
) -> Finished:
    """The whole path, once."""
    return run_recorded(
        project,
        "release-migration",
        project.settings.serving.name,
        report,
        lambda session: release(session, options),
        allow=allow,
    )


def upgrade_environment(
    project: Project,
    environment: Environment,
    options: ReleaseOptions,
    report: Report,
    allow: tuple[str, ...],
) -> Finished:
    """Back up and upgrade one environment; a later one of the path passes gate and rehearsal."""

    def body(session: Session) -> None:
        database = project.database(environment)
        with lock_databases([database], session.record.task, project.settings.wait):
            recover(session, [environment])
            with session.record.step("preflight", environment.name) as step:
                state = read_state(project, environment, options.to)
                require_runnable(project, state)
                require_upgradable(state)
                require_present(session, state)
                require_readable_scripts(state)
                require_unedited(session, state)
                if state.pending:
                    require_no_obstacles(session, state)
                require_room(project.settings, [state])
                session.record.update(from_=state.look.revisions, to=state.target)
                count = len(state.pending)
                step.note = f"{count} pending" if count else "at head, nothing to do"
            if state.pending:
                start_children_ahead(session, options, [state])
                promote(session, options, state)
                prune(session, [environment])
                session.record.update(outcome="released")

    task = f"upgrade-{environment.name}"
    return run_recorded(project, task, environment.name, report, body, allow=allow)
