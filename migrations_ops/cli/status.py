"""The tasks that only read: status, verify, current, history, heads, db-version, releases."""

from __future__ import annotations

from typing import Any

from migrations_ops.cli.console import Console
from migrations_ops.cli.output import json as documents
from migrations_ops.cli.output import text
from migrations_ops.databases.interface import Database
from migrations_ops.journal.record import (
    TaskRecord,
    read_records,
    record_document,
    walk_records,
)
from migrations_ops.model.documents import Unreadable
from migrations_ops.model.errors import ConfigurationError, Refused
from migrations_ops.model.look import Look
from migrations_ops.model.status import StatusReport
from migrations_ops.operations.status import try_status
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project


def show_status(here: Console, env: str | None, *, check: bool) -> None:
    """Show the state of one environment."""
    project = here.project_as_it_is()
    settings = project.settings
    environment = settings.environment(env) if env else settings.default
    _show(here, project, [environment], check=check)


def show_status_all(here: Console, *, check: bool) -> None:
    """Show the state of all environments."""
    project = here.project_as_it_is()
    _show(here, project, list(project.settings.path), check=check)


def _show(here: Console, project: Project, environments: list[Environment], *, check: bool) -> None:
    """:raises OpsError: an environment could not be looked at; each has its row all the same."""
    report, failure = try_status(project, environments)
    document = documents.status(report) | (documents.error(failure) if failure else {})
    here.show(lambda: text.status(report, here.style), document)
    if failure is not None:
        raise failure
    if check:
        _require_at_head(report)


def _require_at_head(report: StatusReport) -> None:
    rows = report.environments
    away = [row.name for row in rows if row.state != "at head"]
    unsound = [row.name for row in rows if row.dirty or row.trouble]
    if away or unsound:
        sentences = [f"Not at head: {', '.join(away)}."] if away else []
        # A release cannot repair that state; verify reports it, and what to do.
        sentences += [f"Not in order: {', '.join(unsound)}."] if unsound else []
        cure = f"verify --env {unsound[0]}" if unsound else "release-migration"
        raise Refused(
            " ".join(sentences), untouched="Nothing was changed.", next=f"Type: invoke {cure}"
        )


def show_verify(here: Console, env: str | None) -> None:
    """Check one environment."""
    # Imported here: status does not need it, and would take longer.
    from migrations_ops.operations.verification import verify_environment

    project = here.project_as_it_is()
    settings = project.settings
    environment = settings.environment(env) if env else settings.path[0]
    finished, report = verify_environment(project, environment, here.report)
    if report is None:
        here.finish(finished)
        return
    here.finish(finished, text.verified(report, here.style), documents.verified(report))


def show_current(here: Console, env: str | None) -> None:
    """The revision of each environment, with its message."""
    project = here.project_as_it_is()
    lines, rows = [], []
    for environment in _chosen(project, env):
        history, database = project.history(environment), project.database(environment)
        look = database.look(environment.version_table)
        at_head = set(look.revisions) == set(history.effective_heads)
        row = _row(environment, database, look)
        rows.append(row | {"heads": list(history.effective_heads), "at_head": at_head})
        for name in look.revisions or ("",):
            known = history.revisions.get(name)
            message = known.message if known else look.trouble or _nothing(look.exists, name)
            sign = " (head)" if at_head else ""
            lines.append(f"{environment.name}: {name or '-'}{sign}  {message}")
    here.show("\n".join(lines), {"environments": rows})


def _row(environment: Environment, database: Database, look: Look) -> dict[str, Any]:
    """What was read of a database, by the names that status uses."""
    row: dict[str, Any] = {
        "name": environment.name,
        "database": database.label,
        "exists": look.exists,
        "current": list(look.revisions),
    }
    return row | {"trouble": look.trouble} if look.trouble else row


def _nothing(exists: bool, name: str) -> str:
    if name:
        return "the scripts do not have this revision"
    return "no revision yet" if exists else "no database yet"


def show_history(here: Console, env: str | None, *, only_heads: bool = False) -> None:
    """The revisions, newest first, marked with the environments that are at them."""
    project = here.project_as_it_is()
    settings = project.settings
    environment = settings.environment(env) if env else settings.default
    history = project.history(environment)
    marks: dict[str, list[str]] = {}
    for each in settings.path:
        look = project.database(each).look(each.version_table)
        for name in () if look.trouble else look.revisions or ("",):
            marks.setdefault(name, []).append(each.name)
    ordered = list(history.pending((), "heads"))[::-1]
    shown = [each for each in ordered if not only_heads or each.revision in history.heads]
    rows: list[dict[str, Any]] = [
        {
            "revision": each.revision,
            "down": list(each.down),
            "message": each.message,
            "head": each.revision in history.heads,
            "environments": marks.get(each.revision, []),
        }
        for each in shown
    ]
    lines = [(row["revision"], ", ".join(row["down"]), row["message"]) for row in rows]
    base = marks.get("", [])
    if only_heads:
        marks.pop("", None)
    here.show(
        lambda: text.history(lines, marks, here.style),
        {"heads": list(history.heads), "base": base, "revisions": rows},
    )


def show_db_version(here: Console, env: str | None) -> None:
    """The content of the version table, read without Alembic."""
    project = here.project_as_it_is()
    lines, rows = [], []
    for environment in _chosen(project, env):
        database = project.database(environment)
        look = database.look(environment.version_table)
        found = ", ".join(look.revisions)
        answer = look.trouble or found or ("no version" if look.exists else "no database")
        lines.append(f"{environment.name}: {answer}  ({database.label})")
        rows.append(_row(environment, database, look))
    here.show("\n".join(lines), {"environments": rows})


def show_releases(here: Console, last: int, one: str | None) -> None:
    """Past releases, or one of them."""
    if last < 1:
        raise ConfigurationError("--last is at least 1.", next="Type: invoke releases --last 10")
    project = here.project_as_it_is()
    if one is not None:
        records = read_records(project.settings.releases)
        found = next((each for each in records if each.id == one), None)
        if found is None:
            raise ConfigurationError(f"There is no release {one!r}.", next="Type: invoke releases")
        here.show(lambda: text.record(found, here.style), record_document(found))
        return
    shown: list[TaskRecord] = []
    for each in walk_records(project.settings.releases):
        if isinstance(each, Unreadable):
            style = here.report.style
            sign = style.paint(style.sign("⚠"), "yellow")
            here.report.say(f"{sign} The record {each.file} {each.why}.")
        elif len(shown) < last:
            shown.insert(0, each)
    here.show(
        lambda: text.records(shown, here.style),
        {"releases": [record_document(each) for each in shown]},
    )


def _chosen(project: Project, env: str | None) -> list[Environment]:
    settings = project.settings
    return [settings.environment(env)] if env else list(settings.path)
