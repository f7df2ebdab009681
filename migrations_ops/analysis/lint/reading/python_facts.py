"""What the code of a revision does besides its operations: models, connections, lost errors."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

from migrations_ops.analysis.lint.reading.values import Names, bound, last_name

# Errors of a database, and those that contain them.
_ERRORS = frozenset({
    "", "Exception", "BaseException", "SQLAlchemyError", "DBAPIError", "OperationalError",
    "ProgrammingError", "IntegrityError", "DatabaseError", "InternalError", "Error",
    "StatementError", "NoSuchTableError", "CompileError", "NotSupportedError",
})  # fmt: skip
_SAVEPOINTS = ("begin_nested", "savepoint")
# What is read from an engine without a connection of it.
_READ_ONLY = ("name", "dialect", "url", "driver", "echo")
_LIBRARIES = frozenset({"alembic", "sqlalchemy"}) | sys.stdlib_module_names
_QUERIES = ("query", "select", "insert", "update", "delete", "aliased", "bulk_insert_mappings",
            "bulk_save_objects", "bulk_update_mappings")  # fmt: skip


def swallowing_handlers(node: ast.Try) -> Iterator[tuple[str, int]]:
    """The handlers after which the upgrade goes on as if nothing had failed: what they catch, and
    the line."""
    if any(last_name(each.func) in _SAVEPOINTS for part in node.body for each in ast.walk(part)
           if isinstance(each, ast.Call)):  # fmt: skip
        return
    for handler in node.handlers:
        caught = handler.type
        parts = caught.elts if isinstance(caught, ast.Tuple) else [caught]
        names = [last_name(each) for each in parts]
        leaves = any(
            isinstance(each, ast.Raise) for part in handler.body for each in ast.walk(part)
        )
        if not leaves and _ERRORS.intersection(names):
            yield ", ".join(filter(None, names)) or "everything", handler.lineno


def opened_connections(function: ast.FunctionDef, names: Names) -> Iterator[tuple[str, int]]:
    """Where a function gets a connection of its own: by what, and the line."""
    local = dict(names) | {
        target.id: node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    read_only = {
        node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute) and node.attr in _READ_ONLY
    }
    only_read = _only_read(function, read_only)
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and last_name(node.func) in (
            "create_engine",
            "engine_from_config",
        ):
            yield last_name(node.func), node.lineno
        elif isinstance(node, ast.Attribute) and node.attr == "engine" and node not in only_read:
            of = bound(node.value, local)
            if isinstance(of, ast.Call) and last_name(of.func) in ("get_bind", "connection"):
                yield "op.get_bind().engine", node.lineno


def _only_read(function: ast.FunctionDef, read_only: set[ast.expr]) -> set[ast.expr]:
    """The expressions of which only a name or the like is read, also over a variable."""
    found = set(read_only)
    for node in ast.walk(function):
        match node:
            case ast.Assign([ast.Name(name)], value):
                used = [
                    each for each in ast.walk(function)
                    if isinstance(each, ast.Name) and each.id == name
                    and isinstance(each.ctx, ast.Load)
                ]  # fmt: skip
                if used and all(each in read_only for each in used):
                    found.add(value)
    return found


def used_models(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The models of the application that a revision imports and works with: the name, the line."""
    imported: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            top = (node.module or "").partition(".")[0]
            if node.level or top not in _LIBRARIES:
                imported |= {each.asname or each.name: node.lineno for each in node.names}
        elif isinstance(node, ast.Import):
            imported |= {
                each.asname or each.name.partition(".")[0]: node.lineno
                for each in node.names
                if each.name.partition(".")[0] not in _LIBRARIES
            }
    functions = [each for each in tree.body
                 if isinstance(each, ast.FunctionDef) and "downgrade" not in each.name]  # fmt: skip
    found = {name for each in functions for name in _worked_with(each) if name in imported}
    yield from ((name, imported[name]) for name in sorted(found))


def _worked_with(function: ast.FunctionDef) -> Iterator[str]:
    """The names, first of a dotted one, that a function uses as a model."""
    for node in ast.walk(function):
        if isinstance(node, ast.Attribute) and node.attr in (
            "__table__",
            "__tablename__",
            "metadata",
        ):
            yield _first_name(node.value)
        elif isinstance(node, ast.Call) and last_name(node.func) in _QUERIES:
            for each in node.args:
                yield _first_name(each)


def _first_name(node: ast.AST) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
