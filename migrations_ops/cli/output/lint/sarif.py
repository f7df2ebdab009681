"""A lint report as SARIF 2.1.0, which code scanning of GitHub and many editors read.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from migrations_ops import __version__
from migrations_ops.model.lint import LintFinding, LintReport

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_document(report: LintReport, prefix: str) -> dict[str, Any]:
    """:param prefix: the folder of the project within its repository."""
    advice = {each.code: each.advice for each in report.findings}
    rules = [
        {"id": code, "help": {"text": text}, "shortDescription": {"text": code}}
        for code, text in sorted(advice.items())
    ]
    driver = {"name": "migrations_ops", "version": __version__, "rules": rules}
    results = [_result(each, prefix) for each in report.findings]
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


def _result(found: LintFinding, prefix: str) -> dict[str, Any]:
    file = quote(f"{prefix}{found.file}", errors="surrogateescape")
    place = {
        "artifactLocation": {"uri": file},
        "region": {"startLine": found.line},
    }
    return {
        "ruleId": found.code,
        "level": found.severity,
        "message": {"text": found.message},
        "locations": [{"physicalLocation": place}],
    }
