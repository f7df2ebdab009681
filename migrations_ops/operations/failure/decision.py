"""After a failure: the database is as it was, or is put back, or a person is told what to do."""

from __future__ import annotations

import time

from migrations_ops.backups.store import BackupStore
from migrations_ops.journal.evidence import Evidence
from migrations_ops.model.backup import Backup
from migrations_ops.model.errors import NeedsAPerson, OpsError, StepFailed
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.operations.failure.half_applied import (
    begun_and_not_ended,
    is_live,
    rolled_back,
    settle_half_applied,
    settle_served,
    stays_upgraded,
)
from migrations_ops.operations.restore import restore_and_prove
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import DatabaseState, LocatedDatabase
from migrations_ops.steps.command_run import CommandRun

# How often, in seconds, a server that does not answer is asked again.
_AGAIN = 0.2


def settle(
    session: Session,
    state: DatabaseState,
    backup: Backup | None,
    reason: str,
    *,
    force: bool = False,
    run: CommandRun | None = None,
    upgraded: bool = False,
    whole: bool = False,
) -> str:
    """After a failure: prove that the database is as it was, or put it back.

    Rows are not compared unless something else changed: an application may write meanwhile.

    :param force: the upgrade, or part of it, was committed and must go: put the backup back in
        any case.
    :param run: how it ended, if somebody knows.
    :param upgraded: it came to its end, and what it led to must not stay.
    :param whole: what was committed are whole revisions alone.
    :returns: a sentence that says how the database is now.
    :raises NeedsAPerson: it could not be put back.
    """
    environment, database = state.environment, state.database
    silent = _await_server(session, state)
    if silent:
        nothing = database.is_transactional and not (force or upgraded)
        raise _unanswered(state, backup, reason, silent, nothing=nothing)
    if backup is None:
        return _settle_new(state)
    before = BackupStore.of(session.project.settings, environment).fingerprint(backup)
    try:
        half = begun_and_not_ended(state, run)
        if not upgraded and (half or whole or not database.is_transactional):
            return settle_half_applied(session, state, backup, reason, run)
        if _was_rolled_back(state, before, may_be_there=force or upgraded):
            return rolled_back(state, before)
        if upgraded and is_live(environment, database):
            raise stays_upgraded(state, backup, reason, Evidence(session.project.settings.releases))
        if is_live(environment, database):
            return settle_served(session, state, backup, reason, before, run)
        kept = restore_and_prove(session, environment, backup)
    except NeedsAPerson:
        raise
    except (OpsError, OSError, KeyboardInterrupt) as error:
        raise _not_put_back(state, backup, reason, error) from error
    return f"{environment.name} was restored from {backup.name} and proved equal to it; {kept}."


def _was_rolled_back(state: DatabaseState, before: Fingerprint, *, may_be_there: bool) -> bool:
    """Whether nothing of the upgrade is there, whatever others have changed meanwhile.

    :param may_be_there: whether something was committed, or was about to be.
    """
    if may_be_there:
        return False
    if not state.database.is_server:
        return structure_is(state, before)
    # The version goes with the transaction. Where it has moved, the upgrade was committed before
    # it failed, at the end of env.py for instance.
    look = state.database.look(state.environment.version_table)
    return not look.trouble and look.revisions == before.revisions


def _unanswered(
    state: DatabaseState, backup: Backup | None, reason: str, silent: str, *, nothing: bool
) -> OpsError:
    """:param nothing: whether nothing of it can have been committed."""
    name, label = state.environment.name, state.database.label
    what = f"{reason[:1].upper()}{reason[1:]}, and its server does not answer: {silent}."
    if nothing:
        return StepFailed(
            what,
            untouched=f"Nothing of it was committed, so that {name} ({label}) is as it was when the"
            " server is there again.",
            next="Start the server, and type the same again: it looks before it begins.",
        )
    return NeedsAPerson(
        what,
        untouched=f"Its content before is safe in {backup.name}." if backup else "",
        next="Start the server, and see how it stands there: invoke status-all; then type the same"
        " again.",
    )


def _not_put_back(
    state: DatabaseState, backup: Backup, reason: str, error: BaseException
) -> NeedsAPerson:
    name, label = state.environment.name, state.database.label
    return NeedsAPerson(
        f"{reason[:1].upper()}{reason[1:]}, and {name} ({label}) could not be put back: {error}",
        untouched=f"Its content before is safe in {backup.name}.",
        next=f"Type: {BackupStore.restore_command(name, backup.name)}",
    )


def _await_server(session: Session, state: DatabaseState) -> str:
    """Why a database still cannot be looked at after a while; empty where it can be.

    A server of which one process was killed starts anew by itself.
    """
    if not state.database.is_server:
        return ""
    until = time.monotonic() + session.project.settings.wait
    while True:
        trouble = state.database.look(state.environment.version_table).trouble
        if not trouble or time.monotonic() >= until:
            return trouble
        time.sleep(_AGAIN)


def _settle_new(state: DatabaseState) -> str:
    """Take away what the failed upgrade of a new database left, if nothing is in it."""
    environment, database = state.environment, state.database
    look = database.look(environment.version_table)
    if not look.exists or (not look.tables and not look.revisions and not look.trouble):
        database.remove()
        # What holds more than tables, functions for example, is not removed.
        look = database.look(environment.version_table)
    if not look.exists:
        return f"{environment.name} does not exist, as before."
    raise NeedsAPerson(
        f"The upgrade of {environment.name} failed, and what it began to create is in"
        f" {database.label}.",
        untouched="There was no database before, so that there is no backup.",
        next=f"If nothing in {database.label} is needed, delete it and try again.",
    )


def structure_is(state: LocatedDatabase, before: Fingerprint) -> bool:
    """Whether revision and schema of a database are these; its rows may have changed."""
    if not state.database.look(state.environment.version_table).exists:
        return before == Fingerprint((), {}, {})
    now = state.database.fingerprint(state.environment.version_table)
    return now.structure_equals(before)
