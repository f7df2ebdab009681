"""Drift against the migrations: what is recorded, compared, shown and accepted."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from migrations_ops.cli.output.drift import drift as drift_lines
from migrations_ops.cli.output.drift import drift_in_short
from migrations_ops.cli.output.style import Style
from migrations_ops.journal.schemas import (
    read_recorded_schema,
    schema_file,
    write_recorded_schema,
)
from migrations_ops.model.drift import DriftReport, RecordedSchema
from migrations_ops.model.errors import ConfigurationError, Refused, StepFailed
from migrations_ops.model.findings import Finding
from migrations_ops.model.fingerprint import Fingerprint
from migrations_ops.model.inspection import Inspection
from migrations_ops.operations import drift
from migrations_ops.operations.state import LocatedDatabase
from migrations_ops.project.accepted_drift import FILE
from migrations_ops.project.environments import Environment

SHOP = {"table loans": "", "column loans.id": "INTEGER", "index ix on loans": "create index ix"}
PROD = Environment("prod", "sqlite://", Path())


class Shop:
    """A project of two environments whose databases exist in memory alone."""

    def __init__(self, folder: Path) -> None:
        self.settings: Any = SimpleNamespace(releases=folder, root=folder, path=(PROD,))
        self.schema: Mapping[str, str] = dict(SHOP)
        self.inspection = Inspection(exists=True, revisions=("r1",), tables=1)
        self.findings: list[Finding] = []
        self.shared = False
        self.trouble = ""

    def read_schema(self, version_table: str) -> Mapping[str, str]:
        if self.trouble:
            raise StepFailed(f"{self.trouble}.")
        return self.schema

    def located(self, environment: Environment = PROD) -> LocatedDatabase:
        return LocatedDatabase(environment, self, self.inspection, "")  # type: ignore[arg-type]

    def knows_url(self, environment: Environment) -> bool:
        return True

    def database(self, environment: Environment) -> object:
        return self if environment is PROD or self.shared else None

    def record(self, release: str, before: Mapping[str, str], after: Mapping[str, str]) -> None:
        result = SimpleNamespace(id=release)
        record = SimpleNamespace(result=result, add_findings=self.findings.extend)
        session: Any = SimpleNamespace(project=self, record=record)
        was, now = Fingerprint(("r1",), before, {}), Fingerprint(("r1",), after, {})
        drift.record_schema(session, self.located(), was, now)  # type: ignore[arg-type]

    def report(self) -> DriftReport:
        return drift.drift_of(self, self.located())  # type: ignore[arg-type]

    def found(self, environment: Environment = PROD) -> list[Finding]:
        return drift.find_drift(self, self.located(environment))  # type: ignore[arg-type]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = Shop(tmp_path)
    made.record("20261122_160500", SHOP, SHOP)
    return made


def test_nothing_differs_from_what_was_recorded_until_somebody_changes_it(shop: Shop) -> None:
    assert shop.report() == DriftReport("prod", "20261122_160500", ("r1",))
    assert shop.found() == []
    shop.schema = {**SHOP, "column loans.id": "BIGINT"}
    [found] = shop.found()
    assert (found.code, found.severity, found.where) == ("drift-column", "warning", "loans.id")
    assert found.message == (
        "the column loans.id of prod was changed by hand since release 20261122_160500:"
        " it was INTEGER, and is BIGINT"
    )


def test_drift_is_as_grave_as_configured(shop: Shop) -> None:
    shop.schema = {}
    assert [each.severity for each in shop.found(replace(PROD, drift="strict"))] == ["error"]
    assert shop.found(replace(PROD, drift="off")) == []


def test_many_changes_are_cut_short_in_findings_and_in_a_status(shop: Shop) -> None:
    shop.schema = SHOP | {f"column loans.c{number:02}": "TEXT" for number in range(13)}
    found = shop.found()
    assert len(found) == 11
    assert found[-1].message.startswith("3 more objects of prod")
    style = Style(io.StringIO())
    assert len(drift_in_short([shop.report()], style)) == 11
    assert sum("made by hand" in line for line in drift_lines([shop.report()], style)) == 13


def test_a_release_does_not_hide_what_was_changed_before_it(shop: Shop) -> None:
    by_hand = {**SHOP, "column loans.note": "TEXT"}
    shop.record("20261123_160500", by_hand, {**by_hand, "column loans.due": "TEXT"})
    shop.schema = {**by_hand, "column loans.due": "TEXT"}
    report = shop.report()
    assert [each.key for each in report.changed] == ["column loans.note"]
    assert report.release == "20261123_160500"


def test_other_projects_in_the_database_do_not_take_an_upgrade_for_drift(shop: Shop) -> None:
    other = replace(PROD, name="other")
    shop.settings.path, shop.shared = (PROD, other), True
    write_recorded_schema(
        shop.settings.releases, "other", RecordedSchema("20261101_000000", ("o1",), SHOP)
    )
    after = {**SHOP, "column loans.due": "TEXT"}
    shop.record("20261123_160500", SHOP, after)
    recorded = read_recorded_schema(shop.settings.releases, "other")
    assert recorded == RecordedSchema("20261123_160500", ("o1",), after)


@pytest.mark.parametrize(
    ("inspection", "trouble"),
    [
        (Inspection(exists=False), "does not exist"),
        (Inspection(exists=True, trouble="it is locked"), "it is locked"),
        (Inspection(exists=True, revisions=("r0",)), "left it at r1, and it is at r0"),
        (Inspection(exists=True, revisions=("r1",), environment="dev"), "says that it is dev"),
    ],
)
def test_where_it_cannot_be_known_there_is_a_reason_and_no_finding(
    shop: Shop, inspection: Inspection, trouble: str
) -> None:
    shop.schema, shop.inspection = {}, inspection
    report = shop.report()
    assert trouble in report.trouble
    assert shop.found() == []
    with pytest.raises(Refused, match="unknown"):
        drift.require_no_drift([report])


def test_one_that_cannot_be_read_or_was_never_recorded_is_unknown(
    shop: Shop, tmp_path: Path
) -> None:
    shop.trouble = "the server has gone"
    assert shop.report().trouble == shop.trouble
    schema_file(tmp_path, "prod").write_text("{", encoding="utf-8")
    assert "no release has recorded" in shop.report().trouble


def test_a_schema_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    schema_file(tmp_path, "prod").mkdir()
    shop = Shop(tmp_path)
    shop.record("20261122_160500", SHOP, SHOP)
    assert [(each.code, each.severity) for each in shop.findings] == [
        ("evidence-not-written", "warning")
    ]


# -- what is accepted -------------------------------------------------------------------------


def accept(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> DriftReport:
    monkeypatch.setattr(drift, "locate", lambda project, environment: shop.located())
    return drift.accept_drift(shop, PROD)  # type: ignore[arg-type]


def test_what_is_accepted_is_not_found_again_until_it_changes_once_more(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shop.schema = {"table loans": "", "column loans.id": "BIGINT", "view v": "select 1"}
    report = accept(shop, monkeypatch)
    assert [(each.key, each.accepted) for each in report.changed] == [
        ("column loans.id", True),
        ("index ix on loans", True),
        ("view v", True),
    ]
    drift.require_no_drift([report])
    assert shop.found() == []
    assert json.loads((tmp_path / FILE).read_text(encoding="utf-8")) == {
        "version": 1,
        "environments": {
            "prod": {"column loans.id": "BIGINT", "index ix on loans": None, "view v": "select 1"}
        },
    }
    shop.schema = {**shop.schema, "view v": "select 2", "index ix on loans": "create other"}
    assert [each.where for each in shop.found()] == ["ix on loans", "v"]
    # What is undone is accepted no longer.
    shop.schema = SHOP
    accept(shop, monkeypatch)
    assert json.loads((tmp_path / FILE).read_text(encoding="utf-8"))["environments"] == {}


def test_nothing_is_accepted_while_it_is_unknown(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shop.inspection = Inspection(exists=False)
    with pytest.raises(Refused):
        accept(shop, monkeypatch)
    assert not (tmp_path / FILE).exists()


def test_a_damaged_file_of_what_is_accepted_is_an_error_and_stays(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / FILE).write_text('{"version": 1, "environments": {"prod": 1}}', encoding="utf-8")
    shop.schema = {}
    for act in (shop.report, lambda: accept(shop, monkeypatch)):
        with pytest.raises(ConfigurationError, match="cannot be read"):
            act()
    assert '"prod": 1' in (tmp_path / FILE).read_text(encoding="utf-8")
