"""The hash of what a script does: its code, without comments, docstrings and layout.

Parent and child may run under different versions of Python, whose tokens and ``ast.dump`` differ;
so the tree is written here in a form that is independent of the version, without unused newer
fields.
"""

from __future__ import annotations

import ast
import hashlib
import warnings
from collections.abc import Iterator

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
# A script that reads its own docstrings does something with them.
_READS_DOCSTRINGS = (b"__doc__", b"getdoc")


def code_hash(source: bytes) -> str:
    """The SHA-256 of a script's code; empty where Python cannot parse it."""
    try:
        with warnings.catch_warnings():
            # Old scripts have many invalid escapes.
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
        keeps = any(word in source for word in _READS_DOCSTRINGS)
        text = "".join(_written(tree, keeps_docstrings=keeps))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _written(value: object, *, keeps_docstrings: bool) -> Iterator[str]:
    if isinstance(value, ast.Constant):
        # ascii(), since repr() goes by the Unicode of its version.
        yield f"({type(value.value).__name__} {value.value!a})"
    elif isinstance(value, ast.JoinedStr):
        yield "(JoinedStr"
        for part in _merged(value.values):
            yield from _written(part, keeps_docstrings=keeps_docstrings)
        yield ")"
    elif isinstance(value, ast.AST):
        yield f"({type(value).__name__}"
        for name, field in ast.iter_fields(value):
            if name in ("ctx", "type_comment", "type_ignores") or field is None or field == []:
                continue
            if name == "body" and isinstance(value, _DOCUMENTED) and not keeps_docstrings:
                field = _without_docstring(field)
            yield f" {name}="
            yield from _written(field, keeps_docstrings=keeps_docstrings)
        yield ")"
    elif isinstance(value, list):
        yield "["
        for each in value:
            yield from _written(each, keeps_docstrings=keeps_docstrings)
            yield ","
        yield "]"
    else:
        yield ascii(value)


def _merged(parts: list[ast.expr]) -> list[ast.expr]:
    """The parts of an f-string, with adjacent texts merged: versions split them differently, and
    some leave empty ones."""
    merged: list[ast.expr] = []
    for part in parts:
        if isinstance(part, ast.Constant):
            if not part.value:
                continue
            last = merged[-1] if merged else None
            if isinstance(last, ast.Constant):
                merged[-1] = ast.Constant(str(last.value) + str(part.value))
                continue
        merged.append(part)
    return merged


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    is_docstring = (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )
    # A body of nothing else is the same as one that passes.
    return (body[1:] or [ast.Pass()]) if is_docstring else body
