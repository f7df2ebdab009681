"""The reports of the read-only tasks status, current, history and db-version, without Alembic."""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import islice

from migrations_ops.backups.store import BackupStore
from migrations_ops.journal.record import read_records
from migrations_ops.model.errors import OpsError, Refused
from migrations_ops.model.inspection import Inspection
from migrations_ops.model.plan import StepName
from migrations_ops.model.status import (
    EnvironmentCurrent,
    EnvironmentStatus,
    EnvironmentVersion,
    HistoryReport,
    RevisionRow,
    Selector,
    State,
    StatusReport,
)
from migrations_ops.operations.failure.reminder import find_reminder
from migrations_ops.operations.state import identity_mismatch, locate, read_state
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.revisions.errors import SeveralHeads

# A status must not become slower with each release of the past.
RECORDS_READ = 100


def read_status(project: Project, environments: list[Environment]) -> StatusReport:
    """One row for each environment, including what could not be read."""
    return try_status(project, environments)[0]


def try_status(
    project: Project, environments: list[Environment]
) -> tuple[StatusReport, OpsError | None]:
    """As ``read_status``, with the first error of configuration or scripts that prevented a
    check."""
    releases = _last_releases(project, {environment.name for environment in environments})
    rows: list[EnvironmentStatus] = []
    failure: OpsError | None = None
    for environment in environments:
        try:
            rows.append(_row(project, environment, releases))
        except OpsError as error:
            failure = failure or error
            rows.append(_unread_row(project, environment, releases, error))
    heads = tuple(sorted({head for row in rows for head in row.heads}))
    return StatusReport(tuple(rows), heads, read_selector(project)), failure


def _unread_row(
    project: Project, environment: Environment, releases: dict[str, str], error: OpsError
) -> EnvironmentStatus:
    """The row of an environment whose scripts or URL cannot be read."""
    label, inspection = "-", Inspection(exists=True, trouble="nothing says where it is")
    with suppress(OpsError):
        located = locate(project, environment)
        label, inspection = located.database.label, located.inspection
    return EnvironmentStatus(
        name=environment.name,
        database=label,
        # It can be reached; against scripts that cannot be read it has no state.
        state="unreachable"
        if inspection.trouble
        else "unknown"
        if inspection.exists
        else "missing",
        current=inspection.revisions,
        heads=environment.heads,
        last_backup=_last_backup(project, environment),
        last_release=releases.get(environment.name),
        dirty=bool(inspection.leftovers or inspection.begun),
        trouble=error.what.removesuffix("."),
    )


def _last_backup(project: Project, environment: Environment) -> str | None:
    latest = BackupStore.of(project.settings, environment).latest_sidecar()
    return latest.name if latest else None


def _last_releases(project: Project, wanted: set[str]) -> dict[str, str]:
    """The newest record of a successful upgrade of each environment."""
    found: dict[str, str] = {}
    for record in islice(read_records(project.settings.releases), RECORDS_READ):
        for step in record.steps:
            if step.name == StepName.UPGRADE and step.outcome == "done":
                found.setdefault(step.environment, record.id)
        if wanted <= found.keys():
            break
    return found


def _row(project: Project, environment: Environment, releases: dict[str, str]) -> EnvironmentStatus:
    heads = environment.heads or project.history(environment).effective_heads
    trouble = ""
    try:
        state = read_state(project, environment)
    except SeveralHeads as several:
        state = read_state(project, environment, "heads")
        # One that has all of them needs nothing until they are merged.
        trouble = "" if state.kind == "at head" else _which_head(several, state.inspection)
    reminder = find_reminder(project, state)
    kind: State = (
        "dirty" if reminder and state.exists and not state.inspection.trouble else state.kind
    )
    return EnvironmentStatus(
        name=environment.name,
        database=state.database.label,
        state=kind,
        current=state.inspection.revisions,
        heads=heads,
        pending=tuple(revision.revision for revision in state.pending),
        last_backup=_last_backup(project, environment),
        last_release=releases.get(environment.name),
        dirty=kind == "dirty"
        or bool(reminder or state.inspection.leftovers or state.inspection.begun),
        trouble=identity_mismatch(state)
        or (reminder.trouble if reminder else state.trouble)
        or trouble,
    )


def _which_head(several: SeveralHeads, inspection: Inspection) -> str:
    """What an ambiguous target means for a database; it may be at a head that was chosen."""
    if not inspection.revisions or not set(inspection.revisions) <= set(several.heads):
        return several.what
    at, heads = ", ".join(inspection.revisions), ", ".join(several.heads)
    return f"it is at {at}, and its target {several.asked!r} may mean any of {heads}"


def require_at_head(report: StatusReport) -> None:
    """:raises Refused: an environment is not at head, or not in order."""
    rows = report.environments
    away = [row.name for row in rows if row.state != "at head"]
    unsound = [row.name for row in rows if row.dirty or row.trouble]
    if away or unsound:
        sentences = [f"Not at head: {', '.join(away)}."] if away else []
        # A release cannot repair that state; verify reports it, and what to do.
        sentences += [f"Not in order: {', '.join(unsound)}."] if unsound else []
        task = f"verify --env {unsound[0]}" if unsound else "release-migration"
        raise Refused(
            " ".join(sentences), untouched="Nothing was changed.", next=f"Type: invoke {task}"
        )


def read_selector(project: Project) -> Selector:
    """The effect of the shell's selector on a command typed by hand."""
    settings = project.settings
    name = settings.selector
    value = os.environ.get(name) if name else None
    if not name:
        effect = "no variable chooses the environment"
    elif not value:
        effect = f"an env.py that reads it goes to {settings.default.name}"
    elif value in (environment.name for environment in settings.path):
        effect = f"an env.py that reads it goes to {value}; tasks of this tool ignore it"
    else:
        effect = "env.py decides where that leads; tasks of this tool ignore it"
    return Selector(name, value, effect)


def read_version(project: Project, environment: Environment) -> EnvironmentVersion:
    """The content of the version table; the scripts are not read."""
    database = project.database(environment)
    inspection = database.inspect(environment.version_table)
    return EnvironmentVersion(
        environment.name,
        database.label,
        inspection.exists,
        inspection.revisions,
        inspection.trouble,
    )


def read_current(project: Project, environment: Environment) -> EnvironmentCurrent:
    """The content of the version table, against the scripts."""
    history = project.history(environment)
    found, heads = read_version(project, environment), history.effective_heads
    known = (history.revisions[name] for name in found.current if name in history.revisions)
    return EnvironmentCurrent(
        found.name,
        found.database,
        found.exists,
        found.current,
        found.trouble,
        heads=heads,
        at_head=set(found.current) == set(heads),
        messages={each.revision: each.title for each in known},
    )


def read_history(project: Project, scripts_of: Environment, *, only_heads: bool) -> HistoryReport:
    """The revisions, newest first, each with the environments that are at it."""
    history = project.history(scripts_of)
    base: list[str] = []
    at: dict[str, list[str]] = {}
    for environment in project.settings.path:
        inspection = project.database(environment).inspect(environment.version_table)
        for name in inspection.revisions:
            at.setdefault(name, []).append(environment.name)
        if not inspection.revisions and not inspection.trouble:
            base.append(environment.name)
    rows = tuple(
        RevisionRow(
            each.revision,
            each.down,
            each.title,
            each.revision in history.heads,
            tuple(at.get(each.revision, ())),
        )
        for each in reversed(history.pending((), "heads"))
        if not only_heads or each.revision in history.heads
    )
    return HistoryReport(history.heads, tuple(base), rows)
