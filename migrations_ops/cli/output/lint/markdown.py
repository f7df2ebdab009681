"""A lint report in Markdown, for a comment on a pull request."""

from __future__ import annotations

from migrations_ops.cli.output.lint.words import summary
from migrations_ops.cli.output.markdown import code, escaped
from migrations_ops.model.lint import LintFinding, LintReport

_ORDER = ("error", "warning", "note")


def as_markdown(report: LintReport) -> list[str]:
    """The report for a comment on a pull request: a table, the errors first."""
    lines = [f"### Lint: {escaped(summary(report))}"]
    if not report.findings:
        return lines
    rows = sorted(report.findings, key=lambda each: _ORDER.index(each.severity))
    lines += ["", "| | code | where | what |", "|---|---|---|---|"]
    return lines + [_row(each) for each in rows]


def _row(found: LintFinding) -> str:
    what = escaped(found.message)
    if found.severity != "note":
        what += f"<br>{escaped(found.advice)}"
    place = code(f"{found.file}:{found.line}")
    return f"| **{found.severity}** | {code(found.code)} | {place} | {what} |"
