"""A release: the list of steps that takes every environment of the path to the target."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from migrations_ops.journal.evidence import Evidence
from migrations_ops.journal.recorder import Report
from migrations_ops.model.errors import Refused
from migrations_ops.model.outcome import Rehearsed
from migrations_ops.model.plan import EnvironmentPlan
from migrations_ops.operations.backup import back_up, prune
from migrations_ops.operations.failure.recovery import (
    recover,
)
from migrations_ops.operations.locks import lock_databases
from migrations_ops.operations.plan import plan_release
from migrations_ops.operations.preflight.gate import require_passed
from migrations_ops.operations.preflight.survey import preflight
from migrations_ops.operations.rehearsal import rehearse
from migrations_ops.operations.run import Finished, run_recorded
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import DatabaseState
from migrations_ops.operations.upgrade import upgrade_and_verify
from migrations_ops.operations.verification import require_passed_verify, verify
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project

# Asked before a later environment is upgraded, where it is configured to ask.
Ask = Callable[[DatabaseState, Rehearsed], bool]


@dataclass(frozen=True)
class ReleaseOptions:
    """What a task was asked for. ``to`` replaces the configured target; ``resume`` means: only
    if a task was killed."""

    to: str | None = None
    ask: Ask | None = None
    resume: bool = False


def release(session: Session, environments: Sequence[Environment], options: ReleaseOptions) -> None:
    """Take these environments to their targets, one after the other, in the order of the path.

    :raises OpsError: something stopped it; the record says what was done until then.
    """
    project = session.project
    databases = [project.database(environment) for environment in environments]
    # 1. One release at a time; what a killed task left is finished or undone first.
    with lock_databases(databases, session.record.task, project.settings.wait):
        if not recover(session, environments) and options.resume:
            return
        # 2. Look at everything before anything is changed.
        states = preflight(session, environments, options.to)
        verify_what_is_unverified(session, states)
        if not any(state.pending for state in states):
            return
        plans = plan_release(project, states)
        start_children_ahead(session, plans)
        # 3. The first environment directly; 4. and 5. the later ones, each through the gate.
        for state, plan in zip(states, plans, strict=True):
            if state.pending:
                promote(session, options, state)
            elif plan.steps:
                require_passed_verify(verify(session, state.environment, to=options.to))
        # 6. Record, and retention, now that all that is new is safe.
        reached = [state.target for state in states if state.pending]
        session.record.update(outcome="released", to=reached[-1])
        prune(session, environments)


def verify_what_is_unverified(session: Session, states: Iterable[DatabaseState]) -> None:
    """Verify again what an earlier release has left upgraded, though verify did not pass there.

    It is verified where it is: what has been written since then, to fix it, is pending there.

    :raises Refused: it still does not pass.
    """
    evidence = Evidence(session.project.settings.releases)
    for state in states:
        unverified = evidence.unverified(state.environment)
        if unverified and unverified == set(state.look.revisions):
            at = state.look.revisions[0] if len(unverified) == 1 else "heads"
            require_passed_verify(verify(session, state.environment, to=at))


def start_children_ahead(session: Session, plans: Iterable[EnvironmentPlan]) -> None:
    """Let the first children import Alembic while backups are taken, the others later."""
    for plan in plans:
        environment = session.project.settings.environment(plan.environment)
        for step in plan.steps:
            if step.commands:
                name = f"{plan.environment}.{step.name}"
                session.prestart.request(name, environment, step.commands)


def promote(session: Session, options: ReleaseOptions, state: DatabaseState) -> None:
    """Upgrade one environment: the first of the path directly, a later one through the gate.

    :raises OpsError: the gate, the rehearsal, the upgrade or verify stopped it.
    """
    environment = state.environment
    first = environment is session.project.settings.path[0]
    if not first:
        require_passed(session.project, environment, state.pending)
    backup = back_up(session, state)
    if first:
        upgrade_and_verify(session, state, backup)
        return
    rehearsed = rehearse(session, state, backup)
    if environment.ask and options.ask is not None and not options.ask(state, rehearsed):
        raise Refused(
            f"The upgrade of {environment.name} was declined.",
            untouched=f"{environment.name} was not touched.",
        )
    upgrade_and_verify(session, state, backup, rehearsed)


def release_all(
    project: Project, options: ReleaseOptions, report: Report, allow: tuple[str, ...]
) -> Finished:
    """The whole path, once."""
    path, last = project.settings.path, project.settings.last.name
    return _recorded(project, "release-migration", last, path, options, report, allow)


def upgrade_environment(
    project: Project,
    environment: Environment,
    options: ReleaseOptions,
    report: Report,
    allow: tuple[str, ...],
) -> Finished:
    """One environment alone; a later one of the path still passes gate and rehearsal."""
    name = environment.name
    return _recorded(project, f"upgrade-{name}", name, [environment], options, report, allow)


def _recorded(
    project: Project,
    task: str,
    about: str,
    environments: Sequence[Environment],
    options: ReleaseOptions,
    report: Report,
    allow: tuple[str, ...],
) -> Finished:
    """Release under a record of its own.

    :param about: the environment that the record is about.
    :param allow: the codes of findings that this run accepts.
    """
    return run_recorded(
        project,
        task,
        about,
        report,
        lambda session: release(session, environments, options),
        allow=allow,
    )
