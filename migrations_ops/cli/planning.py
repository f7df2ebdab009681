"""What ``--plan`` and ``--dry`` show: the steps that a task would run, and that none was run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from migrations_ops.cli.console import Console
from migrations_ops.operations.preflight.state import require_changeable
from migrations_ops.operations.rehearsal import rehearsal_commands
from migrations_ops.operations.state import read_state
from migrations_ops.operations.upgrade import upgrade_commands
from migrations_ops.operations.verification import CHECK
from migrations_ops.project.child import CHILD, global_options
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.project.settings import running_python
from migrations_ops.revisions.history import Revision

UNCHANGED = "Nothing was changed."


@dataclass(frozen=True)
class Planned:
    """What would be done to one environment: its steps, each with its argv where it has one.

    ``from_`` and ``to`` are None where the steps were only listed, and no database was read;
    ``backup`` is the one that a restore would put back.
    """

    environment: Environment
    from_: tuple[str, ...] | None = None
    to: tuple[str, ...] | None = None
    pending: tuple[Revision, ...] = ()
    steps: tuple[tuple[str, tuple[str, ...]], ...] = ()
    backup: str = ""


def plan_upgrade(project: Project, environment: Environment, to: str | None) -> Planned:
    """:raises OpsError: the upgrade could not begin."""
    state = read_state(project, environment, to)
    require_changeable(state, "upgraded")
    current, wanted = state.look.revisions, state.target
    if not state.pending:
        return Planned(environment, current, wanted)
    target = to or environment.target
    steps: list[tuple[str, tuple[str, ...]]] = []
    if state.exists:
        steps.append(("back up", ()))
    later = environment is not project.settings.path[0]
    if environment.commands:
        own = [step for step in ("rehearse", "upgrade") if later or step == "upgrade"]
        steps += [(step, each.argv) for step in own for each in environment.commands]
    else:
        if later:
            rehearsal = rehearsal_commands(state, target)
            steps.append(("rehearse", argv_of(project, environment, rehearsal)))
        upgrading = upgrade_commands(target)
        steps.append(("upgrade", argv_of(project, environment, upgrading)))
    comparing = argv_of(project, environment, [CHECK]) if environment.compares_models else ()
    steps.append(("verify", comparing))
    return Planned(environment, current, wanted, state.pending, tuple(steps))


def argv_of(
    project: Project, environment: Environment, commands: Sequence[Sequence[str]]
) -> tuple[str, ...]:
    """The argv of a step that runs these Alembic commands."""
    python = environment.python or running_python()
    options = global_options(project.settings.alembic, environment)
    parts = [str(python), str(CHILD)]
    for number, command in enumerate(commands):
        parts += [*(["--then"] if number else []), *options, *command]
    return tuple(parts)


def show_planned(here: Console, project: Project, plans: Sequence[Planned]) -> None:
    """Show what would be done, and say that nothing was."""
    selector = project.settings.selector
    lines = [line for plan in plans for line in _lines(plan, selector, project)]
    document = {"environments": [_document(plan) for plan in plans], "changed": False}
    here.show("\n".join([*lines, UNCHANGED]), document)


def _lines(plan: Planned, selector: str, project: Project) -> list[str]:
    name = plan.environment.name
    if not plan.steps:
        return [f"{name}: nothing to do."]
    label = project.database(plan.environment).label
    count = len(plan.pending)
    heading = f"{count} pending, to {', '.join(plan.to or ())}" if count else label
    lines = [f"{name}: {heading}"]
    lines += [f"    {each.revision}  {each.message}" for each in plan.pending]
    for step, argv in plan.steps:
        said = f"{selector}={name} {' '.join(argv)}" if argv else label
        said += f" from {plan.backup}" if step == "restore" else ""
        lines.append(f"  {step:<9} {said}")
    return lines


def _document(plan: Planned) -> dict[str, object]:
    document: dict[str, object] = {"name": plan.environment.name}
    if plan.from_ is not None:
        document["from"] = plan.from_
    if plan.to is not None:
        document["to"] = plan.to
    if plan.backup:
        document["backup"] = plan.backup
    return document | {
        "pending": [each.revision for each in plan.pending],
        "steps": [{"name": step, "argv": argv} for step, argv in plan.steps],
    }
