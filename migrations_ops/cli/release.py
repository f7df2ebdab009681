"""The tasks release-migration and upgrade-NAME."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from migrations_ops.cli.console import Console, seconds
from migrations_ops.cli.output import documents, text
from migrations_ops.cli.report import write_report
from migrations_ops.model.allowed import require_known_codes
from migrations_ops.model.errors import ConfigurationError, Refused
from migrations_ops.model.text import counted
from migrations_ops.operations.plan.plan_file import read_plan
from migrations_ops.operations.plan.steps import preview_release
from migrations_ops.operations.redo import plan_redo
from migrations_ops.operations.release import Ask, ReleaseOptions, release_all, upgrade_environment
from migrations_ops.operations.replica import TasksBefore
from migrations_ops.operations.state import DatabaseState
from migrations_ops.operations.status import read_status
from migrations_ops.operations.upgrade_sql import write_sql
from migrations_ops.project.project import Project
from migrations_ops.system.streams import is_terminal

# How long, in seconds, --or-wait waits unless --timeout says.
_LONGEST = "600"


@dataclass(frozen=True)
class Waiting:
    """How long, in seconds, to wait for another that does the same; None as configured."""

    longest: float | None = None

    @classmethod
    def of(cls, name: str, timeout: str | None, *, or_wait: bool) -> Waiting:
        """:raises ConfigurationError: it is no number of seconds, or nothing waits that long."""
        if or_wait:
            return cls(seconds(timeout or _LONGEST, f"upgrade-{name} --or-wait"))
        if timeout is not None:
            raise ConfigurationError(
                "--timeout is for --or-wait.", next=f"Type: invoke upgrade-{name} --or-wait"
            )
        return cls()


def run_release(
    console: Console,
    to: str | None,
    allow: tuple[str, ...],
    *,
    yes: bool,
    resume: bool = False,
    redo: bool = False,
    plan_file: str | None = None,
) -> None:
    """Release, and show the status of all at the end."""
    require_known_codes(allow)
    project = console.project()
    reviewed = None
    if plan_file is not None:
        file = Path(plan_file).absolute()
        reviewed = read_plan(file, project.settings), file
    options = ReleaseOptions(to, None if yes else _asking(console), resume, allow, redo, reviewed)
    finished = release_all(project, options, console.reporter)
    write_report(project, finished.result.id)
    idle = resume and not finished.result.steps
    resumed = "Nothing to do: nothing was interrupted."
    lines = [resumed if idle else text.released(finished.result, console.style)]
    if finished.result.outcome == "released":
        report = read_status(project, list(project.settings.path))
        lines += ["", *text.status(report, console.style)]
    console.finish(finished, *lines, document=documents.release(finished.result))


def run_upgrade(
    console: Console,
    name: str,
    to: str | None,
    allow: tuple[str, ...],
    waiting: Waiting,
    *,
    yes: bool,
    dry: bool,
) -> None:
    """Upgrade one environment."""
    require_known_codes(allow)
    project, others = console.project(), None
    if waiting.longest is not None:
        project = Project(replace(project.settings, wait=waiting.longest))
        others = TasksBefore.read(project.settings.releases)
    environment = project.settings.environment(name)
    ask = None if yes else _asking(console)
    options = ReleaseOptions(to, ask, allow=allow, others=others)
    if dry:
        console.show_plan(project, preview_release(project, [environment], to))
        return
    finished = upgrade_environment(project, environment, options, console.reporter)
    write_report(project, finished.result.id)
    reached = ", ".join(finished.result.to)
    line = (
        f"Nothing to do: {name} has reached {reached or 'the last revision there is'}."
        if finished.result.outcome == "nothing to do"
        else f"{name} is at {reached} (record {finished.result.id})."
    )
    console.finish(finished, line, document=documents.release(finished.result))


def show_sql(console: Console, name: str, to: str | None) -> None:
    """Print the SQL of what is pending."""
    project = console.project_as_it_is()
    environment = project.settings.environment(name)
    finished, sql = write_sql(project, environment, to, console.reporter)
    nothing = f"-- Nothing is pending for {name}.\n"
    document = documents.sql(finished.result, sql)
    console.finish_script(finished, sql or nothing, None if finished.error else document)


def show_plan(console: Console, to: str | None, *, redo: bool = False) -> None:
    """Show the steps that a release would run."""
    project = console.project_as_it_is()
    plan = plan_redo if redo else preview_release
    console.show_plan(project, plan(project, project.settings.path, to))


def _asking(console: Console) -> Ask:
    """Asks before an environment that is configured to ask."""

    def ask(state: DatabaseState) -> bool:
        """:raises Refused: there is no terminal."""
        pending, name = counted(len(state.pending), "revision"), state.environment.name
        if not is_terminal(sys.stdin):
            raise Refused(
                f"{name} is configured to ask before an upgrade, but there is no terminal.",
                untouched=f"{name} was not touched.",
                next="Add --yes if that is what you want.",
            )
        question = f"The rehearsal passed. Upgrade {name} by {pending}? [y/N]"
        return console.reporter.ask(question).lower() in ("y", "yes", "はい")

    return ask
