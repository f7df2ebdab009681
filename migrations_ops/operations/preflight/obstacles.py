"""Refuses before anything is begun what a server does not allow, not after it has failed."""

from __future__ import annotations

from dataclasses import replace

from migrations_ops.analysis.losses import without_allowed
from migrations_ops.model.errors import Refused
from migrations_ops.model.findings import Finding, allow_flags
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import DatabaseState

UNTESTED = "engine-untested"
INVALID = "invalid-index"
# They write to another database than their own: to one of an environment, or to any.
ENVIRONMENT, ANOTHER = "names-environment", "names-another"


def require_no_obstacles(session: Session, state: DatabaseState) -> None:
    """:raises Refused: no backup could be taken, be verified, or be put back."""
    if not state.pending:
        return
    environment = state.environment
    allowed = session.allowed(environment)
    if environment.engine_untested or not environment.protected:
        # What is only tried out there is found out by trying.
        allowed = (*allowed, UNTESTED)
    found = state.database.find_obstacles(session.project.others(environment))
    if environment is session.project.settings.path[0]:
        allowed = (*allowed, ANOTHER)  # which is not rehearsed
    if environment.protected:
        found = [_strictly(each) for each in found]
    found = without_allowed(found, allowed)
    session.record.add_findings([each for each in found if each.severity == "warning"])
    errors = [each for each in found if each.severity == "error"]
    if errors:
        raise Refused(
            f"{environment.name} cannot be released: {errors[0].message}.",
            untouched="No database was touched.",
            next=_next(errors[0], state),
        )


def _strictly(found: Finding) -> Finding:
    """No rehearsal meets an INVALID index: what fails at its name fails in the real one alone."""
    return replace(found, severity="error") if found.code == INVALID else found


def _next(error: Finding, state: DatabaseState) -> str:
    name = state.environment.name
    if error.code == UNTESTED:
        return f"If you have tried it yourself: engine_untested = true in environments.{name}"
    if error.code == "no-restore":
        return "See to that; or, if a person would put a backup back: --allow no-restore"
    if error.code in (ENVIRONMENT, ANOTHER):
        return f"See to that; or, if it is meant: {allow_flags([error])}"
    if error.code == INVALID:
        return f"Drop it; or, if nothing pending makes it: --allow {INVALID}"
    return "See to that, and type the same again: invoke doctor lists all that is missing."
