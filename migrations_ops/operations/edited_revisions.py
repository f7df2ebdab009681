"""Finds revisions that were edited or removed after a database ran them, and revisions that were
inserted before those and never ran."""

from __future__ import annotations

from itertools import pairwise

from migrations_ops.child.protocol.ledger import split_unrecorded
from migrations_ops.model.findings import (
    EDITED_REVISION,
    MISSING_REVISION,
    SKIPPED_REVISION,
    Finding,
)
from migrations_ops.model.ledger import Ledger
from migrations_ops.operations.state import DatabaseState
from migrations_ops.revisions.history import History, Revision
from migrations_ops.revisions.loader import is_unedited

EDITED = (EDITED_REVISION.code, MISSING_REVISION.code, SKIPPED_REVISION.code)


def find_edited(state: DatabaseState) -> list[Finding]:
    """Find revisions whose sources differ from what the database ran, or are gone; and earlier ones
    that never ran."""
    if not _is_comparable(state):
        return []
    history, name, ledger = state.history, state.environment.name, state.ledger()
    reached = history.ancestors(state.inspection.revisions)
    skipped = split_ancestors(state, ledger)[1]
    findings = [
        SKIPPED_REVISION.found(each, after=_first_after(history, each, ledger), environment=name)
        for each in skipped
    ]
    for each, source in ledger.ran.items():
        revision = history.revisions.get(each)
        if revision is None:
            findings.append(MISSING_REVISION.found(each, environment=name))
        elif each in reached and source is not None and not is_unedited(revision, source):
            findings.append(EDITED_REVISION.found(each, environment=name))
    return findings


def find_to_redo(state: DatabaseState) -> list[Finding]:
    """What ``--redo`` runs again: what is not gone."""
    return [each for each in find_edited(state) if each.code != MISSING_REVISION.code]


def find_unrecorded(state: DatabaseState) -> list[str]:
    """The revisions that were run by something that keeps no ledger."""
    return split_ancestors(state, state.ledger())[0] if _is_known(state) else []


def split_ancestors(state: DatabaseState, ledger: Ledger) -> tuple[list[str], list[str]]:
    """See ``split_unrecorded``; each list is oldest first."""
    history = state.history
    reached = history.ancestors(state.inspection.revisions)
    parents = {each: history.parents[each] for each in history.sorted if each in reached}
    return split_unrecorded(parents, ledger.recorded)


def _is_comparable(state: DatabaseState) -> bool:
    """Whether it has a ledger with which the scripts can be compared."""
    return bool(state.inspection.environment) and _is_known(state)


def _is_known(state: DatabaseState) -> bool:
    return state.history.complete and not state.history.unknown(state.inspection.revisions)


def _first_after(history: History, skipped: str, ledger: Ledger) -> str:
    """The first revision after a skipped one that the database has."""
    after = history.descendants([skipped])
    return next(each for each in history.sorted if each in after and each in ledger.recorded)


# -- where to move them ------------------------------------------------------------------------


def put_after(history: History, skipped: list[str]) -> str:
    """Where to move revisions that were inserted before those that have run."""
    first, last = history.revisions[skipped[0]], skipped[-1]
    heads = history.heads
    above = [history.revisions[each] for each in history.children.get(last, ())]
    one_line = all(history.revisions[each].down == (before,) for before, each in pairwise(skipped))
    if not one_line or len(above) != 1 or above[0].down != (last,) or len(heads) != 1:
        return (
            f"Put {', '.join(skipped)} after the revisions that have run: change down_revision"
            " there"
        )
    return (
        f"Put {', '.join(skipped)} after {heads[0]}: write down_revision = {_written(first)} in"
        f' {above[0].file}, and down_revision = "{heads[0]}" in {first.file}'
    )


def _written(revision: Revision) -> str:
    """The down_revision of a revision, as its script has it."""
    down = revision.down
    if len(down) < 2:
        return f'"{down[0]}"' if down else "None"
    return "(" + ", ".join(f'"{each}"' for each in down) + ")"
