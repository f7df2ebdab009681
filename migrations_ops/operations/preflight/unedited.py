"""Refuses a release where a revision was edited after it ran, or was inserted before what ran."""

from __future__ import annotations

from migrations_ops.model.allowed import without_allowed
from migrations_ops.model.errors import Refused
from migrations_ops.operations.edited_advice import advice_on_edited
from migrations_ops.operations.edited_revisions import find_edited
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import DatabaseState


def require_unedited(session: Session, state: DatabaseState) -> None:
    """:raises Refused: a revision that this environment ran was edited or removed since; or one was
    inserted before those that it ran."""
    allowed = session.allowed(state.environment)
    found = without_allowed(find_edited(state), allowed)
    errors = [each for each in found if each.severity == "error"]
    if errors:
        message = "; ".join(each.message for each in errors)
        raise Refused(
            f"{message[0].upper()}{message[1:]}.",
            untouched="No database was touched.",
            next=advice_on_edited(session, state, errors),
        )
