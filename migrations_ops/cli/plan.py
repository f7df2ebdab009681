"""The task plan."""

from __future__ import annotations

from migrations_ops.cli.console import Console
from migrations_ops.cli.output import documents
from migrations_ops.cli.output.measured_plan import as_markdown, as_text
from migrations_ops.model.allowed import require_known_codes
from migrations_ops.model.errors import ConfigurationError
from migrations_ops.operations.measured_plan import plan_environment
from migrations_ops.operations.plan import preview_rehearsal

FORMATS = ("text", "markdown")


def run_plan(
    console: Console,
    env: str | None,
    to: str | None,
    allow: tuple[str, ...],
    format_: str,
    *,
    dry: bool,
) -> None:
    """Rehearse what is pending, and show what was measured.

    :raises OpsError: the release would be stopped; what was measured until then is shown before.
    """
    if format_ not in FORMATS:
        raise ConfigurationError(
            f"plan has no format {format_!r}; it has {' and '.join(FORMATS)}.",
            next="For JSON, type: invoke plan --json",
        )
    require_known_codes(allow)
    project = console.project_as_it_is()
    settings = project.settings
    environment = settings.environment(env) if env else settings.default
    if dry:
        console.show_plan(project, preview_rehearsal(project, environment, to))
        return
    finished, plan = plan_environment(project, environment, to, allow, console.reporter)
    if plan is not None:
        lines = as_markdown(plan) if format_ == "markdown" else as_text(plan, console.style)
        console.show(lambda: lines, documents.measured_plan(plan))
    if finished.error is not None:
        raise finished.error
