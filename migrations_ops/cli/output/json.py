"""Results as JSON documents; docs/schemas has the schema of each."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from migrations_ops.model.backup import Backup
from migrations_ops.model.errors import OpsError
from migrations_ops.model.outcome import ErrorReport, VerifyReport
from migrations_ops.model.status import StatusReport


def text_of(document: Any) -> str:
    """A document as text."""
    return json.dumps(document, indent=2, ensure_ascii=False)


def status(report: StatusReport) -> dict[str, Any]:
    """The document of ``status-all --json``."""
    document = asdict(report)
    for row in document["environments"]:
        if not row["trouble"]:
            del row["trouble"]
    return document


def error(stopped: OpsError) -> dict[str, Any]:
    """The document of a task that could not even begin."""
    return {"error": asdict(ErrorReport.of(stopped))}


def verified(report: VerifyReport) -> dict[str, Any]:
    """The document of ``verify --json``."""
    document = asdict(report)
    del document["remedy"]
    return {"passed": report.passed, **document}


def backups(found: list[Backup]) -> dict[str, Any]:
    """The document of ``backups --json``."""
    return {"backups": [{k: v for k, v in asdict(b).items() if k != "reused"} for b in found]}
