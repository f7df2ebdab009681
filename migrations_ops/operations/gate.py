"""The gate: a later environment accepts only revisions that passed the earlier ones unchanged."""

from __future__ import annotations

from collections.abc import Iterable

from migrations_ops.journal.evidence import Evidence
from migrations_ops.model.errors import Refused
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.revisions.history import Revision
from migrations_ops.revisions.loader import is_unedited


def require_evidence(
    project: Project, environment: Environment, pending: Iterable[Revision]
) -> None:
    """Let pending revisions through to an environment, or refuse with what must pass first.

    :raises Refused: a revision has not passed an earlier environment in its current form.
    """
    evidence = Evidence(project.settings.releases)
    revisions = list(pending)
    for earlier in project.settings.before(environment):
        passed = evidence.passed(earlier)
        missing = [
            revision.revision
            for revision in revisions
            if not is_unedited(revision, passed.get(revision.revision, "none"))
        ]
        stamped = project.database(earlier).ledger(earlier.version_table).stamped
        never_ran = [name for name in missing if name in stamped]
        if never_ran:
            raise Refused(
                f"{', '.join(never_ran)} was stamped in {earlier.name} and never ran there.",
                untouched=f"{environment.name} was not touched.",
                next=f"Go back before the stamp (invoke backups --env {earlier.name}), and upgrade"
                f" {earlier.name} instead.",
            )
        if missing:
            obstacle = evidence.find_obstacle()
            first = (
                f"Nothing can be recorded, as {obstacle}. Fix that, then type"
                if obstacle
                else "Type"
            )
            raise Refused(
                f"{environment.name} accepts only what has passed {earlier.name}, and"
                f" {', '.join(missing)} has not, in its current form.",
                untouched=f"{environment.name} was not touched.",
                next=f"{first}: invoke upgrade-{earlier.name} verify --env {earlier.name}"
                f" upgrade-{environment.name}",
            )
