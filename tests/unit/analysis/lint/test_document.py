"""Each code of lint has a bad and a good example in docs/lint.md: the first gives the code, the
second does not."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from textwrap import indent
from typing import Any

import pytest

from migrations_ops.analysis.lint.linting import Script, lint
from migrations_ops.analysis.lint.registry import BUILT_IN, entries_of
from migrations_ops.child.protocol.sql import Syntax
from migrations_ops.model.findings import LINT_CODES, OTHERS_BLOCKED
from tests.support import REPOSITORY

DOCUMENT = (REPOSITORY / "docs/lint.md").read_text(encoding="utf-8")
ENGINES: dict[str, tuple[Syntax, ...]] = {
    "Any engine": ("sqlite", "postgresql", "mariadb"),
    "PostgreSQL": ("postgresql",),
    "MariaDB": ("mariadb",),
    "SQLite": ("sqlite",),
}


def block(text: str, kind: str) -> str:
    [found] = re.findall(rf"(?ms)^```python\n# {kind}\n(.+?)^```", text)
    return str(found)


def examples() -> Iterator[tuple[str, Syntax, str]]:
    """Each code, with an engine, and its part of the document."""
    for title, engines in ENGINES.items():
        [part] = re.findall(rf"(?ms)^## {title}\n(.+?)(?=^## |\Z)", DOCUMENT)
        for heading, text in re.findall(r"(?ms)^### (`.+?)\n(.*?)(?=^### |\Z)", part):
            for code in re.findall("`(.+?)`", heading):
                for engine in engines:
                    yield code, engine, text


def script(name: str, source: str) -> Script:
    imports = [line for line in source.splitlines() if line.startswith("from ")]
    body = [line for line in source.splitlines() if not line.startswith("from ")]
    text = "\n".join([*imports, "def upgrade():", indent("\n".join(body), "    ")])
    return Script(name, ast.parse(text))


def codes_of(source: str, engine: Syntax) -> set[str]:
    before = script("before", block(DOCUMENT, "before"))
    found = lint([before], [script("new", source)], engine, BUILT_IN)
    codes = {each.hit.finding.code for each in found}
    # A code without an entry would have no advice.
    assert codes <= entries_of(BUILT_IN).keys()
    return codes


EXAMPLES = list(examples())


def test_each_code_has_examples() -> None:
    assert {code for code, _, _ in EXAMPLES} == LINT_CODES - set(OTHERS_BLOCKED.codes)


@pytest.mark.parametrize(
    ("code", "engine", "text"), EXAMPLES, ids=[f"{c}-{e}" for c, e, _ in EXAMPLES]
)
def test_the_bad_example_gives_the_code_and_the_good_one_does_not(
    code: str, engine: Syntax, text: str
) -> None:
    assert code in codes_of(block(text, "bad"), engine)
    assert code not in codes_of(block(text, "good"), engine)


def test_the_rule_of_the_document_is_one() -> None:
    [source] = re.findall(r"(?ms)^```python\n(from migrations_ops.+?)^```", DOCUMENT)
    made: dict[str, Any] = {}
    exec(source, made)
    before = script("before", block(DOCUMENT, "before"))
    found = lint([], [before, script("new", "op.create_table('reader')")], "sqlite", made["RULES"])
    assert [each.hit.finding.where for each in found] == ["reader"]
