"""The drawn history: a mark for each environment, 80 columns, plain signs, and Mermaid."""

from __future__ import annotations

import io
import re

import pytest

from migrations_ops.cli.output.graph import graph, mermaid
from migrations_ops.cli.output.style import Style, shortened, shown, width
from migrations_ops.model.status import HistoryReport, RevisionRow

ROWS = (
    RevisionRow("m", ("a", "b"), "merge", True, ("dev",)),
    RevisionRow("b", ("base1",), "second", False, ()),
    RevisionRow("a", ("base1",), "first", False, ("staging", "prod")),
    RevisionRow("base1", (), "begin", False, ()),
)
REPORT = HistoryReport(("m",), ("new",), ROWS)


def lines(report: HistoryReport, encoding: str = "utf-8") -> list[str]:
    style = Style(io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    return [shown(line) for line in graph(report, style)]


def test_branches_merges_and_environments_are_drawn() -> None:
    assert lines(REPORT) == [
        "● m merge  dev",
        "├─╮",
        "│ ○ b second",
        "● │ a first  staging, prod",
        "├─╯",
        "○ base1 begin",
        "● base  new",
    ]


def test_a_console_without_the_signs_gets_plain_ones() -> None:
    found = lines(REPORT, "cp932")
    assert found[:5] == [
        "* m merge  dev",
        "+-\\",
        "| o b second",
        "* | a first  staging, prod",
        "+-/",
    ]
    assert all(line.isascii() for line in found)


@pytest.mark.parametrize("columns", [30, 80])
def test_no_line_is_wider_than_the_terminal_and_ids_and_marks_stay(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    heads = [
        RevisionRow(f"head{number:02}", (f"below{number:02}",), "題" * 60, True, ("prod",))
        for number in range(40)
    ]
    below = [RevisionRow(f"below{number:02}", (), "x" * 99, False, ()) for number in range(40)]
    report = HistoryReport((), (), (*heads, *below))
    for row, line in zip(report.revisions, lines(report), strict=True):
        assert width(line) <= columns
        assert row.revision in line
        assert bool(row.environments) is line.endswith("  prod")


def test_a_text_for_which_there_is_no_room_is_empty() -> None:
    assert shortened("title", -1) == ""


def test_mermaid_has_each_revision_and_each_edge() -> None:
    assert mermaid(REPORT) == [
        "flowchart BT",
        '    r0["m merge<br/><b>dev</b>"]',
        '    r1["b second"]',
        '    r2["a first<br/><b>staging, prod</b>"]',
        '    r3["base1 begin"]',
        '    base["base<br/><b>new</b>"]',
        "    r2 --> r0",
        "    r1 --> r0",
        "    r3 --> r1",
        "    r3 --> r2",
        "    base --> r3",
    ]


def test_nothing_in_a_title_is_read_by_mermaid_or_a_browser() -> None:
    hostile = '"]; click r0 "javascript:x" <script> `#quot;` %% \n\x1b[31m end'
    row = RevisionRow("r", (), hostile, True, ())
    [_, node] = mermaid(HistoryReport(("r",), (), (row,)))
    label = re.fullmatch(r'    r0\["(.*)"\]', node)
    assert label is not None
    assert not set('"<>`%\n\x1b[]') & set(label[1])
    assert re.fullmatch(r"(?:[^#]|#\d+;)*", label[1])
