"""The task drift, and the drift of status."""

from __future__ import annotations

from migrations_ops.cli.console import Console
from migrations_ops.cli.output import documents
from migrations_ops.cli.output import drift as text
from migrations_ops.operations.drift import accept_drift, read_drift, require_no_drift


def run_drift(console: Console, env: str | None, *, accept: bool) -> None:
    """Show what was changed by hand in one environment, or accept it."""
    project = console.project_as_it_is()
    settings = project.settings
    environment = settings.environment(env) if env else settings.default
    report = (accept_drift if accept else read_drift)(project, environment)
    console.show(lambda: text.drift([report], console.style), documents.drift([report]))
    require_no_drift([report])
