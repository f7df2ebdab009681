"""The sentences of a lint report, as text and Markdown have them."""

from __future__ import annotations

from migrations_ops.model.lint import LintReport
from migrations_ops.model.text import counted

_BY = {
    "measured": "by what was measured",
    "rows": "by the rows of the newest backup",
    "nothing": "without the size of a table",
}


def summary(report: LintReport) -> str:
    """What was linted, and how it came out."""
    if not report.revisions:
        return f"Nothing to lint for {report.environment}."
    revisions = counted(len(report.revisions), "revision")
    counts = {
        severity: sum(each.severity == severity for each in report.findings)
        for severity in ("error", "warning", "note")
    }
    found = ", ".join(counted(count, severity) for severity, count in counts.items() if count)
    return f"{revisions} for {report.engine}: {found or 'nothing'}, {_BY[report.severity_by]}."
