"""A measured plan in Markdown, for a comment on a pull request."""

from __future__ import annotations

from collections.abc import Iterator

from migrations_ops.cli.output.markdown import code, escaped, findings_list
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
from migrations_ops.model.measured_plan import MeasuredPlan, MeasuredRevision
from migrations_ops.model.text import duration


def as_markdown(plan: MeasuredPlan) -> list[str]:
    """The plan for a comment on a pull request."""
    if not plan.revisions:
        return [escaped(nothing_pending(plan))]
    lines = [f"### {escaped(title(plan))}", ""]
    if plan.error is not None:
        lines.append(f"- **{escaped(stopped(plan.error))}**")
    lines += [f"- {escaped(sentence)}" for _, sentence in summary(plan)]
    lines += findings_list(plan.findings)
    for revision in plan.revisions:
        lines += ["", *_revision(revision)]
    # Split at our own line breaks; those of a name or a message are escaped.
    return "\n".join(lines).split("\n")


def _revision(revision: MeasuredRevision) -> Iterator[str]:
    heading = f"{code(revision.revision)} {escaped(revision.message)} ({took(revision)})"
    yield f"<details><summary>\n\n{heading}\n\n</summary>\n"
    yield f"{code(revision.file)}\n"
    if revision.rewritten:
        yield f"Rewrites whole tables: {', '.join(map(code, revision.rewritten))}\n"
    shown, others = worth_a_line(revision)
    if shown:
        yield "| time | rows | times | statement |\n|---:|---:|---:|---|"
    for each in shown:
        rows = "" if each.rows is None else str(each.rows)
        sql = "<br>".join([code(" ".join(each.sql.split())), *map(escaped, notes(each))])
        yield f"| {duration(each.seconds)} | {rows} | {each.times or 'failed'} | {sql} |"
    if others:
        yield f"\n{others_in_words(others)}"
    yield "\n</details>"
