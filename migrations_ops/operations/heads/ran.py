"""Where revisions ran, as far as can be known from here."""

from __future__ import annotations

from dataclasses import dataclass

from migrations_ops.journal.evidence import Evidence
from migrations_ops.model.errors import OpsError
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.revisions.history import History


@dataclass(frozen=True)
class Ran:
    """The environments where each revision ran, and those of which it is not known."""

    where: dict[str, tuple[str, ...]]
    unknown: tuple[str, ...]


def find_where_ran(project: Project, scripts_of: Environment, history: History) -> Ran:
    """Ask the version table, the ledger and the evidence of each environment of these scripts."""
    where: dict[str, tuple[str, ...]] = {}
    unknown: list[str] = []
    evidence = Evidence(project.settings.releases)
    for environment in project.settings.path_of(scripts_of):
        found = {*evidence.passed(environment)}
        try:
            found |= _ran_in(project, environment, history)
        except OpsError:
            unknown.append(environment.name)
        for name in found:
            where[name] = (*where.get(name, ()), environment.name)
    return Ran(where, tuple(unknown))


def _ran_in(project: Project, environment: Environment, history: History) -> set[str]:
    """:raises OpsError: nothing says where the database is, or it cannot be reached."""
    database = project.database(environment)
    inspection = database.inspect(environment.version_table)
    if inspection.trouble:
        raise OpsError(inspection.trouble)
    if not inspection.exists:
        return set()
    known = [name for name in inspection.revisions if name in history.revisions]
    ledger = database.ledger(environment.version_table)
    return {*history.ancestors(known), *ledger.recorded, *ledger.begun}
