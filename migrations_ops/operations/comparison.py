"""Compares an upgraded database: rows and losses with its backup, the schema with the rehearsal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from migrations_ops.analysis.destroyed import columns_to_count, find_destroyed, with_dropped
from migrations_ops.analysis.losses import find_losses
from migrations_ops.analysis.reader import read_declared
from migrations_ops.analysis.row_changes import find_changes, rows_gone, surviving
from migrations_ops.analysis.schema_facts import names_gone
from migrations_ops.backups.store import BackupStore
from migrations_ops.child.protocol.events import Traced
from migrations_ops.databases.interface import Database
from migrations_ops.databases.row_changes import RowQuery
from migrations_ops.model.allowed import without_allowed
from migrations_ops.model.backup import Backup
from migrations_ops.model.errors import StepFailed
from migrations_ops.model.findings import (
    CHANGED_MEANWHILE,
    CODES,
    DROPPED_WITH_CONTENT,
    NOT_AS_REHEARSED,
    ROWS_NOT_COMPARED,
    ROWS_NOT_COMPARED_COMMANDS,
    Finding,
)
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.measured_plan import Destroyed
from migrations_ops.model.outcome import Rehearsed
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import DatabaseState
from migrations_ops.revisions.source import read_upgrades
from migrations_ops.steps.command_run import CommandRun

Schema = Mapping[str, str]


@dataclass(frozen=True)
class Compared:
    """What was found, and what of the content is gone, declared or not."""

    findings: list[Finding]
    destroyed: tuple[Destroyed, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """What an upgrade did to a database or a copy, compared with what its revisions declare."""

    session: Session
    state: DatabaseState
    backup: Backup

    def find(
        self,
        database: Database,
        run: CommandRun,
        before: Fingerprint,
        after: Fingerprint,
        *,
        rows: bool = True,
        orphans: bool,
    ) -> Compared:
        """Find what vanished or changed; it is an error where no revision declares it, and in a
        protected environment also where content is dropped.

        :param database: what was upgraded.
        :param run: the run, with what its revisions did.
        :param rows: whether to compare the rows.
        :param orphans: whether to count the rows without their parents.
        """
        name = self.state.environment.name
        syntax = self.state.database.syntax
        declared = read_declared(self._events(run), before.schema, after.schema, syntax)
        reporter = self.session.record.reporter

        def progress(done: int, total: int) -> None:
            reporter.progress("comparing rows", done, total)

        pairs = surviving(before, after, declared) if rows else []
        counted = columns_to_count(before, after, declared) if rows else []
        query = RowQuery(pairs, orphans, declared.types, counted)
        change = database.compare_content(Path(self.backup.file), query, progress)
        changes = find_changes(change, declared, name)
        if not rows:
            return Compared(changes)
        found = find_losses(before, after, declared, name, rows_gone(change)) + changes
        destroyed = find_destroyed(before, after, declared, change)
        found = with_dropped(found, destroyed, name)
        if self.state.environment.protected:
            found = [_needs_consent(each) for each in found]
        return Compared(found, destroyed)

    def _events(self, run: CommandRun) -> Sequence[Traced]:
        if run.own_commands:
            # The project's own commands run without our child inside.
            return read_upgrades(self.state.pending)
        return run.trace


def _needs_consent(found: Finding) -> Finding:
    # A note is about what had no content.
    return DROPPED_WITH_CONTENT.stricter(found) if found.severity == "warning" else found


def find_newly_broken(
    database: Database, was: Iterable[Finding], before: Schema, after: Schema
) -> list[Finding]:
    """Find objects that do not work after an upgrade: an error where they did before.

    :param was: what did not work before.
    """
    known = {(each.code, each.where) for each in was}
    return [
        each if (each.code, each.where) in known else CODES[each.code].stricter(each)
        for each in database.find_broken(names_gone(before, after))
    ]


def compare_schema(
    state: DatabaseState,
    run: CommandRun,
    before: Fingerprint,
    rehearsed: Rehearsed,
    has: Schema,
) -> list[Finding]:
    """Find differences from the end of the rehearsal.

    On a server, other sessions may create a table or grant a right at any time. A change that the
    rehearsal did not make, although it ran the same statements, is theirs.

    :param before: the content of the backup from which the rehearsal started.
    :param has: the schema after the upgrade.
    """
    others_may = state.database.is_server and _ran_the_same(run, rehearsed)
    unchanged = before.schema if others_may else None
    own, others = schema_differences(has, rehearsed.after.schema, unchanged)
    name = state.environment.name
    return [
        *(NOT_AS_REHEARSED.found(key) for key in own),
        *(CHANGED_MEANWHILE.found(key, environment=name) for key in others),
    ]


def schema_differences(
    has: Schema, wanted: Schema, before: Schema | None
) -> tuple[list[str], list[str]]:
    """The keys that differ from the end of the rehearsal, and those that other sessions changed.

    :param before: the state at the start of the rehearsal; None where no other process changes
        anything.
    """
    differing = sorted({key for key, _ in has.items() ^ wanted.items()})
    others = [key for key in differing if before is not None and wanted.get(key) == before.get(key)]
    return [key for key in differing if key not in others], others


def _ran_the_same(run: CommandRun, rehearsed: Rehearsed) -> bool:
    """A record without statements proves nothing: a revision may use the driver directly."""
    return bool(rehearsed.statements) and statements_of(run) == rehearsed.statements


def statements_of(run: CommandRun) -> tuple[str, ...]:
    """The statements of a run, in order."""
    return tuple(each.sql for each in run.statements)


def compare_rows(comparison: Comparison, run: CommandRun, *, orphans: bool) -> list[Finding]:
    """Compare the rows of a file with those of its backup, if no other process has written to it.

    Where other sessions write, they may have deleted a missing row. The child reports between which
    content stamps it had the database for itself: the first must equal that of the backup, and the
    last must stay valid until the comparison is done.

    :param orphans: whether to count the rows without their parents.
    :returns: what would have stopped the rehearsal but did not appear there; or that the rows were
        not compared.
    """
    session, state, backup = comparison.session, comparison.state, comparison.backup
    environment, database = state.environment, state.database
    not_compared = [ROWS_NOT_COMPARED.found(environment.name)]
    if run.own_commands:
        not_compared = [ROWS_NOT_COMPARED_COMMANDS.found(environment.name)]
    store = BackupStore.of(session.project.settings, environment)
    since, until = run.sole_writer[0] if len(run.sole_writer) == 1 else (None, None)
    undisturbed = since is not None and since == store.describe(backup).source
    if not undisturbed and not orphans:
        return not_compared
    before = store.fingerprint(backup)
    try:
        after = database.fingerprint(environment.version_table)
        compared = comparison.find(database, run, before, after, rows=undisturbed, orphans=orphans)
    except StepFailed:
        return not_compared  # another process has it locked
    if undisturbed and until != database.stamp_of_content():
        return not_compared
    found = without_allowed(compared.findings, session.allowed(environment, state.pending))
    errors = [finding for finding in found if finding.severity == "error"]
    return errors if undisturbed else errors + not_compared
