"""Results as JSON documents; docs/schemas has the schema of each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from migrations_ops.model.backup import Backup
from migrations_ops.model.errors import OpsError
from migrations_ops.model.outcome import DoctorReport, ErrorReport, VerifyReport
from migrations_ops.model.plan import EnvironmentPlan
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


def doctor(report: DoctorReport) -> dict[str, Any]:
    """The document of ``doctor --json``."""
    document = asdict(report)
    del document["todo"]
    return {"passed": report.passed, **document}


def backups(found: list[Backup]) -> dict[str, Any]:
    """The document of ``backups --json``."""
    return {"backups": [{k: v for k, v in asdict(b).items() if k != "reused"} for b in found]}


def plan(plans: Iterable[EnvironmentPlan]) -> dict[str, Any]:
    """The document of ``release-migration --plan --json``, and of ``--dry``."""
    return {"environments": [_planned(each) for each in plans], "changed": False}


def _planned(plan: EnvironmentPlan) -> dict[str, Any]:
    known = {"from": plan.from_, "to": plan.to, "backup": plan.backup or None}
    return {
        "name": plan.environment,
        **{name: value for name, value in known.items() if value is not None},
        "pending": [each.revision for each in plan.pending],
        "steps": [{"name": step.name, "argv": step.argv} for step in plan.steps],
    }
