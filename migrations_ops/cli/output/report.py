"""The report of a task: its record as a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from migrations_ops.cli.output.page import as_html_text, findings_list, page
from migrations_ops.cli.output.plan.words import duration
from migrations_ops.cli.output.text import provenance_in_words, revisions_that_ran, ways_back
from migrations_ops.journal.record import TaskRecord
from migrations_ops.model.text import local_time


def report(found: TaskRecord, kept: Mapping[str, str]) -> list[str]:
    """The lines of the report: who ran it, its steps and revisions, the ways back.

    :param kept: the environment of each backup that is still there, by its name.
    """
    span = f"from {', '.join(found.from_) or '-'} to {', '.join(found.to) or '-'}"
    return [
        *page(f"{found.task} of {found.environment}: {found.outcome or 'unfinished'}"),
        *(f"<p>{as_html_text(each)}</p>" for each in (span, *provenance_in_words(found))),
        *_error(found),
        *_items(found, kept),
        *_steps(found),
        *_revisions(found),
    ]


def _error(found: TaskRecord) -> Iterator[str]:
    if found.error is not None:
        parts = filter(None, (found.error.what, found.error.untouched, found.error.next))
        yield f"<p><strong>{'<br>'.join(map(as_html_text, parts))}</strong></p>"


def _items(found: TaskRecord, kept: Mapping[str, str]) -> Iterator[str]:
    if found.findings or found.backups:
        yield "<ul>"
        yield from findings_list(found.findings)
        for each in ways_back(found, kept):
            yield f'<li class="calm">{as_html_text(each)}</li>'
        yield "</ul>"


def _steps(found: TaskRecord) -> Iterator[str]:
    heads = ("step", "environment", "started", "took", "outcome")
    yield f"<table><tr>{''.join(f'<th>{each}</th>' for each in heads)}</tr>"
    for step in found.steps:
        started, took = local_time(step.started), duration(step.seconds)
        cells = (step.name, step.environment, started, took, step.outcome)
        yield f"<tr>{''.join(f'<td>{as_html_text(each)}</td>' for each in cells)}</tr>"
    yield "</table>"


def _revisions(found: TaskRecord) -> Iterator[str]:
    ran = revisions_that_ran(found)
    if not ran:
        return
    yield "<table><tr><th>revision</th><th>what it does</th><th>took</th></tr>"
    for revision, runs in ran.items():
        title, took = found.titles.get(revision, ""), ", ".join(runs)
        cells = (f"<code>{as_html_text(revision)}</code>", as_html_text(title), as_html_text(took))
        yield f"<tr>{''.join(f'<td>{each}</td>' for each in cells)}</tr>"
    yield "</table>"
