"""The tasks that only read: status, verify, current, history, heads, db-version, releases."""

from __future__ import annotations

import re

from migrations_ops.cli.console import Console, seconds
from migrations_ops.cli.output import documents, text
from migrations_ops.journal.record import TaskRecord, walk_records
from migrations_ops.model.errors import ConfigurationError
from migrations_ops.model.serialisation import Unreadable
from migrations_ops.model.text import counted
from migrations_ops.operations.status import (
    read_current,
    read_history,
    read_version,
    require_at_head,
    try_status,
)
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project


def show_status(console: Console, env: str | None, *, check: bool, drift: bool) -> None:
    """Show the state of one environment."""
    project = console.project_as_it_is()
    settings = project.settings
    environment = settings.environment(env) if env else settings.default
    _show(console, project, [environment], check=check, drift=drift)


def run_wait(console: Console, env: str | None, timeout: str, behind: str | None) -> None:
    """Wait until an environment is at head.

    :param behind: "ok" where pending revisions are none of its business.
    :raises ConfigurationError: there is no such word, or no such time.
    """
    from migrations_ops.operations.wait import wait_until_at_head

    longest = seconds(timeout, "wait")
    if behind not in (None, "ok"):
        raise ConfigurationError(
            f"--behind is ok, and not {behind!r}.", next="Type: invoke wait --behind ok"
        )
    project = console.project()
    settings = project.settings
    environment = settings.environment(env) if env else settings.default
    report = wait_until_at_head(project, environment, longest, is_behind_ok=behind is not None)
    [row] = report.environments
    more = f"; {counted(len(row.pending), 'revision')} pending" if row.pending else ""
    line = f"{row.name} is {row.state}: {', '.join(row.current)}{more}."
    console.show(lambda: [line], documents.status(report))


def show_status_all(console: Console, *, check: bool, drift: bool) -> None:
    """Show the state of all environments."""
    project = console.project_as_it_is()
    _show(console, project, list(project.settings.path), check=check, drift=drift)


def _show(
    console: Console,
    project: Project,
    environments: list[Environment],
    *,
    check: bool,
    drift: bool,
) -> None:
    """:raises OpsError: an environment could not be read; every environment still has its row."""
    report, failure = try_status(project, environments)
    document = documents.status(report) | (documents.error(failure) if failure else {})
    lines: list[str] = []
    changed = []
    if drift:
        # Imported here: a status without it would take longer.
        from migrations_ops.cli.output.drift import drift_in_short
        from migrations_ops.operations.drift import require_no_drift, try_drift

        changed = [try_drift(project, each) for each in environments]
        lines = drift_in_short(changed, console.style)
        document |= documents.drift(changed)
    console.show(lambda: [*text.status(report, console.style), *lines], document)
    if failure is not None:
        raise failure
    if check:
        require_at_head(report)
        if drift:
            require_no_drift(changed)


def run_verify(console: Console, env: str | None) -> None:
    """Check one environment."""
    # Imported here: status does not need it, and would take longer.
    from migrations_ops.operations.verification import verify_environment

    project = console.project_as_it_is()
    settings = project.settings
    environment = settings.environment(env) if env else settings.path[0]
    finished, report = verify_environment(project, environment, console.reporter)
    if report is None:
        console.finish(finished)
        return
    document = documents.verified(report)
    console.finish(finished, text.verified(report, console.style), document=document)


def show_current(console: Console, env: str | None) -> None:
    """The revision of each environment, with its message."""
    project = console.project_as_it_is()
    rows = [read_current(project, each) for each in project.settings.environments(env)]
    console.show(lambda: text.current(rows), documents.current(rows))


def show_history(console: Console, env: str | None, *, only_heads: bool = False) -> None:
    """The revisions, newest first, marked with the environments that are at them."""
    project = console.project_as_it_is()
    settings = project.settings
    environment = settings.environment(env) if env else settings.default
    report = read_history(project, environment, only_heads=only_heads)
    console.show(
        lambda: text.history(report, console.style, with_base=not only_heads),
        documents.history(report),
    )


def draw_history(console: Console, env: str | None, form: str) -> None:
    """The revisions in lanes, or for Mermaid.

    :raises ConfigurationError: there is no such form.
    """
    from migrations_ops.cli.output.graph import graph, mermaid

    if form not in ("text", "mermaid"):
        raise ConfigurationError(
            f"history has no format {form!r}; it has text and mermaid.",
            next="For example, type: invoke history --graph --format mermaid",
        )
    project = console.project_as_it_is()
    environment = project.settings.environment(env) if env else project.settings.default
    report = read_history(project, environment, only_heads=False)
    console.show(
        lambda: mermaid(report) if form == "mermaid" else graph(report, console.style),
        documents.history(report),
    )


def show_db_version(console: Console, env: str | None) -> None:
    """The content of the version table, read without Alembic."""
    project = console.project_as_it_is()
    rows = [read_version(project, each) for each in project.settings.environments(env)]
    console.show(lambda: text.db_version(rows), documents.db_version(rows))


def show_releases(
    console: Console, last: str, one: str | None, *, html: bool, markdown: bool
) -> None:
    """Past releases, or one of them.

    :param html: whether to print the report of the one; ``markdown`` likewise.
    """
    most = _number(last)
    flag = "--html" if html else "--markdown"
    if (html or markdown) and one is None:
        raise ConfigurationError(
            f"{flag} is for one release.",
            next=f"Type, with its ID: invoke releases --show ID {flag}",
        )
    if html and markdown:
        raise ConfigurationError("A report has one form.", next="Leave --html or --markdown away.")
    project = console.project_as_it_is()
    if one is not None:
        found = _find_record(project, one)
        _show_record(console, project, found, html=html, markdown=markdown)
        return
    listed: list[TaskRecord] = []
    for each in walk_records(project.settings.releases):
        if isinstance(each, Unreadable):
            style = console.reporter.style
            sign = style.severity("warning")
            console.reporter.say(f"{sign} The record {each.file} {each.why}.")
        elif len(listed) < most:
            listed.insert(0, each)
    console.show(lambda: text.records(listed, console.style), documents.releases(listed))


def _show_record(
    console: Console, project: Project, found: TaskRecord, *, html: bool, markdown: bool
) -> None:
    # Imported here: a status does not need them, and would take longer.
    from migrations_ops.cli.output.report.markdown import as_markdown
    from migrations_ops.cli.output.report.page import as_html
    from migrations_ops.operations.report import read_report

    report = read_report(project, found)
    if html or markdown:
        shown = as_html(report) if html else as_markdown(report)
    else:
        shown = text.record(found, report.kept, console.style)
    console.show(lambda: shown, documents.record(found))


def _number(last: str) -> int:
    """:raises ConfigurationError: it is no number, or not a sensible one."""
    if not re.fullmatch(r"0*[1-9][0-9]{0,5}", str(last)):
        raise ConfigurationError(
            "--last is a whole number from 1 to 999999.", next="Type: invoke releases --last 10"
        )
    return int(last)


def _find_record(project: Project, wanted: str) -> TaskRecord:
    """:raises ConfigurationError: there is no such record, or it cannot be read."""
    for each in walk_records(project.settings.releases):
        if isinstance(each, Unreadable):
            if each.file.parent.name == wanted:
                raise ConfigurationError(
                    f"The record {each.file} {each.why}.", next="Type: invoke releases"
                )
        elif each.id == wanted:
            return each
    raise ConfigurationError(f"There is no release {wanted!r}.", next="Type: invoke releases")
