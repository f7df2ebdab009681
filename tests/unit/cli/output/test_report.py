"""The report of a task shows all of its record, and no name in it is read as HTML."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from migrations_ops.cli.output.report import report
from migrations_ops.journal.record import TaskRecord
from migrations_ops.model.findings import Finding
from migrations_ops.model.outcome import ErrorReport, RevisionRun, StepResult
from migrations_ops.system.provenance import Provenance
from tests.records import task_record


def made(name: str) -> TaskRecord:
    """A record with a name wherever there is one."""
    step = StepResult(name, name, (), name, 0.25, 0, name, (RevisionRun(name, 0.2, 3),))
    return replace(
        task_record("20260101_000000", "released", ["db_1", name]),
        task=name,
        environment=name,
        from_=(name,),
        to=(name,),
        steps=(step,),
        by=Provenance(name, name, None),
        titles={name: name},
        findings=(Finding("drift", "warning", name, name),),
        error=ErrorReport(1, name, name, name),
    )


class Page(HTMLParser):
    """The elements of a report, and its text."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.text = ""
        self.feed("\n".join(report(made(name), {"db_1": "prod"})))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text(alphabet="<>\"'&;/=! scriptonload-", min_size=1))
def test_no_name_of_a_record_is_read_as_html(name: str) -> None:
    assert Page(name).elements == Page("x").elements


def test_a_report_names_who_ran_what_and_the_way_back() -> None:
    text = Page("upgrade").text
    assert "by upgrade on upgrade" in text
    assert "upgrade upgrade 200 ms" in text
    assert "To go back: invoke restore --env prod --backup db_1" in text
    assert "The backup upgrade has been removed." in text
