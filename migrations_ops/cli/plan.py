"""The task plan."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path

from migrations_ops.cli.console import Console
from migrations_ops.cli.output import documents
from migrations_ops.cli.output.plan.markdown import as_markdown
from migrations_ops.cli.output.plan.page import as_html
from migrations_ops.cli.output.plan.text import as_text
from migrations_ops.cli.output.plan.words import BEGINS
from migrations_ops.cli.output.style import Style, shown
from migrations_ops.model.allowed import require_known_codes
from migrations_ops.model.errors import ConfigurationError, Refused
from migrations_ops.model.measured_plan import MeasuredPlan
from migrations_ops.model.serialisation import read_versioned
from migrations_ops.model.text import excerpt, os_error_in_words
from migrations_ops.operations.plan.measured import (
    PlanOptions,
    PlanResult,
    plan_environment,
)
from migrations_ops.operations.plan.quick import quick_plan
from migrations_ops.operations.plan.script import as_script
from migrations_ops.operations.plan.steps import preview_rehearsal
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.project.settings import Settings
from migrations_ops.system.files import partial_name, write_text
from migrations_ops.system.reading import is_too_long, read_json, read_text, what_else

_BY_ENDING = {".json": "json", ".md": "markdown", ".html": "html", ".sql": "sql"}
_FORMS = ("text", "markdown", "html", "json", "sql")


@dataclass(frozen=True)
class PlanOutput:
    """In which form a plan is shown, and where; without a file on standard output."""

    form: str
    file: Path | None

    @classmethod
    def of(
        cls, form: str | None, output: str | None, *, json: bool, sql: bool = False
    ) -> PlanOutput:
        """:raises ConfigurationError: there is no such form, or it is not that of a script.
        :raises Refused: the file holds something other than a plan.
        """
        file = None if output is None else Path(output).absolute()
        by_name = _BY_ENDING.get(file.suffix.lower(), "text") if file is not None else "text"
        if sql and form not in (None, "sql"):
            raise ConfigurationError(
                f"plan has one form for what ran, --sql, and another was asked for: {form!r}.",
                next="Leave out --sql or --format.",
            )
        form = "sql" if sql else form
        found = form or ("json" if json and file is None else by_name)
        if found not in _FORMS:
            raise ConfigurationError(
                f"plan has no format {found!r}; it has text, markdown, html, json and sql.",
                next="For example, type: invoke plan --format markdown",
            )
        # Before the backup and the rehearsal, which take their time.
        if file is not None:
            _require_place(file)
            _require_plan(file, untouched="It was not replaced, and nothing was started.")
        return cls(found, file)


@dataclass(frozen=True)
class PlanChoice:
    """What is planned: one environment, the usual one if it has no name, or all; ``quick`` without
    a rehearsal."""

    env: str | None = None
    all: bool = False
    quick: bool = False

    def environments(self, settings: Settings) -> list[Environment]:
        """:raises ConfigurationError: one and all were asked for, or there is none of that name."""
        if self.all and self.env:
            raise ConfigurationError(
                "plan takes --env or --all, not both.", next="Type: invoke plan --all"
            )
        if self.all:
            return list(settings.path)
        return [settings.environment(self.env) if self.env else settings.default]


def run_plan(
    console: Console, choice: PlanChoice, options: PlanOptions, output: PlanOutput, *, dry: bool
) -> None:
    """Rehearse what is pending, and show what was measured.

    :raises OpsError: the release would be stopped; what was measured until then is shown before.
    """
    require_known_codes(options.allow)
    project = console.project_as_it_is()
    environments = choice.environments(project.settings)
    if dry or choice.quick:
        _show_unrehearsed(console, project, environments, options, output, dry=dry)
        return
    results = [plan_environment(project, each, options, console.reporter) for each in environments]
    stopped = next((each.finished.error for each in results if each.finished.error), None)
    plans = [each.plan for each in results if each.plan is not None]
    if output.form == "sql":
        if stopped is None:
            _show_script(console, project, results, output)
    elif plans:
        _show(console, plans, output, as_list=choice.all)
    if stopped is not None:
        raise stopped


def _show_unrehearsed(
    console: Console,
    project: Project,
    environments: Sequence[Environment],
    options: PlanOptions,
    output: PlanOutput,
    *,
    dry: bool,
) -> None:
    """The steps of a plan, or what the sources alone tell."""
    if dry:
        steps = [
            step for each in environments for step in preview_rehearsal(project, each, options.to)
        ]
        console.show_plan(project, steps)
        return
    if output.form == "sql":
        raise ConfigurationError(
            "--sql shows what ran in a rehearsal, and --quick rehearses nothing.",
            next="Type: invoke plan --sql",
        )
    plans = [quick_plan(project, each, options.to, options.allow) for each in environments]
    _show(console, plans, output, as_list=len(environments) > 1)


def _show(
    console: Console, plans: Sequence[MeasuredPlan], output: PlanOutput, *, as_list: bool
) -> None:
    """:param as_list: whether the document is a list of plans, however many there are."""
    document = documents.measured_plans(plans) if as_list else documents.measured_plan(plans[0])
    if output.file is None and output.form == "json":
        console.show_document(document)
    elif output.file is None:
        console.show(lambda: _lines(plans, output.form, console.style), document)
    else:
        style = Style(TextIOWrapper(BytesIO(), "utf-8"))
        lines = map(shown, _lines(plans, output.form, style))
        _write(output.file, documents.text_of(document) if output.form == "json" else lines)
        _show_file(console, output.file, [plan.environment for plan in plans], document)


def _show_script(
    console: Console, project: Project, results: Sequence[PlanResult], output: PlanOutput
) -> None:
    """:raises ConfigurationError: there is more than one environment."""
    if len(results) > 1:
        raise ConfigurationError(
            "A script is for one database.", next="Type: invoke plan --env NAME --sql"
        )
    [result] = results
    if result.plan is None:
        return
    environment = project.settings.environment(result.plan.environment)
    syntax = project.database(environment).syntax
    script = "\n".join(as_script(result.plan, result.script, syntax)) + "\n"
    document = documents.sql(result.finished.result, script)
    if output.file is None:
        console.finish_script(result.finished, script, document)
    else:
        _write(output.file, console.without_secrets(script).removesuffix("\n"))
        _show_file(console, output.file, [environment.name], document)


def _show_file(console: Console, file: Path, names: Sequence[str], document: object) -> None:
    what = "plan" if len(names) == 1 else "plans"
    console.show(lambda: [f"{file} holds the {what} of {', '.join(names)}."], document)


def _lines(plans: Sequence[MeasuredPlan], form: str, style: Style) -> list[str]:
    if form == "html":
        return as_html(plans)
    lines: list[str] = []
    for plan in plans:
        lines += [""] if lines else []
        lines += as_markdown(plan) if form == "markdown" else as_text(plan, style)
    return lines


def _write(file: Path, text: str | Iterable[str]) -> None:
    """:raises ConfigurationError: it cannot be written.
    :raises Refused: something else than a plan has taken its name meanwhile.
    """
    _require_plan(file, untouched="It was not replaced, and no database was changed.")
    try:
        write_text(file, (text if isinstance(text, str) else "\n".join(text)) + "\n")
    except OSError as error:
        raise ConfigurationError(
            f"The plan cannot be written: {os_error_in_words(error)}.",
            untouched="No database was changed.",
            next="Name another file.",
        ) from None


def _require_place(file: Path) -> None:
    """:raises ConfigurationError: no file of that name can be made."""
    why = "" if os.path.isdir(file.parent) else f"there is no folder {excerpt(str(file.parent))}"
    if is_too_long(file.with_name(partial_name(file.name))):  # the longest name that it has
        why = "its name is too long"
    if why:
        raise ConfigurationError(
            f"The plan cannot be written: {why}.", next="Make that folder, or name another file."
        )


def _require_plan(file: Path, *, untouched: str) -> None:
    """:raises Refused: something else than a plan has that name."""
    if os.path.lexists(file) and not _is_plan(file):
        kind = what_else(file)
        raise Refused(
            f"{file} exists and is {kind or 'not a plan'}.",
            untouched=untouched,
            next="Name another file.",
        )


def _is_plan(file: Path) -> bool:
    """Whether a file holds a plan, or several, or begins as one does."""
    document = read_json(file)
    several = document.get("plans") if isinstance(document, dict) else None
    found = several if isinstance(several, list) and several else [document]
    if all(isinstance(read_versioned(MeasuredPlan, file, each), MeasuredPlan) for each in found):
        return True
    try:
        return BEGINS.match(read_text(file)) is not None
    except (OSError, ValueError):
        return False
