"""What a failed upgrade has left on a server that could not roll all of it back."""

from __future__ import annotations

from dataclasses import replace

from migrations_ops.analysis.read_only import changes_no_row, only_reads
from migrations_ops.analysis.schema_diff import (
    differences,
    in_brief,
    invalid_in_words,
    others_in_words,
)
from migrations_ops.backups.store import BackupStore
from migrations_ops.databases.interface import (
    Database,
    drop_invalid_indexes,
    indexes_of_others,
)
from migrations_ops.journal.evidence import Evidence
from migrations_ops.model.backup import Backup
from migrations_ops.model.errors import NeedsAPerson
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.operations.restore import restore_and_prove
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import DatabaseState, LocatedDatabase
from migrations_ops.project.environments import Environment
from migrations_ops.steps.command_run import CommandRun


def settle_half_applied(
    session: Session, state: DatabaseState, backup: Backup, reason: str, run: CommandRun | None
) -> str:
    """Undo what can be undone without a doubt; a protected database is not put back unasked.

    An application goes on writing to it: what it has written since the backup would be lost from
    its sight.

    :param run: how the upgrade ended; None where nobody knows.
    :returns: a sentence that says how the database is now.
    :raises NeedsAPerson: a half of a revision stands there; or it could not be put back.
    """
    environment, database = state.environment, state.database
    before = BackupStore.of(session.project.settings, environment).fingerprint(backup)
    half = begun_and_not_ended(state, run)
    dropped, left = drop_invalid_indexes(database) if half else ([], [])
    now = database.fingerprint(environment.version_table)
    if not half and not environment.commands and now.revisions == before.revisions:
        return rolled_back(state, before)
    others = indexes_of_others(database) if half else {}
    is_as_before = not differences(before, now, others)
    left_no_rows = not half or _left_no_row(state, replace(before, schema=now.schema), run)
    if environment.commands and is_as_before:
        return _but_for_rows(environment)
    if is_as_before and left_no_rows and not left:
        note_resolved(session, environment, database)
        gone = f"; dropped was {', '.join(dropped)}, INVALID since its CREATE failed" * bool(
            dropped
        )
        told = "; ".join(["", *others_in_words(before, now, others)])
        return f"{environment.name} is as it was{gone}{told}."
    if not is_live(environment, database):
        kept = restore_and_prove(session, environment, backup)
        return f"{environment.name} was restored from {backup.name} and proved equal to it; {kept}."
    if is_as_before and left_no_rows:
        raise _left_invalid(state, reason, left)
    if not half and set(now.revisions) == set(state.target):
        raise stays_upgraded(state, backup, reason, Evidence(session.project.settings.releases))
    found = [*invalid_in_words(left), *differences(before, now, others)]
    raise _for_a_person(state, backup, reason, before, now, found, run=run, half=bool(half))


def begun_and_not_ended(place: LocatedDatabase, run: CommandRun | None) -> list[str]:
    """The revisions of which a part may be committed, and not the rest.

    :param run: how it ended, if somebody knows.
    """
    begun = place.database.look(place.environment.version_table).begun
    # Where the role may make no view, there is no ledger to say it.
    return list(begun) or _torn(run)


def rolled_back(place: LocatedDatabase, before: Fingerprint) -> str:
    """What to say of a database of which nothing was committed: if it is not as in its backup, it
    was others who have changed it since."""
    name = place.environment.name
    found = differences(before, place.database.fingerprint(place.environment.version_table))
    if not found:
        return f"{name} is as it was: everything was rolled back."
    return (
        f"Of this, nothing is left in {name}: everything was rolled back. Since its backup, others"
        f" have changed it: {in_brief(found)}."
    )


def _but_for_rows(environment: Environment) -> str:
    """What to say where our child was not inside."""
    return (
        f"{environment.name} has the revision and the schema of its backup; which of its rows its"
        " commands may have changed, nobody can tell."
    )


def settle_served(
    session: Session,
    state: DatabaseState,
    backup: Backup,
    reason: str,
    before: Fingerprint,
    run: CommandRun | None,
) -> str:
    """After something was committed, or was about to be, in a database to which applications
    write: what is there stays, and is told.

    :param before: what its backup holds.
    :returns: a sentence that says how the database is now, if nothing of it is there.
    :raises NeedsAPerson: it is.
    """
    environment, database = state.environment, state.database
    now = database.fingerprint(environment.version_table)
    found = differences(before, now)
    if now.revisions == before.revisions:
        if not environment.commands:
            # The version goes with the transaction: it was killed right before the commit.
            return rolled_back(state, before)
        if not found:
            return _but_for_rows(environment)
        raise _for_a_person(state, backup, reason, before, now, found, run=run, half=True)
    if set(now.revisions) == set(state.target):
        raise stays_upgraded(state, backup, reason, Evidence(session.project.settings.releases))
    raise _for_a_person(state, backup, reason, before, now, found, run=run, half=False)


def settle_unseen(session: Session, state: LocatedDatabase, before: Fingerprint) -> bool:
    """After an upgrade that nobody saw the end of: whether nothing of its half is there any more.

    :param before: what was there when it began.
    """
    environment, database = state.environment, state.database
    _, left = drop_invalid_indexes(database)
    now = database.fingerprint(environment.version_table)
    if left or differences(before, now, indexes_of_others(database)):
        return False
    if not _has_same_rows(state, replace(before, schema=now.schema)):
        return False
    note_resolved(session, environment, database)
    return True


