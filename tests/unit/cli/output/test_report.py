"""The report of a task shows all of its record, and no name in it is read as HTML."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from migrations_ops.cli.output.report.markdown import as_markdown
from migrations_ops.cli.output.report.page import as_html
from migrations_ops.cli.output.report.words import bars, difference
from migrations_ops.journal.attachments import SchemaChanges
from migrations_ops.journal.record import TaskRecord
from migrations_ops.model.drift import ChangedObject
from migrations_ops.model.findings import Finding
from migrations_ops.model.measured_plan import Destroyed, MeasuredPlan, MeasuredRevision
from migrations_ops.model.outcome import ErrorReport, RevisionRun, StepResult
from migrations_ops.operations.report import Report
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


def reported(name: str) -> Report:
    """A report of that record, with the name in all that is beside it."""
    plan = MeasuredPlan(
        environment=name, database=name, from_=(name,), to=(name,), backup=name, backup_size=1,
        copied_in=0.1, schema={}, destroyed=(Destroyed("table", name, 1),), findings=(),
        revisions=(MeasuredRevision(name, name, name, "0", 0.5, (), ()),),
    )  # fmt: skip
    changes = {name: (ChangedObject("table", name, "changed", name, f"{name}\n{name}!"),)}
    return Report(made(name), {"db_1": "prod"}, plan, SchemaChanges(changes))


class Page(HTMLParser):
    """The elements of a report, and its text."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.text = ""
        self.feed("\n".join(as_html(reported(name))))
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
    assert "upgrade upgrade" in text
    assert "200 ms" in text
    assert "To go back: invoke restore --env prod --backup db_1" in text
    assert "The backup upgrade has been removed." in text


def test_what_was_planned_is_beside_what_happened() -> None:
    text = Page("upgrade").text
    assert "plan of upgrade" in text
    assert "500 ms" in text  # planned
    assert "Destroyed: table upgrade (1 row)." in text
    shown = as_markdown(reported("b"))
    assert "| revision | what it does | plan of b | b b |" in shown
    assert "| b | b | 500 ms | 200 ms |" in shown


def test_the_difference_of_a_schema_can_be_read() -> None:
    changed = ChangedObject("table", "t", "changed", "a int\nb int", "a int\nb text\nc int")
    assert list(difference(changed)) == ["  a int", "- b int", "+ b text", "+ c int"]
    gone = ChangedObject("table", "t", "removed", "a int")
    assert list(difference(gone)) == ["- a int"]
    long = ChangedObject("table", "t", "changed", "a\n" * 2000, "b")
    assert list(difference(long)) == ["  (too long to be compared here)"]


@given(st.text(alphabet="`|\\<>[]()!@#*_~a\n \u202e", min_size=1))
def test_no_name_of_a_record_is_read_as_markdown(name: str) -> None:
    shown = as_markdown(reported(name))
    plain = as_markdown(reported("x"))
    assert [line[:1] for line in shown if line.startswith("#")] == [
        line[:1] for line in plain if line.startswith("#")
    ]
    assert "\u202e" not in "".join(shown)
    rows = [line for line in shown if line.startswith("| ")]
    assert len(rows) == len([line for line in plain if line.startswith("| ")])
    fences = [line for line in shown if line.startswith("```")]
    assert len(fences) == 2
    assert fences[0].removesuffix("diff") == fences[1]


def test_the_time_line_has_a_bar_for_each_step() -> None:
    steps = tuple(
        StepResult(name, "prod", (), f"2026-01-01T00:00:0{at}.000Z", seconds, 0, "done")
        for name, at, seconds in (("back up", 0, 1.0), ("rehearse", 1, 2.0), ("verify", 4, 0.0))
    )
    record = replace(task_record("20260101_000000"), steps=steps)
    assert [(bar.start, bar.width) for bar in bars(record)] == [(0, 25), (25, 50), (100, 0.3)]
    assert bars(replace(record, steps=())) == []
    assert bars(replace(record, steps=(replace(steps[0], started="yesterday"),))) == []


def test_no_definition_ends_its_block_of_code() -> None:
    changed = ChangedObject("view", "v", "changed", "a\n```\n", "b\n```\n")
    shown = as_markdown(replace(reported("x"), changes=SchemaChanges({"prod": (changed,)})))
    assert "  ```" in shown
    assert [line for line in shown if line.startswith("```")] == ["````diff", "````"]
