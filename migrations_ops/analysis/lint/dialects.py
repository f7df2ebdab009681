"""Which branch of an ``if`` a database of one engine takes, as far as its condition shows."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from migrations_ops.analysis.lint.values import Names, bound, elements, last_name, text_of

# The names of SQLAlchemy's dialects, by the syntax of the engine.
_DIALECTS = {
    "sqlite": frozenset({"sqlite"}),
    "postgresql": frozenset({"postgresql", "postgres", "psycopg", "psycopg2", "asyncpg"}),
    "mariadb": frozenset({"mysql", "mariadb"}),
}
_KNOWN = frozenset[str]().union(*_DIALECTS.values()) | {"mssql", "oracle", "cockroachdb"}
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
    return None


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
