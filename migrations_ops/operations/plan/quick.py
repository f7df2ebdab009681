"""``plan --quick``: what is pending, and what its sources tell; nothing is rehearsed."""

from __future__ import annotations

from dataclasses import replace

from migrations_ops.model.findings import Finding
from migrations_ops.model.lint import LintFinding
from migrations_ops.model.measured_plan import MeasuredPlan
from migrations_ops.operations.lint import LintOptions, lint_environment
from migrations_ops.operations.plan.measured import measured_revisions
from migrations_ops.operations.preflight.state import require_changeable
from migrations_ops.operations.state import read_state
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.revisions.loader import digest


def quick_plan(
    project: Project, environment: Environment, to: str | None, allow: tuple[str, ...] = ()
) -> MeasuredPlan:
    """What is pending, by the database's revision, with what lint finds in it.

    :param to: the target instead of the configured one.
    :param allow: the findings that this run accepts.
    :raises OpsError: an upgrade could not begin.
    """
    state = read_state(project, environment, to)
    require_changeable(state, "upgraded")
    sources = {each.revision: digest(each) for each in state.pending}
    plan = MeasuredPlan(
        environment=environment.name,
        database=state.database.label,
        from_=state.inspection.revisions,
        to=state.target.revisions,
        backup_size=0,
        copied_in=0.0,
        schema={},
        revisions=measured_revisions(state.pending, sources, project.settings.root, (), ()),
        findings=(),
        rehearsed=False,
    )
    report = lint_environment(project, environment, LintOptions(plan=plan, allow=allow))
    return replace(plan, findings=tuple(map(_finding, report.findings)))


def _finding(found: LintFinding) -> Finding:
    message = f"{found.message} ({found.file}:{found.line})"
    return replace(found.finding, message=message)
