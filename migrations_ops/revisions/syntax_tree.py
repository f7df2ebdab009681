"""What the names of a module are bound to once it has run, as far as its syntax tree tells."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator

COMPUTED = object()

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_ANYTHING = frozenset({"globals", "locals", "vars", "exec"})


def module_values(tree: ast.Module, names: Collection[str]) -> dict[str, object]:
    """The value of each of the names that the module binds, COMPUTED where the tree cannot tell.

    :param tree: the parsed module.
    :param names: the names asked for.
    """
    values: dict[str, object] = {}
    plain: set[ast.expr] = set()
    for statement in tree.body:
        if isinstance(statement, ast.ImportFrom) and statement.names[0].name == "*":
            values = dict.fromkeys(names, COMPUTED)
        for target, value in _assignments(statement):
            if target.id in names:
                plain.add(target)
                if value is not None:
                    values[target.id] = _literal(value)
    for name in _otherwise_bound(tree, plain):
        if name in _ANYTHING:
            return dict.fromkeys(names, COMPUTED)
        if name in names:
            values[name] = COMPUTED
    return values


def _assignments(statement: ast.stmt) -> Iterator[tuple[ast.Name, ast.expr | None]]:
    """The names that a statement sets to one whole value; None for an annotation alone."""
    if isinstance(statement, ast.Assign):
        for target in statement.targets:
            if isinstance(target, ast.Name):
                yield target, statement.value
    elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        yield statement.target, statement.value


def _literal(value: ast.expr) -> object:
    try:
        literal: object = ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return COMPUTED
    return literal


def _otherwise_bound(tree: ast.Module, plain: Collection[ast.expr]) -> Iterator[str]:
    """Names that anything but a plain assignment binds in the module, and names that may bind any.

    Bodies of functions and classes have a scope of their own, which only ``global`` leaves.
    """
    todo: list[ast.AST] = [*tree.body]
    while todo:
        node = todo.pop()
        if isinstance(node, _FUNCTIONS):
            yield from _named(node)
            yield from _leaving(node)
            continue
        if isinstance(node, _COMPREHENSIONS):
            continue
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load):
                if node.id in _ANYTHING:
                    yield node.id
            elif node not in plain:
                yield node.id
        else:
            yield from _named(node)
        todo.extend(ast.iter_child_nodes(node))


def _named(node: ast.AST) -> Iterator[str]:
    """Names that a node binds without an ast.Name: def, class, import, except, match."""
    if isinstance(node, ast.alias):
        yield node.asname or node.name.partition(".")[0]
        return
    for field in ("name", "rest"):
        name = getattr(node, field, None)
        if isinstance(name, str):
            # A module's __getattr__ answers for every name that is missing.
            yield "globals" if name == "__getattr__" else name


def _leaving(scope: ast.AST) -> Iterator[str]:
    for node in ast.walk(scope):
        if isinstance(node, ast.Global):
            yield from node.names
        elif isinstance(node, ast.Name) and node.id == "globals":
            yield node.id
