"""The tasks that only look."""

from __future__ import annotations

from typing import Any

from migrations_ops.console import Console
from migrations_ops.environments import Environment
from migrations_ops.errors import Refused
from migrations_ops.operations import verify_environment
from migrations_ops.project import Project
from migrations_ops.records import read_records
from migrations_ops.render import documents, text
from migrations_ops.results import StatusReport
from migrations_ops.status import read_status


def show_status(here: Console, env: str | None, *, check: bool) -> None:
    """Where one environment stands."""
    project = here.project()
    settings = project.settings
    environment = settings.environment(env) if env else settings.default
    _show(here, read_status(project, [environment]), check=check)


def show_status_all(here: Console, *, check: bool) -> None:
    """Where all environments stand."""
    project = here.project()
    _show(here, read_status(project, list(project.settings.path)), check=check)


def _show(here: Console, report: StatusReport, *, check: bool) -> None:
    here.show(lambda: text.status(report, here.style), documents.status(report))
    away = [row.name for row in report.environments if row.state != "at head" or row.dirty]
    if check and away:
        raise Refused(
            f"Not at head: {', '.join(away)}.",
            untouched="Nothing was changed.",
            next="Type: invoke release-migration",
        )


def show_verify(here: Console, env: str | None) -> None:
    """Check one environment."""
    project = here.project()
    settings = project.settings
    environment = settings.environment(env) if env else settings.path[0]
    finished, report = verify_environment(project, environment, here.report)
    if report is None:
        here.finish(finished)
        return
    here.finish(finished, text.verified(report, here.style), documents.verified(report))


def show_current(here: Console, env: str | None) -> None:
    """The revision of each environment, with its message."""
    project = here.project()
    lines, rows = [], []
    for environment in _chosen(project, env):
        look = project.database(environment).look(environment.version_table)
        revisions = project.history(environment).revisions
        head = set(look.revisions) == set(project.history(environment).effective_heads)
        rows.append({"name": environment.name, "current": list(look.revisions), "head": head})
        for name in look.revisions or ("",):
            known = revisions.get(name)
            message = known.message if known else look.trouble or _nothing(look.exists, name)
            lines.append(f"{environment.name}: {name or '-'}{' (head)' if head else ''}  {message}")
    here.show("\n".join(lines), {"environments": rows})


def _nothing(exists: bool, name: str) -> str:
    if name:
        return "the scripts do not have this revision"
    return "no revision yet" if exists else "no database yet"


def show_history(here: Console, env: str | None, *, only_heads: bool = False) -> None:
    """The revisions, newest first, marked where an environment stands."""
    project = here.project()
    settings = project.settings
    environment = settings.environment(env) if env else settings.default
    history = project.history(environment)
    marks: dict[str, list[str]] = {}
    for each in settings.path:
        look = project.database(each).look(each.version_table)
        for name in look.revisions or ("",):
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
    if only_heads:
        marks.pop("", None)
    here.show(
        lambda: text.history(lines, marks, here.style),
        {"heads": list(history.heads), "revisions": rows},
    )


def show_db_version(here: Console, env: str | None) -> None:
    """What the version table holds, read directly."""
    project = here.project()
    lines, rows = [], []
    for environment in _chosen(project, env):
        database = project.database(environment)
        look = database.look(environment.version_table)
        found = ", ".join(look.revisions)
        said = look.trouble or found or ("no version" if look.exists else "no database")
        lines.append(f"{environment.name}: {said}  ({database.label})")
        rows.append(
            {"name": environment.name, "database": database.label, "current": list(look.revisions)}
        )
    here.show("\n".join(lines), {"environments": rows})


def show_releases(here: Console, last: int, one: str | None) -> None:
    """Past releases, or one of them."""
    project = here.project()
    records = read_records(project.settings.releases)
    if one is not None:
        for document in records:
            if document["id"] == one:
                here.show(documents.text_of(document), document)
                return
        raise Refused(
            f"There is no release {one!r}.", untouched="Nothing was changed.",
            next="Type: invoke releases",
        )  # fmt: skip
    newest = [document for document, _ in zip(records, range(last), strict=False)]
    lines = [
        f"{document['id']}  {document['task']:<20} {document['environment']:<10}"
        f" {document['outcome'] or 'unfinished'}"
        for document in reversed(newest)
    ]
    here.show("\n".join(lines) or "There are no releases yet.", {"releases": newest})


def _chosen(project: Project, env: str | None) -> list[Environment]:
    settings = project.settings
    return [settings.environment(env)] if env else list(settings.path)
