"""Which revisions there are, and at which each environment is: direct reads, no Alembic."""

from __future__ import annotations

from migrations_ops.model.status import (
    EnvironmentCurrent,
    EnvironmentVersion,
    HistoryReport,
    RevisionRow,
)
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project


def read_version(project: Project, environment: Environment) -> EnvironmentVersion:
    """The content of the version table; the scripts are not read."""
    database = project.database(environment)
    look = database.look(environment.version_table)
    return EnvironmentVersion(
        environment.name, database.label, look.exists, look.revisions, look.trouble
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
        look = project.database(environment).look(environment.version_table)
        for name in look.revisions:
            at.setdefault(name, []).append(environment.name)
        if not look.revisions and not look.trouble:
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
