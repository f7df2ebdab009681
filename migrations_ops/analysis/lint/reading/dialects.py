"""Which branch of an ``if`` a database of one engine takes, as far as its condition shows."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from migrations_ops.analysis.lint.reading.values import Names, bound, elements, last_name, text_of

# The names of SQLAlchemy's dialects, by the syntax of the engine.
_DIALECTS = {
    "sqlite": frozenset({"sqlite"}),
    "postgresql": frozenset({"postgresql", "postgres", "psycopg", "psycopg2", "asyncpg"}),
    "mariadb": frozenset({"mysql", "mariadb"}),
}
_KNOWN = frozenset[str]().union(*_DIALECTS.values()) | {"mssql", "oracle", "cockroachdb"}
_WORDS = {
    "sqlite": re.compile("sqlite"),
    "postgresql": re.compile(r"postgres|\bpg|pgdialect|psycopg"),
    "mariadb": re.compile("mysql|mariadb"),
}
_QUESTION = re.compile(r"_?is_(sqlite|mysql|mariadb|postgres\w*|pg)")
_SKIPPING = re.compile(r"skip_(?:if|on|for)_(sqlite|mysql|mariadb|postgres\w*)")
Functions = Mapping[str, ast.FunctionDef]


def decide(
    test: ast.expr, names: Names, functions: Functions, engine: str, depth: int = 10
) -> bool | None:
    """Whether a condition is met on this engine; None where it is about something else."""
    node = bound(test, names)
    if not depth:
        return None
    match node:
        case ast.Constant(bool(constant)):
            return constant
        case ast.UnaryOp(ast.Not(), operand):
            found = decide(operand, names, functions, engine, depth - 1)
            return None if found is None else not found
        case ast.BoolOp(operator, values):
            answers = {decide(each, names, functions, engine, depth - 1) for each in values}
            decisive = isinstance(operator, ast.Or)
            if decisive in answers:
                return decisive
            return None if None in answers else not decisive
        case ast.Compare(left, [operator], [right]):
            return _compared(left, operator, right, names, engine)
        case ast.Call(ast.Attribute(_, "is_offline_mode") | ast.Name("is_offline_mode"), []):
            return False
        case ast.Call(ast.Name(name)) if name in functions:
            match functions[name].body[-1]:
                case ast.Return(ast.expr() as value):
                    local = dict(names) | _assigned(functions[name])
                    return decide(value, local, functions, engine, depth - 1)
        case ast.Call(ast.Name("isinstance"), [_, kind]) if "ialect" in ast.unparse(node):
            return _is_named(ast.unparse(kind), engine)
        case ast.Call(ast.Attribute(of, "startswith"), [prefix]) if _is_dialect(of, names):
            return _is_named(text_of(prefix, names) or "", engine)
        case ast.Call(function) if asked := _QUESTION.fullmatch(last_name(function)):
            return _is_named(asked[1], engine)
        case ast.Name(name) if asked := _QUESTION.fullmatch(name):
            return _is_named(asked[1], engine)
    return None


def skips(function: ast.FunctionDef, engine: str) -> bool:
    """Whether a decorator leaves a function out on this engine: ``@skip_if_sqlite``."""
    names = (last_name(getattr(each, "func", each)) for each in function.decorator_list)
    questions = (_SKIPPING.fullmatch(name) for name in names)
    return any(_is_named(found[1], engine) for found in questions if found)


def _is_named(text: str, engine: str) -> bool | None:
    """Whether a text names this engine; None where it names none."""
    named = {each for each, words in _WORDS.items() if words.search(text.lower())}
    return engine in named if named else None


def _assigned(function: ast.FunctionDef) -> dict[str, ast.expr]:
    return {
        target.id: each.value
        for each in function.body
        if isinstance(each, ast.Assign)
        for target in each.targets
        if isinstance(target, ast.Name)
    }


def _compared(
    left: ast.expr, operator: ast.cmpop, right: ast.expr, names: Names, engine: str
) -> bool | None:
    word = text_of(left, names)
    if word is not None and isinstance(operator, ast.In | ast.NotIn):
        # "mysql" in inspector.dialect.dialect_description
        is_it = _is_named(word, engine) if "dialect" in ast.unparse(right) else None
        return None if is_it is None else is_it is isinstance(operator, ast.In)
    if _is_dialect(right, names) and isinstance(operator, ast.Eq | ast.NotEq):
        left, right = right, left
    if not _is_dialect(left, names):
        return None
    if isinstance(operator, ast.In | ast.NotIn):
        parts = elements(right, names)
        texts = None if parts is None else [text_of(each, names) for each in parts]
    else:
        texts = [text_of(right, names)]
    if texts is None or not all(text in _KNOWN for text in texts):
        return None
    is_it = bool(_DIALECTS[engine].intersection(text for text in texts if text))
    return is_it is isinstance(operator, ast.Eq | ast.In)


def _is_dialect(node: ast.expr, names: Names) -> bool:
    """Whether an expression is the name of the dialect: ``op.get_bind().dialect.name``."""
    found = bound(node, names)
    if isinstance(found, ast.Call) and isinstance(found.func, ast.Attribute):
        if found.func.attr not in ("lower", "get_dialect_name"):
            return False
        found = found.func.value
    if isinstance(found, ast.Attribute) and found.attr in ("name", "dialect_name"):
        return True
    return "dialect" in last_name(found).lower() or "dialect" in last_name(node).lower()
