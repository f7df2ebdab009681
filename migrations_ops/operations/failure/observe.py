"""Inspects a database after a failure, with one query per question."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from migrations_ops.analysis.read_only import changes_no_row, only_reads
from migrations_ops.analysis.schema_diff import differences
from migrations_ops.backups.sidecar import Sidecar
from migrations_ops.backups.store import BackupStore
from migrations_ops.databases.interface import Database, indexes_of_others
from migrations_ops.model.backup import Backup
from migrations_ops.model.errors import Unresolved
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.inspection import Inspection
from migrations_ops.operations.failure.decision import (
    KILLED,
    RESTORES,
    Case,
    Ended,
    Indexes,
    Version,
)
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import DatabaseState, LocatedDatabase
from migrations_ops.steps.command_run import CommandRun
from migrations_ops.steps.own_commands import OwnCommandsStep
from migrations_ops.steps.step import Step

# The interval, in seconds, at which a server that does not answer is asked again.
_AGAIN = 0.2


@dataclass(frozen=True)
class Failure:
    """A step that failed, or whose result must be undone.

    ``located`` is the database before the step; ``backup`` holds that, and is None if there was no
    database. ``reason`` says what happened, as the start of a sentence. ``run`` is the last known
    run of the child, or None. ``target`` is the target of the step, ``dirty`` whether half of it
    was there before.

    Of a restore, ``backup`` is what it puts back, None if that is lost; ``safety`` holds what was
    there before, None where the engine itself keeps it. With ``rows_unknown`` the rows may
    be others than those of the backup though the schema is that. ``lack`` says what of the backup
    is no longer there, and is looked for when it matters.
    """

    located: LocatedDatabase
    backup: Backup | None
    reason: str
    ended: Ended
    run: CommandRun | None = None
    target: tuple[str, ...] = ()
    dirty: bool = False
    safety: Backup | None = None
    rows_unknown: bool = False
    lack: str = ""

    @property
    def unresolved(self) -> Unresolved:
        """What a person has to resolve, if it comes to that."""
        backup = "" if self.backup is None else self.backup.name
        return Unresolved(self.located.environment.name, backup)

    @classmethod
    def of(
        cls,
        state: DatabaseState,
        backup: Backup | None,
        reason: str,
        ended: Ended,
        run: CommandRun | None = None,
    ) -> Failure:
        """The failure of a step with the target of this state."""
        dirty = state.kind == "dirty"
        return cls(state, backup, reason, ended, run, state.target.revisions, dirty)


@dataclass(frozen=True)
class Observation:
    """The state of a database now: the input of the decision and the messages.

    ``changed`` names the differences. ``dropped`` are the INVALID indexes that were dropped,
    ``left`` those that cannot be dropped now, ``holders`` the sessions and prepared transactions
    that may use them, and ``others`` those of other sessions.
    """

    case: Case
    inspection: Inspection
    before: Fingerprint = Fingerprint.EMPTY
    now: Fingerprint = Fingerprint.EMPTY
    changed: tuple[str, ...] = ()
    others: Mapping[str, bool] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    holders: tuple[str, ...] = ()


def how_it_ended(child: Step, database: Database, *, has_committed: bool) -> Ended:
    """How a failed or interrupted step ended.

    :param has_committed: whether something was committed, or was about to be.
    """
    # For commands, an engine with a content stamp shows whether anything was written.
    if isinstance(child, OwnCommandsStep) and (has_committed or not database.stamp_of_content()):
        return Ended.COMMANDS
    return Ended.PARTLY_COMMITTED if has_committed else Ended.ROLLED_BACK


def observe(
    session: Session, failure: Failure, indexes: tuple[list[str], list[str]] | None = None
) -> Observation:
    """Inspect a database after a failure.

    :param indexes: those that were dropped, and those that could not be; None before that.
    :raises OpsError: it cannot be read.
    """
    located, backup, ended = failure.located, failure.backup, failure.ended
    environment, database = located.environment, located.database
    inspection = _await_answer(session, located)
    dropped, left = indexes or ([], [])
    case = Case(
        ended,
        on_server=database.is_server,
        transactional=database.is_transactional,
        live=located.is_live,
        no_backup=backup is None,
        version=_version(failure, inspection),
        empty=not inspection.exists
        or not (inspection.tables or inspection.revisions or inspection.trouble),
        # If the role may not create views, there is no ledger to show it.
        half=bool(inspection.begun or _partly_committed(failure.run)),
        in_ledger=bool(inspection.begun),
        indexes=_indexes(indexes),
    )
    if ended in RESTORES:
        return _observe_restore(session, failure, Observation(case, inspection))
    if backup is None or not _is_compared(case):
        return Observation(case, inspection)
    before = BackupStore.of(session.project.settings, environment).fingerprint(backup)
    now = database.fingerprint(environment.version_table)
    table = environment.version_table
    knows = case.half and indexes is not None
    others = indexes_of_others(database, table) if knows else {}
    changed = differences(before, now, others)
    if now.revisions == before.revisions:
        case = replace(case, version=Version.START)
    case = replace(case, same_schema=not changed)
    case = replace(case, same_rows=_has_same_rows(session, failure, case, before, now))
    seen = Observation(
        case, inspection, before, now, tuple(changed), others, tuple(dropped), tuple(left)
    )
    return replace(seen, holders=tuple(database.find_blocking_sessions())) if left else seen


def _is_compared(case: Case) -> bool:
    """Whether the decision needs a comparison with the backup."""
    if case.version in (Version.SILENT, Version.GONE) or case.ended is Ended.FAILED_VERIFY:
        return False
    return case.half or case.ended is not Ended.KILLED


def _await_answer(session: Session, located: LocatedDatabase) -> Inspection:
    """Inspect a database; a server of which one process was killed restarts by itself."""
    until = time.monotonic() + session.project.settings.wait
    while True:
        inspection = located.database.inspect(located.environment.version_table)
        if not inspection.trouble or not located.database.is_server or time.monotonic() >= until:
            return inspection
        time.sleep(_AGAIN)


def _version(failure: Failure, inspection: Inspection) -> Version:
    """The version, as far as it can be read. Unlike a server, an unreadable file will not answer
    later."""
    if inspection.trouble and failure.located.database.is_server:
        return Version.SILENT
    if not inspection.exists:
        return Version.GONE
    return Version.TARGET if set(inspection.revisions) == set(failure.target) else Version.ELSEWHERE


def _observe_restore(session: Session, failure: Failure, seen: Observation) -> Observation:
    """Find out whether a database has its content from before a restore, or that of the backup.

    :raises OpsError: it cannot be read.
    """
    version = seen.case.version
    if failure.ended in KILLED and not (seen.inspection.tables or seen.inspection.versioned):
        # A file that was damaged is moved aside first, and an empty one made in its place.
        version = Version.SILENT if version is Version.SILENT else Version.GONE
    elif version is Version.GONE and not failure.located.exists:
        version = Version.START
    elif version in (Version.TARGET, Version.ELSEWHERE):
        version = _restored_version(session, failure)
    return replace(
        seen, case=replace(seen.case, version=version, same_rows=not failure.rows_unknown)
    )


def _restored_version(session: Session, failure: Failure) -> Version:
    """Whether everything is as before or as in the backup: an engine leaves nothing in between."""
    environment, database = failure.located.environment, failure.located.database
    is_asked = failure.ended in (Ended.RESTORE_INTERRUPTED, Ended.KILLED_UNDO)
    if failure.backup is None or not is_asked:
        return Version.ELSEWHERE
    store = BackupStore.of(session.project.settings, environment)
    new = store.describe(failure.backup)
    now = database.fingerprint(environment.version_table)
    if not now.structure_equals(new.fingerprint):
        return Version.START
    if failure.ended is Ended.KILLED_UNDO or not failure.located.exists:
        return Version.TARGET
    if failure.safety is None:
        # That of a file is taken before anything is replaced; a server keeps it by itself.
        is_readable_file = not database.is_server and not failure.located.inspection.trouble
        return Version.START if is_readable_file else Version.ELSEWHERE
    old = store.describe(failure.safety)
    if is_as(failure.located, old):
        return Version.START
    # Row counts in which the two differ show which one it is.
    is_old, is_new = (_counts_equal(now, each.fingerprint) for each in (old, new))
    if is_old is is_new:
        return Version.ELSEWHERE
    return Version.START if is_old else Version.TARGET


def is_as(located: LocatedDatabase, backup: Sidecar) -> bool:
    """Whether the content is known to be that of a backup."""
    table = located.environment.version_table
    return located.database.unchanged_since(backup.fingerprint, backup.source, table)


def _counts_equal(one: Fingerprint, other: Fingerprint) -> bool:
    return one.structure_equals(other) and one.rows == other.rows


def _indexes(found: tuple[list[str], list[str]] | None) -> Indexes:
    if found is None:
        return Indexes.UNTRIED
    return Indexes.STUCK if found[1] else Indexes.NONE


def _has_same_rows(
    session: Session, failure: Failure, case: Case, before: Fingerprint, now: Fingerprint
) -> bool:
    """Whether the rows are known to be unchanged, by any session."""
    located, ended = failure.located, failure.ended
    if case.half and case.indexes is Indexes.UNTRIED:
        return ended is Ended.KILLED  # a commit is recorded before it happens
    if case.half:
        # In the schema, only an index of another session may be new.
        return _left_no_row(located, replace(before, schema=now.schema), failure.run)
    wrote = ended in (Ended.COMMANDS, Ended.KILLED_COMMANDS)
    if failure.backup is not None and (
        wrote or (ended is Ended.KILLED_PARTLY_COMMITTED and not case.on_server)
    ):
        store = BackupStore.of(session.project.settings, located.environment)
        return is_as(located, store.describe(failure.backup))
    # They go with the transaction, and so does the version.
    return case.version is Version.START


def _left_no_row(located: LocatedDatabase, before: Fingerprint, run: CommandRun | None) -> bool:
    """Whether the unfinished revision cannot have left a changed row."""
    if run is not None and _left_no_rows(run, located.database):
        at_work = [each for each in run.autocommitted if each.revision == failed_revision(run)]
        if all(changes_no_row(each.sql) for each in at_work):
            return True
    return located.database.is_transactional and located.database.unchanged_since(
        before, None, located.environment.version_table
    )


def _left_no_rows(run: CommandRun, database: Database) -> bool:
    """Whether the failed revision left nothing that could remain except an index.

    A record without statements proves nothing: a revision may use the driver directly.
    """
    failed = failed_revision(run)
    ran = {each.sql for each in run.statements if each.revision == failed}
    if not database.is_transactional:
        # The child waits for us before anything is committed.
        return bool(ran) and not _partly_committed(run)
    # Statements that commit by themselves are checked more strictly; the server reports the others.
    by_themselves = {each.sql for each in run.autocommitted if each.revision == failed}
    if not (ran or by_themselves) or failed in run.wrote:
        return False
    return all(only_reads(sql) for sql in ran - by_themselves)


def _partly_committed(run: CommandRun | None) -> list[str]:
    """The failed revision, if a part of it was about to be committed."""
    if run is None:
        return []
    return [each for each in run.partly_committed if each == failed_revision(run)]


def failed_revision(run: CommandRun) -> str:
    return run.failed_revision or run.at_work
