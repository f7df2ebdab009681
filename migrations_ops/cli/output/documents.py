"""Results as JSON documents: a function for each schema of docs/schemas.

Most fields are those of the dataclasses in ``model/``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from migrations_ops.child.protocol.escaping import in_json
from migrations_ops.child.protocol.redaction import redacted_document
from migrations_ops.journal.record import TaskRecord, record_document
from migrations_ops.model.backup import Backup, Pruned
from migrations_ops.model.errors import OpsError
from migrations_ops.model.outcome import (
    DoctorReport,
    ErrorReport,
    InitReport,
    ReleaseResult,
    VerifyReport,
)
from migrations_ops.model.plan import EnvironmentPlan
from migrations_ops.model.serialisation import to_document, to_versioned
from migrations_ops.model.status import (
    EnvironmentCurrent,
    EnvironmentVersion,
    HistoryReport,
    StatusReport,
)
from migrations_ops.revisions.history import Revision

if TYPE_CHECKING:  # each is read by few tasks
    from migrations_ops.model.drift import DriftReport
    from migrations_ops.model.lint import LintReport
    from migrations_ops.model.measured_plan import MeasuredPlan


def text_of(document: Any) -> str:
    """A document as it leaves: without secrets, and nothing in it acts on a terminal."""
    return in_json(json.dumps(redacted_document(document), indent=2, ensure_ascii=False))


# A record adds to these the fields of a stored task.
_RESULT = tuple(field.name.rstrip("_") for field in fields(ReleaseResult))


def status(report: StatusReport) -> dict[str, Any]:
    """The document of ``status-all --json``."""
    document = asdict(report)
    for row in document["environments"]:
        if not row["trouble"]:
            del row["trouble"]
    return document


def current(rows: Iterable[EnvironmentCurrent]) -> dict[str, Any]:
    """The document of ``current --json``."""
    return {"environments": [_version(row) for row in rows]}


def db_version(rows: Iterable[EnvironmentVersion]) -> dict[str, Any]:
    """The document of ``db-version --json``."""
    return {"environments": [_version(row) for row in rows]}


def _version(row: EnvironmentVersion) -> dict[str, Any]:
    left_out = {"messages"} if row.trouble else {"messages", "trouble"}
    return {name: value for name, value in asdict(row).items() if name not in left_out}


def history(report: HistoryReport) -> dict[str, Any]:
    """The document of ``history --json`` and of ``heads --json``."""
    return asdict(report)


def drift(reports: Iterable[DriftReport]) -> dict[str, Any]:
    """The document of ``drift --json``; ``status --drift --json`` adds it to its own."""
    rows = [asdict(report) for report in reports]
    for row in rows:
        if not row["trouble"]:
            del row["trouble"]
    return {"drift": rows}


def release(result: ReleaseResult) -> dict[str, Any]:
    """The document of ``release-migration --json``, and of every task that is recorded."""
    document = to_document(result)
    return {name: document[name] for name in _RESULT if name != "error" or document[name]}


def record(found: TaskRecord) -> dict[str, Any]:
    """The document of ``releases --show --json``: the stored record."""
    return record_document(found)


def releases(found: Iterable[TaskRecord]) -> dict[str, Any]:
    """The document of ``releases --json``."""
    return {"releases": [record(each) for each in found]}


def sql(result: ReleaseResult, text: str) -> dict[str, Any]:
    """The document of ``upgrade-NAME --sql --json``."""
    return {"environment": result.environment, "from": result.from_, "to": result.to, "sql": text}


def revision(environment: str, new: Revision | None, operations: Sequence[str]) -> dict[str, Any]:
    """The document of ``revision --json``."""
    return {
        "environment": environment,
        "revision": new.revision if new else None,
        "file": str(new.path) if new else None,
        "operations": operations,
    }


def error(stopped: OpsError) -> dict[str, Any]:
    """The document of a task that could not start."""
    return {"error": asdict(ErrorReport.of(stopped))}


def verified(report: VerifyReport) -> dict[str, Any]:
    """The document of ``verify --json``."""
    document = asdict(report)
    del document["advice"]
    return {"passed": report.passed, **document}


def doctor(report: DoctorReport) -> dict[str, Any]:
    """The document of ``doctor --json``."""
    document = asdict(report)
    del document["advice"]
    return {"passed": report.passed, **document}


def initialised(report: InitReport, checked: DoctorReport | None) -> dict[str, Any]:
    """The document of ``init --json``; doctor's is in it once something was written."""
    return {**asdict(report), "doctor": None if checked is None else doctor(checked)}


def backups(found: list[Backup]) -> dict[str, Any]:
    """The document of ``backups --json``."""
    return {"backups": [{k: v for k, v in asdict(b).items() if k != "reused"} for b in found]}


def pruned(found: Pruned, *, changed: bool) -> dict[str, Any]:
    """The document of ``prune --json``."""
    return {"removed": found.removed, "obstacle": found.obstacle or None, "changed": changed}


def plan(plans: Iterable[EnvironmentPlan]) -> dict[str, Any]:
    """The document of ``release-migration --plan --json``, and of ``--dry``."""
    return {"environments": [_planned(each) for each in plans], "changed": False}


def lint(report: LintReport) -> dict[str, Any]:
    """The document of ``lint --json``."""
    document = asdict(report)
    document["findings"] = [each.pop("finding") | each for each in document["findings"]]
    return {"passed": report.passed, **document}


def measured_plan(plan: MeasuredPlan) -> dict[str, Any]:
    """The document of ``plan --json``."""
    document = to_versioned(plan)
    for revision in document["revisions"]:
        for statement in revision["statements"]:
            if not statement["values"]:
                del statement["values"]
    return {name: value for name, value in document.items() if value not in ("", None)}


def measured_plans(plans: Iterable[MeasuredPlan]) -> dict[str, Any]:
    """The document of ``plan --all --json``."""
    return {"plans": [measured_plan(each) for each in plans]}


def _planned(plan: EnvironmentPlan) -> dict[str, Any]:
    known = {"from": plan.from_, "to": plan.to, "backup": plan.backup or None}
    return {
        "name": plan.environment,
        **{name: value for name, value in known.items() if value is not None},
        "pending": [each.revision for each in plan.pending],
        "steps": [{"name": step.name, "argv": step.argv} for step in plan.steps],
    }
