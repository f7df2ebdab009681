"""A measured plan as a page of HTML: one file, without scripts, that loads nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from migrations_ops.cli.output.page import as_html_text, findings_list, page
from migrations_ops.cli.output.plan.words import (
    duration,
    nothing_pending,
    reads_in_words,
    stopped,
    summary,
    title,
    took,
    without_quick_reads,
)
from migrations_ops.model.measured_plan import MeasuredPlan, MeasuredRevision, MeasuredStatement


def as_html(plan: MeasuredPlan) -> list[str]:
    """The plan as the lines of a page."""
    name = title(plan) if plan.revisions else nothing_pending(plan)
    if not plan.revisions:
        return page(name)
    return [
        *page(name),
        "<ul>",
        *_summary(plan),
        "</ul>",
        *(line for each in plan.revisions for line in _revision(each)),
    ]


def _summary(plan: MeasuredPlan) -> Iterator[str]:
    if plan.error is not None:
        yield f'<li class="stop">{as_html_text(stopped(plan.error))}</li>'
    for is_calm, sentence in summary(plan):
        yield f'<li class="{"calm" if is_calm else "alarm"}">{as_html_text(sentence)}</li>'
    yield from findings_list(plan.findings)


def _revision(revision: MeasuredRevision) -> Iterator[str]:
    shown, reads = without_quick_reads(revision)
    is_open = " open" if revision.seconds is None else ""
    yield f"<details{is_open}><summary><code>{as_html_text(revision.revision)}</code>"
    yield f"{as_html_text(revision.message)} ({as_html_text(took(revision))})</summary>"
    yield f"<p><code>{as_html_text(revision.file)}</code></p>"
    if revision.rewritten:
        tables = ", ".join(f"<code>{as_html_text(each)}</code>" for each in revision.rewritten)
        yield f"<p>Rewrites whole tables: {tables}</p>"
    if shown:
        yield from _table(shown)
    if reads:
        yield f"<p>{as_html_text(reads_in_words(reads))}</p>"
    yield "</details>"


def _table(shown: Iterable[MeasuredStatement]) -> Iterator[str]:
    heads = "".join(f'<th class="number">{each}</th>' for each in ("time", "rows", "times"))
    yield f"<table><tr>{heads}<th>statement</th></tr>"
    for each in shown:
        rows = "" if each.rows is None else f"{each.rows:,}"
        numbers = (duration(each.seconds), rows, f"{each.times:,}" if each.times else "failed")
        cells = "".join(f'<td class="number">{as_html_text(number)}</td>' for number in numbers)
        yield f"<tr>{cells}<td><code>{as_html_text(' '.join(each.sql.split()))}</code></td></tr>"
    yield "</table>"
