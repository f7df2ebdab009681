"""``plan``: rehearses what is pending in one environment, and measures it. Changes nothing."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from migrations_ops.analysis.destroyed import find_destroyed
from migrations_ops.analysis.reader import read_declared
from migrations_ops.analysis.statements.rows import TEMPORARY
from migrations_ops.child.protocol.events import (
    Measured,
    StatementMeasured,
    TableLocked,
    TableRewritten,
)
from migrations_ops.journal.recorder import Reporter
from migrations_ops.model.backup import Backup
from migrations_ops.model.measured_plan import (
    Blocked,
    Destroyed,
    MeasuredPlan,
    MeasuredRevision,
    MeasuredStatement,
)
from migrations_ops.model.outcome import ErrorReport, RevisionRun
from migrations_ops.model.text import bare
from migrations_ops.operations.backup import back_up, find_doubt
from migrations_ops.operations.rehearsal import MeasuredRun, rehearse
from migrations_ops.operations.release import preflight
from migrations_ops.operations.run import Finished, run_recorded
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import DatabaseState
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.revisions.history import Revision
from migrations_ops.revisions.loader import digest
from migrations_ops.steps.command_run import CommandRun

# What a lock of PostgreSQL on a table keeps others from: reads and writes, or writes
# (https://www.postgresql.org/docs/current/explicit-locking.html); and a copy by MariaDB.
_BLOCKS_READS = frozenset({"AccessExclusiveLock"})
_BLOCKS_WRITES = _BLOCKS_READS | {"ExclusiveLock", "ShareRowExclusiveLock", "ShareLock", "COPY"}


# How a batch of Alembic ends: the new table takes the place of the old one.
_REBUILT = re.compile(rf'ALTER TABLE "?{TEMPORARY}.+ RENAME TO (\w+|".+")$', re.IGNORECASE)


@dataclass(frozen=True)
class _Planned:
    """What is rehearsed. ``sources`` has the digest of each pending revision."""

    state: DatabaseState
    backup: Backup | None = None
    sources: Mapping[str, str] = field(default_factory=dict)


def plan_environment(
    project: Project,
    environment: Environment,
    to: str | None,
    allow: tuple[str, ...],
    reporter: Reporter,
) -> tuple[Finished, MeasuredPlan | None]:
    """Rehearse what is pending on a copy of an environment, and measure it.

    :param to: the target instead of the configured one.
    :param allow: finding codes that this run accepts.
    :returns: None where it was stopped before anything was measured.
    """
    found: list[tuple[_Planned, MeasuredRun | None]] = []

    def body(session: Session) -> None:
        with session.locked([environment]):
            [state] = preflight(session, [environment], to)
            if not state.pending:
                found.append((_Planned(state), None))
                return
            doubt = find_doubt(project, state)
            backup = back_up(session, state, doubt=doubt, must_hold_all=True)
            # Before they run: an edit meanwhile is one that was not planned.
            sources = {each.revision: digest(each) for each in state.pending}
            planned = _Planned(state, backup, sources)
            rehearse(session, state, backup, lambda run: found.append((planned, run)))
        session.record.update(outcome="done")

    finished = run_recorded(project, "plan", environment.name, reporter, body, allow=allow)
    if not found:
        return finished, None
    return finished, _measured_plan(finished, project.settings.root, *found[0])


def _measured_plan(
    finished: Finished, root: Path, planned: _Planned, measured: MeasuredRun | None
) -> MeasuredPlan:
    state, backup = planned.state, planned.backup
    run = CommandRun("") if measured is None else measured.run
    by_hand = "the environment has commands of its own, whose statements are not seen"
    return MeasuredPlan(
        environment=state.environment.name,
        database=state.database.label,
        from_=state.inspection.revisions,
        to=state.target.revisions,
        backup="" if backup is None else backup.name,
        backup_size=0 if backup is None else backup.size,
        copied_in=0.0 if measured is None else measured.copied_in,
        schema={} if measured is None else measured.before.schema,
        revisions=measured_revisions(
            state.pending, planned.sources, root, run.revisions, run.measured
        ),
        blocked=_blocked(state, run),
        destroyed=None if measured is None else _destroyed(state, measured),
        findings=finished.result.findings,
        unmeasured=by_hand if run.own_commands else "",
        error=None if finished.error is None else ErrorReport.of(finished.error),
    )


def measured_revisions(
    pending: Sequence[Revision],
    sources: Mapping[str, str],
    root: Path,
    ran: Sequence[RevisionRun],
    measured: Sequence[Measured],
) -> tuple[MeasuredRevision, ...]:
    """Each pending revision with what was measured of it.

    :param sources: the digest of each.
    :param root: the folder that files are shown relative to.
    """
    seconds = {each.revision: each.seconds for each in ran}
    statements: defaultdict[str, list[MeasuredStatement]] = defaultdict(list)
    rewritten: defaultdict[str, list[str]] = defaultdict(list)
    for each in measured:
        if isinstance(each, StatementMeasured):
            found = MeasuredStatement(each.sql, each.times, each.seconds, each.rows)
            statements[each.revision].append(found)
        elif isinstance(each, TableRewritten):
            rewritten[each.revision].append(each.table)
        if isinstance(each, StatementMeasured) and (rebuilt := _REBUILT.match(each.sql)):
            rewritten[each.revision].append(bare(rebuilt[1]))
    return tuple(
        MeasuredRevision(
            each.revision,
            each.title,
            _shown(Path(each.file), root),
            sources.get(each.revision, ""),
            seconds.get(each.revision),
            tuple(statements[each.revision]),
            tuple(dict.fromkeys(rewritten[each.revision])),
        )
        for each in pending
    )


def _shown(file: Path, root: Path) -> str:
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)


def _destroyed(state: DatabaseState, measured: MeasuredRun) -> tuple[Destroyed, ...] | None:
    before, after = measured.before, measured.after
    if after is None:
        return None
    syntax = state.database.syntax
    declared = read_declared(measured.run.trace, before.schema, after.schema, syntax)
    return find_destroyed(before, after, declared)


def _blocked(state: DatabaseState, run: CommandRun) -> tuple[Blocked, ...] | None:
    if run.own_commands or not run.finished:
        return None
    if not state.database.is_server:
        # SQLite has one lock for all tables, which a run takes when it begins. Readers wait too
        # where the file has a rollback journal, but only while pages are written.
        return (Blocked("", None, round(sum(each.seconds for each in run.revisions), 6)),)
    found = blocked_tables([each for each in run.measured if isinstance(each, TableLocked)])
    # MariaDB reports copies only.
    return found if found or state.database.is_transactional else None


def blocked_tables(locks: Sequence[TableLocked]) -> tuple[Blocked, ...]:
    """How long each table was blocked, the longest first."""
    found = [
        Blocked(
            table,
            _longest(locks, table, _BLOCKS_READS),
            _longest(locks, table, _BLOCKS_WRITES),
        )
        for table in dict.fromkeys(each.table for each in locks)
    ]
    blocked = [each for each in found if each.writes]
    return tuple(sorted(blocked, key=lambda each: (each.reads or 0.0, each.writes), reverse=True))


def _longest(locks: Sequence[TableLocked], table: str, modes: frozenset[str]) -> float:
    return max((each.seconds for each in locks if each.table == table and each.mode in modes),
               default=0.0)  # fmt: skip
