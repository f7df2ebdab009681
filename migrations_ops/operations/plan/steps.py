"""Plans a release: what --plan shows, and which children are started ahead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from migrations_ops.journal.evidence import Evidence
from migrations_ops.model.plan import (
    AlembicCommands,
    EnvironmentPlan,
    PlannedRevision,
    PlannedStep,
    StepName,
)
from migrations_ops.operations.attempts import upgrade_commands
from migrations_ops.operations.failure.reminder import require_no_reminder
from migrations_ops.operations.preflight.state import require_changeable
from migrations_ops.operations.rehearsal import rehearsal_commands
from migrations_ops.operations.state import DatabaseState, read_state
from migrations_ops.operations.verification import CHECK
from migrations_ops.project.child_process import child_argv
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.revisions.history import Revision
from migrations_ops.revisions.loader import is_unedited


def preview_release(
    project: Project, environments: Iterable[Environment], to: str | None
) -> list[EnvironmentPlan]:
    """What a release would do now, without its preflight.

    :param to: the target instead of the configured one.
    :raises OpsError: an upgrade could not begin.
    """
    states = [read_state(project, environment, to) for environment in environments]
    for state in states:
        require_no_reminder(project, state)
        require_changeable(state, "upgraded")
    return plan_release(project, states)


def preview_rehearsal(
    project: Project, environment: Environment, to: str | None
) -> list[EnvironmentPlan]:
    """What a measured plan would run now, without its preflight.

    :param to: the target instead of the configured one.
    :raises OpsError: an upgrade could not begin.
    """
    state = read_state(project, environment, to)
    require_changeable(state, "upgraded")
    steps = [PlannedStep(StepName.BACK_UP)] if state.exists else []
    if state.pending:
        steps += _changing_steps(project, environment, StepName.REHEARSE, rehearsal_commands(state))
    return [_planned(state, steps if state.pending else ())]


def plan_release(project: Project, states: Sequence[DatabaseState]) -> list[EnvironmentPlan]:
    """What a release does to environments in these states, in the order of the path."""
    return [
        _plan(project, state, [each for later in states[number:] for each in later.pending])
        for number, state in enumerate(states)
    ]


def list_steps(
    project: Project, environment: Environment, steps: Iterable[tuple[StepName, AlembicCommands]]
) -> EnvironmentPlan:
    """The steps of a task that do not depend on a state, each with the Alembic commands of its
    process."""
    planned = tuple(_step(project, environment, *each) for each in steps)
    label = project.database(environment).label
    return EnvironmentPlan(environment.name, label, steps=planned)


def _plan(project: Project, state: DatabaseState, needed: Sequence[Revision]) -> EnvironmentPlan:
    """:param needed: the revisions that are pending here, or in a later environment."""
    environment = state.environment
    if state.pending:
        steps = _upgrade_steps(project, state)
    elif needed and _lacks_evidence(project, state, needed):
        steps = [_verify_step(project, environment)]
    else:
        steps = []
    return _planned(state, steps)


def _planned(state: DatabaseState, steps: Iterable[PlannedStep]) -> EnvironmentPlan:
    return EnvironmentPlan(
        state.environment.name,
        state.database.label,
        state.inspection.revisions,
        state.target.revisions,
        tuple(PlannedRevision(each.revision, each.title) for each in state.pending),
        tuple(steps),
    )


def _upgrade_steps(project: Project, state: DatabaseState) -> list[PlannedStep]:
    environment = state.environment
    steps = [PlannedStep(StepName.BACK_UP)] if state.exists else []
    changing = [(StepName.UPGRADE, upgrade_commands(state))]
    if project.settings.is_rehearsed(environment):
        changing.insert(0, (StepName.REHEARSE, rehearsal_commands(state)))
    for name, commands in changing:
        steps += _changing_steps(project, environment, name, commands)
    return [*steps, _verify_step(project, environment)]


def _changing_steps(
    project: Project, environment: Environment, name: StepName, commands: AlembicCommands
) -> list[PlannedStep]:
    if environment.commands:
        return [PlannedStep(name, each.argv) for each in environment.commands]
    return [_step(project, environment, name, commands)]


def _verify_step(project: Project, environment: Environment) -> PlannedStep:
    commands = (CHECK,) if environment.compares_models else ()
    return _step(project, environment, StepName.VERIFY, commands)


def _step(
    project: Project, environment: Environment, name: StepName, commands: AlembicCommands
) -> PlannedStep:
    argv = tuple(child_argv(project, environment, commands)) if commands else ()
    return PlannedStep(name, argv, commands)


def _lacks_evidence(project: Project, state: DatabaseState, needed: Iterable[Revision]) -> bool:
    """Whether an environment at its target must be verified before a later one may be upgraded."""
    passed = Evidence(project.settings.releases).passed(state.environment)
    known = state.history.revisions
    return any(
        each.revision not in passed
        or (each.revision in known and not is_unedited(known[each.revision], passed[each.revision]))
        for each in needed
    )
