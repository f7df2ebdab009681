"""What to do about revisions that were edited or removed after a database ran them, or inserted
before those."""

from __future__ import annotations

from collections.abc import Iterable

from migrations_ops.model.allowed import allow_flags, allow_setting
from migrations_ops.model.findings import EDITED_REVISION, SKIPPED_REVISION, Finding
from migrations_ops.operations.edited_revisions import EDITED, put_after, split_ancestors
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import DatabaseState
from migrations_ops.operations.ways_back import redo_leads_on


def advice_on_edited(session: Session, state: DatabaseState, findings: Iterable[Finding]) -> str:
    """What to do about such revisions; options that destroy data come last."""
    found = [each for each in findings if each.code in EDITED]
    history, name = state.history, state.environment.name
    # Not each task has a flag that allows a finding.
    by_flag = session.record.task != "verify"
    allow = allow_flags(found) if by_flag else allow_setting(found, name)
    skipped = [each.where for each in found if each.code == SKIPPED_REVISION.code]
    edited = [each.where for each in found if each.code == EDITED_REVISION.code]
    if skipped:
        put = put_after(history, skipped)
        redo = []
        if redo_leads_on(session.project):
            redo = [advice_to_redo(name, state.to_flag)]
            put = f"or {put[0].lower()}{put[1:]}"
        there = f"or, if what {', '.join(skipped)} does is already there, allow it: {allow}"
        return "; ".join([*redo, put, there])
    allowing = f"or, if the database may stay as it is, allow it: {allow}"
    if not edited:
        return f"Fetch the script again; {allowing}"
    files = ", ".join(history.revisions[each].file for each in edited)
    undo = f"Undo the edit in {files}"
    return "; ".join(filter(None, [undo, allowing, _take_back(session, state, edited)]))


def advice_to_redo(name: str, to: str) -> str:
    """The command that takes an environment back, where ``redo_leads_on``.

    :param to: a chosen target, as ``DatabaseState.to_flag``.
    """
    return f"Take {name} back, and run it as it is now: invoke release-migration --redo" + to


def _take_back(session: Session, state: DatabaseState, edited: Iterable[str]) -> str:
    """The command that takes a database back to before edited revisions; empty if there is none."""
    name, history = state.environment.name, state.history
    if redo_leads_on(session.project):
        redo = advice_to_redo(name, state.to_flag)
        return f"or {redo[0].lower()}{redo[1:]}"
    lowest = min(edited, key=lambda each: len(history.ancestors([each])))
    down = history.revisions[lowest].down
    if set(down) & set(split_ancestors(state, state.ledger())[1]):
        return ""  # it would be at a revision that never ran there
    to = (*down, "base")[0]
    return (
        "or downgrade it, which loses the rows of what it created:"
        f" invoke downgrade --env {name} --to {to}"
    )
