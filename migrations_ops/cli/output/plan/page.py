"""A measured plan as a page of HTML: one file, without scripts, that loads nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from migrations_ops.cli.output.page import as_html_text, findings_list, page
from migrations_ops.cli.output.plan.words import (
    notes,
    nothing_pending,
    others_in_words,
    stopped,
    summary,
    title,
    took,
    worth_a_line,
)
from migrations_ops.model.measured_plan import MeasuredPlan, MeasuredRevision, MeasuredStatement
from migrations_ops.model.text import duration

_MOST_OPEN = 8


def as_html(plans: Sequence[MeasuredPlan]) -> list[str]:
    """The plans as the lines of one page, which has the title of the first."""
    first, *others = plans
    lines = [*page(_title(first)), *_plan(first)]
    for each in others:
        lines += [f"<h1>{as_html_text(_title(each))}</h1>", *_plan(each)]
    return lines


def _title(plan: MeasuredPlan) -> str:
    return title(plan) if plan.revisions else nothing_pending(plan)


def _plan(plan: MeasuredPlan) -> Iterator[str]:
    if plan.revisions:
        yield from ("<ul>", *_summary(plan), "</ul>")
    for each in plan.revisions:
        is_open = each.seconds is None or len(plan.revisions) <= _MOST_OPEN
        yield from _revision(each, is_open=is_open)


def _summary(plan: MeasuredPlan) -> Iterator[str]:
    if plan.error is not None:
        yield f'<li class="stop">{as_html_text(stopped(plan.error))}</li>'
    yield from summary_list(plan)
    yield from findings_list(plan.findings)


def summary_list(plan: MeasuredPlan) -> Iterator[str]:
    """Items of a list, one for each sentence about the whole plan."""
    for is_calm, sentence in summary(plan):
        yield f'<li class="{"calm" if is_calm else "alarm"}">{as_html_text(sentence)}</li>'


def _revision(revision: MeasuredRevision, *, is_open: bool) -> Iterator[str]:
    shown, others = worth_a_line(revision)
    name = f"<code>{as_html_text(revision.revision)}</code>"
    yield f"<details{' open' if is_open else ''}><summary>{name}"
    yield f"{as_html_text(revision.message)} ({as_html_text(took(revision))})</summary>"
    yield f"<p><code>{as_html_text(revision.file)}</code></p>"
    if revision.rewritten:
        tables = ", ".join(f"<code>{as_html_text(each)}</code>" for each in revision.rewritten)
        yield f"<p>Rewrites whole tables: {tables}</p>"
    if shown:
        yield from _table(shown)
    if others:
        yield f"<p>{as_html_text(others_in_words(others))}</p>"
    yield "</details>"


def _table(shown: Iterable[MeasuredStatement]) -> Iterator[str]:
    heads = "".join(f'<th class="number">{each}</th>' for each in ("time", "rows", "times"))
    yield f"<table><tr>{heads}<th>statement</th></tr>"
    for each in shown:
        rows = "" if each.rows is None else f"{each.rows:,}"
        numbers = (duration(each.seconds), rows, f"{each.times:,}" if each.times else "failed")
        cells = "".join(f'<td class="number">{as_html_text(number)}</td>' for number in numbers)
        sql = f"<code>{as_html_text(' '.join(each.sql.split()))}</code>"
        below = "".join(f"<br><small>{as_html_text(line)}</small>" for line in notes(each))
        yield f"<tr>{cells}<td>{sql}{below}</td></tr>"
    yield "</table>"
