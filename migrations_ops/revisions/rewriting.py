"""Writes another ``down_revision`` into the source of a revision script, and changes nothing else.

The positions come from Python's own parser; line ends, quotes, comments and the encoding stay.
"""

from __future__ import annotations

import ast
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from tokenize import detect_encoding
from typing import NamedTuple

from migrations_ops.revisions.errors import HistoryError
from migrations_ops.revisions.history import Revision
from migrations_ops.revisions.parser import parse

_NAME = "down_revision"
_LINE_END = re.compile(r"\r\n|\r|\n")
_LITERAL = re.compile(r"""(?P<prefix>[a-zA-Z]*)(?P<quote>\"{3}|'{3}|"|')""")


class _Edit(NamedTuple):
    start: int
    end: int
    text: str


def with_parents(source: bytes, revision: Revision, parents: Sequence[str]) -> bytes:
    """The source of a revision script, with other parents.

    The line ``Revises:`` of Alembic's template says the same afterwards, if it did before.

    :param revision: what the source declares now.
    :raises HistoryError: its down_revision is not written where it could be replaced.
    """
    encoding, _ = detect_encoding(iter(source.splitlines(keepends=True)).__next__)
    text = source.decode(encoding)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of invalid escapes, as when it is read
        tree = ast.parse(text)
    places = _Positions(text)
    value = _value_of(tree, _NAME)
    if value is None:
        raise _not_replaceable(revision, parents)
    edits = [*_edits_of_value(places, tree, value, parents)]
    if any("#" in text[each.start : each.end] for each in edits):  # a comment would be lost
        raise _not_replaceable(revision, parents)
    edits += _edits_of_docstring(places, tree, revision.down, parents)
    for edit in sorted(edits, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    try:
        changed = text.encode(encoding)
    except UnicodeEncodeError:
        raise _not_replaceable(revision, parents) from None
    found = parse(changed, revision.file, os.path.basename(revision.file))
    if found != revision._replace(down=tuple(parents)):
        raise _not_replaceable(revision, parents)
    return changed


class _Positions:
    """Turns the positions of a syntax tree, lines and UTF-8 bytes, into indexes of the text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts = [0, *(found.end() for found in _LINE_END.finditer(text))]

    def span(self, node: ast.expr) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return (
            self._index(node.lineno, node.col_offset),
            self._index(node.end_lineno, node.end_col_offset),
        )

    def _index(self, line: int, column: int) -> int:
        start = self._starts[line - 1]
        # No line is longer in characters than in bytes.
        before = self.text[start : start + column].encode()[:column]
        return start + len(before.decode())


def _value_of(tree: ast.Module, name: str) -> ast.expr | None:
    """The value of a name that the module sets once, and by itself."""
    found: list[ast.expr | None] = []
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                found.append(value)
            case ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value):
                found += [value] if target == name else []
            case ast.Assign(targets=targets) if any(
                isinstance(each, ast.Name) and each.id == name
                for target in targets
                for each in ast.walk(target)
            ):
                found.append(None)
    return found[0] if len(found) == 1 else None


def _edits_of_value(
    places: _Positions, tree: ast.Module, value: ast.expr, parents: Sequence[str]
) -> Iterator[_Edit]:
    """Only the elements that change, where as many are left; else the whole value."""
    elements = value.elts if isinstance(value, ast.Tuple | ast.List | ast.Set) else [value]
    if len(elements) == len(parents):
        texts = [each.value for each in elements if isinstance(each, ast.Constant)]
        if len(texts) == len(parents) and None not in texts:
            for element, before, parent in zip(elements, texts, parents, strict=True):
                if before != parent:
                    yield _Edit(*places.span(element), _like(places, element, parent))
            return
    model = next(iter(elements), value)
    if not (isinstance(model, ast.Constant) and isinstance(model.value, str)):
        model = _value_of(tree, "revision") or value
    written = [_like(places, model, each) for each in parents]
    text = written[0] if len(written) == 1 else f"({', '.join(written)})"
    yield _Edit(*places.span(value), text)


def _like(places: _Positions, model: ast.expr, name: str) -> str:
    """A text as a literal, in the quotes that another literal has."""
    start, end = places.span(model)
    found = _LITERAL.match(places.text[start:end])
    prefix, quote = (found["prefix"], found["quote"]) if found else ("", '"')
    return f"{prefix}{quote}{name}{quote}" if _is_plain(name) else repr(name)


def _is_plain(name: str) -> bool:
    return name.isprintable() and not set("\"'\\") & set(name)


def _edits_of_docstring(
    places: _Positions, tree: ast.Module, old: Sequence[str], new: Sequence[str]
) -> Iterator[_Edit]:
    match tree.body:
        case [ast.Expr(value=ast.Constant(value=str()) as docstring), *_]:
            start, end = places.span(docstring)
        case _:
            return
    if not all(map(_is_plain, (*old, *new))):
        return
    before = re.escape(", ".join(old))
    line = re.compile(rf"(?<=[\r\n])([ \t]*Revises:)([ \t]*){before}(?=[ \t]*[\r\n])")
    if found := line.search(places.text, start, end):
        text = f"{found[1]}{found[2] or ' '}{', '.join(new)}"
        # In a template without a parent, the blanks after the colon are at the end of the line.
        yield _Edit(found.start(), found.end(), text)


def _not_replaceable(revision: Revision, parents: Sequence[str]) -> HistoryError:
    names = [f'"{each}"' for each in parents]
    text = names[0] if len(names) == 1 else f"({', '.join(names)})"
    return HistoryError(
        f"down_revision of {revision.file} is not written in a way that can be changed safely.",
        next=f"Change it there by hand: {_NAME} = {text}; or, to merge: invoke revision --merge",
    )
