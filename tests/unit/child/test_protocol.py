"""Parent and child mean the same: what one writes the other reads, and nothing leads nowhere."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

import migrations_ops
from migrations_ops.child.protocol import VERSION, ProtocolError
from migrations_ops.child.protocol.events import Event, Failed, Ready, decode, encode
from migrations_ops.child.protocol.instructions import Instructions

PACKAGE = Path(migrations_ops.__file__).parent
CHILD = PACKAGE / "child"
KINDS: tuple[Any, ...] = get_args(Event)
FIELDS = [each.name for each in fields(Instructions)]

numbers = st.floats(allow_nan=False)
facts = st.none() | st.dictionaries(st.text(), st.none() | st.text() | st.integers())


def events_of(kind: Any) -> st.SearchStrategy[Event]:
    return st.builds(kind, **{"seconds": numbers} if "seconds" in kind._fields else {})


@given(st.one_of([events_of(each) for each in KINDS]))
def test_an_event_is_read_as_it_was_written(event: Event) -> None:
    read = decode(encode(event))
    assert (type(read), read) == (type(event), event)


@given(
    st.builds(
        Instructions,
        redirect=facts,
        ledger_entry=facts,
        lock_timeout=st.none() | numbers,
        statement_timeout=st.none() | numbers,
        step_wait=numbers,
    )
)
def test_instructions_are_read_as_they_were_written(instructions: Instructions) -> None:
    assert Instructions.from_json(instructions.to_json()) == instructions


@pytest.mark.parametrize("version", [VERSION + 1, None])
def test_instructions_of_another_version_are_refused_by_name(version: int | None) -> None:
    line = json.dumps({"version": version, "environment": "dev", "unheard_of": 1})
    with pytest.raises(ProtocolError, match=rf"version {VERSION} .* version {version}"):
        Instructions.from_json(line)


@pytest.mark.parametrize("line", ['{"event": "Unheard", "x": 1}', '{"event": "Ready", "x": 1}'])
def test_an_event_that_this_version_does_not_know_is_named(line: str) -> None:
    failed = decode(line.encode())
    assert isinstance(failed, Failed)
    assert re.search(r"reported (Unheard|Ready)\(x\), which", failed.sentence)


def test_a_line_that_was_cut_short_is_no_event() -> None:
    line = encode(Ready())
    assert [decode(line[:end]) for end in range(len(line) - 2)] == [None] * (len(line) - 2)


def test_each_event_has_a_sender_in_the_child_and_a_reader_in_the_parent() -> None:
    sent = {
        node.func.id
        for node in nodes(sources(CHILD, without=CHILD / "protocol"))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    read = {
        node.id
        for node in nodes(sources(PACKAGE, without=CHILD))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    names = {each.__name__ for each in KINDS}
    assert (names - sent, names - read) == (set(), set())


def test_each_instruction_is_set_by_the_parent_and_read_by_the_child() -> None:
    [call] = (
        node
        for node in nodes([PACKAGE / "steps/instructions.py"])
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Instructions"
    )
    read = {
        node.attr
        for node in nodes(sources(CHILD, without=CHILD / "protocol"))
        if isinstance(node, ast.Attribute)
        and ast.unparse(node.value) in ("instructions", "self._instructions")
    }
    inside = {
        node.attr
        for node in nodes([CHILD / "protocol/instructions.py"])
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self"
    }
    assert {each.arg for each in call.keywords} == set(FIELDS)
    assert set(FIELDS) - read - inside == set()


def sources(folder: Path, *, without: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*.py") if not file.is_relative_to(without))


def nodes(files: Iterable[Path]) -> Iterator[ast.AST]:
    for file in files:
        yield from ast.walk(ast.parse(file.read_bytes()))
