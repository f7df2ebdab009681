"""Findings are made from the catalogue alone, and docs/findings.md describes each of its codes."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from migrations_ops.model import findings
from migrations_ops.model.findings import (
    CODES,
    DRIFT,
    INVALID_INDEX,
    LINT_CODES,
    LOST,
    Entry,
    Finding,
)
from migrations_ops.model.kinds import KINDS
from tests.support import REPOSITORY

PACKAGE = REPOSITORY / "migrations_ops"
ENTRIES = {name: each for name, each in vars(findings).items() if isinstance(each, Entry)}
ARTICLES = {"error": "an error", "warning": "a warning", "note": "a note"}


@cache
def calls() -> list[tuple[str, str, set[str | None]]]:
    """Each call in the package outside of the catalogue: where, of what, and what it names."""
    return [
        (
            f"{module.relative_to(PACKAGE)}:{node.lineno}",
            ast.unparse(node.func),
            {keyword.arg for keyword in node.keywords},
        )
        for module in PACKAGE.rglob("*.py")
        if Path(findings.__file__).parent not in module.parents
        for node in ast.walk(ast.parse(module.read_bytes()))
        if isinstance(node, ast.Call)
    ]


def makings() -> Iterator[tuple[str, str, set[str | None]]]:
    """Each ``ENTRY.found(...)``: where it is, the name of the entry, and of the values."""
    for where, function, names in calls():
        entry, _, method = function.rpartition(".")
        if method == "found":
            assert entry.isidentifier(), f"{where}: which entry is it?"
            yield where, entry, names - {"strict"}


def values_of(*templates: str) -> set[str]:
    fields = (field for each in templates for _, field, _, _ in string.Formatter().parse(each))
    return {field for field in fields if field}


@cache
def described() -> dict[str, str]:
    """The text of docs/findings.md or docs/lint.md about each code."""
    documents = [REPOSITORY / "docs/findings.md", REPOSITORY / "docs/lint.md"]
    document = "".join(each.read_text(encoding="utf-8") for each in documents)
    sections = re.findall(r"(?ms)^### (.+?)\n(.*?)(?=^##|\Z)", document)
    found = [(code, text) for heading, text in sections for code in re.findall("`(.+?)`", heading)]
    assert len(found) == len(dict(found)), "a code has two headings"
    return dict(found)


def test_no_finding_is_made_outside_of_the_catalogue() -> None:
    made = [where for where, of, _ in calls() if of.rpartition(".")[2] == "Finding"]
    assert not made


def test_an_entry_gets_the_values_that_its_sentence_names() -> None:
    for where, name, values in makings():
        entry = ENTRIES[name]
        assert values == values_of(entry.sentence, entry.code) - {"where"}, f"{where} {name}"


def test_a_code_is_in_one_module_of_the_catalogue() -> None:
    modules: dict[str, set[str]] = {}
    for path in Path(findings.__file__).parent.glob("*.py"):
        names = vars(import_module(f"{findings.__name__}.{path.stem}"))
        for code in (each.code for each in names.values() if isinstance(each, Entry)):
            modules.setdefault(code, set()).add(path.stem)
    assert {code for code, found in modules.items() if len(found - {"__init__"}) != 1} == set()


def test_each_entry_is_found_by_something() -> None:
    assert {name for _, name, _ in makings()} == set(ENTRIES)


def test_each_code_is_described_and_no_other() -> None:
    assert set(described()) == set(CODES)


@pytest.mark.parametrize("name", ENTRIES)
def test_the_document_tells_each_severity(name: str) -> None:
    entry, texts = ENTRIES[name], described()
    severities = {entry.severity} | ({"error"} if entry.error_if else set())
    for code in entry.codes:
        for severity in severities:
            assert ARTICLES[severity] in texts[code].lower(), code


@pytest.mark.parametrize("name", ENTRIES)
def test_what_may_be_an_error_tells_what_to_do(name: str) -> None:
    entry = ENTRIES[name]
    may_be_error = any(
        each.severity == "error" or each.error_if
        for each in ENTRIES.values()
        if each.code == entry.code
    )
    # What lint finds is yet to be written: the page has it for warnings and notes too.
    assert bool(entry.advice) == (may_be_error or LINT_CODES.issuperset(entry.codes))
    assert values_of(entry.advice) <= {"where", "environment", "allow"}


def test_a_code_may_depend_on_the_kind_of_an_object() -> None:
    found = LOST.found("a to b", kind="foreign key", filled="", environment="prod")
    message = "the foreign key a to b would vanish from prod, and no revision declares it"
    assert found == Finding("lost-foreign-key", "error", message, "a to b")
    assert len(LOST.codes) == len(KINDS)


def test_a_value_may_have_braces() -> None:
    found = DRIFT.found("add_column t.{a}", environment="{prod}")
    assert found.message == "the models and {prod} differ: add_column t.{a}"


def test_a_warning_is_an_error_where_the_catalogue_allows_that() -> None:
    assert DRIFT.found("x", environment="dev", strict=True).severity == "error"
    other = DRIFT.found("x", environment="dev")
    assert INVALID_INDEX.stricter(other) == other
    assert DRIFT.stricter(other).severity == "error"
