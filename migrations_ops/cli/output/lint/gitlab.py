"""A lint report as a Code Quality report of GitLab.

https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

from __future__ import annotations

import hashlib
from typing import Any

from migrations_ops.model.lint import LintFinding, LintReport

_SEVERITIES = {"error": "critical", "warning": "minor", "note": "info"}


def as_document(report: LintReport, prefix: str) -> list[dict[str, Any]]:
    """:param prefix: the folder of the project within its repository."""
    return [_issue(each, f"{prefix}{each.file}") for each in report.findings]


def _issue(found: LintFinding, path: str) -> dict[str, Any]:
    # The line is not part of it: the same finding may move.
    of = "\0".join((found.code, path, found.where, found.message))
    return {
        "description": found.message,
        "check_name": found.code,
        "fingerprint": hashlib.sha256(of.encode("utf-8", "surrogateescape")).hexdigest(),
        "severity": _SEVERITIES[found.severity],
        "location": {"path": path, "lines": {"begin": found.line}},
    }
