"""Refuses a task that cannot start from the state of a database."""

from __future__ import annotations

from migrations_ops.model.errors import Refused
from migrations_ops.operations.advice import (
    advice,
    advice_on_copy,
    advice_without_database,
    last_ran,
)
from migrations_ops.operations.failure.reminder import require_no_reminder
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import DatabaseState, LocatedDatabase, identity_mismatch


def require_own(located: LocatedDatabase) -> None:
    """:raises Refused: the ledger names another environment: the database was replaced by a
    copy."""
    mismatch = identity_mismatch(located)
    if mismatch:
        name = located.environment.name
        raise Refused(
            f"{name} ({located.database.label}) is not {name}: {mismatch}.",
            untouched=f"{name} was not touched.",
            next=advice_on_copy(located),
        )


def require_resolved(session: Session, state: DatabaseState) -> None:
    """:raises Refused: an earlier task left the database to a person, or to the next task: a plan,
    which recovers nothing, would take it for good.
    """
    require_no_reminder(session.project, state)


def require_upgradable(session: Session, state: DatabaseState) -> None:
    """:raises Refused: an upgrade cannot start from the state of the database."""
    require_changeable(state, "upgraded")


def require_changeable(state: DatabaseState, done: str) -> None:
    """:param done: the action as a participle: upgraded, downgraded.
    :raises Refused: the action cannot start from the state of the database.
    """
    name, label = state.environment.name, state.database.label
    untouched = f"{name} was not touched."
    if state.inspection.trouble:
        raise Refused(
            f"{name} cannot be {done}: {state.inspection.trouble}.",
            untouched=untouched,
            next=state.inspection.advice,
        )
    require_own(state)
    state.database.require_usable()
    if state.kind == "unversioned":
        raise Refused(
            f"{name} ({label}) has tables but no version: {_why_no_version(state)}.",
            untouched=untouched,
            next=advice(state),
        )
    if state.kind in ("ahead", "diverged"):
        raise Refused(
            f"{name} ({label}) cannot be {done}: {state.trouble}.",
            untouched=untouched,
            next=advice(state),
        )
    require_whole(state, done)
    if state.inspection.leftovers:
        raise Refused(
            f"{name} ({label}) holds {', '.join(state.inspection.leftovers)}, left over from an"
            " upgrade that was interrupted without protection.",
            untouched=untouched,
            next="Check whether its rows are needed, drop it, and type: invoke doctor",
        )


def require_whole(state: DatabaseState, done: str = "changed") -> None:
    """:raises Refused: half of a revision is applied: another run would make it worse."""
    if state.kind == "dirty":
        name, label = state.environment.name, state.database.label
        raise Refused(
            f"{name} ({label}) cannot be {done}: {state.trouble}.",
            untouched=f"{name} was not touched.",
            next=advice(state),
        )


def _why_no_version(state: DatabaseState) -> str:
    # The ledger knows better than the version table, which was emptied or dropped by hand.
    ran = last_ran(state)
    if ran:
        return f"its version table is empty or gone, though its ledger records that {ran} ran there"
    return "no revision ever ran there"


def require_readable(located: LocatedDatabase) -> None:
    """:raises Refused: the database does not exist or cannot be read."""
    name = located.environment.name
    if not located.exists:
        raise Refused(
            f"{name} has no database yet: {located.database.label} does not exist.",
            untouched="Nothing was created.",
            next=advice_without_database(located),
        )
    if located.inspection.trouble:
        raise Refused(
            f"{name} cannot be read: {located.inspection.trouble}.",
            untouched="Nothing was changed.",
            next=located.inspection.advice,
        )
