"""Reports the other version tables of a database: those of a schema for each tenant, for instance.

One version table says nothing about the others: commands that were killed have upgraded some.
"""

from __future__ import annotations

from migrations_ops.model.findings import OTHER_VERSIONS, OTHER_VERSIONS_DIFFER, Finding
from migrations_ops.model.inspection import versions_in_words
from migrations_ops.operations.state import DatabaseState
from migrations_ops.project.project import Project


def find_other_versions(project: Project, state: DatabaseState) -> list[Finding]:
    """Report the version tables that no environment of the project has."""
    own = {
        ".".join(filter(None, (schema, each.version_table)))
        for each in project.settings.path
        if project.knows_url(each) and project.database(each) is state.database
        for schema in ("", each.version_table_schema)
    }
    found = state.inspection.other_versions
    others = {name: found[name] for name in found if name.replace('"', "") not in own}
    if not others:
        return []
    environment = state.environment.name
    if differ := {name: at for name, at in others.items() if _is_elsewhere(state, name, at)}:
        return [OTHER_VERSIONS_DIFFER.found(environment, tables=versions_in_words(differ))]
    return [OTHER_VERSIONS.found(environment, tables=versions_in_words(others))]


def _is_elsewhere(state: DatabaseState, name: str, at: tuple[str, ...]) -> bool:
    """Whether a version table is of the same scripts and at another revision."""
    history = state.history
    # Of commands whose scripts cannot be read, and of an empty one, the name alone can tell.
    is_named_alike = _table(name) == state.environment.version_table
    is_known = all(each in history.revisions for each in at)
    is_same = is_known if at and history.complete else is_named_alike
    return is_same and set(at) != set(state.inspection.revisions)


def _table(name: str) -> str:
    return name.rpartition(".")[2].strip('"')
