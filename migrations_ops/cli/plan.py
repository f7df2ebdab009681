"""The task plan."""

from __future__ import annotations

import os
from collections.abc import Iterable
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
from migrations_ops.operations.plan.measured import plan_environment
from migrations_ops.operations.plan.steps import preview_rehearsal
from migrations_ops.system.files import partial_name, write_text
from migrations_ops.system.reading import is_too_long, read_json, read_text, what_else

_BY_ENDING = {".json": "json", ".md": "markdown", ".html": "html"}


@dataclass(frozen=True)
class PlanOutput:
    """In which form a plan is shown, and where; without a file on standard output."""

    form: str
    file: Path | None

    @classmethod
    def of(cls, form: str | None, output: str | None, *, json: bool) -> PlanOutput:
        """:raises ConfigurationError: there is no such form.
        :raises Refused: the file holds something other than a plan.
        """
        file = None if output is None else Path(output).absolute()
        by_name = _BY_ENDING.get(file.suffix.lower(), "text") if file is not None else "text"
        found = form or ("json" if json and file is None else by_name)
        if found not in ("text", "markdown", "html", "json"):
            raise ConfigurationError(
                f"plan has no format {found!r}; it has text, markdown, html and json.",
                next="For example, type: invoke plan --format markdown",
            )
        # Before the backup and the rehearsal, which take their time.
        if file is not None:
            _require_place(file)
            _require_plan(file, untouched="It was not replaced, and nothing was started.")
        return cls(found, file)


def run_plan(
    console: Console,
    env: str | None,
    to: str | None,
    allow: tuple[str, ...],
    output: PlanOutput,
    *,
    dry: bool,
) -> None:
    """Rehearse what is pending, and show what was measured.

    :raises OpsError: the release would be stopped; what was measured until then is shown before.
    """
    require_known_codes(allow)
    project = console.project_as_it_is()
    settings = project.settings
    environment = settings.environment(env) if env else settings.default
    if dry:
        console.show_plan(project, preview_rehearsal(project, environment, to))
        return
    finished, plan = plan_environment(project, environment, to, allow, console.reporter)
    if plan is not None:
        _show(console, plan, output)
    if finished.error is not None:
        raise finished.error


def _show(console: Console, plan: MeasuredPlan, output: PlanOutput) -> None:
    document = documents.measured_plan(plan)
    if output.file is None and output.form == "json":
        console.show_document(document)
    elif output.file is None:
        console.show(lambda: _lines(plan, output.form, console.style), document)
    else:
        style = Style(TextIOWrapper(BytesIO(), "utf-8"))
        lines = map(shown, _lines(plan, output.form, style))
        _write(output.file, documents.text_of(document) if output.form == "json" else lines)
        line = f"{output.file} holds the plan of {plan.environment}."
        console.show(lambda: [line], document)


def _lines(plan: MeasuredPlan, form: str, style: Style) -> list[str]:
    if form == "html":
        return as_html(plan)
    return as_markdown(plan) if form == "markdown" else as_text(plan, style)


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
    """Whether a file holds a plan, or begins as one does."""
    if isinstance(read_versioned(MeasuredPlan, file, read_json(file)), MeasuredPlan):
        return True
    try:
        return BEGINS.match(read_text(file)) is not None
    except (OSError, ValueError):
        return False
