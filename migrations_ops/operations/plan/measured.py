"""``plan``: rehearses what is pending in one environment, and measures it. Changes nothing."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from migrations_ops.analysis.blocked import blocked_tables, strongest, without_weaker
from migrations_ops.analysis.statements.rows import TEMPORARY
from migrations_ops.child.protocol.events import (
    Measured,
    StatementInFull,
    StatementMeasured,
    TableLocked,
    TableRewritten,
)
from migrations_ops.databases.interface import readers_go_on
from migrations_ops.journal.recorder import Reporter
from migrations_ops.model.backup import Backup
from migrations_ops.model.measured_plan import (
    Blocked,
    MeasuredPlan,
    MeasuredRevision,
    MeasuredStatement,
)
from migrations_ops.model.outcome import ErrorReport, RevisionRun
from migrations_ops.model.text import bare
from migrations_ops.operations.backup import back_up, find_doubt
from migrations_ops.operations.failure.recovery import tidy
from migrations_ops.operations.rehearsal import MeasuredRun, Measuring, rehearse
from migrations_ops.operations.release import preflight
from migrations_ops.operations.run import Finished, run_recorded
from migrations_ops.operations.session import Session
from migrations_ops.operations.state import DatabaseState
from migrations_ops.project.environments import Environment
from migrations_ops.project.project import Project
from migrations_ops.revisions.history import Revision
from migrations_ops.revisions.loader import digest
from migrations_ops.steps.command_run import CommandRun

# How a batch of Alembic ends: the new table takes the place of the old one.
_REBUILT = re.compile(rf'ALTER TABLE "?{TEMPORARY}.+ RENAME TO (\w+|".+")$', re.IGNORECASE)


@dataclass(frozen=True)
class _Planned:
    """What is rehearsed. ``sources`` has the digest of each pending revision."""

    state: DatabaseState
    backup: Backup | None = None
    sources: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PlanOptions:
    """The options of a plan. ``to`` replaces the configured target; ``allow`` are the codes of
    findings that it accepts; ``values`` shows those of parameters; ``script`` asks for what ran, to
    be run elsewhere."""

    to: str | None = None
    allow: tuple[str, ...] = ()
    values: bool = False
    script: bool = False


@dataclass(frozen=True)
class PlanResult:
    """How a plan ended. ``plan`` is None where it was stopped before anything was measured;
    ``script`` is what ran, where that was asked for."""

    finished: Finished
    plan: MeasuredPlan | None = None
    script: tuple[StatementInFull, ...] = ()


def plan_environment(
    project: Project,
    environment: Environment,
    options: PlanOptions,
    reporter: Reporter,
) -> PlanResult:
    """Rehearse what is pending on a copy of an environment, and measure it."""
    found: list[tuple[_Planned, MeasuredRun | None]] = []

    def body(session: Session) -> None:
        with session.locked([environment]):
            tidy(session)
            [state] = preflight(session, [environment], options.to)
            if not state.pending:
                found.append((_Planned(state), None))
                return
            doubt = find_doubt(project, state)
            backup = back_up(session, state, doubt=doubt, must_hold_all=True)
            # Before they run: an edit meanwhile is one that was not planned.
            sources = {each.revision: digest(each) for each in state.pending}
            planned = _Planned(state, backup, sources)
            measuring = Measuring(
                lambda run: found.append((planned, run)), options.values, options.script
            )
            rehearse(session, state, backup, measuring)
        session.record.update(outcome="done")

    finished = run_recorded(project, "plan", environment.name, reporter, body, allow=options.allow)
    if not found:
        return PlanResult(finished)
    [(planned, measured)] = found
    plan = _measured_plan(finished, project.settings.root, planned, measured)
    ran = () if measured is None else measured.run.measured
    script = tuple(each for each in ran if isinstance(each, StatementInFull))
    return PlanResult(finished, plan, script)


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
        destroyed=None if measured is None else measured.destroyed,
        room=None if measured is None else _room(state, measured),
        down_and_up=None if measured is None else measured.down_and_up,
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
    locks: defaultdict[tuple[str, str], list[TableLocked]] = defaultdict(list)
    for lock in without_weaker([each for each in measured if isinstance(each, TableLocked)]):
        locks[lock.revision, lock.sql].append(lock)
    for each in measured:
        if isinstance(each, StatementMeasured):
            taken = tuple(strongest(locks[each.revision, each.sql]))
            statements[each.revision].append(
                MeasuredStatement(each.sql, each.times, each.seconds, each.rows, taken, each.values)
            )
        elif isinstance(each, TableRewritten):
            rewritten[each.revision].append(each.table)
        if isinstance(each, StatementMeasured) and (rebuilt := _REBUILT.match(each.sql)):
            rewritten[each.revision].append(bare(rebuilt[1]))
    return tuple(
        MeasuredRevision(
            each.revision,
            each.title,
            each.shown(root),
            sources.get(each.revision, ""),
            seconds.get(each.revision),
            tuple(statements[each.revision]),
            tuple(dict.fromkeys(rewritten[each.revision])),
        )
        for each in pending
    )


def _blocked(state: DatabaseState, run: CommandRun) -> tuple[Blocked, ...] | None:
    if run.own_commands or not run.finished:
        return None
    if not state.database.is_server:
        # SQLite has one lock for all tables, which a run takes when it begins. Readers wait too
        # where the file has a rollback journal, but only while pages are written.
        reads = 0.0 if readers_go_on(state.database) else None
        return (Blocked("", reads, round(sum(each.seconds for each in run.revisions), 6)),)
    return blocked_tables([each for each in run.measured if isinstance(each, TableLocked)])


def _room(state: DatabaseState, measured: MeasuredRun) -> int | None:
    """How many bytes the upgrade needs beside the database: for what it adds, and for what it
    writes anew. A file of SQLite does not shrink, so that it has grown by both."""
    if measured.destroyed is None:
        return None
    sizes = [each.size for each in measured.run.measured if isinstance(each, TableRewritten)]
    # The old tables go with the commit: on MariaDB of each statement.
    anew = sum(sizes) if state.database.is_transactional else max(sizes, default=0)
    return max(measured.growth, 0) + anew
