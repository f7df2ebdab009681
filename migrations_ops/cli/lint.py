"""The task lint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from migrations_ops.cli.console import Console
from migrations_ops.cli.output import documents
from migrations_ops.cli.output.lint import github, gitlab, markdown, sarif
from migrations_ops.cli.output.lint.text import as_text
from migrations_ops.model.errors import ConfigurationError, Refused
from migrations_ops.model.findings import BAD_CONSENT
from migrations_ops.model.lint import LintFinding, LintReport
from migrations_ops.model.text import counted
from migrations_ops.operations.lint import LintOptions, lint_environment, require_known
from migrations_ops.operations.plan.plan_file import read_any_plan
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.revisions.consents import comment_for

_FORMATS = ("text", "json", "github", "gitlab", "markdown", "sarif")


def run_lint(
    console: Console,
    env: str | None,
    form: str | None,
    plan_file: str | None,
    options: LintOptions,
) -> None:
    """Lint revisions, and show what was found.

    :param form: one of the formats; None for text, or for JSON where that was asked for.
    :raises OpsError: something is an error, or the revisions cannot be determined or read.
    """
    _require_format(form)
    require_known(options.allow)
    project = console.project_as_it_is()
    environment, options = _environment(project, env, plan_file, options)
    report = lint_environment(project, environment, options)
    _show(console, report, form, repository_prefix(project.settings.root))
    _require_passed(report)


def _require_format(form: str | None) -> None:
    if form is not None and form not in _FORMATS:
        raise ConfigurationError(
            f"lint has no format {form!r}; it has {', '.join(_FORMATS[:-1])} and {_FORMATS[-1]}.",
            next="For example, type: invoke lint --format github",
        )


def _environment(
    project: Project, env: str | None, plan_file: str | None, options: LintOptions
) -> tuple[Environment, LintOptions]:
    """:raises ConfigurationError: there is no such environment, or the plan is of another one."""
    settings = project.settings
    environment = settings.environment(env) if env else settings.default
    if plan_file is None:
        return environment, options
    if options.base is not None:
        raise ConfigurationError(
            "--base and --plan-file exclude each other: a plan has its own revisions.",
            next="Leave one of them out.",
        )
    plan = read_any_plan(Path(plan_file).absolute(), environment.name)
    if env is not None and plan.environment != env:
        raise ConfigurationError(
            f"The plan {plan_file} is of {plan.environment}, not of {env}.",
            next="Leave out --env, or name a plan of it.",
        )
    return settings.environment(plan.environment), replace(options, plan=plan)


def _show(console: Console, report: LintReport, form: str | None, prefix: str) -> None:
    document = documents.lint(report)
    if form == "json":
        console.show_document(document)
    elif form == "gitlab":
        console.show_document(gitlab.as_document(report, prefix))
    elif form == "sarif":
        console.show_document(sarif.as_document(report, prefix))
    elif form == "github":
        console.show_commands(github.as_commands(report, prefix))
    elif form == "markdown":
        console.show(lambda: markdown.as_markdown(report), document)
    else:
        console.show(lambda: as_text(report, console.style), document)


def repository_prefix(root: Path) -> str:
    """The folder of the project within its repository, with a slash; empty for the top of it."""
    for folder in (root, *root.parents):
        if (folder / ".git").exists():
            within = root.relative_to(folder).as_posix()
            return "" if within == "." else f"{within}/"
    return ""


def _require_passed(report: LintReport) -> None:
    """:raises Refused: there are errors."""
    errors = [each for each in report.findings if each.severity == "error"]
    if errors:
        them = "it" if len(errors) == 1 else "them"
        raise Refused(
            f"lint has found {counted(len(errors), 'error')}.",
            untouched="No database was touched.",
            next=f"Fix {them}{_or_allow(errors)}",
        )


def _or_allow(errors: Sequence[LintFinding]) -> str:
    """The comment that allows the first error; a wrong comment is not allowed by another one."""
    for each in errors:
        if each.code not in BAD_CONSENT.codes:
            return f"; or allow what is meant, in {each.file}: {comment_for(each.finding)}"
    return "."
