"""The report of a task as a page of HTML: one file, without scripts, that loads nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from migrations_ops.cli.output.page import as_html_text, findings_list, page
from migrations_ops.cli.output.plan.page import summary_list
from migrations_ops.cli.output.report.words import (
    Bar,
    bars,
    change_in_words,
    difference,
    times_of_revisions,
    title,
)
from migrations_ops.cli.output.text import provenance_in_words, ways_back
from migrations_ops.journal.record import TaskRecord
from migrations_ops.model.text import duration, local_time
from migrations_ops.operations.report import Report

_MOST_OPEN = 20


def as_html(report: Report) -> list[str]:
    """Who ran it, its steps and revisions, the ways back, what it changed."""
    found = report.record
    span = f"from {', '.join(found.from_) or '-'} to {', '.join(found.to) or '-'}"
    return [
        *page(title(found)),
        *(f"<p>{as_html_text(each)}</p>" for each in (span, *provenance_in_words(found))),
        *_error(found),
        *_items(report),
        *_steps(found),
        *_revisions(report),
        *_plan(report),
        *_changes(report),
    ]


def _error(found: TaskRecord) -> Iterator[str]:
    if found.error is not None:
        parts = filter(None, (found.error.what, found.error.untouched, found.error.next))
        yield f"<p><strong>{'<br>'.join(map(as_html_text, parts))}</strong></p>"


def _items(report: Report) -> Iterator[str]:
    found = report.record
    if found.findings or found.backups:
        yield "<ul>"
        yield from findings_list(found.findings)
        for each in ways_back(found, report.kept):
            yield f'<li class="calm">{as_html_text(each)}</li>'
        yield "</ul>"


def _steps(found: TaskRecord) -> Iterator[str]:
    yield "<h2>Steps</h2>"
    yield f"<table>{_row('th', ('step', 'environment', 'started', 'took', 'outcome', ''))}</tr>"
    on_line: Sequence[Bar | None] = bars(found) or [None] * len(found.steps)
    for step, bar in zip(found.steps, on_line, strict=True):
        started, took = local_time(step.started, offset=True), duration(step.seconds)
        cells = (step.name, step.environment, started, took, step.outcome)
        yield f'{_row("td", cells)}<td class="line">{_bar(bar)}</td></tr>'
    yield "</table>"


def _bar(bar: Bar | None) -> str:
    """Its numbers are ours: nothing that somebody named is in a style."""
    if bar is None:
        return ""
    return f'<div class="bar" style="margin-left:{bar.start}%;width:{bar.width}%"></div>'


def _revisions(report: Report) -> Iterator[str]:
    head, rows = times_of_revisions(report)
    if not rows:
        return
    yield "<h2>Revisions</h2>"
    yield f"<table>{_row('th', head)}</tr>"
    for name, *others in rows:
        cells = "".join(f"<td>{as_html_text(each)}</td>" for each in others)
        yield f"<tr><td><code>{as_html_text(name)}</code></td>{cells}</tr>"
    yield "</table>"


def _plan(report: Report) -> Iterator[str]:
    if report.plan is None:
        return
    yield f"<h2>The plan of {as_html_text(report.plan.environment)} that it followed</h2><ul>"
    yield from summary_list(report.plan)
    yield "</ul>"


def _changes(report: Report) -> Iterator[str]:
    for environment, changes in report.changes.environments.items():
        yield f"<h2>Schema of {as_html_text(environment)}, before and after</h2>"
        if not changes:
            yield "<p>Nothing in it has changed.</p>"
        is_open = " open" if len(changes) <= _MOST_OPEN else ""
        for each in changes:
            yield f"<details{is_open}><summary>{as_html_text(change_in_words(each))}</summary><pre>"
            for line in difference(each):
                kind = {"-": "gone", "+": "new"}.get(line[0], "same")
                yield f'<span class="{kind}">{as_html_text(line)}</span>'
            yield "</pre></details>"


def _row(tag: str, cells: Sequence[str]) -> str:
    """The beginning of a row, which more cells may follow."""
    return "<tr>" + "".join(f"<{tag}>{as_html_text(each)}</{tag}>" for each in cells)
