"""Revisions that a database has run and whose sources were edited since, or are gone."""

from __future__ import annotations

from collections.abc import Iterable

from migrations_ops.model.allowed import allow_flags, without_allowed
from migrations_ops.model.errors import Refused
from migrations_ops.model.findings import EDITED_REVISION, MISSING_REVISION, Finding
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import DatabaseState
from migrations_ops.revisions.loader import digest

EDITED = (EDITED_REVISION.code, MISSING_REVISION.code)


def find_edited(state: DatabaseState) -> list[Finding]:
    """Revisions of a database whose sources are not those that it ran, or are gone."""
    history, look = state.history, state.look
    if not look.environment or history.unknown(look.revisions) or not history.complete:
        return []
    reached = history.ancestors(look.revisions)
    findings = []
    for name, source in state.database.ledger().ran.items():
        revision = history.revisions.get(name)
        if revision is None:
            findings.append(MISSING_REVISION.found(name, environment=state.environment.name))
        elif name in reached and source not in (None, digest(revision)):
            findings.append(EDITED_REVISION.found(name, environment=state.environment.name))
    return findings


def advice_on_edited(state: DatabaseState, findings: Iterable[Finding]) -> str:
    """What to do about revisions that were edited or are gone; what destroys data comes last."""
    found = [each for each in findings if each.code in EDITED]
    allowing = f"or, if the database may stay as it is, allow it: {allow_flags(found)}"
    edited = [each.where for each in found if each.code == EDITED_REVISION.code]
    if not edited:
        return f"Fetch the script again; {allowing}"
    name, history = state.environment.name, state.history
    files = ", ".join(history.revisions[each].file for each in edited)
    lowest = min(edited, key=lambda each: len(history.ancestors([each])))
    to = (*history.revisions[lowest].down, "base")[0]
    return (
        f"Undo the edit in {files}; {allowing}; or take it back, with the rows of what it created:"
        f" invoke downgrade --env {name} --to {to}"
    )


def require_unedited(session: Session, state: DatabaseState) -> None:
    """:raises Refused: a revision that this environment has run was edited since, or is gone."""
    allowed = session.allowed(state.environment)
    found = without_allowed(find_edited(state), allowed)
    errors = [each for each in found if each.severity == "error"]
    if errors:
        message = "; ".join(each.message for each in errors)
        raise Refused(
            f"{message[0].upper()}{message[1:]}.",
            untouched="No database was touched.",
            next=advice_on_edited(state, errors),
        )
