"""Finds a database that looks like one that does not exist yet: its URL may be mistyped.

In the first release of a project nothing remembers where production is. A database of the same
scripts that no environment has may be it, and one of nearly the same name that was never migrated.
"""

from __future__ import annotations

from pathlib import PurePath

from migrations_ops.backups.naming import BackupNames
from migrations_ops.databases.interface import neighbours
from migrations_ops.model.text import is_typo
from migrations_ops.operations.state import DatabaseState
from migrations_ops.project.project import Project


def find_lookalike(project: Project, state: DatabaseState) -> str:
    """Describe a database next to this one that may be meant; empty for none."""
    environment, settings = state.environment, project.settings
    known = [project.database(each) for each in settings.path if project.knows_url(each)]
    backups = [BackupNames.of(settings, each) for each in settings.path]
    own = PurePath(state.database.label).name
    for each in neighbours(state.database):
        name = PurePath(each.label).name
        if any(each.same_as(other) for other in known) or any(b.include(name) for b in backups):
            continue
        found = each.inspect(environment.version_table)
        if found.environment not in ("", environment.name):
            continue
        if found.revisions and not state.history.unknown(found.revisions):
            where = ", ".join(found.revisions)
            return f"no environment has {each.label}, which is at {where} of the same scripts"
        if found.tables and not found.versioned and is_typo(name, own):
            return f"no environment has {each.label}, which has tables and nearly the same name"
    return ""