def _left_no_row(place: LocatedDatabase, before: Fingerprint, run: CommandRun | None) -> bool:
    """Whether what has begun cannot have changed a row that is still changed."""
    if run is not None and _left_no_rows(run, place.database):
        at_work = [each for each in run.autocommitted if each.revision == _failed(run)]
        if all(changes_no_row(each.sql) for each in at_work):
            return True
    return _has_same_rows(place, before)


def _has_same_rows(place: LocatedDatabase, before: Fingerprint) -> bool:
    """Whether it holds the same as before, by its checksums."""
    return place.database.is_transactional and place.database.unchanged_since(
        before, None, place.environment.version_table
    )


def _left_invalid(state: DatabaseState, reason: str, left: list[str]) -> NeedsAPerson:
    name, label = state.environment.name, state.database.label
    return NeedsAPerson(
        f"{reason[:1].upper()}{reason[1:]}, and left behind in {name} ({label}):"
        f" {in_brief(invalid_in_words(left))}. It cannot be dropped now, since somebody's"
        " transaction is in the way.",
        untouched="All else is as it was; upgrades are refused until then.",
        next="When that transaction has ended, type what drops it and looks:"
        f" invoke resolve --env {name} --rolled-back",
    )


def _for_a_person(
    state: DatabaseState,
    backup: Backup,
    reason: str,
    before: Fingerprint,
    now: Fingerprint,
    found: list[str],
    *,
    run: CommandRun | None,
    half: bool,
) -> NeedsAPerson:
    """:param found: what is not as it was, in words."""
    name, label = state.environment.name, state.database.label
    back = BackupStore.restore_command(name, backup.name)
    if not half:
        stands = ", ".join(now.revisions) or "no revision"
        return NeedsAPerson(
            f"{reason[:1].upper()}{reason[1:]}; {name} ({label}) stands at {stands}: what came"
            " before the revision that failed is applied as a whole, and stays.",
            untouched=f"Its content before is safe in {backup.name}.",
            next=f"To go on from there, type the same again; to go back: {back}",
        )
    refused = resolve = ""
    if state.database.look(state.environment.version_table).begun:
        refused = "; upgrades are refused for now"
        resolve = f", and then: invoke resolve --env {name} --rolled-back or --applied"
    stays = in_brief(found) if found else "its schema is as before, but rows may have been changed"
    if found and now.revisions != before.revisions:
        failed = (run is not None and _failed(run)) or "the revision that failed"
        stays = f"against its backup, {stays}; of this, what came before {failed} is whole"
    return NeedsAPerson(
        f"{reason[:1].upper()}{reason[1:]}, and half of a revision stands in {name} ({label}):"
        f" {stays}.",
        untouched=f"Its content before is safe in {backup.name}{refused}.",
        next=f"Type: {back}; or repair it by hand{resolve}",
    )


def _torn(run: CommandRun | None) -> list[str]:
    """The revision that failed, if a part of it was about to be committed."""
    return [] if run is None else [each for each in run.torn if each == _failed(run)]


def _failed(run: CommandRun) -> str:
    return run.failed_revision or run.at_work


def _left_no_rows(run: CommandRun | None, database: Database) -> bool:
    """Whether the revision that failed did nothing that could have stayed but make an index.

    A record without a statement proves nothing: a revision may use the driver itself.
    """
    if run is None:
        return False
    ran = {each.sql for each in run.statements if each.revision == _failed(run)}
    if not database.is_transactional:
        # The child waits for us before anything is committed.
        return bool(ran) and not _torn(run)
    # What commits by itself is looked at more strictly; of the rest the server tells.
    by_themselves = {each.sql for each in run.autocommitted if each.revision == _failed(run)}
    if not (ran or by_themselves) or _failed(run) in run.wrote:
        return False
    return all(only_reads(sql) for sql in ran - by_themselves)


def is_live(environment: Environment, database: Database) -> bool:
    """Whether applications may write to it while it is released: what they wrote since the backup
    would be lost from their sight if that was put back unasked."""
    return environment.protected and database.is_server


def stays_upgraded(
    place: LocatedDatabase, backup: Backup, reason: str, evidence: Evidence
) -> NeedsAPerson:
    """What came to its end, and should not have: a person judges whether it may stay.

    Each release asks verify until it passes.
    """
    name = place.environment.name
    look = place.database.look(place.environment.version_table)
    evidence.note_unverified(place.environment, look.revisions)
    return NeedsAPerson(
        f"{reason[:1].upper()}{reason[1:]}; {name} stays upgraded, since applications may have"
        " written to it.",
        untouched=f"Its content before is safe in {backup.name}.",
        next=f"To go back: {BackupStore.restore_command(name, backup.name)} (what was written"
        f" since then is kept apart); to look at it: invoke verify --env {name}",
    )


def note_resolved(session: Session, environment: Environment, database: Database) -> None:
    """Note in the ledger that nothing of what had begun is there."""
    begun = database.look(environment.version_table).begun
    if begun:
        revisions = [{"revision": each} for each in begun]
        database.note(
            environment.name,
            {"event": "resolved", "how": "rolled back", **session.facts, "revisions": revisions},
        )
