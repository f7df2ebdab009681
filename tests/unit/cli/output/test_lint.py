"""A lint report in each format, whatever others have written into it."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from migrations_ops.cli.output.lint.github import as_commands
from migrations_ops.cli.output.lint.gitlab import as_document as as_gitlab
from migrations_ops.cli.output.lint.markdown import as_markdown
from migrations_ops.cli.output.lint.sarif import as_document as as_sarif
from migrations_ops.cli.output.lint.text import as_text
from migrations_ops.cli.output.style import Style, width
from migrations_ops.model.findings import Finding, Severity
from migrations_ops.model.lint import LintFinding, LintReport

FILE = "alembic/versions/r4.py"
WORDS = "nobody can write to it meanwhile " * 4


def finding(severity: Severity = "warning", message: str = WORDS, file: str = FILE) -> LintFinding:
    found = Finding("index-blocks-writes", severity, message, "i", "r4")
    return LintFinding(found, file, 7, "Build it so.")


def report(*findings: LintFinding) -> LintReport:
    return LintReport("prod", "postgresql", ("r4",), "rows", findings)


def text(*findings: LintFinding) -> list[str]:
    return as_text(report(*findings), Style(io.StringIO()))


def test_text_fits_eighty_columns_and_says_what_to_write_instead() -> None:
    lines = text(finding(), finding("error"))
    assert max(map(width, lines)) <= 80
    assert lines[0].endswith(f" {FILE}:7 [index-blocks-writes]")
    assert "  Build it so." in lines
    end = " ".join(" ".join(lines[-2:]).split()[1:])
    assert end == "1 revision for postgresql: 1 error, 1 warning, by the rows of the newest backup."


def test_a_note_gives_no_advice() -> None:
    assert "  Build it so." not in text(finding("note"))


def test_where_there_is_nothing_text_says_that() -> None:
    assert text()[-1].endswith("for postgresql: nothing, by the rows of the newest backup.")
    nothing = LintReport("prod", "postgresql", (), "nothing", ())
    [line] = as_text(nothing, Style(io.StringIO()))
    assert line.endswith("Nothing to lint for prod.")


@pytest.mark.parametrize(
    ("severity", "command"), [("error", "error"), ("warning", "warning"), ("note", "notice")]
)
def test_a_finding_is_a_command_of_github(severity: Severity, command: str) -> None:
    [line] = as_commands(report(finding(severity, "it blocks")), "db/")
    assert line.startswith(
        f"::{command} file=db/{FILE},line=7,title=index-blocks-writes::it blocks"
    )


def test_text_of_others_ends_no_command_and_begins_none() -> None:
    evil = "::error::x\r\n::warning::y %0A ##vso[task.complete] \x1b[2J"
    [line] = as_commands(report(finding("error", evil, "a,line=1::b\n.py")), "")
    assert "\n" not in line
    assert "\x1b" not in line
    assert "##vso[" not in line
    properties, _, message = line.removeprefix("::error ").partition("::")
    assert properties == "file=a%2Cline=1%3A%3Ab\\n.py,line=7,title=index-blocks-writes"
    assert "%0A" not in message


def test_a_finding_is_an_issue_of_gitlab() -> None:
    [issue] = as_gitlab(report(finding("error")), "db/")
    assert issue["location"] == {"path": f"db/{FILE}", "lines": {"begin": 7}}
    assert (issue["check_name"], issue["severity"]) == ("index-blocks-writes", "critical")
    [moved] = as_gitlab(report(replace(finding("error"), line=9)), "db/")
    [other] = as_gitlab(report(finding("error", "another")), "db/")
    assert moved["fingerprint"] == issue["fingerprint"] != other["fingerprint"]


def test_a_finding_is_a_result_of_sarif() -> None:
    document = as_sarif(report(finding("note", file="a b.py"), finding("error")), "")
    [run] = document["runs"]
    assert document["version"] == "2.1.0"
    assert [each["id"] for each in run["tool"]["driver"]["rules"]] == ["index-blocks-writes"]
    first, second = run["results"]
    assert (first["level"], second["level"]) == ("note", "error")
    place = first["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "a%20b.py"}, "region": {"startLine": 7}}


def test_markdown_shows_text_of_others_as_it_is() -> None:
    lines = as_markdown(report(finding("note"), finding("error", "a | b <script> `c`")))
    rows = lines[4:]
    assert rows[0].startswith("| **error** | `index-blocks-writes` |")
    assert r"a \| b \<script\> \`c\`" in rows[0]
    assert rows[1].startswith("| **note** |")
