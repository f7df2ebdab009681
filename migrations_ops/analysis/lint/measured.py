"""What a rehearsal has measured and no rule has foreseen: tables that others could not use."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from migrations_ops.analysis.lint.severity import by_seconds
from migrations_ops.model.findings import OTHERS_BLOCKED, Finding
from migrations_ops.model.measured_plan import Blocked, MeasuredPlan, MeasuredRevision
from migrations_ops.model.thresholds import Thresholds

ALL_TABLES = "all tables"


def find_blocked(
    plan: MeasuredPlan, limits: Thresholds, known: Collection[str]
) -> Iterator[tuple[Finding, str]]:
    """A finding for each table that was blocked for long, with the revision that did it.

    :param known: the tables, by their names without schemas, of which a rule has said that.
    """
    for each in plan.blocked or ():
        severity = by_seconds(each.reads or 0.0, each.writes, limits)
        bare = each.table.rpartition(".")[2].strip('"').lower()
        if severity == "note" or bare in known or not plan.revisions:
            continue
        revision = _blamed(plan, each).revision
        finding = OTHERS_BLOCKED.found(
            each.table or ALL_TABLES,
            revision=revision,
            blocked="read or write" if each.reads else "write to",
            seconds=f"{each.reads or each.writes:.2f}",
        )
        yield replace(finding, severity=severity), revision


def _blamed(plan: MeasuredPlan, blocked: Blocked) -> MeasuredRevision:
    """The revision that kept the table locked for longest; where locks are not known, the one
    that took longest."""

    def seconds(revision: MeasuredRevision) -> tuple[float, float]:
        locks = (lock for each in revision.statements for lock in each.locks)
        longest = max((each.seconds for each in locks if each.table == blocked.table), default=0.0)
        return longest, revision.seconds or 0.0

    return max(plan.revisions, key=seconds)
