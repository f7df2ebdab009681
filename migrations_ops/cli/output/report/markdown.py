"""The report of a task in Markdown, for an issue or a pull request."""

from __future__ import annotations

from collections.abc import Iterator

from migrations_ops.cli.output.markdown import code, escaped, findings_list, table
from migrations_ops.cli.output.plan.words import summary
from migrations_ops.cli.output.report.words import (
    change_in_words,
    difference,
    times_of_revisions,
    title,
)
from migrations_ops.cli.output.style import plain
from migrations_ops.cli.output.text import provenance_in_words, ways_back
from migrations_ops.journal.record import TaskRecord
from migrations_ops.model.text import duration, local_time
from migrations_ops.operations.report import Report


def as_markdown(report: Report) -> list[str]:
    """Who ran it, its steps and revisions, the ways back, what it changed."""
    found = report.record
    span = f"from {', '.join(found.from_) or '-'} to {', '.join(found.to) or '-'}"
    lines = [f"### {escaped(title(found))}", ""]
    lines += [f"- {escaped(each)}" for each in (span, *provenance_in_words(found))]
    if found.error is not None:
        parts = (found.error.what, found.error.untouched, found.error.next)
        lines += [f"- **{escaped(each)}**" for each in parts if each]
    lines += findings_list(found.findings)
    lines += [f"- {_with_command(each)}" for each in ways_back(found, report.kept)]
    lines += [*_steps(found), *_revisions(report), *_plan(report), *_changes(report)]
    # Split at our own line breaks; those of a name or a message are escaped.
    return "\n".join(lines).split("\n")


def _with_command(sentence: str) -> str:
    """A sentence with the command at its end as code, so that it can be copied."""
    before, found, command = sentence.partition(": invoke ")
    return f"{escaped(before)}: {code(f'invoke {command}')}" if found else escaped(sentence)


def _steps(found: TaskRecord) -> Iterator[str]:
    yield from table(
        ("step", "environment", "started", "took", "outcome"),
        [
            (step.name, step.environment, local_time(step.started, offset=True),
             duration(step.seconds), step.outcome)
            for step in found.steps
        ],
    )  # fmt: skip


def _revisions(report: Report) -> Iterator[str]:
    head, rows = times_of_revisions(report)
    if rows:
        yield from table(head, rows)


def _plan(report: Report) -> Iterator[str]:
    if report.plan is not None:
        yield f"\n#### The plan of {escaped(report.plan.environment)} that it followed\n"
        yield from (f"- {escaped(sentence)}" for _, sentence in summary(report.plan))


def _changes(report: Report) -> Iterator[str]:
    for environment, changes in report.changes.environments.items():
        yield f"\n#### Schema of {escaped(environment)}, before and after\n"
        if not changes:
            yield "Nothing in it has changed."
        for each in changes:
            lines = [plain(line) for line in difference(each)]
            fence = "```"
            while any(fence in line for line in lines):
                fence += "`"
            yield f"<details><summary>\n\n{escaped(change_in_words(each))}\n\n</summary>\n"
            yield from (f"{fence}diff", *lines, f"{fence}\n\n</details>")
