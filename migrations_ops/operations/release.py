"""A release: the steps that take every environment of the path to the target."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from migrations_ops.journal.evidence import Evidence
from migrations_ops.journal.recorder import Reporter
from migrations_ops.model.errors import Refused
from migrations_ops.model.measured_plan import MeasuredPlan
from migrations_ops.model.plan import EnvironmentPlan, StepName
from migrations_ops.operations.backup import back_up
from migrations_ops.operations.failure.recovery import recover
from migrations_ops.operations.gate import require_evidence
from migrations_ops.operations.hooks import run_first_hook
from migrations_ops.operations.plan.plan_file import require_as_planned
from migrations_ops.operations.plan.steps import plan_release
from migrations_ops.operations.preflight.checks import require_releasable
from migrations_ops.operations.preflight.missing import require_folders
from migrations_ops.operations.prune import prune
from migrations_ops.operations.redo import take_back
from migrations_ops.operations.rehearsal import rehearse
from migrations_ops.operations.replica import TasksBefore, is_released
from migrations_ops.operations.report import keep_plan
from migrations_ops.operations.run import Finished, run_recorded
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import DatabaseState, read_state
from migrations_ops.operations.upgrade import upgrade_and_verify
from migrations_ops.operations.verification import require_verified, verify
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.revisions.targets import Target

# Asked before a later environment is upgraded, where it is configured to ask.
Ask = Callable[[DatabaseState], bool]


@dataclass(frozen=True)
class ReleaseOptions:
    """The options of a task. ``to`` replaces the configured target; ``resume`` means: only if a
    task was killed; ``allow`` are the codes of findings that this run accepts; ``redo`` takes
    environments back first that have run what was edited; ``reviewed`` is the plan, and its file,
    beyond which nothing is released; ``others`` are the tasks before it, where several replicas do
    the same and one is enough."""

    to: str | None = None
    ask: Ask | None = None
    resume: bool = False
    allow: tuple[str, ...] = ()
    redo: bool = False
    reviewed: tuple[MeasuredPlan, Path] | None = None
    others: TasksBefore | None = None


def release(session: Session, environments: Sequence[Environment], options: ReleaseOptions) -> None:
    """Take these environments to their targets, one after the other, in the order of the path.

    :raises OpsError: something stopped it; the record says what was done until then.
    """
    require_folders(session, environments)  # the lock would make them
    with session.locked(environments):
        was_interrupted = recover(session, environments)
        if options.resume and not was_interrupted:
            return
        if options.others is not None and not was_interrupted:
            environment, to = environments[0], options.to
            if is_released(session, environment, to, options.others):
                return
        if options.redo:
            take_back(session, environments)
        states = preflight(session, environments, options.to)
        if options.reviewed is not None:
            require_as_planned(states, *options.reviewed)
        verify_earlier_upgrades(session, states)
        if not any(state.pending for state in states):
            return
        if options.reviewed is not None:
            keep_plan(session, options.reviewed[0])
        plans = plan_release(session.project, states)
        run_first_hook(session.project.settings, session.record)
        start_children_ahead(session, plans)
        is_shared = len({id(state.database) for state in states}) < len(states)
        for state, plan in zip(states, plans, strict=True):
            if is_shared:
                # Another project of the same database may have been upgraded since.
                state = read_state(session.project, state.environment, options.to)
            release_one(session, state, plan, options)
        session.record.update(outcome="released")
        prune(session, environments)


def preflight(
    session: Session, environments: Sequence[Environment], to: str | None
) -> list[DatabaseState]:
    """Inspect everything before anything is changed, and refuse what cannot be released.

    :param to: the target instead of the configured one.
    """
    about = environments[0].name if len(environments) == 1 else "all"
    with session.record.step(StepName.PREFLIGHT, about) as step:
        states = [read_state(session.project, each, to) for each in environments]
        step.summary = require_releasable(session, states)
        last = ([state for state in states if state.pending] or states)[-1]
        session.record.update(
            from_=last.inspection.revisions,
            to=last.target.revisions,
            targets={each.environment.name: each.target.revisions for each in states},
            titles={each.revision: each.title for state in states for each in state.pending},
        )
    return states


def release_one(
    session: Session, state: DatabaseState, plan: EnvironmentPlan, options: ReleaseOptions
) -> None:
    """Take one environment to its target.

    :raises OpsError: something stopped it.
    """
    if state.pending and session.project.settings.is_rehearsed(state.environment):
        promote(session, state, options.ask)
    elif state.pending:
        upgrade_first(session, state)
    elif plan.steps:
        # A later environment needs what is there to have passed.
        require_verified(verify(session, state.environment, state.target))


def upgrade_first(session: Session, state: DatabaseState) -> None:
    """The first environment of the path, unless it is protected: back up, upgrade, verify.

    :raises OpsError: the upgrade or verify stopped it.
    """
    backup = back_up(session, state, must_hold_all=True)
    upgrade_and_verify(session, state, backup)


def promote(session: Session, state: DatabaseState, ask: Ask | None) -> None:
    """A later or protected environment: back up, rehearse, ask, upgrade, verify.

    :raises OpsError: the gate, the rehearsal, the upgrade or verify stopped it.
    """
    require_evidence(session.project, state.environment, state.pending, state.to_flag)
    backup = back_up(session, state, must_hold_all=True)
    rehearsed = rehearse(session, state, backup)
    require_consent(state, ask)
    upgrade_and_verify(session, state, backup, rehearsed)


def require_consent(state: DatabaseState, ask: Ask | None) -> None:
    """:raises Refused: the environment is configured to ask, and the answer was no."""
    name = state.environment.name
    if state.environment.ask and ask is not None and not ask(state):
        raise Refused(f"The upgrade of {name} was declined.", untouched=f"{name} was not touched.")


def verify_earlier_upgrades(session: Session, states: Iterable[DatabaseState]) -> None:
    """Verify what an earlier release left upgraded without a passing verify.

    It is verified at its present revision; a pending fix does not count against it.

    :raises Refused: it still does not pass.
    """
    evidence = Evidence(session.project.settings.releases)
    for state in states:
        unverified = evidence.unverified(state.environment)
        if unverified and unverified == set(state.inspection.revisions):
            here = Target.here(state.inspection.revisions)
            require_verified(verify(session, state.environment, here))


def start_children_ahead(session: Session, plans: Iterable[EnvironmentPlan]) -> None:
    """Let the first children import Alembic while backups are taken, the others later."""
    for plan in plans:
        environment = session.project.settings.environment(plan.environment)
        for step in plan.steps:
            if step.commands:
                session.prestart.request(environment, step.name, step.commands)


def release_all(project: Project, options: ReleaseOptions, reporter: Reporter) -> Finished:
    """The whole path, once."""
    path, last = project.settings.path, project.settings.last.name

    def body(session: Session) -> None:
        release(session, path, options)

    return run_recorded(
        project, "release-migration", last, reporter, body, allow=options.allow, hooks=True
    )


def upgrade_environment(
    project: Project, environment: Environment, options: ReleaseOptions, reporter: Reporter
) -> Finished:
    """Upgrade one environment only; a later one of the path still passes gate and rehearsal."""
    name = environment.name

    def body(session: Session) -> None:
        release(session, [environment], options)

    return run_recorded(
        project, f"upgrade-{name}", name, reporter, body, allow=options.allow, hooks=True
    )
