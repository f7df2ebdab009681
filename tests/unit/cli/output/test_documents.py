"""Each schema of docs/schemas has a function, and what that makes fits the schema."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from migrations_ops.cli.output import documents
from migrations_ops.model.backup import Backup, Pruned
from migrations_ops.model.drift import ChangedObject, DriftReport
from migrations_ops.model.errors import Refused
from migrations_ops.model.findings import Finding
from migrations_ops.model.lint import LintFinding, LintReport
from migrations_ops.model.measured_plan import (
    Blocked,
    Destroyed,
    MeasuredPlan,
    MeasuredRevision,
    MeasuredStatement,
)
from migrations_ops.model.outcome import (
    DoctorReport,
    ErrorReport,
    InitFile,
    InitReport,
    RevisionRun,
    StepResult,
    VerifyReport,
)
from migrations_ops.model.plan import EnvironmentPlan, PlannedRevision, PlannedStep, StepName
from migrations_ops.model.status import (
    EnvironmentCurrent,
    EnvironmentStatus,
    EnvironmentVersion,
    HistoryReport,
    RevisionRow,
    Selector,
    StatusReport,
)
from migrations_ops.revisions.history import Revision
from tests.records import task_record
from tests.scenarios.test_json_schemas import SCHEMAS, validate

AT = "2026-01-01T00:00:00.000Z"
REFUSED = Refused("It was refused.", untouched="Nothing was changed.", next="Type: invoke status")
FINDING = Finding("drift", "warning", "it drifts", "prod")
SELECTOR = Selector("EXEC_ENV", None, "env.py goes to prod")
PATH = ("dev", "prod")
STATUS = EnvironmentStatus("prod", "db", "behind", ("a",), ("b",), ("b",))
STEP = StepResult("upgrade", "prod", ("alembic",), AT, 0.5, 1, "failed", (RevisionRun("b", 1, 2),))
RECORD = replace(
    task_record("20260101_000000", "refused", ["db_1"], findings=(FINDING,), committed=("prod",)),
    steps=(STEP,),
    error=ErrorReport.of(REFUSED),
)
CURRENT = EnvironmentCurrent("prod", "db", True, ("a",), "", ("a",), True, {"a": "first"})
VERIFIED = VerifyReport("prod", ("a",), ("a",), (FINDING,), advice="fix it")
BACKUP = Backup("db_1", "/b/db_1", "prod", AT, ("a",), 1, "0" * 64, "by hand", reused=True)
PLAN = EnvironmentPlan(
    "prod",
    "db",
    ("a",),
    ("b",),
    (PlannedRevision("b", "second"),),
    (PlannedStep(StepName.UPGRADE),),
)
MEASURED = MeasuredPlan(
    environment="prod",
    database="db",
    from_=("a",),
    to=("b",),
    backup="db_1",
    backup_size=1,
    copied_in=0.5,
    schema={"table t": "x"},
    revisions=(
        MeasuredRevision(
            "b", "second", "b.py", "0", None, (MeasuredStatement("X", 1, 0.1, 3),), ("t",)
        ),
    ),
    blocked=(Blocked("t", None, 0.1),),
    destroyed=(Destroyed("rows", "t", 3),),
    findings=(FINDING,),
    unmeasured="no reason",
    error=ErrorReport.of(REFUSED),
)
REVISION = Revision("b", ("a",), (), (), "second", "/v/b.py")
DOCTOR = DoctorReport(
    configuration="pyproject.toml",
    alembic="alembic.ini",
    path=PATH,
    selector=SELECTOR,
    python="python",
    versions={"python": "3.11"},
    findings=(FINDING,),
    advice=(),
)
DRIFT = DriftReport(
    "prod", "20260101_000000", ("a",), (ChangedObject("index", "ix", "removed", "create index ix"),)
)
LINTED = LintReport(
    "prod",
    "sqlite",
    ("b",),
    "nothing",
    (LintFinding(replace(FINDING, revision="b"), "v/b.py", 3, "Do it so."),),
)

INITIALISED = InitReport(
    folder="/project",
    alembic="alembic.ini",
    configuration="pyproject.toml",
    environments=("prod",),
    files=(InitFile("pyproject.toml", new=False, difference="+[tool.migrations_ops]"),),
    notes=("env.py opened it.",),
    written=True,
)

MADE = {
    "status": documents.status(StatusReport((STATUS,), ("b",), SELECTOR)),
    "current": documents.current([CURRENT]),
    "db-version": documents.db_version([EnvironmentVersion("prod", "db", False, (), "")]),
    "history": documents.history(
        HistoryReport(("b",), ("dev",), (RevisionRow("b", ("a",), "second", True, ("prod",)),))
    ),
    "release": documents.release(RECORD),
    "releases": documents.releases([RECORD]),
    "sql": documents.sql(RECORD, "SELECT 1;"),
    "revision": documents.revision("dev", REVISION, ["add_column"]),
    "verify": documents.verified(VERIFIED),
    "doctor": documents.doctor(DOCTOR),
    "init": documents.initialised(INITIALISED, DOCTOR),
    "backups": documents.backups([BACKUP]),
    "prune": documents.pruned(Pruned((BACKUP.name,), "a task is running"), changed=False),
    "plan": documents.plan([PLAN]),
    "measured-plan": documents.measured_plan(MEASURED),
    "drift": documents.drift([DRIFT]),
    "measured-plans": documents.measured_plans([MEASURED]),
    "lint": documents.lint(LINTED),
    "error": documents.error(REFUSED),
}


def test_each_schema_has_its_document() -> None:
    assert MADE.keys() == SCHEMAS.keys() - {"common"}


@pytest.mark.parametrize("name", MADE)
def test_a_document_fits_its_schema(name: str) -> None:
    validate(json.loads(documents.text_of(MADE[name])), name)


def test_users_see_of_a_result_only_what_a_task_did() -> None:
    assert MADE["release"].keys() == {
        "id", "outcome", "environment", "from", "to", "steps", "backups", "findings", "error",
    }  # fmt: skip
    assert "error" not in documents.release(task_record("20260101_000000"))


@pytest.mark.parametrize("make", [documents.current, documents.db_version])
def test_trouble_has_a_key_where_there_is_some(make: Any) -> None:
    broken = EnvironmentCurrent("prod", "db", True, (), "it is cut short", ("a",), False, {})
    assert "trouble" not in make([CURRENT])["environments"][0]
    assert make([broken])["environments"][0]["trouble"] == "it is cut short"


def test_a_document_leaves_without_secrets_and_acts_on_nothing() -> None:
    text = documents.text_of({"what": "mysql://me:s3cr3t@db \x9b\u202e ##vso[x]"})
    assert text.splitlines()[1] == ('  "what": "mysql://me:***@db \\u009b\\u202e \\u0023#vso[x]"')
