"""What the expressions of a revision's source are, as far as they are written out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from textwrap import dedent

from migrations_ops.analysis.lint.actions import UNKNOWN

# What each name of the source is bound to.
Names = Mapping[str, ast.expr]
_DEPTH = 20
# Calls that give back the text that they get.
_WRAPPERS = ("text", "f", "dedent", "str", "DDL", "TextClause", "cleandoc", "quote", "sql_text")
_METHODS = ("strip", "lstrip", "rstrip", "bindparams", "execution_options", "columns")
_PERCENT = re.compile(r"%(?:\((\w+)\))?[-#0 +]?\d*[sdr]")
_BRACES = re.compile(r"\{(\w*)[^{}]*\}")


def bound(node: ast.expr | None, names: Names, depth: int = _DEPTH) -> ast.expr | None:
    """What a name leads to, over other names."""
    while isinstance(node, ast.Name) and node.id in names and depth:
        node, depth = names[node.id], depth - 1
    return node


def text_of(node: ast.expr | None, names: Names, depth: int = _DEPTH) -> str | None:
    """The text that an expression gives, with UNKNOWN for computed parts; None for no text."""
    if not depth:
        return None
    node = bound(node, names)
    match node:
        case ast.Constant(str(written)):
            return written
        case ast.JoinedStr(parts):
            return "".join(_part(part, names, depth) for part in parts)
        case ast.BinOp(left, ast.Add(), right):
            found = [text_of(each, names, depth - 1) for each in (left, right)]
            if found == [None, None]:
                return None
            return "".join(UNKNOWN if each is None else each for each in found)
        case ast.BinOp(left, ast.Mod(), right):
            text = text_of(left, names, depth - 1)
            return None if text is None else _formatted(text, right, names, depth)
        case ast.Call(ast.Attribute(of, "format"), arguments, keywords):
            text = text_of(of, names, depth - 1)
            return None if text is None else _braces(text, arguments, keywords, names, depth)
        case ast.Call(ast.Attribute(of, method)) if method in _METHODS:
            return text_of(of, names, depth - 1)
        case ast.Call(ast.Name(name) | ast.Attribute(_, name), [first, *_]) if name in _WRAPPERS:
            text = text_of(first, names, depth - 1)
            return dedent(text) if text is not None else None
    return None


def _part(part: ast.expr, names: Names, depth: int) -> str:
    value = part.value if isinstance(part, ast.FormattedValue) else part
    text = text_of(value, names, depth - 1) if isinstance(value, ast.expr) else None
    if text is None and isinstance(value, ast.expr):
        found = bound(value, names)
        if isinstance(found, ast.Constant):
            return str(found.value)
    return UNKNOWN if text is None else text


def _formatted(text: str, right: ast.expr, names: Names, depth: int) -> str:
    right = bound(right, names) or right
    given: list[ast.expr] = list(right.elts) if isinstance(right, ast.Tuple) else [right]
    by_name: dict[str, ast.expr] = {}
    if isinstance(right, ast.Dict):
        keys = ((text_of(key, names, depth - 1), value)
                for key, value in zip(right.keys, right.values, strict=True))  # fmt: skip
        by_name = {key: value for key, value in keys if key}

    def replaced(found: re.Match[str]) -> str:
        value = by_name.get(found[1]) if found[1] else (given.pop(0) if given else None)
        return UNKNOWN if value is None else _part(value, names, depth)

    return _PERCENT.sub(replaced, text).replace("%%", "%")


def _braces(
    text: str,
    arguments: Iterable[ast.expr],
    keywords: Iterable[ast.keyword],
    names: Names,
    depth: int,
) -> str:
    given = list(arguments)
    by_name = {each.arg: each.value for each in keywords if each.arg}

    def replaced(found: re.Match[str]) -> str:
        name = found[1]
        if name.isdigit():
            value = given[int(name)] if int(name) < len(given) else None
        else:
            value = by_name.get(name) if name else (given.pop(0) if given else None)
        return UNKNOWN if value is None else _part(value, names, depth)

    return _BRACES.sub(replaced, text)


def elements(node: ast.expr | None, names: Names) -> list[ast.expr] | None:
    """The elements of a list that is written out; None for anything else."""
    match bound(node, names):
        case ast.List(parts) | ast.Tuple(parts) | ast.Set(parts):
            starred = any(isinstance(part, ast.Starred) for part in parts)
            return None if starred else list(parts)
        case ast.BinOp(left, ast.Add(), right):
            first, second = elements(left, names), elements(right, names)
            return None if first is None or second is None else first + second
        case ast.Dict(keys, values):
            pairs = [ast.Tuple([key, value], ast.Load())
                     for key, value in zip(keys, values, strict=True) if key]  # fmt: skip
            return list[ast.expr](pairs)
        case ast.Call(ast.Attribute(of, "items" | "keys" | "values" as what), []):
            pairs_found = elements(of, names)
            if pairs_found is None or not isinstance(bound(of, names), ast.Dict):
                return None
            if what == "items":
                return pairs_found
            return [pair.elts[what == "values"] for pair in pairs_found
                    if isinstance(pair, ast.Tuple)]  # fmt: skip
    return None


def texts_of(node: ast.expr | None, names: Names) -> tuple[str, ...]:
    """The texts of a list, UNKNOWN for those that are computed, in lower case."""
    found = elements(node, names)
    if found is None:
        text = text_of(node, names)
        return () if text is None else (text.lower(),)
    return tuple((text_of(each, names) or UNKNOWN).lower() for each in found)


def is_true(node: ast.expr | None, names: Names) -> bool | None:
    """The truth of a constant; None for anything else."""
    found = bound(node, names)
    if isinstance(found, ast.Constant) and isinstance(found.value, bool):
        return found.value
    return None


def is_none(node: ast.expr | None, names: Names) -> bool:
    found = bound(node, names)
    return isinstance(found, ast.Constant) and found.value is None


def last_name(node: ast.AST | None) -> str:
    """``b`` of ``a.b``."""
    match node:
        case ast.Attribute(_, name) | ast.Name(name):
            return name
    return ""
