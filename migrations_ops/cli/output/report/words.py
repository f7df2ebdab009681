"""What a report has in each of its forms; each form draws the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher

from migrations_ops.journal.record import TaskRecord
from migrations_ops.model.drift import ChangedObject
from migrations_ops.model.measured_plan import MeasuredPlan
from migrations_ops.model.text import duration
from migrations_ops.operations.report import Report

# Longer differences than this would slow the release that they report.
_MOST_LINES = 2000


@dataclass(frozen=True)
class Bar:
    """A step on the time line, in percent of the whole."""

    start: float
    width: float


def title(found: TaskRecord) -> str:
    return f"{found.task} of {found.environment}: {found.outcome or 'unfinished'}"


def bars(found: TaskRecord) -> list[Bar]:
    """Where each step is on the time line of the task; none where that is unknown."""
    try:
        moments = [datetime.fromisoformat(step.started).timestamp() for step in found.steps]
    except (ValueError, OverflowError):
        return []
    ends = [moment + step.seconds for moment, step in zip(moments, found.steps, strict=True)]
    if not moments or max(ends) <= min(moments):
        return []
    first, whole = min(moments), max(ends) - min(moments)
    return [
        Bar(
            round((start - first) / whole * 100, 2),
            # A quick step is a line that can be seen.
            max(round((end - start) / whole * 100, 2), 0.3),
        )
        for start, end in zip(moments, ends, strict=True)
    ]


def times_of_revisions(report: Report) -> tuple[list[str], list[tuple[str, ...]]]:
    """A table of the revisions that ran: its head, and a row for each, with its id, title, planned
    and real times."""
    steps = [step for step in report.record.steps if step.revisions]
    planned = _planned(report.plan)
    head = ["revision", "what it does"]
    head += [f"plan of {report.plan.environment}"] if report.plan else []
    head += [f"{step.name} {step.environment}" for step in steps]
    runs = [{each.revision: each.seconds for each in step.revisions} for step in steps]
    names = dict.fromkeys(name for run in runs for name in run)
    rows = [
        (
            name,
            report.record.titles.get(name, ""),
            *((planned.get(name, ""),) if report.plan else ()),
            *(duration(run[name]) if name in run else "" for run in runs),
        )
        for name in names
    ]
    return head, rows


def _planned(plan: MeasuredPlan | None) -> dict[str, str]:
    revisions = plan.revisions if plan is not None else ()
    return {each.revision: duration(each.seconds) for each in revisions if each.seconds is not None}


def change_in_words(changed: ChangedObject) -> str:
    return f"{changed.kind} {changed.name}: {changed.fate}"


def difference(changed: ChangedObject) -> Iterator[str]:
    """The lines of an object's definition, with ``-`` before and ``+`` after."""
    was, now = _lines(changed.was), _lines(changed.now)
    if len(was) + len(now) > _MOST_LINES:
        yield "  (too long to be compared here)"
        return
    for what, begins, ends, begin, end in SequenceMatcher(None, was, now).get_opcodes():
        if what == "equal":
            yield from (f"  {line}" for line in was[begins:ends])
        else:
            yield from (f"- {line}" for line in was[begins:ends])
            yield from (f"+ {line}" for line in now[begin:end])


def _lines(definition: str) -> Sequence[str]:
    return definition.split("\n") if definition else []
