"""Refuses before anything is begun what a server does not allow, not after it has failed."""

from __future__ import annotations

from migrations_ops.model.allowed import what_to_do, without_allowed
from migrations_ops.model.errors import Refused
from migrations_ops.model.findings import ENGINE_UNTESTED, INVALID_INDEX, NAMES_ANOTHER
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import DatabaseState


def require_no_obstacles(session: Session, state: DatabaseState) -> None:
    """:raises Refused: no backup could be taken, be verified, or be put back."""
    if not state.pending:
        return
    environment = state.environment
    allowed = session.allowed(environment)
    if environment.engine_untested or not environment.protected:
        # What is only tried out there is found out by trying.
        allowed = (*allowed, ENGINE_UNTESTED.code)
    found = state.database.find_obstacles(session.project.others(environment))
    if environment is session.project.settings.path[0]:
        allowed = (*allowed, NAMES_ANOTHER.code)  # which is not rehearsed
    if environment.protected:
        # No rehearsal meets an INVALID index: what fails at its name fails in the real one alone.
        found = [INVALID_INDEX.stricter(each) for each in found]
    found = without_allowed(found, allowed)
    session.record.add_findings([each for each in found if each.severity == "warning"])
    errors = [each for each in found if each.severity == "error"]
    if errors:
        raise Refused(
            f"{environment.name} cannot be released: {errors[0].message}.",
            untouched="No database was touched.",
            next=what_to_do(errors[0], environment.name),
        )
